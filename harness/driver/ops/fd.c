/* SPDX-License-Identifier: GPL-2.0-only */
/* Ops on descriptors: open, close, dup, fcntl, seek, seal. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "../op.h"
#include "../world.h"
#include "subject.h"

/* Ops that make descriptors keep the kernel's numbers here: they are no result worth recording. */
static void keep_number(struct world *w, struct op_result *r)
{
	int *number = arena_alloc(w->arena, sizeof(*number));

	*number = (int)r->ret;
	r->data = number;
	if (r->ret > 0)
		r->ret = 0;
}

static int number_kept(const struct op_result *r)
{
	return *(const int *)r->data;
}

static const struct word open_words[] = {
	{ "rdonly", O_RDONLY },	      { "wronly", O_WRONLY },
	{ "rdwr", O_RDWR },	      { "append", O_APPEND },
	{ "direct", O_DIRECT },	      { "path", O_PATH },
	{ "sync", O_SYNC },	      { "dsync", O_DSYNC },
	{ "trunc", O_TRUNC },	      { "creat", O_CREAT },
	{ "excl", O_EXCL },	      { "noatime", O_NOATIME },
	{ "nofollow", O_NOFOLLOW },   { "nonblock", O_NONBLOCK },
	{ "directory", O_DIRECTORY }, { NULL, 0 },
};

struct open_args {
	int file, new, as, via;
	uint64_t flags;
	uint32_t mode;
};

/* Bits of args_set, by the table's order. */
enum { OPEN_FILE = 1, OPEN_NEW = 2 };

static const struct argspec open_args[] = {
	ARG(FILE, struct open_args, file,
	    .doc = "the file; one that an earlier step has removed is opened all the same"),
	ARG(NEW_FILE, struct open_args, new,
	    .doc = "in place of a file: the name of one that creat makes"),
	ARG(FLAGS, struct open_args, flags, .words = open_words, .fallback = "rdonly",
	    .doc = "as of open(2); rdonly unless wronly or rdwr is among them"),
	ARG(MODE, struct open_args, mode, .fallback = "0644", .doc = "of a file that it creates"),
	ARG(NEW_FD, struct open_args, as, .required = true, .doc = "name of the descriptor"),
	ARG(WORD, struct open_args, via, .words = subject_via, .fallback = "dir",
	    .doc = "view: through the other mount of the filesystem (--view)"),
	ARG_END,
};

static int open_need(const void *args)
{
	const struct open_args *a = args;

	if (a->via)
		return NEED_VIEW;
	return a->flags & O_DIRECT ? NEED_DIRECT : -1;
}

static int open_target(const struct world *w, const struct open_args *a)
{
	return w->step->args_set & OPEN_FILE ? a->file : a->new;
}

static void open_run(struct world *w, const void *args, struct op_result *r)
{
	const struct open_args *a = args;
	const uint64_t given = w->step->args_set & (OPEN_FILE | OPEN_NEW);
	const struct wfile *f = &w->files[open_target(w, a)];
	/* openat2(2) refuses a mode that is of no use. */
	const uint32_t mode = a->flags & O_CREAT ? a->mode : 0;

	if ((given != OPEN_FILE && given != OPEN_NEW) ||
	    (a->via && (f->spec->second || (f->exists && !f->linked))))
		r->harness = EINVAL;
	else if (a->via)
		RESULT(r, world_open_beneath(w->viewfd, f->path, a->flags, mode));
	else if (f->exists && !f->linked && f->keep >= 0)
		RESULT(r, open(subject_path_of(w, f), (int)a->flags | O_CLOEXEC, mode));
	else
		RESULT(r, world_open_beneath(f->dirfd, f->path, a->flags, mode));
	keep_number(w, r);
}

static void open_apply(struct world *w, const void *args, const struct op_result *r)
{
	const struct open_args *a = args;
	const int target = open_target(w, a);
	struct wfile *f = &w->files[target];

	if (!f->exists)
		world_made(w, target);
	if (a->flags & O_TRUNC && f->model) {
		model_truncate(&w->model, f->model, 0);
		world_wrote(w, f->model);
	}
	world_open_fd(w, a->as, number_kept(r), target, a->flags);
	world_ofd(w, a->as)->view = a->via;
}

const struct op op_open = {
	.name = "open",
	.doc = "open a file once more, or create one: openat2(2)",
	.args_size = sizeof(struct open_args),
	.args = open_args,
	.need = open_need,
	.run = open_run,
	.apply = open_apply,
};

