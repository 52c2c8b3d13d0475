/* SPDX-License-Identifier: GPL-2.0-only */
/* Holds what is read against what the model says, and explains a difference by its stamps. */
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guard.h"
#include "stamp.h"

#define PIECE_BYTES  (64 * 1024)
#define DIRECT_ALIGN 4096
/* Zeroes of this length and more are not read where SEEK_DATA says that there is nothing. */
#define SKIP_BYTES (UINT64_C(4) << 20)
/* A file with more data to read than this cannot be checked in reasonable time. */
#define READ_BYTES_MAX (UINT64_C(16) << 30)

/* What the bytes are: "src@16384", "zeroes", "3f a2 00, no stamp". Sets for how many that holds. */
static const char *name_bytes(const struct world *w, const uint8_t *bytes, size_t len, size_t *run)
{
	struct stamp s;
	bool zero;

	*run = stamp_find(bytes, len, &zero, &s);
	if (zero)
		return "zeroes";
	if (!s.pattern)
		return arena_printf(w->arena, "%02x %02x %02x.. (no stamp)", bytes[0],
				    len > 1 ? bytes[1] : 0, len > 2 ? bytes[2] : 0);
	if (s.tag != w->tag)
		return arena_printf(w->arena,
				    "stale data of another point (pattern %u@%" PRIu64 ")",
				    s.pattern, s.off);
	return arena_printf(w->arena, "%s@%" PRIu64, world_pattern_name(w, s.pattern), s.off);
}

static const char *name_seg(const struct world *w, const struct seg *s)
{
	if (s->pattern == PATTERN_ZERO)
		return "zeroes";
	return arena_printf(w->arena, "%s@%" PRIu64, world_pattern_name(w, s->pattern), s->off);
}

/* Report the first run of wrong bytes, which starts at @bytes. */
static void explain(struct world *w, const char *file, const char *how, uint64_t off,
		    const uint8_t *bytes, const uint8_t *wanted, size_t len, const struct seg *want)
{
	const char *held;
	size_t run, wrong = 0;

	held = name_bytes(w, bytes, len, &run);
	while (wrong < run && bytes[wrong] != wanted[wrong])
		wrong++;
	/* Bytes that agree by chance in the middle of a wrong run are wrong as well. */
	if (strcmp(held, "zeroes"))
		wrong = run < want->len ? run : (size_t)want->len;
	world_fail(w,
		   arena_printf(w->arena, "%s[%" PRIu64 "..%" PRIu64 ") holds %s", file, off,
				off + wrong, name_seg(w, want)),
		   "%s[%" PRIu64 "..%" PRIu64 ") holds %s, wanted %s (%s)", file, off, off + wrong,
		   held, name_seg(w, want), how);
}

/* A piece of what world_compare() is given; @wanted has room for it. */
static bool compare_piece(struct world *w, const char *file, const char *how, uint64_t off,
			  const uint8_t *bytes, uint8_t *wanted, size_t len,
			  const struct rope *want, uint64_t want_off)
{
	bool good = true;

	rope_fill(want, want_off, wanted, len, w->tag);
	for (size_t done = 0; done < len && good;) {
		const struct seg s = rope_at(want, want_off + done);
		const size_t part = !s.len || s.len > len - done ? len - done : (size_t)s.len;
		size_t i = 0;

		if (s.pattern != PATTERN_ANY) {
			w->checked.bytes += part;
			good = !memcmp(bytes + done, wanted + done, part);
		}
		while (!good && bytes[done + i] == wanted[done + i])
			i++;
		if (!good) {
			const struct seg rest = rope_at(want, want_off + done + i);

			explain(w, file, how, off + done + i, bytes + done + i, wanted + done + i,
				part - i, &rest);
		}
		done += part;
	}
	return good;
}

bool world_compare(struct world *w, const char *file, const char *how, uint64_t off,
		   const void *bytes, size_t len, const struct rope *want, uint64_t want_off)
{
	static uint8_t wanted[PIECE_BYTES];
	const uint8_t *at = bytes;
	bool good = true;

	for (size_t done = 0; done < len && good; done += PIECE_BYTES) {
		const size_t part = len - done < PIECE_BYTES ? len - done : PIECE_BYTES;

		good = compare_piece(w, file, how, off + done, at + done, wanted, part, want,
				     want_off + done);
	}
	return good;
}

/*
 * From @off on the model wants zeroes for long: where does data start, as the filesystem says? It
 * is not believed at both ends, where stale bytes would be.
 */
static uint64_t skip_zeroes(const struct world *w, int fd, const struct rope *want, uint64_t off)
{
	const struct seg s = rope_at(want, off);
	const uint64_t last = off + s.len - PIECE_BYTES;
	off_t data;

	if (s.pattern != PATTERN_ZERO || s.len < SKIP_BYTES || off < PIECE_BYTES ||
	    !rope_zero(want, off - PIECE_BYTES, PIECE_BYTES) ||
	    w->probe->need[NEED_SEEK_HOLE].answer == ANSWER_NO)
		return off;
	data = lseek(fd, (off_t)off, SEEK_DATA);
	if (data < 0)
		return errno == ENXIO ? last : off;
	return (uint64_t)data < last ? (uint64_t)data / DIRECT_ALIGN * DIRECT_ALIGN : last;
}

