/* SPDX-License-Identifier: GPL-2.0-only */
/* truncate, fallocate in all its modes, perforate; fill, which leaves no room on a filesystem, and
 * make_room. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include <linux/falloc.h>

#include "../clock.h"
#include "../trace.h"
#include "../reclaim.h"
#include "../world.h"

/* Least that fill reserves, and where it begins: behind every block that the file may have. */
#define FILL_LEAST UINT64_C(1024)
#define FILL_ALIGN (UINT64_C(1) << 20)
/* How long until there must be room again, and how often to look. */
#define PATIENCE_NS UINT64_C(2000000000)
#define PAUSE_NS    2000000
/* Holes that one step makes at most, so that the model keeps up. */
#define PERFORATE_MAX 65536

static void check_zero(struct world *w, const struct op_result *r)
{
	if (r->ret)
		world_fail(w, "0, the one result of success", "%s returns %" PRId64,
			   w->step->op->name, r->ret);
}

struct truncate_args {
	int fd;
	uint64_t size;
};

static void truncate_run(struct world *w, const void *args, struct op_result *r)
{
	const struct truncate_args *a = args;

	RESULT(r, ftruncate(world_fd(w, a->fd), (off_t)a->size));
}

static void truncate_apply(struct world *w, const void *args, const struct op_result *r)
{
	const struct truncate_args *a = args;
	struct mfile *m = world_model(w, a->fd);

	check_zero(w, r);
	if (!m)
		return;
	if (a->size == m->rope.size) {
		/* POSIX and kernels differ on whether the times move. */
		m->mtime = m->ctime = TOUCH_MAY;
		model_unsure(&w->model, m, a->size ? a->size - 1 : 0, 1);
	} else {
		model_truncate(&w->model, m, a->size);
	}
	/* What fill or keep_size had reserved behind the end goes with the rest. */
	if (!a->size)
		m->beyond = 0;
	/* Linux takes the privileges, but no page promises it. */
	if (!w->fsetid)
		m->mode_may_lose |= m->mode & 06000;
}

static const struct word modes[] = {
	{ "keep_size", FALLOC_FL_KEEP_SIZE },
	{ "punch", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE },
	{ "punch_only", FALLOC_FL_PUNCH_HOLE },
	{ "zero", FALLOC_FL_ZERO_RANGE },
	{ "collapse", FALLOC_FL_COLLAPSE_RANGE },
	{ "insert", FALLOC_FL_INSERT_RANGE },
	{ "unshare", FALLOC_FL_UNSHARE_RANGE },
	{ NULL, 0 },
};

struct fallocate_args {
	int fd;
	uint64_t mode, off, len;
};

static int fallocate_need(const void *args)
{
	static const struct {
		uint64_t bits;
		int need;
	} needs[] = {
		{ FALLOC_FL_PUNCH_HOLE, NEED_PUNCH },
		{ FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, NEED_ZERO_KEEP_SIZE },
		{ FALLOC_FL_ZERO_RANGE, NEED_ZERO },
		{ FALLOC_FL_COLLAPSE_RANGE, NEED_COLLAPSE },
		{ FALLOC_FL_INSERT_RANGE, NEED_INSERT },
		{ FALLOC_FL_UNSHARE_RANGE, NEED_UNSHARE },
		{ FALLOC_FL_KEEP_SIZE, NEED_KEEP_SIZE },
	};
	const struct fallocate_args *a = args;

	for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++)
		if ((a->mode & needs[i].bits) == needs[i].bits)
			return needs[i].need;
	return NEED_FALLOCATE;
}

static void fallocate_run(struct world *w, const void *args, struct op_result *r)
{
	const struct fallocate_args *a = args;

	RESULT(r, fallocate(world_fd(w, a->fd), (int)a->mode, (off_t)a->off, (off_t)a->len));
}

/* What moved the end of file may have zeroed, and so replaced, the rest of its last block. */
static void moved_end(struct world *w, struct mfile *m)
{
	if (m->rope.size % w->model.block)
		model_unsure(&w->model, m, m->rope.size - 1, 1);
}

/* xfs and ext4 mark the file as modified before they look whether offset and length will do. */
static void refused(struct world *w, const struct fallocate_args *a, const struct op_result *r)
{
	const struct wfile *f = world_file(w, a->fd);
	struct mfile *m = world_model(w, a->fd);
	struct stat st;

	if (!m)
		return;
	/* Where space ran out, ext4 leaves what it got, and the size says so. */
	if ((r->err == ENOSPC || r->err == EDQUOT || r->err == EINTR) &&
	    !(a->mode & ~(uint64_t)FALLOC_FL_UNSHARE_RANGE) && !fstat(f->keep, &st) &&
	    (uint64_t)st.st_size > m->rope.size && (uint64_t)st.st_size <= a->off + a->len) {
		model_truncate(&w->model, m, (uint64_t)st.st_size);
		model_reserve(&w->model, m, 0, (uint64_t)st.st_size);
	}
	m->mtime = m->ctime = TOUCH_MAY;
	if (!w->fsetid)
		m->mode_may_lose |= m->mode & 06000;
}

