/* SPDX-License-Identifier: GPL-2.0-only */
/* What mutants do their damage with. A failure here only means that the mutant does not act. */
#include "hands.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/fs.h>

#include "kernel.h"
#include "mutants.h"

#define BLOCK_ASSUMED 4096
/* Stamps have the high bit of each byte set, so this is none. */
#define GARBAGE 0x5a

long call_wrong_errno(struct call *c)
{
	const struct mutant *m = mutant_active();
	const long ret = call_real(c);

	if (ret < 0 && errno == m->real) {
		acted();
		errno = m->wrong;
	}
	return ret;
}

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

bool is_clone(const struct call *c)
{
	return c->kind == CALL_CLONE || c->kind == CALL_CLONE_RANGE;
}

bool moved(const struct call *c, long ret)
{
	const bool copies =
		c->kind == CALL_COPY_RANGE || c->kind == CALL_SENDFILE || c->kind == CALL_SPLICE;

	return copies ? ret > 0 : ret >= 0;
}

uint64_t from_at(const struct call *c)
{
	if (is_clone(c))
		return c->from_off;
	return c->from_ptr ? (uint64_t)*c->from_ptr : position_of(c->from);
}

uint64_t to_at(const struct call *c)
{
	if (is_clone(c))
		return c->to_off;
	return c->to_ptr ? (uint64_t)*c->to_ptr : position_of(c->to);
}

long call_keeping_mode(struct call *c)
{
	struct stat before, after;
	const bool known = !fstat(c->to, &before);
	const long ret = call_real(c);

	if (ret >= 0 && known && !fstat(c->to, &after) && before.st_mode != after.st_mode &&
	    !fchmod(c->to, before.st_mode & 07777))
		acted();
	return ret;
}

long call_keeping_times(struct call *c)
{
	struct statx before;
	long ret;

	track_times(c->to, &before);
	ret = call_real(c);
	if (moved(c, ret) && is_regular(c->to)) {
		track_hide(c->to, &before);
		acted();
	}
	return ret;
}

long call_unlimited(struct call *c)
{
	struct rlimit limit, none;
	long ret;

	if (getrlimit(RLIMIT_FSIZE, &limit) || limit.rlim_cur == RLIM_INFINITY)
		return call_real(c);
	none = limit;
	none.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_FSIZE, &none);
	ret = call_real(c);
	setrlimit(RLIMIT_FSIZE, &limit);
	acted();
	return ret;
}

bool is_regular_pair(const struct call *c)
{
	return is_regular(c->from) && is_regular(c->to) &&
	       !((flags_of(c->from) | flags_of(c->to)) & O_PATH);
}

/* The positions of the descriptors that a copy was made by are those of the program's own. */
static long call_by(struct call *c, struct call *other)
{
	long ret;

	kernel()->lseek(other->from, (off_t)position_of(c->from), SEEK_SET);
	kernel()->lseek(other->to, (off_t)position_of(c->to), SEEK_SET);
	ret = call_real(other);
	kernel()->lseek(c->from, (off_t)position_of(other->from), SEEK_SET);
	kernel()->lseek(c->to, (off_t)position_of(other->to), SEEK_SET);
	return ret;
}

long call_reopened(struct call *c)
{
	struct call other = *c;
	long ret = -1;

	other.from = reopen(c->from, O_RDONLY);
	other.to = reopen(c->to, O_WRONLY);
	if (other.from >= 0 && other.to >= 0)
		ret = call_by(c, &other);
	if (other.from >= 0)
		close(other.from);
	if (other.to >= 0)
		close(other.to);
	if (ret >= 0)
		acted();
	else
		errno = EBADF;
	return ret;
}

/* Bytes of the destination that the call replaces; of a clone also those that it makes. */
static struct kept keep_replaced(const struct call *c)
{
	const uint64_t to = to_at(c), size = size_of(c->to);

	if (is_clone(c))
		return keep(c->to, to, span(c));
	return keep(c->to, to, smaller(c->len, size > to ? size - to : 0));
}

long call_skipping_holes(struct call *c)
{
	const uint64_t from = from_at(c), to = to_at(c), len = span(c);
	struct kept old = keep_replaced(c);
	const int in = reopen(c->from, O_RDONLY);
	off_t hole = in < 0 ? -1 : kernel()->lseek(in, (off_t)from, SEEK_HOLE), data;
	const long ret = call_real(c);
	const uint64_t end = from + (is_clone(c) ? len : (uint64_t)ret);

	while (moved(c, ret) && hole >= 0 && (uint64_t)hole < end) {
		data = kernel()->lseek(in, hole, SEEK_DATA);
		if (data < 0 || (uint64_t)data > end)
			data = (off_t)end;
		if (put_back(&old, to + ((uint64_t)hole - from), (uint64_t)(data - hole)))
			acted();
		hole = kernel()->lseek(in, data, SEEK_HOLE);
	}
	if (in >= 0)
		close(in);
	forget(&old);
	return ret;
}

/** struct move - where the bytes of a finished call came from and went to */
struct move {
	int to;
	uint64_t from_off, to_off;
};

static void zero_dirt(uint64_t off, uint64_t len, void *context)
{
	const struct move *m = context;

	if (poke_zeroes(m->to, m->to_off + (off - m->from_off), len))
		acted();
}

long call_skipping_dirt(struct call *c)
{
	struct move m = { .to = c->to, .from_off = from_at(c), .to_off = to_at(c) };
	const uint64_t len = span(c);
	const long ret = call_real(c);

	if (moved(c, ret))
		track_dirty(c->from, m.from_off, is_clone(c) ? len : (uint64_t)ret, zero_dirt, &m);
	return ret;
}
