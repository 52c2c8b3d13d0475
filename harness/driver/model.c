/* SPDX-License-Identifier: GPL-2.0-only */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stamp.h"

static uint64_t min64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t round_down(const struct model *m, uint64_t x)
{
	return x - x % m->block;
}

/* Saturates: nothing in a file lies beyond. */
static uint64_t round_up(const struct model *m, uint64_t x)
{
	const uint64_t rest = x % m->block;

	return !rest ? x : x > UINT64_MAX - m->block ? UINT64_MAX : x - rest + m->block;
}

/* The seg's bytes from @skip on, @len of them. */
static struct seg cut(const struct seg *s, uint64_t skip, uint64_t len)
{
	struct seg part = *s;

	part.len = len;
	if (s->pattern != PATTERN_ZERO && s->pattern != PATTERN_ANY)
		part.off += skip;
	if (s->origin != ORIGIN_HOLE)
		part.origin_off += skip;
	return part;
}

static bool continues(const struct seg *a, const struct seg *b)
{
	const struct seg next = cut(a, a->len, b->len);

	return next.pattern == b->pattern && next.off == b->off && next.origin == b->origin &&
	       next.origin_off == b->origin_off && next.kind == b->kind;
}

static void push(struct rope *r, const struct seg *s)
{
	const uint64_t at = r->size;

	if (!s->len)
		return;
	r->size += s->len;
	if (r->count && continues(&r->seg[r->count - 1], s)) {
		r->seg[r->count - 1].len += s->len;
		return;
	}
	if (r->count == r->room) {
		const size_t room = r->room ? 2 * r->room : 8;
		struct seg *grown = realloc(r->seg, room * sizeof(*grown));

		if (!grown) {
			fputs("cowbell: out of memory\n", stderr);
			abort();
		}
		r->seg = grown;
		r->room = room;
	}
	r->seg[r->count] = *s;
	r->seg[r->count++].at = at;
}

static void push_hole(struct rope *r, uint64_t len)
{
	const struct seg hole = { .len = len };

	push(r, &hole);
}

