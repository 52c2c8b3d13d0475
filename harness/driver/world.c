/* SPDX-License-Identifier: GPL-2.0-only */
/* The world of a running point: who is behind a descriptor, and whether each step left all as it
 * must be. */
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <linux/magic.h>
#include <linux/openat2.h>

#include "op.h"
#include "ops/quota.h"
#include "ops/special.h"

/* A number that no descriptor of ours has: far above all that are open, below the usual limit. */
#define CLOSED_FD 1000

#define NS_PER_S INT64_C(1000000000)
/* Two clocks that are read one after the other, each as coarse as a tick of 100 Hz. */
#define CLOCK_SLACK_NS INT64_C(50000000)

int world_fd(const struct world *w, int fd)
{
	if (fd == FD_CLOSED)
		return CLOSED_FD;
	if (fd < 0)
		return -1;
	return w->fds[fd].fd < 0 ? CLOSED_FD : w->fds[fd].fd;
}

struct ofd *world_ofd(struct world *w, int fd)
{
	return fd < 0 || w->fds[fd].fd < 0 ? NULL : w->fds[fd].ofd;
}

struct wfile *world_file(struct world *w, int fd)
{
	const struct ofd *o = world_ofd(w, fd);

	return !o || o->file < 0 ? NULL : &w->files[o->file];
}

struct mfile *world_model(struct world *w, int fd)
{
	const struct wfile *f = world_file(w, fd);

	return f ? f->model : NULL;
}

void world_open_fd(struct world *w, int fd, int kernel_fd, int file, uint64_t flags)
{
	struct ofd *o = arena_alloc(w->arena, sizeof(*o));

	o->file = file;
	o->flags = flags;
	o->pos_known = file >= 0 && w->files[file].model && !(flags & O_PATH);
	w->fds[fd] = (struct wfd){ .fd = kernel_fd, .ofd = o };
}

void world_close_fd(struct world *w, int fd)
{
	w->fds[fd] = (struct wfd){ .fd = -1 };
}

int world_keep_fd(const struct world *w, int file)
{
	return w->files[file].keep;
}

bool world_is_here(const struct world *w, const struct wfile *f)
{
	struct statfs here, there;

	if (f->spec->kind == FILE_MEMFD || f->spec->second || f->keep < 0)
		return false;
	/* A memfd that a step made is of no special kind, but no filesystem type is its own. */
	return !fstatfs(w->dirfd, &here) && !fstatfs(f->keep, &there) &&
	       (here.f_type == there.f_type || there.f_type != TMPFS_MAGIC);
}

bool world_first_name(const struct world *w, size_t file)
{
	for (size_t i = 0; i < file; i++)
		if (w->files[i].model && w->files[i].model == w->files[file].model)
			return false;
	return true;
}

const char *world_pattern_name(const struct world *w, uint32_t pattern)
{
	if (pattern == PATTERN_ZERO)
		return "zeroes";
	return pattern < w->point->patterns_count ? w->point->patterns[pattern] : "?";
}

int world_open_beneath(int dirfd, const char *name, uint64_t flags, uint32_t mode)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC | O_NOFOLLOW,
		.mode = flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? mode : 0,
		.resolve = RESOLVE_BENEATH,
	};

	return (int)syscall(SYS_openat2, dirfd, name, &how, sizeof(how));
}

void world_wrote(struct world *w, struct mfile *f)
{
	model_strip(f, w->fsetid);
	if (f->mtime == TOUCH_NOT)
		f->mtime = TOUCH_MUST;
	if (f->ctime == TOUCH_NOT)
		f->ctime = TOUCH_MUST;
}

static int64_t stamp_ns(const struct statx_timestamp *t)
{
	return t->tv_sec * NS_PER_S + t->tv_nsec;
}

bool world_is_away(const struct world *w, const struct wfile *f)
{
	for (size_t i = 0; f->model && i < w->point->fds_count; i++) {
		const struct ofd *o = w->fds[i].ofd;

		if (w->fds[i].fd >= 0 && o->view && w->files[o->file].model == f->model &&
		    (o->flags & O_ACCMODE) != O_RDONLY)
			return w->probe->need[NEED_SECOND_CLIENT].answer != ANSWER_NO;
	}
	return false;
}

