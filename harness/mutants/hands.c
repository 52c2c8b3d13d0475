/* SPDX-License-Identifier: GPL-2.0-only */
/* What mutants do their damage with. A failure here only means that the mutant does not act. */
#include "hands.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/fs.h>

#define BLOCK_ASSUMED 4096
/* Stamps have the high bit of each byte set, so this is none. */
#define GARBAGE 0x5a

uint64_t block_of(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) || fs.f_bsize <= 0 ? BLOCK_ASSUMED : (uint64_t)fs.f_bsize;
}

uint64_t size_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) || !S_ISREG(st.st_mode) ? 0 : (uint64_t)st.st_size;
}

bool same_file(int a, int b)
{
	struct stat x, y;

	return !fstat(a, &x) && !fstat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

bool is_regular(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && S_ISREG(st.st_mode);
}

uint64_t position_of(int fd)
{
	const off_t at = kernel()->lseek(fd, 0, SEEK_CUR);

	return at < 0 ? 0 : (uint64_t)at;
}

int reopen(int fd, int flags)
{
	char self[40];

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	return open(self, flags | O_CLOEXEC);
}

int flags_of(int fd)
{
	const int flags = fcntl(fd, F_GETFL);

	return flags < 0 ? 0 : flags;
}

bool peek(int fd, void *buf, size_t len, uint64_t off)
{
	const int own = reopen(fd, O_RDONLY);
	size_t done = 0;
	ssize_t n = 1;

	if (own < 0)
		return false;
	memset(buf, 0, len);
	while (done < len && n > 0) {
		n = pread(own, (char *)buf + done, len - done, (off_t)(off + done));
		done += n > 0 ? (size_t)n : 0;
	}
	close(own);
	return n >= 0;
}

bool poke(int fd, const void *buf, size_t len, uint64_t off)
{
	const int own = reopen(fd, O_WRONLY);
	ssize_t n;

	if (own < 0)
		return false;
	n = len ? kernel()->pwrite(own, buf, len, (off_t)off) : 0;
	close(own);
	return n == (ssize_t)len;
}

static bool poke_byte(int fd, uint64_t off, uint64_t len, int byte)
{
	uint8_t *bytes;
	bool good;

	if (!len || len > KEEP_BYTES_MAX)
		return false;
	bytes = malloc((size_t)len);
	if (!bytes)
		return false;
	memset(bytes, byte, (size_t)len);
	good = poke(fd, bytes, (size_t)len, off);
	free(bytes);
	return good;
}

bool poke_zeroes(int fd, uint64_t off, uint64_t len)
{
	return poke_byte(fd, off, len, 0);
}

bool poke_garbage(int fd, uint64_t off, uint64_t len)
{
	return poke_byte(fd, off, len, GARBAGE);
}

static bool all_zero(const uint8_t *bytes, uint64_t len)
{
	return !len || (!bytes[0] && !memcmp(bytes, bytes + 1, (size_t)len - 1));
}

void unshare(int fd, uint64_t off, uint64_t len)
{
	const uint64_t block = block_of(fd), size = size_of(fd);
	struct kept k = keep(fd, off, off < size ? smaller(len, size - off) : 0);

	for (uint64_t at = 0; k.bytes && at < k.len; at += block) {
		const uint64_t part = smaller(block, k.len - at);

		if (!all_zero(k.bytes + at, part))
			put_back(&k, off + at, part);
	}
	forget(&k);
}

void resize(int fd, uint64_t size)
{
	const int own = reopen(fd, O_WRONLY);

	if (own < 0)
		return;
	(void)!kernel()->ftruncate(own, (off_t)size);
	close(own);
}

struct kept keep(int fd, uint64_t off, uint64_t len)
{
	struct kept k = { .fd = fd, .off = off, .len = len };

	if (len && len <= KEEP_BYTES_MAX)
		k.bytes = malloc((size_t)len);
	if (k.bytes && !peek(fd, k.bytes, (size_t)len, off))
		forget(&k);
	return k;
}

void forget(struct kept *k)
{
	free(k->bytes);
	k->bytes = NULL;
}

bool put_back(const struct kept *k, uint64_t off, uint64_t len)
{
	const uint64_t start = off > k->off ? off : k->off;
	const uint64_t end = smaller(off + len, k->off + k->len);

	return k->bytes && start < end &&
	       poke(k->fd, k->bytes + (start - k->off), (size_t)(end - start), start);
}

void move_mtime(int fd)
{
	struct stat st;
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT } };

	if (fstat(fd, &st))
		return;
	times[1] = st.st_mtim;
	times[1].tv_sec++;
	(void)!futimens(fd, times);
}

bool clone_piece(int from, uint64_t from_off, uint64_t len, int to, uint64_t to_off)
{
	const int in = reopen(from, O_RDONLY), out = reopen(to, O_WRONLY);
	struct file_clone_range range = {
		.src_fd = in, .src_offset = from_off, .src_length = len, .dest_offset = to_off
	};
	const bool good = in >= 0 && out >= 0 && !kernel()->ioctl(out, FICLONERANGE, &range);

	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	return good;
}

uint64_t span(const struct call *c)
{
	const uint64_t size = size_of(c->from);

	if (c->len)
		return c->len;
	return size > c->from_off ? size - c->from_off : 0;
}

uint64_t from_at(const struct call *c)
{
	return c->from_ptr ? (uint64_t)*c->from_ptr : position_of(c->from);
}

uint64_t to_at(const struct call *c)
{
	return c->to_ptr ? (uint64_t)*c->to_ptr : position_of(c->to);
}
