/* SPDX-License-Identifier: GPL-2.0-only */
/* Keeps three lists: shares, dirty ranges, hidden time stamps. They are short: a point is small. */
#include "track.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <threads.h>
#include <unistd.h>

#include <linux/fs.h>

#include "hands.h"

#define PATH_BYTES 512

/** struct place - a file, and how to reach it while it has a name */
struct place {
	dev_t dev;
	ino_t ino;
	char path[PATH_BYTES];
};

/** struct share - two ranges that were made to share their blocks */
struct share {
	struct place a, b;
	uint64_t a_off, b_off, len;
};

/** struct dirt - a range that was written and not flushed */
struct dirt {
	struct place file;
	uint64_t off, len;
};

/** struct disguise - a file whose time stamps are @seen shall show @shown */
struct disguise {
	struct statx seen, shown;
};

/** struct row - a growing array */
struct row {
	void *items;
	size_t count;
};

static struct row shares, dirts, disguises;

/* Actors may be threads; a visitor of one list may look into another. */
static mtx_t lists;

static __attribute__((constructor)) void make_lock(void)
{
	mtx_init(&lists, mtx_recursive);
}

static mtx_t *lock(void)
{
	mtx_lock(&lists);
	return &lists;
}

static void unlock(mtx_t **held)
{
	mtx_unlock(*held);
}

/* To the end of the block that it stands in. */
#define LOCKED __attribute__((cleanup(unlock), unused)) mtx_t *held = lock()

static void *add(struct row *r, size_t size)
{
	void *grown = reallocarray(r->items, r->count + 1, size);

	if (!grown)
		return NULL;
	r->items = grown;
	return (char *)grown + size * r->count++;
}

static bool place_of(int fd, struct place *p)
{
	char self[40];
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return false;
	memset(p, 0, sizeof(*p));
	p->dev = st.st_dev;
	p->ino = st.st_ino;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	n = readlink(self, p->path, sizeof(p->path) - 1);
	return n > 0 && n < (ssize_t)sizeof(p->path) - 1;
}

static bool is_same(const struct place *a, const struct place *b)
{
	return a->dev == b->dev && a->ino == b->ino;
}