/* The number of the segment that byte @off lies in, by bisection; the count if there is none. */
static size_t find(const struct rope *r, uint64_t off)
{
	size_t low = 0, high = r->count;

	while (low < high) {
		const size_t mid = low + (high - low) / 2;

		if (r->seg[mid].at + r->seg[mid].len <= off)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Append the bytes [off, off + len) of @from; the range must lie within. */
static void push_range(struct rope *r, const struct rope *from, uint64_t off, uint64_t len)
{
	for (size_t i = find(from, off); i < from->count && len; i++) {
		const struct seg *s = &from->seg[i];
		const uint64_t skip = off - s->at;
		struct seg part = cut(s, skip, min64(len, s->len - skip));

		push(r, &part);
		off += part.len;
		len -= part.len;
	}
}

void model_init(struct model *m, uint64_t block)
{
	*m = (struct model){ .block = block, .next_origin = ORIGIN_HOLE + 1 };
}

void model_free(struct model *m)
{
	free(m->origin_bytes);
	m->origin_bytes = NULL;
}

void rope_free(struct rope *r)
{
	free(r->seg);
	*r = (struct rope){ 0 };
}

void rope_copy(struct rope *to, const struct rope *from)
{
	rope_free(to);
	push_range(to, from, 0, from->size);
}

struct seg rope_at(const struct rope *r, uint64_t off)
{
	const size_t i = find(r, off);
	const uint64_t skip = i < r->count ? off - r->seg[i].at : 0;

	return i < r->count ? cut(&r->seg[i], skip, r->seg[i].len - skip) : (struct seg){ 0 };
}

struct rope rope_slice(const struct rope *r, uint64_t off, uint64_t len)
{
	const uint64_t inside = off < r->size ? min64(len, r->size - off) : 0;
	struct rope part = { 0 };

	push_range(&part, r, off, inside);
	push_hole(&part, len - inside);
	return part;
}

void rope_replace(struct rope *r, uint64_t off, const struct rope *with)
{
	struct rope next = { 0 };
	const uint64_t end = off + with->size;

	if (!with->size)
		return;
	push_range(&next, r, 0, min64(off, r->size));
	if (off > r->size)
		push_hole(&next, off - r->size);
	push_range(&next, with, 0, with->size);
	if (end < r->size)
		push_range(&next, r, end, r->size - end);
	rope_free(r);
	*r = next;
}

/* Do @len bytes of two segments agree? Zeroes and stamps have no byte in common. */
static bool same_bytes(const struct seg *a, const struct seg *b, uint64_t len, uint32_t tag)
{
	if (a->pattern == b->pattern && a->off == b->off)
		return true;
	for (uint64_t at = 0; at < len; at += STAMP_SIZE) {
		const size_t part = (size_t)min64(len - at, STAMP_SIZE);
		uint8_t x[STAMP_SIZE], y[STAMP_SIZE];

		stamp_fill(x, part, a->pattern, a->off + at, tag);
		stamp_fill(y, part, b->pattern, b->off + at, tag);
		if (memcmp(x, y, part) != 0)
			return false;
	}
	return true;
}

enum bytes rope_compare(const struct rope *a, uint64_t a_off, const struct rope *b, uint64_t b_off,
			uint64_t len, uint32_t tag)
{
	enum bytes answer = BYTES_EQUAL;

	while (len) {
		const struct seg x = rope_at(a, a_off), y = rope_at(b, b_off);
		const uint64_t part = min64(len, min64(x.len, y.len));

		if (!part)
			return BYTES_DIFFER;
		if (x.pattern == PATTERN_ANY || y.pattern == PATTERN_ANY)
			answer = BYTES_UNKNOWN;
		else if (!same_bytes(&x, &y, part, tag))
			return BYTES_DIFFER;
		a_off += part;
		b_off += part;
		len -= part;
	}
	return answer;
}

void rope_fill(const struct rope *r, uint64_t off, void *buf, size_t len, uint32_t tag)
{
	uint8_t *to = buf;

	while (len) {
		const struct seg s = rope_at(r, off);
		const size_t part = (size_t)min64(len, s.len ? s.len : len);

		stamp_fill(to, part, s.pattern == PATTERN_ANY ? 0 : s.pattern, s.off, tag);
		to += part;
		off += part;
		len -= part;
	}
}

/* A new origin of @bytes, a multiple of the block. */
static uint32_t origin_new(struct model *m, uint64_t bytes)
{
	if (m->next_origin >= m->origin_room) {
		m->origin_room = m->origin_room ? 2 * m->origin_room : 64;
		m->origin_bytes =
			realloc(m->origin_bytes, m->origin_room * sizeof(*m->origin_bytes));
		if (!m->origin_bytes) {
			fputs("cowbell: out of memory\n", stderr);
			abort();
		}
	}
	m->origin_bytes[m->next_origin] = bytes;
	return m->next_origin++;
}

/* Set where the blocks of all segments in [start, end) come from, whole blocks as given. */
static void place(struct mfile *f, uint64_t start, uint64_t end, uint32_t origin,
		  enum origin_kind kind)
{
	uint64_t at = start;
	struct rope part;

	end = min64(end, f->rope.size);
	if (start >= end)
		return;
	part = rope_slice(&f->rope, start, end - start);
	for (size_t i = 0; i < part.count; at += part.seg[i++].len) {
		part.seg[i].origin = origin;
		part.seg[i].origin_off = origin == ORIGIN_HOLE ? 0 : at;
		part.seg[i].kind = kind;
	}
	rope_replace(&f->rope, start, &part);
	rope_free(&part);
}

/* The blocks that [off, off + len) touches are newly allocated. */
static void place_new(struct model *m, struct mfile *f, uint64_t off, uint64_t len,
		      enum origin_kind kind)
{
	const uint64_t start = round_down(m, off), end = round_up(m, off + len);

	place(f, start, end, origin_new(m, end - start), kind);
}

static void touched(struct mfile *f)
{
	f->changed = true;
	f->mtime = TOUCH_MUST;
	f->ctime = TOUCH_MUST;
}

static void put(struct mfile *f, uint64_t off, uint64_t len, struct data data)
{
	const struct seg s = {
		.len = len,
		.pattern = data.pattern,
		.off = data.pattern == PATTERN_ZERO || data.pattern == PATTERN_ANY ? 0
		       : data.at						   ? data.off
										   : off,
	};
	struct rope with = { 0 };

	push(&with, &s);
	rope_replace(&f->rope, off, &with);
	rope_free(&with);
}

/* Growth zeroes the rest of the last block, which may or may not replace it. */
static void grow(struct model *m, struct mfile *f, uint64_t size)
{
	const uint64_t old = f->rope.size;

	if (size <= old)
		return;
	push_hole(&f->rope, size - old);
	if (old % m->block)
		model_unsure(m, f, old - 1, 1);
}

bool rope_zero(const struct rope *r, uint64_t off, uint64_t len)
{
	while (len) {
		const struct seg s = rope_at(r, off);
		const uint64_t part = min64(len, s.len);

		if (!part || s.pattern != PATTERN_ZERO)
			return false;
		off += part;
		len -= part;
	}
	return true;
}

void model_write(struct model *m, struct mfile *f, uint64_t off, uint64_t len, struct data data)
{
	if (!len)
		return;
	grow(m, f, off);
	put(f, off, len, data);
	place_new(m, f, off, len, ORIGIN_SURE);
	touched(f);
}

/* Zero a part of one block. Zeroing what is zero already may leave the block as it is. */
static void zero_part(struct model *m, struct mfile *f, uint64_t off, uint64_t end)
{
	if (off >= end)
		return;
	if (rope_zero(&f->rope, off, end - off)) {
		model_unsure(m, f, off, end - off);
		return;
	}
	put(f, off, end - off, (struct data){ .pattern = PATTERN_ZERO });
	place_new(m, f, off, end - off, ORIGIN_SURE);
	touched(f);
}

/* Zero [off, off + len) up to the end of file; the whole blocks in it become holes if @hole. */
static void zero_range(struct model *m, struct mfile *f, uint64_t off, uint64_t len, bool hole)
{
	const uint64_t size = f->rope.size;
	uint64_t end, first, last;

	if (off >= size || !len)
		return;
	end = len > size - off ? size : off + len;
	first = round_up(m, off);
	/* A last block that is cut by the end of file is whole if the range goes on beyond. */
	last = end == size && round_up(m, end) - off <= len ? end : round_down(m, end);
	if (first >= last) {
		const uint64_t middle = min64(first, end);

		zero_part(m, f, off, middle);
		zero_part(m, f, middle, end);
		return;
	}
	zero_part(m, f, off, first);
	zero_part(m, f, last, end);
	if (!rope_zero(&f->rope, first, last - first))
		touched(f);
	put(f, first, last - first, (struct data){ .pattern = PATTERN_ZERO });
	if (hole)
		place(f, first, last, ORIGIN_HOLE, ORIGIN_SURE);
	else
		place_new(m, f, first, last - first, ORIGIN_MAYBE);
}

void model_punch(struct model *m, struct mfile *f, uint64_t off, uint64_t len)
{
	zero_range(m, f, off, len, true);
}

void model_zero(struct model *m, struct mfile *f, uint64_t off, uint64_t len)
{
	zero_range(m, f, off, len, false);
}

void model_reserve(struct model *m, struct mfile *f, uint64_t off, uint64_t len)
{
	uint64_t start = round_down(m, off);
	const uint64_t end = min64(round_up(m, off + len), f->rope.size);

	while (start < end) {
		const struct seg s = rope_at(&f->rope, start);
		const uint64_t part = min64(s.len, end - start);

		if (s.origin == ORIGIN_HOLE)
			place(f, start, start + part, origin_new(m, round_up(m, part)),
			      ORIGIN_MAYBE);
		else
			model_unsure(m, f, start, part);
		start += part;
	}
}

void model_truncate(struct model *m, struct mfile *f, uint64_t size)
{
	struct rope kept;

	if (size == f->rope.size)
		return;
	if (size > f->rope.size) {
		grow(m, f, size);
	} else {
		kept = rope_slice(&f->rope, 0, size);
		rope_free(&f->rope);
		f->rope = kept;
		if (size % m->block)
			model_unsure(m, f, size - 1, 1);
	}
	touched(f);
}

void model_collapse(struct model *m, struct mfile *f, uint64_t off, uint64_t len)
{
	struct rope next = rope_slice(&f->rope, 0, off);
	struct rope rest = rope_slice(&f->rope, off + len, f->rope.size - off - len);

	(void)m;
	push_range(&next, &rest, 0, rest.size);
	rope_free(&rest);
	rope_free(&f->rope);
	f->rope = next;
	touched(f);
}

void model_insert(struct model *m, struct mfile *f, uint64_t off, uint64_t len)
{
	struct rope next = rope_slice(&f->rope, 0, off);
	struct rope rest = rope_slice(&f->rope, off, f->rope.size - off);

	(void)m;
	push_hole(&next, len);
	push_range(&next, &rest, 0, rest.size);
	rope_free(&rest);
	rope_free(&f->rope);
	f->rope = next;
	touched(f);
}

void model_private(struct model *m, struct mfile *f, uint64_t off, uint64_t len)
{
	uint64_t start = round_down(m, off);
	const uint64_t end = min64(round_up(m, off + len), f->rope.size);

	while (start < end) {
		const struct seg s = rope_at(&f->rope, start);
		const uint64_t part = min64(s.len, end - start);

		place(f, start, start + part, origin_new(m, round_up(m, part)),
		      s.origin == ORIGIN_HOLE ? ORIGIN_MAYBE : s.kind);
		start += part;
	}
}

void model_content(struct mfile *f, uint64_t off, const struct rope *bytes)
{
	struct rope with = { 0 };

	for (uint64_t at = 0; at < bytes->size;) {
		const struct seg s = rope_at(bytes, at), old = rope_at(&f->rope, off + at);
		struct seg next = old;

		next.len = min64(s.len, old.len);
		next.pattern = s.pattern;
		next.off = s.off;
		push(&with, &next);
		at += next.len;
	}
	rope_replace(&f->rope, off, &with);
	rope_free(&with);
}

void model_unsure(struct model *m, struct mfile *f, uint64_t off, uint64_t len)
{
	const uint64_t start = round_down(m, off);
	const uint64_t end = min64(round_up(m, off + len), f->rope.size);
	struct rope part;

	if (start >= end)
		return;
	part = rope_slice(&f->rope, start, end - start);
	for (size_t i = 0; i < part.count; i++)
		part.seg[i].kind = ORIGIN_MAYBE;
	rope_replace(&f->rope, start, &part);
	rope_free(&part);
}

void model_fault(struct model *m, struct mfile *f)
{
	model_unsure(m, f, 0, f->rope.size);
}

/*
 * Blocks can only be common where both sides agree on where a block starts, and a block that the
 * range covers in part is made anew. The end of both files counts as the end of a block.
 */
static void adopt(struct model *m, struct mfile *to, uint64_t to_off, const struct rope *part,
		  uint64_t from_off, enum origin_kind kind)
{
	const uint64_t end = to_off + part->size;
	const uint64_t first = round_up(m, to_off);
	const uint64_t last = end == to->rope.size ? end : round_down(m, end);
	struct rope with;

	if ((to_off - from_off) % m->block || first >= last) {
		place_new(m, to, to_off, part->size, ORIGIN_MAYBE);
		return;
	}
	if (to_off < first)
		place_new(m, to, to_off, first - to_off, ORIGIN_MAYBE);
	if (last < end)
		place_new(m, to, last, end - last, ORIGIN_MAYBE);
	with = rope_slice(part, first - to_off, last - first);
	for (size_t i = 0; i < with.count; i++)
		if (kind == ORIGIN_MAYBE)
			with.seg[i].kind = ORIGIN_MAYBE;
	rope_replace(&to->rope, first, &with);
	rope_free(&with);
}

void model_clone(struct model *m, struct mfile *to, uint64_t to_off, const struct mfile *from,
		 uint64_t from_off, uint64_t len, enum origin_kind kind)
{
	const uint64_t size = from->rope.size;
	struct rope part;

	if (from_off >= size)
		return;
	part = rope_slice(&from->rope, from_off, min64(len, size - from_off));
	if (part.size) {
		grow(m, to, to_off);
		rope_replace(&to->rope, to_off, &part);
		adopt(m, to, to_off, &part, from_off, kind);
		touched(to);
	}
	rope_free(&part);
}

void model_share(struct model *m, struct mfile *to, uint64_t to_off, const struct mfile *from,
		 uint64_t from_off, uint64_t len, enum origin_kind kind)
{
	struct rope part = rope_slice(&from->rope, from_off, len);

	if (part.size)
		adopt(m, to, to_off, &part, from_off, kind);
	rope_free(&part);
}

void model_any(struct model *m, struct mfile *f, uint64_t off, uint64_t len)
{
	const uint64_t size = f->rope.size;

	if (!len || off >= size)
		return;
	len = min64(len, size - off);
	put(f, off, len, (struct data){ .pattern = PATTERN_ANY });
	place_new(m, f, off, len, ORIGIN_MAYBE);
	touched(f);
}

void model_strip(struct mfile *f, bool fsetid)
{
	const uint32_t suid = 04000, sgid = 02000, group_exec = 010;
	uint32_t lost;

	if (fsetid)
		return;
	lost = f->mode & suid;
	if (f->mode & group_exec)
		lost |= f->mode & sgid;
	f->mode &= ~lost;
	/* Without group execution the bit once meant mandatory locking; kernels differ. */
	f->mode_may_lose |= f->mode & sgid;
}
