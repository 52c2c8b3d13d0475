/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * space: the bytes that the steps took or gave back on the whole filesystem, after syncfs(2),
 * against what the model predicts. The prediction is a span: blocks that may or may not be common,
 * and filesystems that keep a whole extent while any part of it is used.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../check.h"
#include "../clock.h"
#include "../need.h"
#include "../reclaim.h"
#include "../world.h"

/* Trees and logs that the steps need on the side. Cases move many times this much. */
#define METADATA_BYTES (UINT64_C(512) << 10)
/* Space comes back in the background: how long until it must be there. */
#define PATIENCE_NS UINT64_C(5000000000)
/* Space that did not change for so long, so many times, has stopped to come back: once is enough
 * where the filesystem has been told to give it back, and not where that is left to a worker, as
 * below an overlay. */
#define SETTLE_NS    30000000
#define SETTLE_TIMES 8

/** struct span - least and most bytes */
struct span {
	int64_t least, most;
};

static struct {
	int64_t free_bytes;
	struct span used;
} before;

static int64_t free_bytes(struct world *w)
{
	uint64_t bytes = 0;
	const int err = reclaim_free_bytes(w->dirfd, &bytes);

	if (err)
		world_error(w, "syncfs, statvfs: %s", strerror(-err));
	return (int64_t)bytes;
}

/* Set one bit for each block of an origin that the segment holds; returns how many were new. */
static uint64_t mark(uint8_t *seen, uint64_t first, uint64_t last)
{
	uint64_t fresh = 0;

	for (uint64_t b = first; b <= last; b++) {
		fresh += !(seen[b / 8] >> b % 8 & 1);
		seen[b / 8] |= (uint8_t)(1 << b % 8);
	}
	return fresh;
}

/* How many blocks of @origin are used by files: those that surely are, and those that may be. */
static struct span origin_blocks(struct world *w, uint32_t origin)
{
	const uint64_t block = w->model.block, count = w->model.origin_bytes[origin] / block + 1;
	uint8_t *sure, *any;
	struct span n = { 0 };
	uint64_t base = UINT64_MAX;

	for (size_t i = 0; i < w->point->files_count; i++) {
		const struct mfile *m = w->files[i].model;

		for (size_t k = 0; m && k < m->rope.count; k++)
			if (m->rope.seg[k].origin == origin &&
			    m->rope.seg[k].origin_off / block < base)
				base = m->rope.seg[k].origin_off / block;
	}
	if (base == UINT64_MAX)
		return n;
	sure = calloc(2, count / 8 + 1);
	if (!sure)
		return n;
	any = sure + count / 8 + 1;
	for (size_t i = 0; i < w->point->files_count; i++) {
		const struct mfile *m = world_first_name(w, i) ? w->files[i].model : NULL;

		for (size_t k = 0; m && k < m->rope.count; k++) {
			const struct seg *s = &m->rope.seg[k];
			const uint64_t first = s->origin_off / block - base;
			const uint64_t last = (s->origin_off + s->len - 1) / block - base;

			if (s->origin != origin || last >= count)
				continue;
			n.most += (int64_t)mark(any, first, last);
			if (s->kind == ORIGIN_SURE)
				n.least += (int64_t)mark(sure, first, last);
			else
				/* Perhaps a private copy besides the common one. */
				n.most += (int64_t)(last - first + 1);
		}
	}
	free(sure);
	/* As long as one block is used, all may be kept. */
	if (n.most < (int64_t)count - 1)
		n.most = (int64_t)count - 1;
	return n;
}

static struct span predict(struct world *w)
{
	struct span used = { 0 };

	for (size_t i = 0; i < w->point->files_count; i++)
		if (w->files[i].model && world_first_name(w, i))
			used.most += (int64_t)w->files[i].model->beyond;
	for (uint32_t origin = ORIGIN_HOLE + 1; origin < w->model.next_origin; origin++) {
		const struct span n = origin_blocks(w, origin);

		used.least += n.least * (int64_t)w->model.block;
		used.most += n.most * (int64_t)w->model.block;
	}
	return used;
}

/* What was removed before this point began must not come back in the middle of it. */
static int64_t settled_bytes(struct world *w)
{
	const struct timespec pause = { .tv_nsec = SETTLE_NS };
	const int times = reclaim_now(w->dirfd) ? 1 : SETTLE_TIMES;
	const uint64_t start = clock_ns();
	int64_t now = free_bytes(w), last;
	int same = 0;

	while (same < times && clock_ns() - start < PATIENCE_NS) {
		last = now;
		nanosleep(&pause, NULL);
		now = free_bytes(w);
		same = now == last ? same + 1 : 0;
	}
	return now;
}

static void space_start(struct world *w)
{
	before.free_bytes = settled_bytes(w);
	before.used = predict(w);
}

/* What the steps may have taken. Compressed data needs less, how much less cannot be known. */
static struct span allowed(struct world *w)
{
	const struct span used = predict(w);
	struct span s = { used.least - before.used.most, used.most - before.used.least };

	if (strstr(w->probe->mount_options, "compress")) {
		s.least = s.least > 0 ? 0 : s.least;
		s.most = s.most < 0 ? 0 : s.most;
	}
	s.least -= (int64_t)METADATA_BYTES;
	s.most += (int64_t)METADATA_BYTES;
	return s;
}

static void space_finish(struct world *w)
{
	const struct span span = allowed(w);
	const uint64_t start = clock_ns();
	int64_t taken;

	do {
		taken = before.free_bytes - free_bytes(w);
	} while ((taken < span.least || taken > span.most) && clock_ns() - start < PATIENCE_NS);
	w->checked.space += (uint64_t)llabs(taken) + w->model.block;
	world_observe(w, "space_taken_bytes", json_integer(taken));
	if (taken < span.least || taken > span.most)
		world_fail(w,
			   world_text(w, "the steps take %" PRId64 " to %" PRId64 " bytes",
				      span.least, span.most),
			   "they took %" PRId64 " bytes (negative: gave back)", taken);
}

const struct oracle oracle_space = {
	.name = "space",
	.doc = "bytes taken on the whole filesystem, after syncfs, are what the model predicts",
	.need = NEED_FREE_TOLD,
	.dedicated = true,
	.start = space_start,
	.finish = space_finish,
};
