/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sharing: the extent maps of all files against the origins in the model. Three answers for blocks
 * that ought to be common: shared, copied, unknown (inline, compressed, delayed: the address proves
 * nothing). "Copied" is wrong where the call promises to share. Blocks that the model keeps apart
 * and FIEMAP shows at one address are always wrong. The SHARED flag must be set on what two owners
 * hold, and clear on what has but one. Where all answers are unknown, the point is an error: it
 * would say that sharing is right when nobody has looked.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "../check.h"
#include "../clock.h"
#include "../fiemap.h"
#include "../reclaim.h"
#include "../world.h"

/* How long until removed files must have let go, and how often to look. */
#define PATIENCE_NS UINT64_C(5000000000)
#define PAUSE_NS    1000000

/** struct view - one file as FIEMAP shows it */
struct view {
	const struct wfile *file;
	struct fiemap_list list;
};

/** struct run - a segment of a file's rope that has blocks */
struct run {
	const struct view *view;
	uint64_t off;
	struct seg seg;
};

/** struct tally - answers, in blocks */
struct tally {
	uint64_t shared, copied, unknown;
};

struct sharing {
	struct world *w;
	struct view *views;
	size_t views_count;
	struct run *runs;
	size_t runs_count;
	/** @sure: where sharing is promised; @maybe: where it is the filesystem's choice */
	struct tally sure, maybe;
	/** @located: pieces whose addresses were held against those of all others; @alone: pieces
	 * whose flag was held against the model */
	uint64_t located, alone;
};

/* The piece that byte @off lies in; NULL in a hole. */
static const struct fiemap_piece *piece_at(const struct view *v, uint64_t off)
{
	for (size_t i = 0; i < v->list.count; i++) {
		const struct fiemap_piece *p = &v->list.piece[i];

		if (off >= p->logical && off - p->logical < p->len)
			return p;
	}
	return NULL;
}

/* Files without an extent map of this filesystem are left out. */
static bool has_map(const struct world *w, const struct wfile *f)
{
	return f->model && f->model->rope.size && world_is_here(w, f);
}

/*
 * Until dirty blocks of one file are on the disk, another that shared the old ones may still be
 * shown as sharing them. So all are flushed before the first is looked at.
 */
static bool read_maps(struct world *w, const struct wfile *f, struct fiemap_list *list, bool flush)
{
	const int err = fiemap_read(f->keep, 0, f->model->rope.size, flush, list);

	if (err)
		world_error(w, "FIEMAP of %s: %s", f->path, strerror(-err));
	return !err;
}

static bool look(struct sharing *s)
{
	struct world *w = s->w;

	reclaim_now(w->dirfd);
	for (size_t i = 0; i < w->point->files_count; i++) {
		struct fiemap_list list;

		if (!has_map(w, &w->files[i]))
			continue;
		if (!read_maps(w, &w->files[i], &list, true))
			return false;
		fiemap_free(&list);
	}
	s->views = arena_alloc(w->arena, w->point->files_count * sizeof(*s->views));
	for (size_t i = 0; i < w->point->files_count; i++) {
		const struct wfile *f = &w->files[i];
		struct view *v = &s->views[s->views_count];

		if (!has_map(w, f) || !world_first_name(w, i))
			continue;
		if (!read_maps(w, f, &v->list, true))
			return false;
		v->file = f;
		s->views_count++;
		s->runs_count += f->model->rope.count;
	}
	return true;
}

static void collect(struct sharing *s)
{
	struct run *run = arena_alloc(s->w->arena, s->runs_count * sizeof(*run));

	s->runs = run;
	for (size_t i = 0; i < s->views_count; i++) {
		const struct rope *r = &s->views[i].file->model->rope;
		uint64_t off = 0;

		for (size_t k = 0; k < r->count; off += r->seg[k++].len)
			if (r->seg[k].origin != ORIGIN_HOLE)
				*run++ = (struct run){ &s->views[i], off, r->seg[k] };
	}
	s->runs_count = (size_t)(run - s->runs);
}

enum same { SAME_YES, SAME_NO, SAME_UNKNOWN };

/* Are the blocks at these two places the same ones? */
static enum same same_block(const struct view *a, uint64_t a_off, const struct view *b,
			    uint64_t b_off)
{
	const struct fiemap_piece *x = piece_at(a, a_off), *y = piece_at(b, b_off);

	if (!x || !y)
		return !x && !y ? SAME_UNKNOWN : SAME_NO;
	if (!fiemap_located(x) || !fiemap_located(y)) {
		if (x->physical && x->physical == y->physical && fiemap_shared(x) &&
		    fiemap_shared(y))
			return SAME_YES;
		return SAME_UNKNOWN;
	}
	return x->physical + (a_off - x->logical) == y->physical + (b_off - y->logical) ? SAME_YES
											: SAME_NO;
}

