/* SPDX-License-Identifier: GPL-2.0-only */
/* Makes the files of a point before its first step, as "files" asks for them. */
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <linux/fs.h>

#include "stamp.h"

/* Written in pieces of this size, so that a big file costs no memory. */
#define PIECE_BYTES (256 * 1024)
/* More stamped data than this in one file is a mistake of the author. */
#define DATA_BYTES_MAX (UINT64_C(4) << 30)
#define DEFAULT_MODE   0644

/* Say what could not be made and why; always false, for `return cannot(...)`. */
static bool cannot(struct world *w, const struct wfile *f, const char *what)
{
	world_error(w, "set-up: %s %s: %s", what, f->path, strerror(errno));
	return false;
}

static bool write_pattern(struct world *w, struct wfile *f, int fd, uint64_t off, uint64_t len,
			  struct data data)
{
	const uint64_t end = off + len;
	const uint64_t shift = data.at ? data.off - off : 0;
	static uint8_t buf[PIECE_BYTES];

	if (len > DATA_BYTES_MAX) {
		world_error(w, "set-up: %s asks for %" PRIu64 " bytes of data; use holes", f->path,
			    len);
		return false;
	}
	for (uint64_t at = off; at < end;) {
		const size_t part = end - at < PIECE_BYTES ? (size_t)(end - at) : PIECE_BYTES;
		ssize_t done;

		stamp_fill(buf, part, data.pattern, at + shift, w->tag);
		done = pwrite(fd, buf, part, (off_t)at);
		if (done <= 0)
			return cannot(w, f, "write");
		at += (uint64_t)done;
	}
	model_write(&w->model, f->model, off, len, data);
	return true;
}

/* Share [off, off + len) with the bystander at the same place. */
static bool share_piece(struct world *w, struct wfile *f, int fd, uint64_t off, uint64_t len)
{
	struct wfile *sharer = &w->files[f->spec->sharer];
	struct file_clone_range range = {
		.src_fd = fd, .src_offset = off, .src_length = len, .dest_offset = off
	};

	if (ioctl(sharer->keep, FICLONERANGE, &range) < 0)
		return cannot(w, sharer, "FICLONERANGE to");
	model_clone(&w->model, sharer->model, off, f->model, off, len, ORIGIN_SURE);
	return true;
}

/* One round over the layout's pieces: first all that goes to disk, then what is shared, then what
 * stays dirty. */
static bool lay_out(struct world *w, struct wfile *f, int fd, enum layout_kind first,
		    enum layout_kind last)
{
	const struct filespec *s = f->spec;
	struct data data = s->data;
	uint64_t off = 0;

	for (size_t i = 0; i < s->layout_count; off += s->layout[i++].len) {
		const struct layout *l = &s->layout[i];
		bool good = true;

		if (l->kind < first || l->kind > last)
			continue;
		if (s->data.at)
			data.off = s->data.off + off;
		switch (l->kind) {
		case LAYOUT_HOLE:
			break;
		case LAYOUT_ZERO:
			good = write_pattern(w, f, fd, off, l->len, (struct data){ 0 });
			break;
		case LAYOUT_UNWRITTEN:
			if (fallocate(fd, 0, (off_t)off, (off_t)l->len) < 0)
				return cannot(w, f, "fallocate");
			model_reserve(&w->model, f->model, off, l->len);
			break;
		case LAYOUT_WRITTEN:
		case LAYOUT_SHARED:
		case LAYOUT_DIRTY:
			good = write_pattern(w, f, fd, off, l->len, data);
			break;
		}
		if (!good)
			return false;
	}
	return true;
}

static uint64_t layout_size(const struct filespec *s)
{
	uint64_t size = 0;

	for (size_t i = 0; i < s->layout_count; i++)
		size += s->layout[i].len;
	return size;
}

