/* SPDX-License-Identifier: GPL-2.0-only */
#include "left.h"

#include <string.h>

static const char *const names[LEFT_COUNT] = {
	[LEFT_NOTHING] = "nothing", [LEFT_PREFIX] = "prefix", [LEFT_ALL] = "all",
	[LEFT_OTHER] = "other",	    [LEFT_SAME] = "same",
};

const char *left_name(enum left left)
{
	return names[left];
}

void left_begin(struct leftover *l, const struct rope *before, const struct rope *after,
		uint64_t size, uint64_t block, uint32_t tag)
{
	*l = (struct leftover){
		.before = before,
		.after = after,
		.tag = tag,
		.block = block,
		.size = size,
		.all_before = true,
		.all_after = true,
		.old_start = UINT64_MAX,
		.wrong = UINT64_MAX,
	};
}

/* What a rope has at [off, off + len): zeroes beyond its end. */
static void fill(const struct rope *r, uint64_t off, uint8_t *buf, size_t len, uint32_t tag)
{
	const uint64_t there = off < r->size ? r->size - off : 0;
	const size_t part = there < len ? (size_t)there : len;

	if (part)
		rope_fill(r, off, buf, part, tag);
	memset(buf + part, 0, len - part);
}

/* One block: is it as before, is it as after? */
static void note(struct leftover *l, uint64_t off, size_t len, bool before, bool after)
{
	l->all_before &= before;
	l->all_after &= after;
	if (after && !before)
		l->new_end = off + len;
	if (before && !after && l->old_start == UINT64_MAX)
		l->old_start = off;
	if (l->wrong != UINT64_MAX)
		return;
	l->garbage = !before && !after;
	/* Nothing new comes after what is old. */
	if (l->garbage || l->new_end > l->old_start)
		l->wrong = off;
}

void left_feed(struct leftover *l, const void *bytes, size_t len, void *scratch)
{
	const uint8_t *now = bytes;
	uint8_t *wanted = scratch;
	size_t done = 0;

	while (done < len) {
		const size_t part = len - done < l->block ? len - done : (size_t)l->block;
		const uint64_t off = l->at + done;
		bool before, after;

		fill(l->after, off, wanted, part, l->tag);
		after = !memcmp(now + done, wanted, part);
		fill(l->before, off, wanted, part, l->tag);
		before = !memcmp(now + done, wanted, part);
		note(l, off, part, before, after);
		done += part;
	}
	l->at += len;
}

enum left left_end(struct leftover *l)
{
	const bool before = l->all_before && l->size == l->before->size;
	const bool after = l->all_after && l->size == l->after->size;
	const uint64_t last = l->old_start < l->size ? l->old_start : l->size;

	if (before && after)
		return LEFT_SAME;
	if (before)
		return LEFT_NOTHING;
	if (after)
		return LEFT_ALL;
	if (l->wrong != UINT64_MAX || l->at != l->size)
		return LEFT_OTHER;
	/* A file that has grown ends where the prefix does, which may lie in what is equal anyway.
	 */
	if (l->size == l->before->size) {
		l->prefix = l->new_end;
		return LEFT_PREFIX;
	}
	l->wrong = l->size;
	if (l->size < l->before->size || l->size > last || l->size > l->after->size)
		return LEFT_OTHER;
	l->prefix = l->size;
	return LEFT_PREFIX;
}
