/* SPDX-License-Identifier: GPL-2.0-only */
/* Ops on names: link, unlink, rename, mkdir, rmdir, mkfifo, mknod. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../op.h"
#include "../world.h"
#include "subject.h"

struct link_args {
	int file, as;
};

static const struct argspec link_args[] = {
	ARG(FILE, struct link_args, file, .required = true,
	    .doc = "the file; one without a name gets one, if it was made by O_TMPFILE"),
	ARG(NEW_FILE, struct link_args, as, .required = true,
	    .doc = "its other name: the same file under two names"),
	ARG_END,
};

static void link_run(struct world *w, const void *args, struct op_result *r)
{
	const struct link_args *a = args;
	const struct wfile *f = &w->files[a->file];
	const char *to = w->files[a->as].path;

	if (f->linked)
		RESULT(r, linkat(f->dirfd, f->path, f->dirfd, to, 0));
	else
		RESULT(r, linkat(AT_FDCWD, subject_path_of(w, f), f->dirfd, to, AT_SYMLINK_FOLLOW));
}

static void link_apply(struct world *w, const void *args, const struct op_result *r)
{
	const struct link_args *a = args;
	const struct wfile *f = &w->files[a->file];
	struct wfile *other = &w->files[a->as];

	(void)r;
	other->exists = true;
	other->linked = true;
	other->dirfd = f->dirfd;
	/* Two names, one file: one model. */
	other->model = f->model;
	if (!f->model)
		return;
	f->model->ctime = TOUCH_MUST;
	other->keep = fcntl(f->keep, F_DUPFD_CLOEXEC, 0);
	if (other->keep < 0)
		world_error(w, "link: no descriptor left");
}

const struct op op_link = {
	.name = "link",
	.doc = "give a file another name: linkat(2)",
	.args_size = sizeof(struct link_args),
	.args = link_args,
	.run = link_run,
	.apply = link_apply,
};

struct name_args {
	int file;
};

static const struct argspec name_args[] = {
	ARG(FILE, struct name_args, file, .required = true, .doc = "the file"),
	ARG_END,
};

/* A name is gone. The file is still checked through the driver's own descriptor. */
static void lost_name(struct wfile *f)
{
	f->linked = false;
	if (!f->model)
		f->exists = false;
	else if (f->model->ctime != TOUCH_MUST)
		f->model->ctime = f->known.valid && f->known.nlink > 1 ? TOUCH_MUST : TOUCH_MAY;
}

static void unlink_run(struct world *w, const void *args, struct op_result *r)
{
	const struct name_args *a = args;
	const struct wfile *f = &w->files[a->file];

	RESULT(r, unlinkat(f->dirfd, f->path, 0));
}

static void unlink_apply(struct world *w, const void *args, const struct op_result *r)
{
	const struct name_args *a = args;

	(void)r;
	lost_name(&w->files[a->file]);
}

const struct op op_unlink = {
	.name = "unlink",
	.doc = "remove a name; what is open stays: unlinkat(2)",
	.args_size = sizeof(struct name_args),
	.args = name_args,
	.frees_name = true,
	.run = unlink_run,
	.apply = unlink_apply,
};

static void rmdir_run(struct world *w, const void *args, struct op_result *r)
{
	const struct name_args *a = args;
	const struct wfile *f = &w->files[a->file];

	RESULT(r, unlinkat(f->dirfd, f->path, AT_REMOVEDIR));
}

const struct op op_rmdir = {
	.name = "rmdir",
	.doc = "remove an empty folder: rmdir(2)",
	.args_size = sizeof(struct name_args),
	.args = name_args,
	.run = rmdir_run,
	.apply = unlink_apply,
};

static const struct word rename_words[] = {
	{ "noreplace", RENAME_NOREPLACE },
	{ "exchange", RENAME_EXCHANGE },
	{ NULL, 0 },
};

struct rename_args {
	int file, to, as;
	uint64_t flags;
};

/* Bits of args_set, by the table's order. */
enum { RENAME_TO = 2, RENAME_AS = 4 };

static const struct argspec rename_args[] = {
	ARG(FILE, struct rename_args, file, .required = true, .doc = "the file"),
	ARG(FILE, struct rename_args, to,
	    .doc = "a file that it replaces; the name then means the file that was renamed, and "
		   "\"file\" the one that was replaced and has no name any more"),
	ARG(NEW_FILE, struct rename_args, as, .doc = "a new name, in place of \"to\""),
	ARG(FLAGS, struct rename_args, flags, .words = rename_words, .doc = "as of renameat2(2)"),
	ARG_END,
};

static int rename_target(const struct world *w, const struct rename_args *a)
{
	return w->step->args_set & RENAME_TO ? a->to : a->as;
}

static void rename_run(struct world *w, const void *args, struct op_result *r)
{
	const struct rename_args *a = args;
	const struct wfile *from = &w->files[a->file], *to = &w->files[rename_target(w, a)];
	const uint64_t given = w->step->args_set & (RENAME_TO | RENAME_AS);

	if (given == RENAME_TO || given == RENAME_AS)
		RESULT(r, renameat2(from->dirfd, from->path, to->dirfd, to->path,
				    (unsigned int)a->flags));
	else
		r->harness = EINVAL;
}

/* Who had number @a has number @b from now on, and the other way round. */
static void swap_number(int *file, int a, int b)
{
	if (*file == a)
		*file = b;
	else if (*file == b)
		*file = a;
}

