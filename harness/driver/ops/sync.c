/* SPDX-License-Identifier: GPL-2.0-only */
/* Ops that bring data to the disk or take it out of memory: fsync, fdatasync, syncfs, drop_cache,
 * drop_caches, remount, crash_server, push_down. None changes what a file holds. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "../op.h"
#include "../world.h"

#define DROP_CACHES "/proc/sys/vm/drop_caches"

struct sync_args {
	int fd;
};

static const struct argspec sync_args[] = {
	ARG(FD, struct sync_args, fd, .required = true, .doc = "the descriptor"),
	ARG_END,
};

static void fsync_run(struct world *w, const void *args, struct op_result *r)
{
	const struct sync_args *a = args;

	RESULT(r, fsync(world_fd(w, a->fd)));
}

const struct op op_fsync = {
	.name = "fsync",
	.doc = "flush a file to the disk: fsync(2)",
	.args_size = sizeof(struct sync_args),
	.args = sync_args,
	.run = fsync_run,
	.settles = true,
};

static void fdatasync_run(struct world *w, const void *args, struct op_result *r)
{
	const struct sync_args *a = args;

	RESULT(r, fdatasync(world_fd(w, a->fd)));
}

const struct op op_fdatasync = {
	.name = "fdatasync",
	.doc = "flush a file's data to the disk: fdatasync(2)",
	.args_size = sizeof(struct sync_args),
	.args = sync_args,
	.run = fdatasync_run,
	.settles = true,
};

static void syncfs_run(struct world *w, const void *args, struct op_result *r)
{
	const struct sync_args *a = args;

	RESULT(r, syncfs(world_fd(w, a->fd)));
}

/* Its result tells of data written to any file there is (syncfs(2)), so of other points' files. */
const struct op op_syncfs = {
	.name = "syncfs",
	.doc = "flush the filesystem of a descriptor to the disk: syncfs(2)",
	.args_size = sizeof(struct sync_args),
	.args = sync_args,
	.alone = true,
	.run = syncfs_run,
	.settles = true,
};

/* Dirty pages would stay. */
static void drop_cache_run(struct world *w, const void *args, struct op_result *r)
{
	const struct sync_args *a = args;
	const int fd = world_fd(w, a->fd);

	RESULT(r, fsync(fd));
	if (r->err)
		return;
	r->err = posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	r->ret = r->err ? -1 : 0;
}

const struct op op_drop_cache = {
	.name = "drop_cache",
	.doc = "flush one file and drop its pages: fsync(2), then posix_fadvise(2) DONTNEED",
	.args_size = sizeof(struct sync_args),
	.args = sync_args,
	.run = drop_cache_run,
	.settles = true,
};

static int drop_caches_need(const void *args)
{
	(void)args;
	return NEED_DROP_CACHES;
}

static void drop_caches_run(struct world *w, const void *args, struct op_result *r)
{
	int fd;

	(void)args;
	RESULT(r, syncfs(w->dirfd));
	if (r->err)
		return;
	fd = open(DROP_CACHES, O_WRONLY | O_CLOEXEC);
	if (fd < 0) {
		r->harness = errno;
		return;
	}
	/* 3: pages, inodes and directory entries */
	RESULT(r, write(fd, "3", 1));
	if (r->ret > 0)
		r->ret = 0;
	close(fd);
}

const struct op op_drop_caches = {
	.name = "drop_caches",
	.doc = "flush the filesystem and drop all that the machine has cached: proc_sys_vm(5)",
	.args_size = sizeof(struct no_args),
	.args = no_args,
	.need = drop_caches_need,
	.dedicated = true,
	.run = drop_caches_run,
	.settles = true,
};

static int hook_need(const void *args)
{
	(void)args;
	return NEED_HOOK;
}

static void remount_run(struct world *w, const void *args, struct op_result *r)
{
	(void)args;
	r->harness = -world_remount(w, "remount");
}

static void crash_server_run(struct world *w, const void *args, struct op_result *r)
{
	const int err = -world_remount(w, "crash_server");

	(void)args;
	if (err == ENOENT)
		world_fail(w, "every file is there", "one is gone");
	else
		r->harness = err;
}

static void push_down_run(struct world *w, const void *args, struct op_result *r)
{
	(void)args;
	r->harness = -world_remount(w, "push_down");
}

/* The files are copies of themselves: all is as it was but the time of their making. */
static void push_down_apply(struct world *w, const void *args, const struct op_result *r)
{
	(void)args;
	(void)r;
	for (size_t i = 0; i < w->point->files_count; i++) {
		struct mfile *m = w->files[i].model;

		if (!m)
			continue;
		m->ctime = TOUCH_MAY;
		w->files[i].lower = true;
		model_unsure(&w->model, m, 0, m->rope.size);
	}
}

const struct op op_remount = {
	.name = "remount",
	.doc = "close everything and have the filesystem unmounted and mounted again by the hook "
	       "of this name",
	.args_size = sizeof(struct no_args),
	.args = no_args,
	.need = hook_need,
	.alone = true,
	.run = remount_run,
};

const struct op op_crash_server = {
	.name = "crash_server",
	.doc = "like remount, but by the hook crash_server: the server of a network filesystem "
	       "loses all that is not on its disk, as by a power cut, and starts anew; what a case "
	       "has not brought to the disk it cannot expect to find",
	.args_size = sizeof(struct no_args),
	.args = no_args,
	.need = hook_need,
	.alone = true,
	.run = crash_server_run,
};

const struct op op_push_down = {
	.name = "push_down",
	.doc = "like remount, but by the hook push_down: on an overlay, what was in the upper "
	       "layer "
	       "is in the lower one after it",
	.args_size = sizeof(struct no_args),
	.args = no_args,
	.need = hook_need,
	.alone = true,
	.run = push_down_run,
	.apply = push_down_apply,
};