struct fd_args {
	int fd;
};

static const struct argspec fd_args[] = {
	ARG(FD, struct fd_args, fd, .required = true, .doc = "the descriptor"),
	ARG_END,
};

static void close_run(struct world *w, const void *args, struct op_result *r)
{
	const struct fd_args *a = args;

	RESULT(r, close(world_fd(w, a->fd)));
}

/* Whatever close(2) returns, the descriptor is gone, unless it never was one. */
static void close_apply(struct world *w, const void *args, const struct op_result *r)
{
	const struct fd_args *a = args;

	if (r->err != EBADF && a->fd >= 0)
		world_close_fd(w, a->fd);
}

const struct op op_close = {
	.name = "close",
	.doc = "close a descriptor: close(2)",
	.args_size = sizeof(struct fd_args),
	.args = fd_args,
	.run = close_run,
	.apply = close_apply,
	.apply_errors = true,
};

struct dup_args {
	int fd, as;
};

static const struct argspec dup_args[] = {
	ARG(FD, struct dup_args, fd, .required = true, .doc = "the descriptor"),
	ARG(NEW_FD, struct dup_args, as, .required = true,
	    .doc = "another one with the same file position and flags"),
	ARG_END,
};

static void dup_run(struct world *w, const void *args, struct op_result *r)
{
	const struct dup_args *a = args;

	RESULT(r, fcntl(world_fd(w, a->fd), F_DUPFD_CLOEXEC, 0));
	keep_number(w, r);
}

static void dup_apply(struct world *w, const void *args, const struct op_result *r)
{
	const struct dup_args *a = args;

	w->fds[a->as] = (struct wfd){ .fd = number_kept(r), .ofd = world_ofd(w, a->fd) };
}

const struct op op_dup = {
	.name = "dup",
	.doc = "another descriptor of the same open file description: dup(2)",
	.args_size = sizeof(struct dup_args),
	.args = dup_args,
	.run = dup_run,
	.apply = dup_apply,
};

static const struct word status_words[] = {
	{ "append", O_APPEND },
	{ "direct", O_DIRECT },
	{ "noatime", O_NOATIME },
	{ "nonblock", O_NONBLOCK },
	{ NULL, 0 },
};

struct fcntl_args {
	int fd;
	uint64_t set, clear;
};

static const struct argspec fcntl_args[] = {
	ARG(FD, struct fcntl_args, fd, .required = true, .doc = "the descriptor"),
	ARG(FLAGS, struct fcntl_args, set, .words = status_words, .doc = "flags to turn on"),
	ARG(FLAGS, struct fcntl_args, clear, .words = status_words, .doc = "flags to turn off"),
	ARG_END,
};

static int fcntl_need(const void *args)
{
	const struct fcntl_args *a = args;

	return a->set & O_DIRECT ? NEED_DIRECT : -1;
}

static void fcntl_run(struct world *w, const void *args, struct op_result *r)
{
	const struct fcntl_args *a = args;
	const int fd = world_fd(w, a->fd);
	int flags;

	RESULT(r, fcntl(fd, F_GETFL));
	if (r->err)
		return;
	flags = ((int)r->ret | (int)a->set) & ~(int)a->clear;
	RESULT(r, fcntl(fd, F_SETFL, flags));
}

static void fcntl_apply(struct world *w, const void *args, const struct op_result *r)
{
	const struct fcntl_args *a = args;
	struct ofd *o = world_ofd(w, a->fd);

	(void)r;
	if (o)
		o->flags = (o->flags | a->set) & ~a->clear;
}

const struct op op_fcntl = {
	.name = "fcntl",
	.doc = "change a descriptor's flags: fcntl(2) F_SETFL",
	.args_size = sizeof(struct fcntl_args),
	.args = fcntl_args,
	.need = fcntl_need,
	.run = fcntl_run,
	.apply = fcntl_apply,
};

static const struct word whence_words[] = {
	{ "set", SEEK_SET },   { "cur", SEEK_CUR },   { "end", SEEK_END },
	{ "data", SEEK_DATA }, { "hole", SEEK_HOLE }, { NULL, 0 },
};

struct seek_args {
	int fd, whence;
	uint64_t off;
};

static const struct argspec seek_args[] = {
	ARG(FD, struct seek_args, fd, .required = true, .doc = "the descriptor"),
	ARG(NUM, struct seek_args, off, .required = true, .doc = "offset"),
	ARG(WORD, struct seek_args, whence, .words = whence_words, .fallback = "set",
	    .doc = "what the offset counts from, or what is looked for from there on"),
	ARG_END,
};

