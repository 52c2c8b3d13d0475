/* SPDX-License-Identifier: GPL-2.0-only */
#include "race_files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "args.h"
#include "clock.h"
#include "must.h"

/* Files that are read after every round must be small. */
#define READ_BYTES_MAX (UINT64_C(8) << 20)
#define PIECE_BYTES    (256 * 1024)
#define BUFFER_BYTES   READ_BYTES_MAX

/** struct search - for the files that steps name */
struct search {
	struct world *w;
	/** @prepare: they are those of the steps before a round, and all raced files are known */
	bool prepare;
};

static void found(const struct search *s, int file)
{
	struct round *r = s->w->round;
	const struct mfile *m = s->w->files[file].model;

	if (!s->prepare)
		s->w->files[file].raced = true;
	for (size_t i = 0; i < r->files_count && s->prepare; i++)
		r->file[i].prepared |= s->w->files[r->file[i].file].model == m;
}

static void mark(void *context, const struct argspec *spec, const void *value)
{
	const struct search *s = context;
	/* what is no name may be smaller than one */
	const int *name = value;
	const struct ofd *o;

	switch (spec->type) {
	case ARG_FD:
		o = world_ofd(s->w, *name);
		if (o && o->file >= 0)
			found(s, o->file);
		break;
	case ARG_MAP:
		if (*name >= 0)
			found(s, s->w->maps[*name].file);
		break;
	case ARG_FILE:
	case ARG_NEW_FILE:
		if (*name >= 0)
			found(s, *name);
		break;
	case ARG_NUM:
	case ARG_OPT_NUM:
	case ARG_NEW_FD:
	case ARG_NEW_MAP:
	case ARG_DATA:
	case ARG_WORD:
	case ARG_FLAGS:
	case ARG_MODE:
	case ARG_BOOL:
	case ARG_TEXT:
	case ARG_LIST:
		break;
	}
}

static void mark_steps(struct world *w, const struct step *steps, size_t count, bool prepare)
{
	struct search s = { w, prepare };

	for (size_t i = 0; i < count; i++)
		args_each(steps[i].op->args, steps[i].args, steps[i].args_set, mark, &s);
}

static bool write_all(int fd, const void *bytes, size_t len, uint64_t at)
{
	const ssize_t put = pwrite(fd, bytes, len, (off_t)at);

	if (put >= 0 && (size_t)put < len)
		errno = ENOSPC;
	return put == (ssize_t)len;
}

/* Fill a file from its start with stamps of the controller's next put. */
static bool stamp(struct world *w, int fd, uint64_t size, int file)
{
	struct round *r = w->round;
	const uint32_t seq = r->seq = r->seq % (SECTOR_SEQ_MAX - 1) + 1;

	for (uint64_t at = 0; at < size; at += PIECE_BYTES) {
		const size_t part = size - at < PIECE_BYTES ? (size_t)(size - at) : PIECE_BYTES;
		const struct sector_stamp first = {
			.file = (uint32_t)file,
			.seq = seq,
			.place = (uint32_t)(at / SECTOR_SIZE),
		};

		sector_fill(r->buffer, part / SECTOR_SIZE, &first, w->tag);
		if (!write_all(fd, r->buffer, part, at))
			return false;
	}
	return true;
}

/* Fill a file with what the model says. */
static bool refill(struct world *w, int fd, const struct rope *rope)
{
	for (uint64_t at = 0; at < rope->size;) {
		const struct seg s = rope_at(rope, at);
		const size_t part = s.len < PIECE_BYTES ? (size_t)s.len : PIECE_BYTES;

		if (s.pattern != PATTERN_ZERO) {
			rope_fill(rope, at, w->round->buffer, part, w->tag);
			if (!write_all(fd, w->round->buffer, part, at))
				return false;
		}
		at += part;
	}
	return ftruncate(fd, (off_t)rope->size) == 0;
}

static bool same_file(int a, int b)
{
	struct stat x, y;

	return !fstat(a, &x) && !fstat(b, &y) && x.st_ino == y.st_ino && x.st_dev == y.st_dev;
}

/* The name leads to another file now: so must the controller's own descriptors. */
static bool follow(struct world *w, int file, int fd)
{
	struct wfile *f = &w->files[file];

	if (same_file(fd, f->keep))
		return true;
	close(f->keep);
	f->keep = world_open_beneath(f->dirfd, f->path, O_RDONLY, 0);
	for (size_t i = 0; i < w->point->fds_count; i++) {
		struct wfd *d = &w->fds[i];

		if (d->fd < 0 || !d->ofd || d->ofd->file != file)
			continue;
		close(d->fd);
		d->fd = world_open_beneath(f->dirfd, f->path,
					   d->ofd->flags & ~(uint64_t)(O_CREAT | O_EXCL | O_TRUNC),
					   0);
		if (d->fd < 0)
			return false;
	}
	return f->keep >= 0;
}