static bool look(const struct world *w, struct wfile *f)
{
	/* A client may answer from memory what another one has changed, if it is let. */
	const int how = AT_EMPTY_PATH | (w->viewfd >= 0 ? AT_STATX_FORCE_SYNC : 0);
	struct statx st;

	f->known.valid = false;
	if (!f->exists || f->keep < 0)
		return false;
	if (statx(f->keep, "", how, STATX_BASIC_STATS, &st) < 0)
		return false;
	f->known.valid = true;
	f->known.size = st.stx_size;
	f->known.blocks = st.stx_blocks;
	f->known.mode = st.stx_mode & 07777;
	f->known.uid = st.stx_uid;
	f->known.gid = st.stx_gid;
	f->known.nlink = st.stx_nlink;
	f->known.mtime_ns = stamp_ns(&st.stx_mtime);
	f->known.ctime_ns = stamp_ns(&st.stx_ctime);
	return true;
}

/* No step has begun from here on: nothing is touched yet. */
static void rest(struct mfile *m)
{
	m->mtime = TOUCH_NOT;
	m->ctime = TOUCH_NOT;
	m->changed = false;
	m->mode_may_lose = 0;
}

static int64_t clock_now(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

void world_look(struct world *w)
{
	w->step_ns = clock_now(CLOCK_REALTIME_COARSE);
	w->step_mono_ns = clock_now(CLOCK_MONOTONIC_COARSE);
	for (size_t i = 0; i < w->point->files_count; i++) {
		if (w->files[i].model)
			rest(w->files[i].model);
		w->files[i].known.valid = false;
		if (!world_is_away(w, &w->files[i]))
			look(w, &w->files[i]);
	}
}

void world_made(struct world *w, int file)
{
	struct wfile *f = &w->files[file];
	struct stat st;

	f->exists = true;
	f->linked = true;
	if (f->keep < 0)
		f->keep = world_open_beneath(f->dirfd, f->path, O_RDONLY, 0);
	if (f->keep < 0)
		f->keep = world_open_beneath(f->dirfd, f->path, O_PATH, 0);
	if (f->keep < 0 || fstat(f->keep, &st) < 0) {
		world_error(w, "cannot look at %s: %s", f->path, strerror(errno));
		return;
	}
	f->model = arena_alloc(w->arena, sizeof(*f->model));
	f->model->mode = st.st_mode & 07777;
	f->model->uid = st.st_uid;
	f->model->gid = st.st_gid;
	f->model->mtime = TOUCH_MAY;
	f->model->ctime = TOUCH_MAY;
	f->known.valid = false;
}

/*
 * @ns as a filesystem would store it that shows @sample. Whole seconds, or milliseconds, are most
 * likely all that it keeps; where they are not, a bit less is demanded than might be.
 */
static int64_t as_coarse_as(int64_t sample, int64_t ns)
{
	static const int64_t grains[] = { 2 * NS_PER_S, NS_PER_S, 10000000, 1000000, 1000, 100 };

	for (size_t i = 0; i < sizeof(grains) / sizeof(grains[0]); i++)
		if (sample % grains[i] == 0)
			return ns - ns % grains[i];
	return ns;
}

/* Somebody has set the clock since the step began: time stamps prove nothing then. */
static bool clock_was_set(const struct world *w)
{
	const int64_t real = clock_now(CLOCK_REALTIME_COARSE) - w->step_ns;
	const int64_t mono = clock_now(CLOCK_MONOTONIC_COARSE) - w->step_mono_ns;

	return llabs(real - mono) > CLOCK_SLACK_NS;
}

static void settle_time(struct world *w, const struct wfile *f, const char *which, enum touch touch,
			int64_t before, int64_t after)
{
	/* A kernel's clock for time stamps ticks coarsely, and filesystems cut off more: only a
	 * tick in between makes a move certain. */
	const int64_t start = as_coarse_as(before, w->step_ns);
	const bool ticked = start > before && !clock_was_set(w);
	/* Servers have clocks of their own. */
	const bool own_clock = strcmp(w->probe->device_kind, "none") != 0;

	if (touch == TOUCH_MAY)
		return;
	if (touch == TOUCH_MUST && (!ticked || w->probe->need[NEED_TIMES].answer == ANSWER_NO))
		return;
	w->checked.times++;
	if (touch == TOUCH_MUST && after == before)
		world_fail(
			w,
			world_text(w, "%s moves the %s of %s", w->step->op->name, which, f->path),
			"%s of %s is as before", which, f->path);
	else if (touch == TOUCH_MUST && (own_clock ? after < start : after < before))
		world_fail(w,
			   world_text(w, "%s moves the %s of %s to the present", w->step->op->name,
				      which, f->path),
			   "%s of %s lies %" PRId64 " ns before the call", which, f->path,
			   w->step_ns - after);
	if (touch == TOUCH_NOT && after != before)
		world_fail(w, world_text(w, "the %s of %s stays", which, f->path),
			   "%s of %s moved by %" PRId64 " ns", which, f->path, after - before);
}

/* truncate(2) takes private pages away, too: what lies there again later is of the file. */
static void cut_private(struct world *w, const struct mfile *m)
{
	for (size_t i = 0; i < w->point->maps_count; i++) {
		struct wmap *map = &w->maps[i];
		const uint64_t page = w->units.page;
		const uint64_t end = (m->rope.size + page - 1) / page * page;
		const uint64_t first = end > map->off ? end - map->off : 0;
		struct seg any = { .pattern = PATTERN_ANY };
		struct rope gone = { .seg = &any, .count = 1 };

		if (!map->addr || map->shared || w->files[map->file].model != m ||
		    first >= map->own.size)
			continue;
		any.len = gone.size = map->own.size - first;
		rope_replace(&map->own, first, &gone);
	}
}

static void settle_mode(struct world *w, const struct wfile *f, const struct mfile *m)
{
	/* What is shown is what the mount says of all files. */
	if (w->probe->need[NEED_MODES].answer == ANSWER_NO)
		return;
	if (m->mode & ~m->mode_may_lose & ~f->known.mode || f->known.mode & ~m->mode)
		world_fail(w, world_text(w, "%s has mode %04o", f->path, m->mode),
			   "%s has mode %04o", f->path, f->known.mode);
	if (f->known.uid != m->uid || f->known.gid != m->gid)
		world_fail(w, world_text(w, "%s belongs to %u:%u", f->path, m->uid, m->gid),
			   "%s belongs to %u:%u", f->path, f->known.uid, f->known.gid);
}

/* Where a server sets the time stamps, those of all that was written move: when it is sent, by a
 * copy of the file say. Where it has left them to the client, they do when it is given them back.
 */
static bool times_settle_later(const struct world *w, const struct wfile *f)
{
	if (w->probe->late_times)
		return !f->dated;
	return f->written && w->probe->need[NEED_TIMES].answer == ANSWER_NO;
}

static void settle_file(struct world *w, struct wfile *f)
{
	const struct mfile *m = f->model;
	const int64_t mtime = f->known.mtime_ns, ctime = f->known.ctime_ns;
	const bool known = f->known.valid;

	if (!m || !f->exists || f->keep < 0)
		return;
	f->written |= m->changed;
	f->dated &= !m->changed;
	if (known && m->rope.size < f->known.size)
		cut_private(w, m);
	if (world_is_away(w, f)) {
		f->known.valid = false;
		return;
	}
	if (!look(w, f)) {
		world_fail(w, world_text(w, "statx of %s succeeds", f->path), "%s",
			   strerror(errno));
		return;
	}
	w->checked.attributes++;
	if (f->known.size != m->rope.size)
		world_fail(w, world_text(w, "%s has %" PRIu64 " bytes", f->path, m->rope.size),
			   "%s has %" PRIu64 " bytes", f->path, f->known.size);
	settle_mode(w, f, m);
	/* Stores into a mapping move the time stamps when the kernel sees fit. */
	if (!known || f->maps || times_settle_later(w, f))
		return;
	settle_time(w, f, "mtime", m->mtime, mtime, f->known.mtime_ns);
	/* An overlay copies a file up when it is opened for writing; that is no change of the file.
	 */
	if (f->lower && m->ctime == TOUCH_NOT && f->known.ctime_ns > ctime)
		f->lower = false;
	else
		settle_time(w, f, "ctime", m->ctime, ctime, f->known.ctime_ns);
}

static void settle_position(struct world *w, size_t fd)
{
	const struct ofd *o = w->fds[fd].ofd;
	off_t pos;

	if (w->fds[fd].fd < 0 || !o->pos_known)
		return;
	pos = lseek(w->fds[fd].fd, 0, SEEK_CUR);
	w->checked.positions++;
	if (pos < 0 || (uint64_t)pos != o->pos)
		world_fail(w,
			   world_text(w, "the file position of %s is %" PRIu64, w->point->fds[fd],
				      o->pos),
			   "the file position of %s is %" PRId64, w->point->fds[fd], (int64_t)pos);
}

/* Does anything but the harness itself still hold a file that has no name? */
static bool held(const struct world *w, int file)
{
	for (size_t i = 0; i < w->point->fds_count; i++)
		if (w->fds[i].fd >= 0 && w->fds[i].ofd->file == file)
			return true;
	for (size_t i = 0; i < w->point->maps_count; i++)
		if (w->maps[i].addr && w->maps[i].file == file)
			return true;
	return false;
}

/* The file has no model any more, unless it has another name. */
static void forget(struct world *w, struct wfile *f)
{
	struct mfile *m = f->model;

	f->exists = false;
	f->model = NULL;
	for (size_t i = 0; i < w->point->files_count; i++)
		if (w->files[i].model == m)
			return;
	if (m)
		rope_free(&m->rope);
}

/* A file that is gone must really go: its space comes back with the last descriptor. */
static void let_go(struct world *w, struct wfile *f)
{
	if (!f->exists || f->linked || f->keep < 0 || held(w, (int)(f - w->files)))
		return;
	/* It is not there at the end of the point, when all others are read. */
	world_read_back(w, f, false);
	close(f->keep);
	f->keep = -1;
	forget(w, f);
}

void world_settle(struct world *w)
{
	for (size_t i = 0; i < w->point->files_count; i++) {
		struct wfile *f = &w->files[i];

		settle_file(w, f);
		if (f->model && f->known.valid)
			f->model->mode = f->known.mode;
		let_go(w, f);
	}
	for (size_t i = 0; i < w->point->fds_count; i++)
		settle_position(w, i);
}

static void drop_everything(struct world *w)
{
	for (size_t i = 0; i < w->point->maps_count; i++) {
		if (w->maps[i].addr)
			munmap(w->maps[i].addr, w->maps[i].len);
		w->maps[i].addr = NULL;
	}
	for (size_t i = 0; i < w->point->fds_count; i++) {
		if (w->fds[i].fd >= 0)
			close(w->fds[i].fd);
		world_close_fd(w, (int)i);
	}
	for (size_t i = 0; i < w->point->files_count; i++) {
		struct wfile *f = &w->files[i];

		if (f->keep >= 0)
			close(f->keep);
		f->keep = -1;
		f->maps = 0;
	}
}

int world_remount(struct world *w, const char *hook)
{
	int err;

	for (size_t i = 0; i < w->point->files_count; i++) {
		struct wfile *f = &w->files[i];

		/* What has no name does not outlive a remount. */
		if (!f->linked) {
			world_read_back(w, f, false);
			forget(w, f);
		}
		/* The last moment for a store into a mapping to show, and for what was only in
		 * memory to be forgotten. */
		if ((f->maps || f->midway) && f->model)
			f->model->mtime = f->model->ctime = TOUCH_MAY;
		f->midway = false;
	}
	drop_everything(w);
	err = w->hook ? w->hook(w, hook) : -ENOSYS;
	if (err)
		return err;
	for (size_t i = 0; i < w->point->files_count; i++) {
		struct wfile *f = &w->files[i];
		const uint64_t flags = f->spec->open;

		f->dirfd = f->spec->second ? w->dir2fd : w->dirfd;
		if (!f->model)
			continue;
		f->keep = world_open_beneath(f->dirfd, f->path, O_RDONLY, 0);
		if (f->keep < 0)
			return -errno;
		if (f->spec->kind == FILE_REGULAR && !f->spec->open_none) {
			const int fd = world_open_beneath(f->dirfd, f->path, flags, 0);

			if (fd < 0)
				return -errno;
			world_open_fd(w, (int)i, fd, (int)i, flags);
		}
	}
	return 0;
}

void world_teardown(struct world *w)
{
	quota_teardown();
	special_teardown(w);
	drop_everything(w);
	for (size_t i = 0; i < w->point->maps_count; i++)
		rope_free(&w->maps[i].own);
	for (size_t i = 0; i < w->point->files_count; i++)
		if (w->files[i].model)
			rope_free(&w->files[i].model->rope);
	model_free(&w->model);
}