static void seek_run(struct world *w, const void *args, struct op_result *r)
{
	const struct seek_args *a = args;

	RESULT(r, lseek(world_fd(w, a->fd), (off_t)a->off, a->whence));
}

/* Is [off, end) zeroes for all that the model can know? */
static bool may_be_hole(const struct mfile *f, uint64_t off, uint64_t end)
{
	while (off < end) {
		const struct seg s = rope_at(&f->rope, off);

		if (s.pattern != PATTERN_ZERO && s.pattern != PATTERN_ANY)
			return false;
		off += s.len;
	}
	return true;
}

/* What every filesystem owes to SEEK_DATA and SEEK_HOLE (lseek(2)): to skip no data, and to call
 * no data a hole. That holes are found at all is a favour. */
static void seek_found(struct world *w, const struct seek_args *a, const struct mfile *f,
		       const struct op_result *r)
{
	const uint64_t size = f->rope.size, at = (uint64_t)r->ret;

	if (r->err == ENXIO) {
		if (a->off < size && (a->whence == SEEK_HOLE || !may_be_hole(f, a->off, size)))
			world_fail(w, "there is something to be found before the end of the file",
				   "ENXIO at %" PRIu64 " of %" PRIu64, a->off, size);
		return;
	}
	if (a->off >= size)
		world_fail(w, "ENXIO beyond the end of the file", "%" PRId64, r->ret);
	else if (at < a->off || at > size || (at == size && a->whence == SEEK_DATA))
		world_fail(w, "an offset between the given one and the end of the file",
			   "%" PRId64 " for %" PRIu64 " of %" PRIu64, r->ret, a->off, size);
	else if (a->whence == SEEK_DATA && !may_be_hole(f, a->off, at))
		world_fail(w, "no data is skipped", "%" PRId64 " for %" PRIu64, r->ret, a->off);
	else if (a->whence == SEEK_HOLE && at < size && !may_be_hole(f, at, at + 1))
		world_fail(w, "the offset of a hole", "%" PRId64 ", which is data", r->ret);
}

static void seek_apply(struct world *w, const void *args, const struct op_result *r)
{
	const struct seek_args *a = args;
	struct ofd *o = world_ofd(w, a->fd);
	const struct mfile *f = world_model(w, a->fd);
	uint64_t want;

	if (!f || (r->err && r->err != ENXIO))
		return;
	if (a->whence == SEEK_DATA || a->whence == SEEK_HOLE) {
		seek_found(w, a, f, r);
	} else if (!r->err && o->pos_known) {
		want = a->off;
		if (a->whence == SEEK_CUR)
			want += o->pos;
		if (a->whence == SEEK_END)
			want += f->rope.size;
		if ((uint64_t)r->ret != want)
			world_fail(w, world_text(w, "%" PRIu64, want), "%" PRId64, r->ret);
	}
	if (!r->err)
		o->pos = (uint64_t)r->ret;
}

const struct op op_seek = {
	.name = "seek",
	.doc = "move a file position, or look for data and holes: lseek(2)",
	.args_size = sizeof(struct seek_args),
	.args = seek_args,
	.run = seek_run,
	.apply = seek_apply,
	.apply_errors = true,
};

static const struct word seal_words[] = {
	{ "seal", F_SEAL_SEAL },
	{ "shrink", F_SEAL_SHRINK },
	{ "grow", F_SEAL_GROW },
	{ "write", F_SEAL_WRITE },
	{ "future_write", F_SEAL_FUTURE_WRITE },
	{ NULL, 0 },
};

struct seal_args {
	int fd;
	uint64_t seals;
};

static const struct argspec seal_args[] = {
	ARG(FD, struct seal_args, fd, .required = true, .doc = "a descriptor of a memfd"),
	ARG(FLAGS, struct seal_args, seals, .words = seal_words, .required = true,
	    .doc = "what is forbidden from now on"),
	ARG_END,
};

static void seal_run(struct world *w, const void *args, struct op_result *r)
{
	const struct seal_args *a = args;

	RESULT(r, fcntl(world_fd(w, a->fd), F_ADD_SEALS, (int)a->seals));
}

const struct op op_seal = {
	.name = "seal",
	.doc = "seal a memfd: fcntl(2) F_ADD_SEALS",
	.args_size = sizeof(struct seal_args),
	.args = seal_args,
	.run = seal_run,
};