static bool flagged(const struct view *v, uint64_t off)
{
	const struct fiemap_piece *p = piece_at(v, off);

	return !p || !fiemap_located(p) || fiemap_shared(p);
}

/* One block that the model says two runs have in common. */
static void judge_block(struct sharing *s, const struct run *a, uint64_t a_off, const struct run *b,
			uint64_t b_off)
{
	const bool sure = a->seg.kind == ORIGIN_SURE && b->seg.kind == ORIGIN_SURE;
	const enum same same = same_block(a->view, a_off, b->view, b_off);
	struct tally *t = sure ? &s->sure : &s->maybe;
	const char *an = a->view->file->path, *bn = b->view->file->path;

	t->shared += same == SAME_YES;
	t->copied += same == SAME_NO;
	t->unknown += same == SAME_UNKNOWN;
	if (same == SAME_UNKNOWN || !sure)
		return;
	s->w->checked.shared_blocks++;
	if (same == SAME_NO)
		world_fail(s->w,
			   world_text(s->w,
				      "%s at %" PRIu64 " and %s at %" PRIu64 " share their blocks",
				      an, a_off, bn, b_off),
			   "FIEMAP shows two different blocks (or none)");
	else if (!flagged(a->view, a_off) || !flagged(b->view, b_off))
		world_fail(s->w, "FIEMAP_EXTENT_SHARED on both",
			   "the block of %s at %" PRIu64 " and %s at %" PRIu64
			   " is one, but FIEMAP_EXTENT_SHARED is not set on %s",
			   an, a_off, bn, b_off, flagged(a->view, a_off) ? bn : an);
}

/* Blocks of the same origin at the same place in it. */
static void judge_common(struct sharing *s, const struct run *a, const struct run *b)
{
	const uint64_t block = s->w->model.block;
	const uint64_t start =
		a->seg.origin_off > b->seg.origin_off ? a->seg.origin_off : b->seg.origin_off;
	const uint64_t a_end = a->seg.origin_off + a->seg.len;
	const uint64_t b_end = b->seg.origin_off + b->seg.len;
	const uint64_t end = a_end < b_end ? a_end : b_end;

	if (a->seg.origin != b->seg.origin || start >= end)
		return;
	for (uint64_t at = start - start % block; at < end; at += block) {
		const uint64_t in = at < start ? start : at;

		judge_block(s, a, a->off + (in - a->seg.origin_off), b,
			    b->off + (in - b->seg.origin_off));
	}
}

/* Two pieces at one address, from @x and @y on for @len bytes: does the model say so, too? */
static void judge_apart(struct sharing *s, const struct view *a, uint64_t x, const struct view *b,
			uint64_t y, uint64_t len)
{
	const struct rope *ra = &a->file->model->rope, *rb = &b->file->model->rope;

	for (uint64_t at = 0; at < len; at += s->w->model.block) {
		struct seg p, q;

		if (x + at >= ra->size || y + at >= rb->size)
			return;
		p = rope_at(ra, x + at);
		q = rope_at(rb, y + at);
		if (p.kind == ORIGIN_MAYBE || q.kind == ORIGIN_MAYBE)
			continue;
		s->w->checked.shared_blocks++;
		if (p.origin == q.origin && p.origin_off == q.origin_off)
			continue;
		world_fail(s->w,
			   world_text(s->w,
				      "%s at %" PRIu64 " and %s at %" PRIu64
				      " have blocks of their own",
				      a->file->path, x + at, b->file->path, y + at),
			   "FIEMAP shows one block for both");
		return;
	}
}

/* Whatever lies at one address is one set of blocks. */
static void judge_pieces(struct sharing *s, const struct view *a, const struct view *b)
{
	for (size_t i = 0; i < a->list.count; i++)
		for (size_t k = a == b ? i + 1 : 0; k < b->list.count; k++) {
			const struct fiemap_piece *p = &a->list.piece[i], *q = &b->list.piece[k];
			const uint64_t start =
				p->physical > q->physical ? p->physical : q->physical;
			const uint64_t p_end = p->physical + p->len, q_end = q->physical + q->len;
			const uint64_t end = p_end < q_end ? p_end : q_end;

			if (!fiemap_located(p) || !fiemap_located(q) || start >= end)
				continue;
			judge_apart(s, a, p->logical + (start - p->physical), b,
				    q->logical + (start - q->physical), end - start);
		}
}

/*
 * Any part of the origin at another place counts: btrfs counts references to all of an allocation.
 * What a write in the middle has left of one is where it always was, and is no second owner.
 */
static bool has_partner(const struct sharing *s, size_t i)
{
	const struct run *a = &s->runs[i];

	for (size_t k = 0; k < s->runs_count; k++) {
		const struct run *b = &s->runs[k];

		if (k != i && a->seg.origin == b->seg.origin &&
		    (a->view != b->view ||
		     a->off - a->seg.origin_off != b->off - b->seg.origin_off))
			return true;
	}
	return false;
}