static bool fill_layout(struct world *w, struct wfile *f, int fd)
{
	const struct filespec *s = f->spec;
	const uint64_t size = layout_size(s);
	uint64_t off = 0;

	/* First: what is written at the end of a file may get blocks behind it, which would fill
	 * the holes that follow. */
	if (ftruncate(fd, (off_t)size) < 0)
		return cannot(w, f, "truncate");
	model_truncate(&w->model, f->model, size);
	if (!lay_out(w, f, fd, LAYOUT_HOLE, LAYOUT_SHARED))
		return false;
	if (fsync(fd) < 0)
		return cannot(w, f, "fsync");
	if (s->sharer >= 0 && ftruncate(w->files[s->sharer].keep, (off_t)size) < 0)
		return cannot(w, &w->files[s->sharer], "truncate");
	if (s->sharer >= 0)
		model_truncate(&w->model, w->files[s->sharer].model, size);
	for (size_t i = 0; i < s->layout_count; off += s->layout[i++].len)
		if (s->layout[i].kind == LAYOUT_SHARED &&
		    !share_piece(w, f, fd, off, s->layout[i].len))
			return false;
	if (s->sharer >= 0 && fsync(w->files[s->sharer].keep) < 0)
		return cannot(w, &w->files[s->sharer], "fsync");
	return lay_out(w, f, fd, LAYOUT_DIRTY, LAYOUT_DIRTY);
}

static bool fill(struct world *w, struct wfile *f, int fd)
{
	const struct filespec *s = f->spec;

	if (s->layout_count)
		return fill_layout(w, f, fd);
	if (s->data.pattern == PATTERN_ZERO && !s->data.at) {
		/* A file of zeroes without a layout is one hole, of any size. */
		if (ftruncate(fd, (off_t)s->size) < 0)
			return cannot(w, f, "truncate");
		model_truncate(&w->model, f->model, s->size);
	} else if (!write_pattern(w, f, fd, 0, s->size, s->data)) {
		return false;
	}
	if (s->sync && fsync(fd) < 0)
		return cannot(w, f, "fsync");
	return true;
}

/* Owner first: giving a file away takes its set-user-ID. */
static bool own(struct world *w, struct wfile *f, int fd)
{
	const struct filespec *s = f->spec;
	const uint32_t mode = s->mode_set ? s->mode : DEFAULT_MODE;

	if (s->owner_set && fchown(fd, (uid_t)s->uid, (gid_t)s->gid) < 0)
		return cannot(w, f, "chown");
	if (fchmod(fd, mode) < 0)
		return cannot(w, f, "chmod");
	if (s->owner_set) {
		f->model->uid = (uint32_t)s->uid;
		f->model->gid = (uint32_t)s->gid;
	}
	f->model->mode = mode;
	return true;
}

