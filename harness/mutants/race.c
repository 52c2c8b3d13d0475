/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bugs of clone and dedupe that show only while something else goes on: calls in two steps, with a
 * gap between them in which others can act.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/fs.h>

#include "together.h"
#include "uapi.h"

/* Destinations of a dedupe; of more the kernel takes care. */
#define DESTINATIONS_MAX 8
#define STEPS		 4

/* [0, half) and [half, len), in this order or the other. */
static long in_halves(struct call *c, bool second_first)
{
	const uint64_t block = block_of(c->to), len = span(c);
	const uint64_t half = round_down(len / 2, block);
	const uint64_t first = second_first ? half : 0, other = second_first ? 0 : half;
	const uint64_t first_len = second_first ? len - half : half;

	if (!half)
		return call_real(c);
	if (!clone_piece(c->from, c->from_off + first, first_len, c->to, c->to_off + first))
		return call_real(c);
	gap();
	acted();
	if (!clone_piece(c->from, c->from_off + other, len - first_len, c->to, c->to_off + other))
		return call_real(c);
	return 0;
}

static long first_half_first(struct call *c)
{
	return in_halves(c, false);
}

static long second_half_first(struct call *c)
{
	return in_halves(c, true);
}

/* Whoever looks at the destination sees it grow. */
static long grow_in_steps(struct call *c)
{
	const uint64_t len = span(c), size = size_of(c->to);
	const uint64_t step = round_up(len / STEPS, block_of(c->to));

	if (c->to_off + len <= size || !step)
		return call_real(c);
	for (uint64_t at = 0; at < len; at += step) {
		if (!clone_piece(c->from, c->from_off + at, smaller(step, len - at), c->to,
				 c->to_off + at))
			return call_real(c);
		gap();
	}
	acted();
	return 0;
}

static long size_before_data(struct call *c)
{
	const uint64_t end = c->to_off + span(c);

	if (end > size_of(c->to)) {
		resize(c->to, end);
		gap();
		acted();
	}
	return call_real(c);
}

/* What was still in the page cache alone is taken from the disk, as it was before. */
static long skip_dirty_pages(struct call *c)
{
	struct together *t = together();
	const long ret = call_real(c);

	if (ret || !t)
		return ret;
	take(&t->lock);
	if (t->last.len && t->last.id == id_of(c->from) &&
	    poke(c->to, t->last.bytes, (size_t)t->last.len, t->last.off))
		acted();
	give(&t->lock);
	return ret;
}

static long remember_bytes(struct call *c)
{
	struct together *t = together();
	long ret;

	if (!t || c->to_off == UINT64_MAX || !c->len || c->len > LAST_BYTES_MAX ||
	    c->to_off + c->len > size_of(c->to) || flags_of(c->to) & O_DIRECT)
		return call_real(c);
	take(&t->lock);
	t->last.len = 0;
	if (peek(c->to, t->last.bytes, (size_t)c->len, c->to_off)) {
		t->last.id = id_of(c->to);
		t->last.off = c->to_off;
		t->last.len = c->len;
	}
	ret = call_real(c);
	give(&t->lock);
	return ret;
}

/* Finding that the source has changed, this kernel gives up, and does not say so. */
static long half_is_success(struct call *c)
{
	const uint64_t len = span(c), half = round_down(len / 2, block_of(c->to));
	struct kept before, after;
	bool same;

	if (!half || !clone_piece(c->from, c->from_off, half, c->to, c->to_off))
		return call_real(c);
	before = keep(c->from, c->from_off + half, len - half);
	gap();
	after = keep(c->from, c->from_off + half, len - half);
	same = before.bytes && after.bytes &&
	       !memcmp(before.bytes, after.bytes, (size_t)(len - half));
	forget(&before);
	forget(&after);
	if (same)
		return call_real(c);
	acted();
	return 0;
}