static void fallocate_apply(struct world *w, const void *args, const struct op_result *r)
{
	const struct fallocate_args *a = args;
	struct mfile *m = world_model(w, a->fd);

	if (r->err) {
		refused(w, a, r);
		return;
	}
	check_zero(w, r);
	if (!m)
		return;
	if (!(a->mode & FALLOC_FL_KEEP_SIZE) && a->off + a->len > m->rope.size &&
	    !(a->mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE)))
		model_truncate(&w->model, m, a->off + a->len);
	if (a->off + a->len > m->rope.size && a->off + a->len - m->rope.size > m->beyond)
		m->beyond = a->off + a->len - m->rope.size;
	if (a->mode & FALLOC_FL_PUNCH_HOLE)
		model_punch(&w->model, m, a->off, a->len);
	else if (a->mode & FALLOC_FL_ZERO_RANGE)
		model_zero(&w->model, m, a->off, a->len);
	else if (a->mode & FALLOC_FL_COLLAPSE_RANGE)
		model_collapse(&w->model, m, a->off, a->len);
	else if (a->mode & FALLOC_FL_INSERT_RANGE)
		model_insert(&w->model, m, a->off, a->len);
	else if (a->mode & FALLOC_FL_UNSHARE_RANGE)
		model_private(&w->model, m, a->off, a->len);
	else
		model_reserve(&w->model, m, a->off, a->len);
	if (a->mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE))
		moved_end(w, m);
	if (!w->fsetid)
		m->mode_may_lose |= m->mode & 06000;
	if (m->changed)
		return;
	m->mtime = m->ctime = TOUCH_MAY;
}

struct fill_args {
	int fd;
};

static int fill_need(const void *args)
{
	(void)args;
	return NEED_FILL;
}

/*
 * Reserves all that is left, behind the end of the file and so without a change of its size: first
 * in large pieces, then, where one has no room, in smaller ones. A piece that failed may have been
 * reserved in part, which the next ones find there already.
 */
static void fill_run(struct world *w, const void *args, struct op_result *r)
{
	const struct fill_args *a = args;
	const int fd = world_fd(w, a->fd);
	uint64_t *end = arena_alloc(w->arena, sizeof(*end)), len = FILL_LEAST, left;
	struct statvfs fs;
	struct stat st;

	if (fstat(fd, &st) < 0 || fstatvfs(fd, &fs) < 0) {
		r->harness = errno;
		return;
	}
	left = (uint64_t)fs.f_bfree * fs.f_frsize;
	while (len < left / 2)
		len *= 2;
	*end = ((uint64_t)st.st_size / FILL_ALIGN + 1) * FILL_ALIGN;
	r->data = end;
	while (len >= FILL_LEAST) {
		RESULT(r, fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)*end, (off_t)len));
		if (!r->err)
			*end += len;
		else if (r->err == ENOSPC)
			len /= 2;
		else if (r->err != EINTR)
			return;
	}
	r->ret = 0;
	r->err = 0;
}

static void fill_apply(struct world *w, const void *args, const struct op_result *r)
{
	const struct fill_args *a = args;
	struct mfile *m = world_model(w, a->fd);

	if (!m)
		return;
	m->mtime = m->ctime = TOUCH_MAY;
	if (!w->fsetid)
		m->mode_may_lose |= m->mode & 06000;
	if (!r->err)
		m->beyond = *(const uint64_t *)r->data - m->rope.size;
}

struct perforate_args {
	int fd;
	uint64_t off, len, piece, every;
};

static int perforate_need(const void *args)
{
	(void)args;
	return NEED_PUNCH;
}

static void perforate_run(struct world *w, const void *args, struct op_result *r)
{
	const struct perforate_args *a = args;
	uint64_t *done = arena_alloc(w->arena, sizeof(*done));

	r->data = done;
	if (!a->piece || a->every < a->piece || a->len / PERFORATE_MAX > a->every) {
		r->harness = EINVAL;
		return;
	}
	for (; *done < a->len && !r->err; *done += r->err ? 0 : a->every)
		RESULT(r, fallocate(world_fd(w, a->fd), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				    (off_t)(a->off + *done), (off_t)a->piece));
}

static void perforate_apply(struct world *w, const void *args, const struct op_result *r)
{
	const struct perforate_args *a = args;
	struct mfile *m = world_model(w, a->fd);

	if (!m)
		return;
	for (uint64_t at = 0; at < *(const uint64_t *)r->data; at += a->every)
		model_punch(&w->model, m, a->off + at, a->piece);
	m->mtime = m->ctime = TOUCH_MAY;
	if (!w->fsetid)
		m->mode_may_lose |= m->mode & 06000;
}

