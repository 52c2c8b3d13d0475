/* SPDX-License-Identifier: GPL-2.0-only */
/* clone and clone_range: FICLONE and FICLONERANGE (ioctl_ficlonerange(2)). */
#include <errno.h>
#include <inttypes.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <linux/fs.h>

#include "../op.h"
#include "../world.h"
#include "pointer.h"

struct clone_args {
	int from, to;
};

struct clone_range_args {
	int from, to;
	uint64_t from_off, to_off, len;
	int arg;
};

static int clone_need(const void *args)
{
	(void)args;
	return NEED_CLONE;
}

/*
 * Kernels clone extent by extent, and one that runs out of room midway leaves what it has done. It
 * must say so; nothing else is promised of the range (contract F19, gap N18).
 */
static void stopped(struct world *w, const struct op_result *r, int fd, uint64_t off, uint64_t len)
{
	struct mfile *dst = world_model(w, fd);
	struct stat st;

	if (!dst || (r->err != ENOSPC && r->err != EDQUOT && r->err != EINTR))
		return;
	if (fstat(world_fd(w, fd), &st) < 0)
		return;
	if ((uint64_t)st.st_size > dst->rope.size && (uint64_t)st.st_size <= off + len)
		model_truncate(&w->model, dst, (uint64_t)st.st_size);
	model_any(&w->model, dst, off, len);
	dst->mtime = dst->ctime = TOUCH_MAY;
}

/* A clone has no way to be short: all of the range, or an error (contract F19). */
static void apply(struct world *w, const struct op_result *r, int from, uint64_t from_off,
		  uint64_t len, int to, uint64_t to_off)
{
	const struct mfile *src = world_model(w, from);
	struct mfile *dst = world_model(w, to);

	if (src && !len && from_off < src->rope.size)
		len = src->rope.size - from_off;
	if (r->err) {
		stopped(w, r, to, to_off, len);
		return;
	}
	if (r->ret)
		world_fail(w, "0, the one result of success", "ioctl returns %" PRId64, r->ret);
	if (!src || !dst)
		return;
	/* Nothing to clone is a success that leaves the times alone (contract F3). */
	if (from_off >= src->rope.size)
		return;
	model_clone(&w->model, dst, to_off, src, from_off, len, ORIGIN_SURE);
	world_wrote(w, dst);
}

static void clone_run(struct world *w, const void *args, struct op_result *r)
{
	const struct clone_args *a = args;

	RESULT(r, ioctl(world_fd(w, a->to), FICLONE, world_fd(w, a->from)));
}

static void clone_apply(struct world *w, const void *args, const struct op_result *r)
{
	const struct clone_args *a = args;

	apply(w, r, a->from, 0, 0, a->to, 0);
}

static void clone_range_run(struct world *w, const void *args, struct op_result *r)
{
	const struct clone_range_args *a = args;
	struct file_clone_range range = {
		.src_fd = world_fd(w, a->from),
		.src_offset = a->from_off,
		.src_length = a->len,
		.dest_offset = a->to_off,
	};

	RESULT(r, ioctl(world_fd(w, a->to), FICLONERANGE, pointer(a->arg, &range)));
}

static void clone_range_apply(struct world *w, const void *args, const struct op_result *r)
{
	const struct clone_range_args *a = args;

	apply(w, r, a->from, a->from_off, a->len, a->to, a->to_off);
}

struct tile_args {
	int fd;
	uint64_t len, times;
};

/* Each call doubles what there is, so that many extents take few calls. */
static uint64_t tile_next(const struct tile_args *a, uint64_t have)
{
	const uint64_t missing = a->len * a->times - have;

	return have < missing ? have : missing;
}

static void tile_run(struct world *w, const void *args, struct op_result *r)
{
	const struct tile_args *a = args;
	uint64_t *have = arena_alloc(w->arena, sizeof(*have));

	*have = a->len;
	r->data = have;
	if (!a->len || a->times > UINT64_MAX / 2 / a->len)
		r->harness = EINVAL;
	while (!r->harness && !r->err && *have < a->len * a->times) {
		struct file_clone_range range = {
			.src_fd = world_fd(w, a->fd),
			.src_length = tile_next(a, *have),
			.dest_offset = *have,
		};

		RESULT(r, ioctl(world_fd(w, a->fd), FICLONERANGE, &range));
		*have += r->err ? 0 : range.src_length;
	}
}

static void tile_apply(struct world *w, const void *args, const struct op_result *r)
{
	const struct tile_args *a = args;
	const uint64_t done = *(const uint64_t *)r->data;
	struct mfile *m = world_model(w, a->fd);

	for (uint64_t have = a->len; m && have < done; have += tile_next(a, have))
		model_clone(&w->model, m, have, m, 0, tile_next(a, have), ORIGIN_SURE);
	if (m && done > a->len)
		world_wrote(w, m);
	if (r->err)
		stopped(w, r, a->fd, done, tile_next(a, done));
}

static const struct argspec clone_args[] = {
	ARG(FD, struct clone_args, from, .required = true, .doc = "source"),
	ARG(FD, struct clone_args, to, .required = true, .doc = "destination"),
	ARG_END,
};

static const struct argspec clone_range_args[] = {
	ARG(FD, struct clone_range_args, from, .required = true, .doc = "source, src_fd"),
	ARG(NUM, struct clone_range_args, from_off, .fallback = "0", .doc = "src_offset in bytes"),
	ARG(FD, struct clone_range_args, to, .required = true, .doc = "destination"),
	ARG(NUM, struct clone_range_args, to_off, .fallback = "0", .doc = "dest_offset in bytes"),
	ARG(NUM, struct clone_range_args, len, .fallback = "0",
	    .doc = "src_length in bytes; 0 is up to the source's end"),
	ARG(WORD, struct clone_range_args, arg, .fallback = "good", .words = pointer_words,
	    .doc = "where the argument struct is"),
	ARG_END,
};

static const struct argspec tile_args[] = {
	ARG(FD, struct tile_args, fd, .required = true, .doc = "the file, open for both ways"),
	ARG(NUM, struct tile_args, len, .required = true,
	    .doc = "bytes from its start on that are repeated: whole blocks"),
	ARG(NUM, struct tile_args, times, .required = true,
	    .doc = "how many times they are there in the end"),
	ARG_END,
};

const struct op op_clone = {
	.name = "clone",
	.doc = "ioctl(2) FICLONE",
	.args_size = sizeof(struct clone_args),
	.args = clone_args,
	.need = clone_need,
	.interruptible = true,
	.run = clone_run,
	.apply = clone_apply,
	.apply_errors = true,
};

const struct op op_clone_range = {
	.name = "clone_range",
	.doc = "ioctl(2) FICLONERANGE",
	.args_size = sizeof(struct clone_range_args),
	.args = clone_range_args,
	.need = clone_need,
	.interruptible = true,
	.run = clone_range_run,
	.apply = clone_range_apply,
	.apply_errors = true,
};

const struct op op_tile = {
	.name = "tile",
	.doc = "repeat the start of a file by FICLONERANGE: many extents in few calls",
	.args_size = sizeof(struct tile_args),
	.args = tile_args,
	.need = clone_need,
	.run = tile_run,
	.apply = tile_apply,
	.apply_errors = true,
};