static int create_nameless(struct wfile *f)
{
	if (f->spec->kind == FILE_MEMFD)
		return memfd_create(f->path, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return openat(f->dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, DEFAULT_MODE);
}

/* The harness's own descriptor only reads: it must not be what keeps a file writable. */
static bool keep_for_reading(struct world *w, struct wfile *f)
{
	char self[40];
	int fd;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", f->keep);
	fd = open(self, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return cannot(w, f, "open");
	close(f->keep);
	f->keep = fd;
	return true;
}

/* The descriptor that bears the file's name. */
static bool open_as_asked(struct world *w, struct wfile *f, size_t i)
{
	const struct filespec *s = f->spec;
	char self[40];
	int fd;

	if (s->open_none)
		return true;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", f->keep);
	fd = s->kind == FILE_REGULAR ? world_open_beneath(f->dirfd, f->path, s->open, 0)
				     : open(self, (int)s->open | O_CLOEXEC);
	if (fd < 0)
		return cannot(w, f, "open");
	world_open_fd(w, (int)i, fd, (int)i, s->open);
	return true;
}

/* Regular files, named or not. */
static bool make_regular(struct world *w, struct wfile *f, size_t i)
{
	const bool named = f->spec->kind == FILE_REGULAR;

	f->keep = named ? world_open_beneath(f->dirfd, f->path, O_RDWR | O_CREAT | O_EXCL,
					     DEFAULT_MODE)
			: create_nameless(f);
	if (f->keep < 0)
		return cannot(w, f, "create");
	world_made(w, (int)i);
	f->linked = named;
	return fill(w, f, f->keep) && open_as_asked(w, f, i) && own(w, f, f->keep);
}

static int make_pipe_end(bool read_end)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	/* The other end stays open for as long as the process lives. */
	return ends[read_end ? 0 : 1];
}

/* Everything that is no regular file: made, opened as asked, and otherwise left alone. */
static int make_special(const struct wfile *f)
{
	const struct filespec *s = f->spec;

	switch (s->kind) {
	case FILE_DIR:
		return mkdirat(f->dirfd, f->path, 0755);
	case FILE_FIFO:
		return mknodat(f->dirfd, f->path, S_IFIFO | 0644, 0);
	case FILE_CHRDEV:
		return mknodat(f->dirfd, f->path, S_IFCHR | 0666, makedev(1, 3));
	case FILE_BLKDEV:
		return mknodat(f->dirfd, f->path, S_IFBLK | 0666, makedev(7, 0));
	case FILE_SYMLINK:
		return symlinkat(s->path, f->dirfd, f->path);
	case FILE_REGULAR:
	case FILE_SOCKET:
	case FILE_TMPFILE:
	case FILE_MEMFD:
	case FILE_PIPE_READ:
	case FILE_PIPE_WRITE:
	case FILE_EVENTFD:
	case FILE_HOST:
	case FILE_LATER:
		break;
	}
	return 0;
}

static int open_special(const struct wfile *f)
{
	const struct filespec *s = f->spec;

	switch (s->kind) {
	case FILE_SOCKET:
		return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	case FILE_PIPE_READ:
	case FILE_PIPE_WRITE:
		return make_pipe_end(s->kind == FILE_PIPE_READ);
	case FILE_EVENTFD:
		return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	case FILE_HOST:
		return open(s->path, (int)s->open | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	case FILE_DIR:
		return world_open_beneath(f->dirfd, f->path, s->open | O_DIRECTORY, 0);
	case FILE_FIFO:
	case FILE_CHRDEV:
	case FILE_BLKDEV:
		return world_open_beneath(f->dirfd, f->path, s->open | O_NONBLOCK, 0);
	case FILE_REGULAR:
	case FILE_TMPFILE:
	case FILE_MEMFD:
	case FILE_SYMLINK:
	case FILE_LATER:
		break;
	}
	return -1;
}

static bool make(struct world *w, struct wfile *f, size_t i)
{
	const struct filespec *s = f->spec;
	int fd;

	if (s->kind == FILE_LATER)
		return true;
	if (s->kind == FILE_REGULAR || s->kind == FILE_TMPFILE || s->kind == FILE_MEMFD)
		return make_regular(w, f, i);
	if (make_special(f) < 0)
		return cannot(w, f, "make");
	f->exists = true;
	f->linked = true;
	if (s->open_none || s->kind == FILE_SYMLINK)
		return true;
	fd = open_special(f);
	if (fd < 0)
		return cannot(w, f, "open");
	world_open_fd(w, (int)i, fd, (int)i, s->open);
	return true;
}

void world_setup(struct world *w)
{
	const struct point *p = w->point;

	w->files = arena_alloc(w->arena, p->files_count * sizeof(*w->files));
	w->fds = arena_alloc(w->arena, p->fds_count * sizeof(*w->fds));
	w->maps = arena_alloc(w->arena, p->maps_count * sizeof(*w->maps));
	for (size_t i = 0; i < p->fds_count; i++)
		world_close_fd(w, (int)i);
	for (size_t i = 0; i < p->files_count; i++) {
		w->files[i].spec = &p->files[i];
		w->files[i].path = p->files[i].name;
		w->files[i].dirfd = p->files[i].second ? w->dir2fd : w->dirfd;
		w->files[i].keep = -1;
	}
	/* From the last to the first: a bystander comes after the file that it shares with. */
	for (size_t i = p->files_count; i-- > 0;)
		if (!make(w, &w->files[i], i))
			return;
	for (size_t i = 0; i < p->files_count; i++)
		if (w->files[i].model && !keep_for_reading(w, &w->files[i]))
			return;
}