/* -1 if the name leads elsewhere by now. */
static int open_place(const struct place *p)
{
	int fd = open(p->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd >= 0 && (fstat(fd, &st) || st.st_dev != p->dev || st.st_ino != p->ino)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static void add_share(int from, uint64_t from_off, int to, uint64_t to_off, uint64_t len)
{
	struct share s = { .a_off = from_off, .b_off = to_off, .len = len };
	struct share *at;

	if (!len || !place_of(from, &s.a) || !place_of(to, &s.b))
		return;
	at = add(&shares, sizeof(s));
	if (at)
		*at = s;
}

static void add_dirt(int fd, uint64_t off, uint64_t len)
{
	struct dirt d = { .off = off, .len = len }, *at;

	if (flags_of(fd) & (O_DIRECT | O_DSYNC) || !place_of(fd, &d.file))
		return;
	at = add(&dirts, sizeof(d));
	if (at)
		*at = d;
}

static void track_dedupe(const struct call *c)
{
	const struct file_dedupe_range *range = c->arg;

	for (unsigned int i = 0; i < range->dest_count; i++)
		if (range->info[i].status == FILE_DEDUPE_RANGE_SAME)
			add_share(c->from, range->src_offset, (int)range->info[i].dest_fd,
				  range->info[i].dest_offset, range->info[i].bytes_deduped);
}

/* A copying call has moved its offsets already. */
static uint64_t began(const off_t *ptr, int fd, long count)
{
	return (ptr ? (uint64_t)*ptr : position_of(fd)) - (uint64_t)count;
}

static void track_write(const struct call *c, long count)
{
	uint64_t off = c->to_off;

	if (flags_of(c->to) & O_APPEND)
		off = size_of(c->to) - (uint64_t)count;
	else if (c->to_off == UINT64_MAX)
		off = position_of(c->to) - (uint64_t)count;
	add_dirt(c->to, off, (uint64_t)count);
}

void track_call(const struct call *c, long ret)
{
	LOCKED;
	const uint64_t from_size = c->from < 0 ? 0 : size_of(c->from);
	uint64_t len = c->len;

	switch (c->kind) {
	case CALL_CLONE:
		add_share(c->from, 0, c->to, 0, from_size);
		break;
	case CALL_CLONE_RANGE:
		if (!len && from_size > c->from_off)
			len = from_size - c->from_off;
		add_share(c->from, c->from_off, c->to, c->to_off, len);
		break;
	case CALL_DEDUPE:
		track_dedupe(c);
		break;
	case CALL_COPY_RANGE:
		add_share(c->from, began(c->from_ptr, c->from, ret), c->to,
			  began(c->to_ptr, c->to, ret), (uint64_t)ret);
		break;
	case CALL_WRITE:
		track_write(c, ret);
		break;
	case CALL_REFLINK:
	case CALL_FIEMAP:
	case CALL_SENDFILE:
	case CALL_SPLICE:
	case CALL_FALLOCATE:
	case CALL_TRUNCATE:
	case CALL_SEEK:
	case CALL_KINDS:
		break;
	}
}

void track_flushed(int fd)
{
	LOCKED;
	struct dirt *d = dirts.items;
	struct place file;

	if (!dirts.count || !place_of(fd, &file))
		return;
	for (size_t i = 0; i < dirts.count; i++)
		if (is_same(&d[i].file, &file))
			d[i].len = 0;
}

void track_all_flushed(void)
{
	LOCKED;
	dirts.count = 0;
}

/** struct overlap - the part of a share that a search has met */
struct overlap {
	const struct place *other;
	uint64_t off, len, other_off;
};

/* Part of [off, off + len) of @file that one side of a share covers. */
static bool meets(const struct place *file, uint64_t off, uint64_t len, const struct share *s,
		  bool a_side, struct overlap *o)
{
	const struct place *here = a_side ? &s->a : &s->b;
	const uint64_t s_off = a_side ? s->a_off : s->b_off;
	const uint64_t start = off > s_off ? off : s_off;
	const uint64_t end = smaller(off + len, s_off + s->len);

	if (!is_same(here, file) || start >= end)
		return false;
	o->other = a_side ? &s->b : &s->a;
	o->off = start;
	o->len = end - start;
	o->other_off = (a_side ? s->b_off : s->a_off) + (start - s_off);
	return true;
}

void track_sharers(int fd, uint64_t off, uint64_t len,
		   void (*visit)(int other, uint64_t other_off, uint64_t off, uint64_t len,
				 void *context),
		   void *context)
{
	LOCKED;
	const struct share *s = shares.items;
	struct place file;

	if (!shares.count || !place_of(fd, &file))
		return;
	for (size_t i = 0; i < 2 * shares.count; i++) {
		struct overlap o;
		int other;

		if (!meets(&file, off, len, &s[i / 2], i % 2, &o))
			continue;
		other = open_place(o.other);
		if (other < 0)
			continue;
		visit(other, o.other_off, o.off, o.len, context);
		close(other);
	}
}

bool track_is_shared(int fd, uint64_t off, uint64_t len)
{
	LOCKED;
	const struct share *s = shares.items;
	struct place file;
	struct overlap o;

	if (!shares.count || !place_of(fd, &file))
		return false;
	for (size_t i = 0; i < 2 * shares.count; i++)
		if (meets(&file, off, len, &s[i / 2], i % 2, &o))
			return true;
	return false;
}

void track_dirty(int fd, uint64_t off, uint64_t len,
		 void (*visit)(uint64_t off, uint64_t len, void *context), void *context)
{
	LOCKED;
	const struct dirt *d = dirts.items;
	struct place file;

	if (!dirts.count || !place_of(fd, &file))
		return;
	for (size_t i = 0; i < dirts.count; i++) {
		const uint64_t start = off > d[i].off ? off : d[i].off;
		const uint64_t end = smaller(off + len, d[i].off + d[i].len);

		if (is_same(&d[i].file, &file) && start < end)
			visit(start, end - start, context);
	}
}

static bool same_stamp(const struct statx_timestamp *a, const struct statx_timestamp *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

void track_times(int fd, struct statx *out)
{
	LOCKED;
	memset(out, 0, sizeof(*out));
	if (!kernel()->statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, out))
		track_show_times(out);
	out->stx_mask &= ~STATX_BLOCKS;
}

void track_hide(int fd, const struct statx *before)
{
	LOCKED;
	struct disguise *at, d = { .shown = *before };

	if (kernel()->statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &d.seen))
		return;
	at = add(&disguises, sizeof(d));
	if (at)
		*at = d;
}

void track_show_times(struct statx *st)
{
	LOCKED;
	const struct disguise *d = disguises.items;

	for (size_t i = disguises.count; i-- > 0;) {
		if (d[i].seen.stx_ino != st->stx_ino ||
		    d[i].seen.stx_dev_major != st->stx_dev_major ||
		    d[i].seen.stx_dev_minor != st->stx_dev_minor)
			continue;
		/* The latest disguise counts; if the stamps are others, the file was changed. */
		if (same_stamp(&d[i].seen.stx_ctime, &st->stx_ctime) &&
		    same_stamp(&d[i].seen.stx_mtime, &st->stx_mtime)) {
			st->stx_mtime = d[i].shown.stx_mtime;
			st->stx_ctime = d[i].shown.stx_ctime;
			if (d[i].shown.stx_mask & STATX_BLOCKS)
				st->stx_blocks = d[i].shown.stx_blocks;
		}
		return;
	}
}
