/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ocfs2_reflink: a new name for a file that shares all of another. It is what became of the
 * proposed reflink(2), of which ocfs2 has the only implementation.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../op.h"
#include "../uapi.h"
#include "../world.h"
#include "pointer.h"
#include "subject.h"

struct reflink_args {
	int file, as, to, in, via, old_ptr, new_ptr, arg;
	bool preserve, again;
};

/* Bits of args_set, by the table's order. */
enum { REFLINK_AS = 2, REFLINK_TO = 4 };

static const struct argspec reflink_args[] = {
	ARG(FILE, struct reflink_args, file, .required = true, .doc = "the source"),
	ARG(NEW_FILE, struct reflink_args, as, .doc = "the new name"),
	ARG(FILE, struct reflink_args, to,
	    .doc = "in place of a new name: that of a file, which exists unless a step "
		   "removed it"),
	ARG(FD, struct reflink_args, in,
	    .doc = "folder that the new name goes to; absent: that of all files"),
	ARG(BOOL, struct reflink_args, preserve,
	    .doc = "keep owner, mode, time stamp and all extended attributes"),
	ARG(BOOL, struct reflink_args, again,
	    .doc = "all of the source is shared already: its ctime stays, as nothing changes"),
	ARG(WORD, struct reflink_args, via, .words = subject_via, .fallback = "dir",
	    .doc = "view: give the new name through the other mount (--view)"),
	ARG(WORD, struct reflink_args, old_ptr, .words = pointer_words, .fallback = "good",
	    .doc = "old_path itself"),
	ARG(WORD, struct reflink_args, new_ptr, .words = pointer_words, .fallback = "good",
	    .doc = "new_path itself"),
	ARG(WORD, struct reflink_args, arg, .words = pointer_words, .fallback = "good",
	    .doc = "where the argument struct is"),
	ARG_END,
};

static int reflink_need(const void *args)
{
	const struct reflink_args *a = args;

	return a->via ? NEED_VIEW : NEED_OCFS2_REFLINK;
}

static int reflink_target(const struct world *w, const struct reflink_args *a)
{
	return w->step->args_set & REFLINK_TO ? a->to : a->as;
}

/* Where the new name goes. */
static int reflink_folder(struct world *w, const struct reflink_args *a, const struct wfile *to)
{
	if (a->via)
		return w->viewfd;
	return a->in != NAME_NONE ? world_fd(w, a->in) : to->dirfd;
}

static void reflink_run(struct world *w, const void *args, struct op_result *r)
{
	const struct reflink_args *a = args;
	const uint64_t given = w->step->args_set & (REFLINK_AS | REFLINK_TO);
	const struct wfile *from = &w->files[a->file];
	const struct wfile *to = &w->files[reflink_target(w, a)];
	char *old_path = world_text(w, "%s", subject_path_of(w, from));
	char *new_path = world_text(w, "/proc/self/fd/%d/%s", reflink_folder(w, a, to), to->path);
	struct ocfs2_reflink reflink = {
		.old_path = (uintptr_t)pointer(a->old_ptr, old_path),
		.new_path = (uintptr_t)pointer(a->new_ptr, new_path),
		.preserve = a->preserve,
	};

	if (given == REFLINK_AS || given == REFLINK_TO)
		RESULT(r, ioctl(from->dirfd, OCFS2_REFLINK, pointer(a->arg, &reflink)));
	else
		r->harness = EINVAL;
}

static void reflink_refused(struct world *w, int folder, const struct wfile *to)
{
	struct stat st;

	w->checked.attributes++;
	if (!to->exists && !fstatat(folder, to->path, &st, AT_SYMLINK_NOFOLLOW))
		world_fail(w, "a call that fails makes no name", "there is a file %s", to->path);
}

static int64_t reflink_ns(struct timespec t)
{
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* Whatever is kept, ctime says when the new file was made. */
static void reflink_dated(struct world *w, const struct stat *st)
{
	w->checked.times++;
	if (reflink_ns(st->st_ctim) < w->step_ns)
		world_fail(w, "the ctime of the new file is the present",
			   "it lies %" PRId64 " ns before the call",
			   w->step_ns - reflink_ns(st->st_ctim));
}

/* With "preserve", only the number, the count of names and ctime differ (contract O2). */
static void reflink_preserved(struct world *w, const struct wfile *from, struct mfile *to,
			      const struct stat *st)
{
	to->mode = from->model->mode;
	to->uid = from->model->uid;
	to->gid = from->model->gid;
	if (!from->known.valid)
		return;
	w->checked.times++;
	if (reflink_ns(st->st_mtim) != from->known.mtime_ns)
		world_fail(w, "the new file has the source's mtime",
			   "one that differs by %" PRId64 " ns",
			   reflink_ns(st->st_mtim) - from->known.mtime_ns);
}

/* Without it, the new file is the caller's, and of now. */
static void reflink_made_anew(struct world *w, const struct stat *st)
{
	w->checked.times++;
	if (st->st_uid != geteuid())
		world_fail(w, world_text(w, "the new file belongs to its maker, %u", geteuid()),
			   "it belongs to %u", st->st_uid);
	else if (reflink_ns(st->st_mtim) < w->step_ns)
		world_fail(w, "the mtime of a new file is the present",
			   "it lies %" PRId64 " ns before the call",
			   w->step_ns - reflink_ns(st->st_mtim));
}

static void reflink_apply(struct world *w, const void *args, const struct op_result *r)
{
	const struct reflink_args *a = args;
	const struct wfile *from = &w->files[a->file];
	struct wfile *to = &w->files[reflink_target(w, a)];
	struct stat st;

	if (r->err) {
		reflink_refused(w, reflink_folder(w, a, to), to);
		return;
	}
	if (a->in != NAME_NONE)
		to->dirfd = world_fd(w, a->in);
	world_made(w, reflink_target(w, a));
	if (!from->model || !to->model || fstatat(to->keep, "", &st, AT_EMPTY_PATH))
		return;
	/* The source's own time stamps may move: its tree changes if it was not shared before. */
	from->model->ctime = a->again ? TOUCH_NOT : TOUCH_MAY;
	model_clone(&w->model, to->model, 0, from->model, 0, from->model->rope.size, ORIGIN_SURE);
	reflink_dated(w, &st);
	if (a->preserve)
		reflink_preserved(w, from, to->model, &st);
	else
		reflink_made_anew(w, &st);
}

const struct op op_ocfs2_reflink = {
	.name = "ocfs2_reflink",
	.doc = "make a file that shares all of another: ioctl OCFS2_IOC_REFLINK",
	.args_size = sizeof(struct reflink_args),
	.args = reflink_args,
	.need = reflink_need,
	.interruptible = true,
	.run = reflink_run,
	.apply = reflink_apply,
	.apply_errors = true,
};
