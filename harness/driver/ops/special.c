/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ops that make other things than files, or do something else with one: pipe, socketpair, memfd,
 * mkswap, swapon, swapoff, freeze, thaw. A point is a process of its own, so what
 * has to be undone at its end is kept in one place for all.
 */
#include "special.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../op.h"
#include "../swapfile.h"
#include "../undo.h"
#include "../world.h"
#include "subject.h"

#define SWAPS_MAX 4
/* Long enough for a few steps, shorter than anybody's patience. */
#define FREEZE_SECONDS 10

static struct undo frozen, swaps[SWAPS_MAX];

struct pair_args {
	int read, write;
	struct opt_num size;
	bool blocking;
};

static const struct argspec pipe_args[] = {
	ARG(NEW_FD, struct pair_args, read, .required = true, .doc = "the end to read from"),
	ARG(NEW_FD, struct pair_args, write, .required = true, .doc = "the end to write to"),
	ARG(OPT_NUM, struct pair_args, size, .max = 1 << 30, .doc = "how much it holds"),
	ARG(BOOL, struct pair_args, blocking,
	    .doc = "wait where nothing can be read or written, in place of EAGAIN"),
	ARG_END,
};

static void pipe_run(struct world *w, const void *args, struct op_result *r)
{
	const struct pair_args *a = args;
	int *ends = arena_alloc(w->arena, 2 * sizeof(*ends));

	r->data = ends;
	RESULT(r, pipe2(ends, O_CLOEXEC | (a->blocking ? 0 : O_NONBLOCK)));
	if (r->err || !a->size.set || fcntl(ends[1], F_SETPIPE_SZ, (int)a->size.value) >= 0)
		return;
	RESULT(r, -1);
	close(ends[0]);
	close(ends[1]);
}

static void open_ends(struct world *w, const struct pair_args *a, const struct op_result *r)
{
	const int *ends = r->data;
	const uint64_t nonblock = a->blocking ? 0 : O_NONBLOCK;

	world_open_fd(w, a->read, ends[0], -1, O_RDONLY | nonblock);
	world_open_fd(w, a->write, ends[1], -1, O_WRONLY | nonblock);
}

static void pipe_apply(struct world *w, const void *args, const struct op_result *r)
{
	const struct pair_args *a = args;
	struct rope *content = arena_alloc(w->arena, sizeof(*content));

	open_ends(w, a, r);
	world_ofd(w, a->read)->pipe = content;
	world_ofd(w, a->write)->pipe = content;
}

const struct op op_pipe = {
	.name = "pipe",
	.doc = "make a pipe, whose content is followed: pipe2(2)",
	.args_size = sizeof(struct pair_args),
	.args = pipe_args,
	.run = pipe_run,
	.apply = pipe_apply,
};

static const struct argspec socketpair_args[] = {
	{ .name = "a",
	  .type = ARG_NEW_FD,
	  .offset = offsetof(struct pair_args, read),
	  .required = true,
	  .doc = "one end" },
	{ .name = "b",
	  .type = ARG_NEW_FD,
	  .offset = offsetof(struct pair_args, write),
	  .required = true,
	  .doc = "the other end" },
	ARG_END,
};

static void socketpair_run(struct world *w, const void *args, struct op_result *r)
{
	int *ends = arena_alloc(w->arena, 2 * sizeof(*ends));

	(void)args;
	r->data = ends;
	RESULT(r, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends));
}

static void socketpair_apply(struct world *w, const void *args, const struct op_result *r)
{
	open_ends(w, args, r);
}

const struct op op_socketpair = {
	.name = "socketpair",
	.doc = "make two connected stream sockets: socketpair(2)",
	.args_size = sizeof(struct pair_args),
	.args = socketpair_args,
	.run = socketpair_run,
	.apply = socketpair_apply,
};

struct memfd_args {
	int as, fd;
};

static const struct argspec memfd_args[] = {
	ARG(NEW_FILE, struct memfd_args, as, .required = true, .doc = "name of the file"),
	ARG(NEW_FD, struct memfd_args, fd, .required = true, .doc = "name of its descriptor"),
	ARG_END,
};

/* The driver keeps the first descriptor and gives the case another. */
static void memfd_run(struct world *w, const void *args, struct op_result *r)
{
	const struct memfd_args *a = args;
	int *fds = arena_alloc(w->arena, 2 * sizeof(*fds));
	char self[40];

	r->data = fds;
	fds[0] = memfd_create(w->files[a->as].path, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	RESULT(r, fds[0]);
	if (r->err)
		return;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fds[0]);
	fds[1] = open(self, O_RDWR | O_CLOEXEC);
	r->ret = 0;
	r->harness = fds[1] < 0 ? errno : 0;
}

static void memfd_apply(struct world *w, const void *args, const struct op_result *r)
{
	const struct memfd_args *a = args;
	const int *fds = r->data;
	struct wfile *f = &w->files[a->as];

	f->keep = fds[0];
	world_made(w, a->as);
	f->linked = false;
	world_open_fd(w, a->fd, fds[1], a->as, O_RDWR);
}

const struct op op_memfd = {
	.name = "memfd",
	.doc = "make a file in memory, of no filesystem: memfd_create(2)",
	.args_size = sizeof(struct memfd_args),
	.args = memfd_args,
	.run = memfd_run,
	.apply = memfd_apply,
};

struct swap_args {
	int fd;
};