/* A range that ends beyond the largest offset is refused, whatever the file's size. */
static ssize_t read_piece(int fd, uint8_t *buf, uint64_t off)
{
	const uint64_t room = INT64_MAX - off;

	if (off >= INT64_MAX)
		return 0;
	return pread(fd, buf, room < PIECE_BYTES ? (size_t)room : PIECE_BYTES, (off_t)off);
}

/* Nothing comes after the end of file. */
static bool ends_there(struct world *w, const struct wfile *f, int fd, const char *how,
		       uint8_t *buf)
{
	const uint64_t size = f->model->rope.size;
	const ssize_t got = size % DIRECT_ALIGN ? 0 : read_piece(fd, buf, size);

	if (got > 0)
		world_fail(w, world_text(w, "%s ends at %" PRIu64, f->path, size),
			   "a read of %s there gives %zd bytes (%s)", f->path, got, how);
	return got <= 0;
}

static bool read_and_compare(struct world *w, const struct wfile *f, int fd, const char *how,
			     uint8_t *buf)
{
	const struct rope *want = &f->model->rope;
	uint64_t off = 0, total = 0;

	while (off < want->size) {
		const uint64_t next = skip_zeroes(w, fd, want, off) & ~(uint64_t)(DIRECT_ALIGN - 1);
		ssize_t got;

		if (next > off)
			off = next;
		if (off >= want->size)
			break;
		got = read_piece(fd, buf, off);
		if (got < 0) {
			world_fail(w, world_text(w, "%s can be read (%s)", f->path, how),
				   "read of %s at %" PRIu64 ": %s", f->path, off, strerror(errno));
			return false;
		}
		if ((uint64_t)got > want->size - off || !got) {
			world_fail(w, world_text(w, "%s ends at %" PRIu64, f->path, want->size),
				   "a read of %s at %" PRIu64 " gives %zd bytes (%s)", f->path, off,
				   got, how);
			return false;
		}
		if (!world_compare(w, f->path, how, off, buf, (size_t)got, want, off))
			return false;
		off += (uint64_t)got;
		total += (uint64_t)got;
		if (total > READ_BYTES_MAX) {
			world_error(w, "%s has too much data to compare", f->path);
			return false;
		}
		/* A read that stops in the middle of a block leaves O_DIRECT at an odd place. */
		if (got >= DIRECT_ALIGN && off < want->size)
			off -= off % DIRECT_ALIGN;
	}
	return ends_there(w, f, fd, how, buf);
}

bool world_read_back(struct world *w, struct wfile *f, bool direct)
{
	const char *how = direct ? "O_DIRECT read" : "read";
	char self[40];
	uint8_t *buf;
	bool good;
	int fd = f->keep;

	if (!f->exists || !f->model || f->keep < 0 || world_is_away(w, f))
		return true;
	if (direct) {
		snprintf(self, sizeof(self), "/proc/self/fd/%d", f->keep);
		fd = open(self, O_RDONLY | O_DIRECT | O_CLOEXEC);
		if (fd < 0) {
			world_fail(w, world_text(w, "%s can be opened with O_DIRECT", f->path),
				   "open: %s", strerror(errno));
			return false;
		}
	}
	buf = aligned_alloc(DIRECT_ALIGN, PIECE_BYTES);
	good = buf && read_and_compare(w, f, fd, how, buf);
	if (!buf)
		world_error(w, "no memory to read %s back", f->path);
	free(buf);
	if (direct)
		close(fd);
	return good;
}

/* A piece of a mapping, from @done bytes after its start on; @copy has room for it. */
static bool read_map_piece(struct world *w, int map, uint64_t done, uint8_t *copy, size_t len)
{
	const struct wmap *m = &w->maps[map];
	const struct wfile *f = &w->files[m->file];
	const char *name = w->point->maps[map];

	if (guard_copy(copy, m->addr + done, len)) {
		world_fail(w, world_text(w, "the mapping of %s can be read", f->path),
			   "a load raises SIGBUS or SIGSEGV");
		return false;
	}
	if (!m->shared)
		return world_compare(w, name, "private mapping", done, copy, len, &m->own, done);
	return world_compare(w, f->path, world_text(w, "mapping %s", name), m->off + done, copy,
			     len, &f->model->rope, m->off + done);
}

bool world_read_map(struct world *w, int map)
{
	static uint8_t copy[PIECE_BYTES];
	const struct wmap *m = &w->maps[map];
	const struct wfile *f = &w->files[m->file];
	uint64_t len, size;
	bool good = true;

	if (!m->addr || !f->model || m->off >= f->model->rope.size)
		return true;
	size = f->model->rope.size;
	len = m->len < size - m->off ? m->len : size - m->off;
	for (uint64_t done = 0; done < len && good; done += PIECE_BYTES) {
		const uint64_t rest = len - done;

		good = read_map_piece(w, map, done, copy,
				      rest < PIECE_BYTES ? (size_t)rest : PIECE_BYTES);
	}
	return good;
}