/*
 * FIEMAP speaks of extents, and an extent of which any part is common may bear the flag (btrfs
 * counts the references of what it allocated at once).
 */
static bool part_is_common(const struct sharing *s, const struct view *v,
			   const struct fiemap_piece *p)
{
	for (size_t i = 0; i < s->runs_count; i++) {
		const struct run *run = &s->runs[i];

		if (run->view == v && run->off < p->logical + p->len &&
		    run->off + run->seg.len > p->logical && has_partner(s, i))
			return true;
	}
	return false;
}

/*
 * What a removed file held is given up in the background. If any is gone, the flag has time to go,
 * too; everything else must be right at once.
 */
static bool flag_goes(const struct sharing *s, const struct view *v, uint64_t off)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	const uint64_t start = clock_ns();
	bool gone = false, flag = true;

	for (size_t i = 0; i < s->w->point->files_count; i++)
		gone |= !s->w->files[i].exists;
	while (gone && flag && clock_ns() - start < PATIENCE_NS) {
		struct view now = { .file = v->file };

		nanosleep(&pause, NULL);
		if (!read_maps(s->w, v->file, &now.list, false))
			return false;
		flag = flagged(&now, off);
		fiemap_free(&now.list);
	}
	return !flag;
}

/* A sole owner's blocks must not be called shared. */
static void judge_alone(struct sharing *s, size_t i)
{
	const struct run *run = &s->runs[i];
	const uint64_t end = run->off + run->seg.len;

	if (run->seg.kind != ORIGIN_SURE || has_partner(s, i))
		return;
	for (size_t k = 0; k < run->view->list.count; k++) {
		const struct fiemap_piece *p = &run->view->list.piece[k];

		if (p->logical >= end || p->logical + p->len <= run->off || !fiemap_allocated(p))
			continue;
		s->alone++;
		s->w->checked.shared_blocks++;
		if (fiemap_shared(p) && !part_is_common(s, run->view, p) &&
		    !flag_goes(s, run->view, p->logical))
			world_fail(s->w,
				   world_text(s->w,
					      "no FIEMAP_EXTENT_SHARED on %s at %" PRIu64
					      ": nothing else holds these blocks",
					      run->view->file->path, run->off),
				   "FIEMAP_EXTENT_SHARED is set");
	}
}

static void tell(struct sharing *s, const char *key, const struct tally *t)
{
	if (t->shared || t->copied || t->unknown)
		world_observe(s->w, key,
			      json_pack("{s:I,s:I,s:I}", "shared", (json_int_t)t->shared, "copied",
					(json_int_t)t->copied, "unknown", (json_int_t)t->unknown));
}

static bool judged(const struct sharing *s)
{
	return s->sure.shared || s->sure.copied || s->maybe.shared || s->maybe.copied || s->alone ||
	       s->located > 1;
}

/* Data of a block at most may lie in the inode (btrfs): then there is nothing to share. */
static bool may_be_inline(const struct sharing *s)
{
	for (size_t i = 0; i < s->runs_count; i++)
		if (s->runs[i].off + s->runs[i].seg.len > s->w->model.block)
			return false;
	return true;
}

static void count_located(struct sharing *s)
{
	for (size_t i = 0; i < s->views_count; i++)
		for (size_t k = 0; k < s->views[i].list.count; k++)
			s->located += fiemap_located(&s->views[i].list.piece[k]);
}

static void sharing_finish(struct world *w)
{
	struct sharing s = { .w = w };

	if (look(&s)) {
		collect(&s);
		for (size_t i = 0; i < s.runs_count; i++) {
			for (size_t k = i + 1; k < s.runs_count; k++)
				judge_common(&s, &s.runs[i], &s.runs[k]);
			judge_alone(&s, i);
		}
		for (size_t i = 0; i < s.views_count; i++)
			for (size_t k = i; k < s.views_count; k++)
				judge_pieces(&s, &s.views[i], &s.views[k]);
		tell(&s, "sharing_blocks", &s.sure);
		tell(&s, "optional_sharing_blocks", &s.maybe);
		count_located(&s);
		if (!judged(&s) && !may_be_inline(&s))
			world_error(w, "sharing: nothing could be judged: FIEMAP shows no extent "
				       "with an address of its own");
	}
	for (size_t i = 0; i < s.views_count; i++)
		fiemap_free(&s.views[i].list);
}

const struct oracle oracle_sharing = {
	.name = "sharing",
	.doc = "FIEMAP of all files agrees with the model on which blocks are common and which are "
	       "not",
	.need = NEED_FIEMAP,
	.finish = sharing_finish,
};