static const struct argspec perforate_args[] = {
	ARG(FD, struct perforate_args, fd, .required = true, .doc = "descriptor open for writing"),
	ARG(NUM, struct perforate_args, off, .required = true, .doc = "the first hole"),
	ARG(NUM, struct perforate_args, len, .required = true, .doc = "bytes in which holes begin"),
	ARG(NUM, struct perforate_args, piece, .required = true, .doc = "length of each hole"),
	ARG(NUM, struct perforate_args, every, .required = true,
	    .doc = "from the beginning of one hole to that of the next"),
	ARG_END,
};

/* btrfs says that nothing is available as long as there is no room for its trees. */
static void make_room_run(struct world *w, const void *args, struct op_result *r)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	const struct fill_args *a = args;
	const int fd = world_fd(w, a->fd);
	const uint64_t start = clock_ns();
	struct statvfs fs;

	RESULT(r, ftruncate(fd, 0));
	if (r->err)
		return;
	RESULT(r, syncfs(fd));
	reclaim_now(fd);
	while (!fstatvfs(fd, &fs) && !fs.f_bavail && clock_ns() - start < PATIENCE_NS)
		nanosleep(&pause, NULL);
}

static void make_room_apply(struct world *w, const void *args, const struct op_result *r)
{
	const struct fill_args *a = args;
	const struct truncate_args all = { .fd = a->fd };

	truncate_apply(w, &all, r);
}

static const struct argspec make_room_args[] = {
	ARG(FD, struct fill_args, fd, .required = true, .doc = "the file that fill was given"),
	ARG_END,
};

static const struct argspec fill_args[] = {
	ARG(FD, struct fill_args, fd, .required = true,
	    .doc = "file that gets all of it, behind its end; make_room gives it back"),
	ARG_END,
};

static size_t truncate_effects(struct world *w, const void *args, const struct op_result *r,
			       struct effect *out)
{
	const struct truncate_args *a = args;

	(void)r;
	*out = (struct effect){
		.kind = EFFECT_CUT,
		.file = world_ofd(w, a->fd)->file,
		.off = a->size,
	};
	return 1;
}

/* Other modes change no sector, or move them, which the oracles of races do not follow. */
static size_t fallocate_effects(struct world *w, const void *args, const struct op_result *r,
				struct effect *out)
{
	const struct fallocate_args *a = args;

	(void)r;
	if (!(a->mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)))
		return 0;
	*out = (struct effect){
		.kind = EFFECT_ZERO,
		.file = world_ofd(w, a->fd)->file,
		.off = a->off,
		.len = a->len,
	};
	return 1;
}

static const struct argspec truncate_args[] = {
	ARG(FD, struct truncate_args, fd, .required = true, .doc = "descriptor open for writing"),
	ARG(NUM, struct truncate_args, size, .required = true, .doc = "new size in bytes"),
	ARG_END,
};

static const struct argspec fallocate_args[] = {
	ARG(FD, struct fallocate_args, fd, .required = true, .doc = "descriptor open for writing"),
	ARG(FLAGS, struct fallocate_args, mode, .words = modes,
	    .doc = "FALLOC_FL_ flags; none preallocates"),
	ARG(NUM, struct fallocate_args, off, .required = true, .doc = "offset in bytes"),
	ARG(NUM, struct fallocate_args, len, .required = true, .doc = "bytes"),
	ARG_END,
};

const struct op op_truncate = {
	.name = "truncate",
	.doc = "ftruncate(2)",
	.args_size = sizeof(struct truncate_args),
	.args = truncate_args,
	.run = truncate_run,
	.apply = truncate_apply,
	.effects = truncate_effects,
};

const struct op op_fallocate = {
	.name = "fallocate",
	.doc = "fallocate(2): preallocate, punch, zero, collapse, insert, unshare",
	.args_size = sizeof(struct fallocate_args),
	.args = fallocate_args,
	.need = fallocate_need,
	.interruptible = true,
	.run = fallocate_run,
	.apply = fallocate_apply,
	.apply_errors = true,
	.effects = fallocate_effects,
};

const struct op op_fill = {
	.name = "fill",
	.doc = "leave no room on the whole filesystem: fallocate(2) with FALLOC_FL_KEEP_SIZE",
	.args_size = sizeof(struct fill_args),
	.args = fill_args,
	.need = fill_need,
	.dedicated = true,
	.run = fill_run,
	.apply = fill_apply,
	.apply_errors = true,
};

const struct op op_make_room = {
	.name = "make_room",
	.doc = "empty a file and wait until its space is back: ftruncate(2), syncfs(2)",
	.args_size = sizeof(struct fill_args),
	.args = make_room_args,
	.run = make_room_run,
	.apply = make_room_apply,
};

const struct op op_perforate = {
	.name = "perforate",
	.doc = "punch holes at equal distances: fallocate(2) again and again",
	.args_size = sizeof(struct perforate_args),
	.args = perforate_args,
	.need = perforate_need,
	.run = perforate_run,
	.apply = perforate_apply,
	.apply_errors = true,
};
