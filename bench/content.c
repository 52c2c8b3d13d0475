/* SPDX-License-Identifier: GPL-2.0-only */
/* Makes, compares and looks at files. */
#include "content.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/fs.h>

#include "fiemap.h"

#define CHUNK (1U << 20)
#define PIECE 4096ULL
#define WORD  8

#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

void content_fill(void *out, size_t len, uint64_t off, uint64_t seed)
{
	unsigned char *at = out;

	for (size_t i = 0; i < len; i += WORD) {
		uint64_t x = seed + (off + i) / WORD * 0x9e3779b97f4a7c15;

		x = (x ^ (x >> 32)) * 0xd6e8feb86659fd93;
		x ^= x >> 32;
		memcpy(at + i, &x, len - i < WORD ? len - i : WORD);
	}
}

int content_write(int fd, uint64_t off, uint64_t len, uint64_t seed)
{
	unsigned char *chunk = malloc(CHUNK);
	int ret = 0;

	if (!chunk)
		return -ENOMEM;
	while (len && !ret) {
		const size_t want = len < CHUNK ? (size_t)len : CHUNK;
		ssize_t n;

		content_fill(chunk, want, off, seed);
		n = pwrite(fd, chunk, want, (off_t)off);
		if (n < 0)
			ret = -errno;
		else if ((size_t)n != want)
			ret = -ENOSPC;
		off += want;
		len -= want;
	}
	free(chunk);
	return ret;
}

int content_nocow(int fd)
{
	int flags = 0;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags))
		return errno == ENOTTY ? -EOPNOTSUPP : -errno;
	flags |= FS_NOCOW_FL;
	if (ioctl(fd, FS_IOC_SETFLAGS, &flags))
		return errno == ENOTTY ? -EOPNOTSUPP : -errno;
	/* some take it and forget it */
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags))
		return -errno;
	return flags & FS_NOCOW_FL ? 0 : -EOPNOTSUPP;
}

int content_pieces(int fd, uint64_t size, uint64_t count, uint64_t seed)
{
	const uint64_t stride = size / count / PIECE * PIECE;
	int ret = 0;

	if (stride < 2 * PIECE)
		return -EINVAL;
	/* the size first, so that no filesystem allocates ahead of the end */
	if (ftruncate(fd, (off_t)size))
		return -errno;
	for (uint64_t i = 0; i < count && !ret; i++)
		ret = content_write(fd, i * stride, PIECE, seed);
	return ret;
}

/* Where data begins at or after @off. */
static uint64_t next_data(int fd, uint64_t off, uint64_t size)
{
	const off_t at = lseek(fd, (off_t)off, SEEK_DATA);

	if (at < 0)
		return errno == ENXIO ? size : off;
	return (uint64_t)at;
}

/* Where the next hole begins after @off. */
static uint64_t next_hole(int fd, uint64_t off, uint64_t size)
{
	const off_t at = lseek(fd, (off_t)off, SEEK_HOLE);

	return at < 0 || (uint64_t)at > size ? size : (uint64_t)at;
}

static int read_all(int fd, unsigned char *out, size_t len, uint64_t off)
{
	size_t done = 0;

	while (done < len) {
		const ssize_t n = pread(fd, out + done, len - done, (off_t)(off + done));

		if (n <= 0)
			return n ? -errno : -EIO;
		done += (size_t)n;
	}
	return 0;
}

int content_same(int a, int b, uint64_t size)
{
	unsigned char *one = malloc(CHUNK), *other = malloc(CHUNK);
	struct stat sa, sb;
	uint64_t off = 0;
	int ret = 1;

	if (!one || !other)
		abort();
	if (fstat(a, &sa) || fstat(b, &sb))
		ret = -errno;
	else if ((uint64_t)sa.st_size != size || (uint64_t)sb.st_size != size)
		ret = 0;
	while (ret == 1 && off < size) {
		const uint64_t da = next_data(a, off, size), db = next_data(b, off, size);
		uint64_t ha, hb, end;
		size_t want;
		int err;

		/* what is a hole in both is the same */
		off = da < db ? da : db;
		if (off >= size)
			break;
		ha = next_hole(a, off, size);
		hb = next_hole(b, off, size);
		end = ha > hb ? ha : hb;
		want = end - off < CHUNK ? (size_t)(end - off) : CHUNK;
		err = read_all(a, one, want, off);
		if (!err)
			err = read_all(b, other, want, off);
		ret = err ? err : memcmp(one, other, want) == 0;
		off += want;
	}
	free(one);
	free(other);
	return ret;
}

void content_warm(int fd, uint64_t size)
{
	unsigned char *chunk;

	if (content_cached(fd, size) >= (int64_t)size)
		return;
	chunk = malloc(CHUNK);
	if (!chunk)
		abort();
	for (uint64_t off = 0; off < size; off += CHUNK)
		if (pread(fd, chunk, CHUNK, (off_t)off) <= 0)
			break;
	free(chunk);
}

void content_cool(int fd, bool drop)
{
	int all = -1;

	fdatasync(fd);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	if (drop)
		all = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
	if (all >= 0) {
		/* what cannot be dropped shows as FLAG_NOT_COLD */
		if (write(all, "3", 1) != 1)
			errno = 0;
		close(all);
	}
}

int64_t content_cached(int fd, uint64_t size)
{
	struct {
		uint64_t off, len;
	} range = { 0, size };
	struct {
		uint64_t cache, dirty, writeback, evicted, recently;
	} stat = { 0 };
	const long page = sysconf(_SC_PAGESIZE);

	if (syscall(SYS_cachestat, fd, &range, &stat, 0))
		return -1;
	return (int64_t)(stat.cache * (uint64_t)page);
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* One piece of the copy against the source's map, from @at on, which moves along with it. */
static void place_piece(const struct fiemap_piece *p, const struct fiemap_list *from, size_t *at,
			uint64_t size, struct placement *out)
{
	uint64_t pos = p->logical;
	const uint64_t end = least(p->logical + p->len, size);

	while (pos < end) {
		const struct fiemap_piece *s;
		uint64_t stop = end;
		bool same = false;

		while (*at < from->count && from->piece[*at].logical + from->piece[*at].len <= pos)
			++*at;
		s = *at < from->count ? &from->piece[*at] : NULL;
		if (s && s->logical > pos) {
			stop = least(stop, s->logical);
		} else if (s) {
			stop = least(stop, s->logical + s->len);
			same = fiemap_located(p) && fiemap_located(s) &&
			       p->physical + (pos - p->logical) == s->physical + (pos - s->logical);
		}
		if (same || fiemap_shared(p))
			out->shared += stop - pos;
		else if (fiemap_located(p))
			out->copied += stop - pos;
		else
			out->unknown += stop - pos;
		pos = stop;
	}
}

void content_place(int from, int to, uint64_t size, struct placement *out)
{
	struct fiemap_list source, copy;
	size_t at = 0;

	memset(out, 0, sizeof(*out));
	if (fiemap_read(from, 0, size, true, &source))
		return;
	if (!fiemap_read(to, 0, size, true, &copy)) {
		out->known = true;
		out->extents = copy.count;
		for (size_t i = 0; i < copy.count; i++)
			place_piece(&copy.piece[i], &source, &at, size, out);
	}
	fiemap_free(&copy);
	fiemap_free(&source);
}

uint64_t content_extents(int fd, uint64_t size)
{
	struct fiemap_list list;
	uint64_t count = 0;

	if (!fiemap_read(fd, 0, size, true, &list))
		count = list.count;
	fiemap_free(&list);
	return count;
}