static void restore(struct world *w, const struct race_file *rf)
{
	struct wfile *f = &w->files[rf->file];
	const struct rope *rope = &f->model->rope;
	const int fd = world_open_beneath(f->dirfd, f->path, O_RDWR | O_CREAT, f->model->mode);
	bool good = fd >= 0 && follow(w, rf->file, fd) && ftruncate(fd, 0) == 0;

	if (good && w->round->stamps)
		good = stamp(w, fd, rope->size, rf->file);
	else if (good)
		good = refill(w, fd, rope);
	if (!good)
		world_error(w, "before round %" PRIu64 ": cannot restore %s: %s", w->round->number,
			    f->path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

void race_files_restore(struct world *w)
{
	const struct round *r = w->round;

	for (size_t i = 0; i < r->files_count && r->restore && !world_stopped(w); i++)
		restore(w, &r->file[i]);
}

static bool add(struct world *w, int file)
{
	struct round *r = w->round;
	struct race_file *rf = &r->file[r->files_count];
	const struct wfile *f = &w->files[file];

	if (r->files_count == SECTOR_FILES_MAX || file >= SECTOR_FILES_MAX) {
		world_error(w, "at most %d files can be raced", SECTOR_FILES_MAX);
		return false;
	}
	if (r->restore && !f->linked) {
		world_error(w, "%s has no name, so a race cannot put it in order", f->path);
		return false;
	}
	if (r->stamps && f->model->rope.size % SECTOR_SIZE) {
		world_error(w, "%s is raced, so its size must be whole sectors", f->path);
		return false;
	}
	r->files_count++;
	*rf = (struct race_file){ .file = file };
	return true;
}

void race_files_start(struct world *w)
{
	const struct race *race = w->point->race;
	struct round *r = w->round;
	void *buffer;

	for (size_t i = 0; i < race->actors_count; i++)
		mark_steps(w, race->actors[i].steps, race->actors[i].steps_count, false);
	/* What only the controller works on is as the model says, unless it takes over stamps. */
	if (r->stamps)
		mark_steps(w, race->before, race->before_count, false);
	if (posix_memalign(&buffer, 4096, BUFFER_BYTES))
		abort();
	r->buffer = buffer;
	for (size_t i = 0; i < w->point->files_count; i++) {
		struct wfile *f = &w->files[i];

		/* a file that only a step makes is no file yet */
		if (!f->raced || !f->model)
			continue;
		if (!add(w, (int)i))
			return;
		if (r->stamps && !r->restore)
			restore(w, &r->file[r->files_count - 1]);
	}
	mark_steps(w, race->before, race->before_count, true);
	/* As if a round had just ended: what is there now is what the first one finds. */
	race_files_after(w);
}

/* What was read before the round must stay, whatever the round makes of the file. */
static void grow(struct race_file *rf, size_t sectors)
{
	if (sectors <= rf->room)
		return;
	rf->room = 2 * sectors;
	rf->before.runs = must(reallocarray(rf->before.runs, rf->room, sizeof(struct sector_run)));
	rf->after.runs = must(reallocarray(rf->after.runs, rf->room, sizeof(struct sector_run)));
}

static void look(struct world *w, struct race_file *rf, bool after)
{
	struct round *r = w->round;
	const struct wfile *f = &w->files[rf->file];
	struct glimpse *g;
	struct stat st;
	ssize_t got = -1;

	if (!fstat(f->keep, &st) && (uint64_t)st.st_size <= READ_BYTES_MAX)
		got = pread(f->keep, r->buffer, READ_BYTES_MAX, 0);
	if (got < 0 || got != st.st_size) {
		world_error(w, "round %" PRIu64 ": cannot read all of %s", r->number, f->path);
		return;
	}
	grow(rf, (size_t)got / SECTOR_SIZE + 1);
	g = after ? &rf->after : &rf->before;
	g->len = g->size = (uint64_t)got;
	g->mtime_ns = clock_to_ns(&st.st_mtim);
	g->runs_count =
		trace_look(r->buffer, (size_t)got / SECTOR_SIZE, 0, w->tag, &r->strange, g->runs);
	rf->at_ns = clock_ns();
}

void race_files_before(struct world *w)
{
	struct round *r = w->round;

	for (size_t i = 0; i < r->files_count && r->stamps && !world_stopped(w); i++) {
		struct race_file *rf = &r->file[i];
		const struct glimpse last = rf->before;

		if (r->restore || rf->prepared) {
			look(w, rf, false);
			continue;
		}
		rf->before = rf->after;
		rf->after = last;
	}
}

void race_files_after(struct world *w)
{
	struct round *r = w->round;

	for (size_t i = 0; i < r->files_count && r->stamps && !world_stopped(w); i++)
		look(w, &r->file[i], true);
}

void race_files_stop(struct world *w)
{
	struct round *r = w->round;

	for (size_t i = 0; i < r->files_count; i++) {
		free(r->file[i].before.runs);
		free(r->file[i].after.runs);
	}
	free(r->buffer);
}