static const struct argspec swap_args[] = {
	ARG(FD, struct swap_args, fd, .required = true, .doc = "the file, read-write"),
	ARG_END,
};

/* The header is no stamped data: the model forgets what the first page holds. */
static void mkswap_run(struct world *w, const void *args, struct op_result *r)
{
	const struct swap_args *a = args;
	const int fd = world_fd(w, a->fd);
	struct stat st;
	int err;

	RESULT(r, fstat(fd, &st));
	if (r->err)
		return;
	err = swapfile_header(fd, w->units.page, (uint64_t)st.st_size / w->units.page);
	r->err = -err;
	r->ret = err ? -1 : 0;
}

static void mkswap_apply(struct world *w, const void *args, const struct op_result *r)
{
	const struct swap_args *a = args;
	struct mfile *m = world_model(w, a->fd);

	(void)r;
	if (!m)
		return;
	if (m->rope.size < w->units.page)
		model_truncate(&w->model, m, w->units.page);
	model_any(&w->model, m, 0, w->units.page);
	world_wrote(w, m);
}

const struct op op_mkswap = {
	.name = "mkswap",
	.doc = "write the header of a swap area into the first page: mkswap(8)",
	.args_size = sizeof(struct swap_args),
	.args = swap_args,
	.run = mkswap_run,
	.apply = mkswap_apply,
};

static int swap_need(const void *args)
{
	(void)args;
	return NEED_SWAP;
}

static void negative_result(struct op_result *r, int err)
{
	r->err = -err;
	r->ret = err ? -1 : 0;
}

static void swapon_run(struct world *w, const void *args, struct op_result *r)
{
	const struct swap_args *a = args;

	for (size_t i = 0; i < SWAPS_MAX; i++) {
		if (swaps[i].guard)
			continue;
		negative_result(
			r, undo_begin(&swaps[i], world_fd(w, a->fd), undo_swapon, undo_swapoff, 0));
		return;
	}
	r->harness = ENOSPC;
}

/* The kernel may put pages there at any time. */
static void swapon_apply(struct world *w, const void *args, const struct op_result *r)
{
	const struct swap_args *a = args;
	struct mfile *m = world_model(w, a->fd);

	(void)r;
	if (!m)
		return;
	model_any(&w->model, m, 0, m->rope.size);
	m->mtime = TOUCH_MAY;
	m->ctime = TOUCH_MAY;
}

const struct op op_swapon = {
	.name = "swapon",
	.doc = "have a file used as swap space until the end of the case: swapon(2)",
	.args_size = sizeof(struct swap_args),
	.args = swap_args,
	.need = swap_need,
	.dedicated = true,
	.run = swapon_run,
	.apply = swapon_apply,
};

/* Ours if we know of it: its guard goes, too. */
static void swapoff_run(struct world *w, const void *args, struct op_result *r)
{
	const struct swap_args *a = args;
	const int fd = world_fd(w, a->fd);
	struct stat wanted, st;

	RESULT(r, fstat(fd, &wanted));
	if (r->err)
		return;
	for (size_t i = 0; i < SWAPS_MAX; i++) {
		if (!swaps[i].guard || fstat(swaps[i].fd, &st) || st.st_ino != wanted.st_ino ||
		    st.st_dev != wanted.st_dev)
			continue;
		negative_result(r, undo_end(&swaps[i]));
		return;
	}
	negative_result(r, undo_swapoff(fd));
}

const struct op op_swapoff = {
	.name = "swapoff",
	.doc = "use a file as swap space no longer: swapoff(2)",
	.args_size = sizeof(struct swap_args),
	.args = swap_args,
	.need = swap_need,
	.dedicated = true,
	.run = swapoff_run,
};

static int freeze_need(const void *args)
{
	(void)args;
	return NEED_FREEZE;
}

static const struct argspec freeze_args[] = {
	ARG(FD, struct swap_args, fd, .required = true, .doc = "any file of the filesystem"),
	ARG_END,
};

static void freeze_run(struct world *w, const void *args, struct op_result *r)
{
	const struct swap_args *a = args;

	if (frozen.guard)
		negative_result(r, undo_freeze(world_fd(w, a->fd)));
	else
		negative_result(r, undo_begin(&frozen, world_fd(w, a->fd), undo_freeze, undo_thaw,
					      FREEZE_SECONDS));
}

const struct op op_freeze = {
	.name = "freeze",
	.doc = "freeze the filesystem of a file, for ten seconds at most: ioctl FIFREEZE",
	.args_size = sizeof(struct swap_args),
	.args = freeze_args,
	.need = freeze_need,
	.dedicated = true,
	.run = freeze_run,
};

static void thaw_run(struct world *w, const void *args, struct op_result *r)
{
	const struct swap_args *a = args;

	if (frozen.guard)
		negative_result(r, undo_end(&frozen));
	else
		negative_result(r, undo_thaw(world_fd(w, a->fd)));
}

const struct op op_thaw = {
	.name = "thaw",
	.doc = "thaw a filesystem: ioctl FITHAW",
	.args_size = sizeof(struct swap_args),
	.args = freeze_args,
	.need = freeze_need,
	.dedicated = true,
	.run = thaw_run,
};

void special_teardown(struct world *w)
{
	(void)w;
	undo_end(&frozen);
	for (size_t i = 0; i < SWAPS_MAX; i++)
		undo_end(&swaps[i]);
}