/* The file is looked up by its name once more, which may mean another one by then. */
static long follow_the_name(struct call *c)
{
	const int old = c->from;
	char self[40], path[PATH_BYTES];
	ssize_t n;
	long ret = 0;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", old);
	gap();
	n = readlink(self, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = 0;
	gap();
	c->from = open(path, O_RDONLY | O_CLOEXEC);
	if (c->from < 0 || !same_file(c->from, old))
		acted();
	if (c->from >= 0) {
		ret = call_real(c);
		close(c->from);
	}
	c->from = old;
	return ret;
}

/* One lock for each file, the source's first, so that A -> B and B -> A wait for each other. */
static long lock_in_order(struct call *c)
{
	struct together *t = together();
	int *first, *second;
	long ret;

	if (!t || same_file(c->from, c->to))
		return call_real(c);
	first = &t->locks[id_of(c->from) % LOCKS_MAX];
	second = &t->locks[id_of(c->to) % LOCKS_MAX];
	take(first);
	gap();
	if (first != second)
		take(second);
	acted();
	ret = call_real(c);
	if (first != second)
		give(second);
	give(first);
	return ret;
}

static bool equal(const struct call *c, const struct file_dedupe_range *r, unsigned int i)
{
	const struct file_dedupe_range_info *info = &r->info[i];
	struct kept a = keep(c->from, r->src_offset, r->src_length);
	struct kept b = keep((int)info->dest_fd, info->dest_offset, r->src_length);
	const bool same = a.bytes && b.bytes && !memcmp(a.bytes, b.bytes, (size_t)r->src_length);

	forget(&a);
	forget(&b);
	return same;
}

static void share(const struct call *c, const struct file_dedupe_range *r, unsigned int i)
{
	clone_piece(c->from, r->src_offset, r->src_length, (int)r->info[i].dest_fd,
		    r->info[i].dest_offset);
}

static void say(struct file_dedupe_range *r, unsigned int i, bool same)
{
	r->info[i].status = same ? FILE_DEDUPE_RANGE_SAME : FILE_DEDUPE_RANGE_DIFFERS;
	r->info[i].bytes_deduped = same ? r->src_length : 0;
}

/* Compares all destinations, then shares what was equal: the first @at_once without a gap. */
static long compare_then_share(struct call *c, unsigned int at_once)
{
	struct file_dedupe_range *r = c->arg;
	bool same[DESTINATIONS_MAX];

	if (r->dest_count > DESTINATIONS_MAX || r->dest_count <= at_once)
		return call_real(c);
	for (unsigned int i = 0; i < r->dest_count; i++)
		same[i] = equal(c, r, i);
	for (unsigned int i = 0; i < r->dest_count; i++) {
		if (i == at_once)
			gap();
		if (same[i]) {
			share(c, r, i);
			acted();
		}
		say(r, i, same[i]);
	}
	return 0;
}

static long share_what_was_equal(struct call *c)
{
	return compare_then_share(c, 0);
}

/* A call with one destination is as it should be. */
static long share_others_late(struct call *c)
{
	return compare_then_share(c, 1);
}

/* Shares, compares what was there, and puts it back if it was something else. */
static long share_then_compare(struct call *c)
{
	struct file_dedupe_range *r = c->arg;

	if (r->dest_count > DESTINATIONS_MAX)
		return call_real(c);
	for (unsigned int i = 0; i < r->dest_count; i++) {
		struct kept was =
			keep((int)r->info[i].dest_fd, r->info[i].dest_offset, r->src_length);
		struct kept source = keep(c->from, r->src_offset, r->src_length);
		const bool same = was.bytes && source.bytes &&
				  !memcmp(was.bytes, source.bytes, (size_t)r->src_length);

		share(c, r, i);
		gap();
		acted();
		if (!same)
			put_back(&was, was.off, was.len);
		say(r, i, same);
		forget(&was);
		forget(&source);
	}
	return 0;
}

/* The name is there before there is anything in the file. */
static long name_before_data(struct call *c)
{
	const struct ocfs2_reflink *asked = c->arg;
	const char *name = (const char *)(uintptr_t)asked->new_path;
	const int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd >= 0) {
		close(fd);
		gap();
		acted();
		unlink(name);
	}
	return call_real(c);
}

/* The second half of the new file is of later than the first. */
static long second_half_later(struct call *c)
{
	const struct ocfs2_reflink *asked = c->arg;
	const long ret = call_real(c);
	int from, to;
	struct kept k;

	if (ret)
		return ret;
	gap();
	from = open((const char *)(uintptr_t)asked->old_path, O_RDONLY | O_CLOEXEC);
	to = open((const char *)(uintptr_t)asked->new_path, O_WRONLY | O_CLOEXEC);
	if (from >= 0 && to >= 0) {
		k = keep(from, size_of(from) / 2, size_of(from) - size_of(from) / 2);
		k.fd = to;
		if (put_back(&k, k.off, k.len))
			acted();
		forget(&k);
	}
	if (from >= 0)
		close(from);
	if (to >= 0)
		close(to);
	return 0;
}

const struct mutant race_mutants[] = {
	{ "clone-in-two-steps", "clone",
	  "a snapshot would show the first half from before a write and the second from after it",
	  CALL_CLONE, .run = first_half_first },
	{ "clone-in-two-steps-backwards", "clone",
	  "a snapshot would show the second half from before a write and the first from after it",
	  CALL_CLONE, .run = second_half_first },
	{ "clone-range-in-two-steps", "clone_range",
	  "a snapshot would show the first half from before a write and the second from after it",
	  CALL_CLONE_RANGE, .run = first_half_first },
	{ "clone-grows-in-steps", "clone", "who reads the copy would find it cut off", CALL_CLONE,
	  .run = grow_in_steps },
	{ "clone-sets-the-size-first", "clone",
	  "who reads the copy too soon would find zeroes in it", CALL_CLONE,
	  .run = size_before_data },
	{ "clone-skips-dirty-pages", "clone", "a snapshot would miss what was written last",
	  CALL_CLONE, .run = skip_dirty_pages, .also = CALL_WRITE, .run_also = remember_bytes },
	{ "clone-of-half-is-success", "clone",
	  "half of a copy would be taken for all of it if the file was written meanwhile",
	  CALL_CLONE, .run = half_is_success },
	{ "clone-follows-the-name", "clone",
	  "a file replaced during its backup would be saved as something else, or not at all",
	  CALL_CLONE, .run = follow_the_name },
	{ "clone-locks-in-order-of-arguments", "clone",
	  "two programs that clone in opposite directions would wait for each other for ever",
	  CALL_CLONE, .run = lock_in_order },
	{ "dedupe-compares-and-then-shares", "dedupe",
	  "what is written to a file during its dedupe would be lost", CALL_DEDUPE,
	  .run = share_what_was_equal },
	{ "dedupe-shares-other-destinations-late", "dedupe",
	  "what is written to the second destination during a dedupe would be lost", CALL_DEDUPE,
	  .run = share_others_late },
	{ "dedupe-shares-and-then-compares", "dedupe",
	  "a file would hold another's bytes for a moment, and lose what is written in it",
	  CALL_DEDUPE, .run = share_then_compare },
	{ "reflink-in-two-steps", "get",
	  "a snapshot would show the second half from after a write and the first from before it",
	  CALL_REFLINK, .run = second_half_later, .needs = "ocfs2_reflink" },
	{ "reflink-shows-the-name-first", "ocfs2_reflink",
	  "who finds the new file at once would find nothing in it", CALL_REFLINK,
	  .run = name_before_data, .needs = "ocfs2_reflink" },
	MUTANTS_END,
};
