/* SPDX-License-Identifier: GPL-2.0-only */
/* truncate and fallocate in all its modes. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/falloc.h>

#include "../op.h"
#include "../world.h"

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
		uint64_t bit;
		int need;
	} needs[] = {
		{ FALLOC_FL_PUNCH_HOLE, NEED_PUNCH },
		{ FALLOC_FL_ZERO_RANGE, NEED_ZERO },
		{ FALLOC_FL_COLLAPSE_RANGE, NEED_COLLAPSE },
		{ FALLOC_FL_INSERT_RANGE, NEED_INSERT },
		{ FALLOC_FL_UNSHARE_RANGE, NEED_UNSHARE },
		{ FALLOC_FL_KEEP_SIZE, NEED_KEEP_SIZE },
	};
	const struct fallocate_args *a = args;

	for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++)
		if (a->mode & needs[i].bit)
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
};

const struct op op_fallocate = {
	.name = "fallocate",
	.doc = "fallocate(2): preallocate, punch, zero, collapse, insert, unshare",
	.args_size = sizeof(struct fallocate_args),
	.args = fallocate_args,
	.need = fallocate_need,
	.run = fallocate_run,
	.apply = fallocate_apply,
	.apply_errors = true,
};