/* The two files change places; the names and the folders that they lie in stay. */
static void swap_files(struct world *w, int a, int b)
{
	const struct wfile was_a = w->files[a], was_b = w->files[b];

	w->files[a] = was_b;
	w->files[b] = was_a;
	w->files[a].spec = was_a.spec;
	w->files[a].path = was_a.path;
	w->files[a].dirfd = was_a.dirfd;
	w->files[b].spec = was_b.spec;
	w->files[b].path = was_b.path;
	w->files[b].dirfd = was_b.dirfd;
	for (size_t i = 0; i < w->point->maps_count; i++)
		swap_number(&w->maps[i].file, a, b);
	for (size_t i = 0; i < w->point->fds_count; i++) {
		struct ofd *o = w->fds[i].ofd;
		bool seen = false;

		/* Descriptors that were dup()ed have one description, which is swapped once. */
		for (size_t k = 0; k < i; k++)
			seen |= w->fds[k].ofd == o;
		if (o && !seen)
			swap_number(&o->file, a, b);
	}
}

static void rename_apply(struct world *w, const void *args, const struct op_result *r)
{
	const struct rename_args *a = args;
	const int target = rename_target(w, a);
	struct wfile *from = &w->files[a->file], *to = &w->files[target];

	(void)r;
	/* rename(2): nothing happens between two names of one file. */
	if (from == to || (from->model && from->model == to->model))
		return;
	if (from->model)
		from->model->ctime = TOUCH_MAY;
	swap_files(w, a->file, target);
	to->linked = true;
	if (!(a->flags & RENAME_EXCHANGE))
		lost_name(from);
	else if (from->model)
		from->model->ctime = TOUCH_MAY;
}

const struct op op_rename = {
	.name = "rename",
	.doc = "change a name, or replace another file: renameat2(2)",
	.args_size = sizeof(struct rename_args),
	.args = rename_args,
	.frees_name = true,
	.run = rename_run,
	.apply = rename_apply,
};

struct make_args {
	int as, type;
	uint32_t mode;
};

static const struct argspec make_args[] = {
	ARG(NEW_FILE, struct make_args, as, .required = true, .doc = "the new name"),
	ARG(MODE, struct make_args, mode, .fallback = "0755", .doc = "permission bits"),
	ARG_END,
};

static void make_apply(struct world *w, const void *args, const struct op_result *r)
{
	const struct make_args *a = args;
	struct wfile *f = &w->files[a->as];

	(void)r;
	f->exists = true;
	f->linked = true;
}

static void mkdir_run(struct world *w, const void *args, struct op_result *r)
{
	const struct make_args *a = args;

	RESULT(r, mkdirat(w->files[a->as].dirfd, w->files[a->as].path, a->mode));
}

const struct op op_mkdir = {
	.name = "mkdir",
	.doc = "make a folder: mkdir(2)",
	.args_size = sizeof(struct make_args),
	.args = make_args,
	.run = mkdir_run,
	.apply = make_apply,
};

static void mkfifo_run(struct world *w, const void *args, struct op_result *r)
{
	const struct make_args *a = args;

	RESULT(r, mkfifoat(w->files[a->as].dirfd, w->files[a->as].path, a->mode));
}

static int mkfifo_need(const void *args)
{
	(void)args;
	return NEED_FIFO;
}

const struct op op_mkfifo = {
	.name = "mkfifo",
	.doc = "make a named pipe: mkfifo(3)",
	.args_size = sizeof(struct make_args),
	.args = make_args,
	.need = mkfifo_need,
	.run = mkfifo_run,
	.apply = make_apply,
};

static const struct word node_words[] = {
	{ "file", S_IFREG },	{ "chrdev", S_IFCHR }, { "blkdev", S_IFBLK },
	{ "socket", S_IFSOCK }, { "fifo", S_IFIFO },   { NULL, 0 },
};

static const struct argspec mknod_args[] = {
	ARG(NEW_FILE, struct make_args, as, .required = true, .doc = "the new name"),
	ARG(WORD, struct make_args, type, .words = node_words, .required = true,
	    .doc = "kind of file; devices have the numbers of /dev/null and /dev/loop0"),
	ARG(MODE, struct make_args, mode, .fallback = "0644", .doc = "permission bits"),
	ARG_END,
};

static int mknod_need(const void *args)
{
	const struct make_args *a = args;

	if (a->type == S_IFREG)
		return -1;
	return a->type == S_IFCHR || a->type == S_IFBLK ? NEED_MKNOD : NEED_FIFO;
}

static void mknod_run(struct world *w, const void *args, struct op_result *r)
{
	const struct make_args *a = args;
	const dev_t dev = a->type == S_IFCHR   ? makedev(1, 3)
			  : a->type == S_IFBLK ? makedev(7, 0)
					       : 0;

	RESULT(r, mknodat(w->files[a->as].dirfd, w->files[a->as].path, a->mode | (mode_t)a->type,
			  dev));
}

static void mknod_apply(struct world *w, const void *args, const struct op_result *r)
{
	const struct make_args *a = args;

	if (a->type == S_IFREG)
		world_made(w, a->as);
	else
		make_apply(w, args, r);
}

const struct op op_mknod = {
	.name = "mknod",
	.doc = "make a file of any kind: mknod(2)",
	.args_size = sizeof(struct make_args),
	.args = mknod_args,
	.need = mknod_need,
	.run = mknod_run,
	.apply = mknod_apply,
};
