/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The libc functions that are overridden, and the struct call that each becomes. Nothing is judged
 * here and nothing else is touched: stores into mappings and io_uring do not pass through libc, so
 * no mutant can reach them.
 */
/* Both spellings, with and without 64, are defined here, so none may stand for the other. */
#undef _FILE_OFFSET_BITS

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/fiemap.h>
#include <linux/fs.h>

#include "kernel.h"
#include "track.h"
#include "uapi.h"

#define EXPORT	       __attribute__((visibility("default")))
#define SYSCALL_ARGS   6
#define POSITION_BY_FD UINT64_MAX

/* The first page is never mapped: an address there is a test of EFAULT. */
static bool followable(const void *p)
{
	return (uintptr_t)p >= 4096;
}

static bool optional(const void *p)
{
	return !p || followable(p);
}

static long clone_range_call(int fd, void *arg)
{
	struct call c = { .kind = CALL_CLONE_RANGE, .to = fd, .from = -1, .arg = arg };
	const struct file_clone_range *range = arg;

	c.sound = followable(arg);
	if (c.sound) {
		c.from = (int)range->src_fd;
		c.from_off = range->src_offset;
		c.to_off = range->dest_offset;
		c.len = range->src_length;
	}
	return mutate(&c);
}

EXPORT int ioctl(int fd, unsigned long request, ...)
{
	struct call c = { .to = fd, .from = -1, .sound = true };
	va_list args;

	va_start(args, request);
	c.arg = va_arg(args, void *);
	va_end(args);
	switch (request) {
	case FICLONE:
		c.kind = CALL_CLONE;
		c.from = (int)(intptr_t)c.arg;
		break;
	case FICLONERANGE:
		return (int)clone_range_call(fd, c.arg);
	case FIDEDUPERANGE:
		c.kind = CALL_DEDUPE;
		c.from = fd;
		c.to = -1;
		c.sound = followable(c.arg);
		break;
	case OCFS2_REFLINK:
		c.kind = CALL_REFLINK;
		c.sound = followable(c.arg);
		break;
	case FS_IOC_FIEMAP:
		c.kind = CALL_FIEMAP;
		c.sound = followable(c.arg);
		break;
	default:
		return kernel()->ioctl(fd, request, c.arg);
	}
	return (int)mutate(&c);
}

EXPORT ssize_t copy_file_range(int in, off_t *in_off, int out, off_t *out_off, size_t len,
			       unsigned int flags)
{
	struct call c = { .kind = CALL_COPY_RANGE,
			  .from = in,
			  .to = out,
			  .from_ptr = in_off,
			  .to_ptr = out_off,
			  .len = len,
			  .flags = flags,
			  .sound = optional(in_off) && optional(out_off) };

	return mutate(&c);
}

EXPORT long syscall(long number, ...)
{
	long a[SYSCALL_ARGS];
	va_list args;

	va_start(args, number);
	for (int i = 0; i < SYSCALL_ARGS; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if (number == SYS_copy_file_range)
		return copy_file_range((int)a[0], (off_t *)a[1], (int)a[2], (off_t *)a[3],
				       (size_t)a[4], (unsigned int)a[5]);
	return kernel()->syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

EXPORT ssize_t sendfile(int out, int in, off_t *off, size_t len)
{
	struct call c = { .kind = CALL_SENDFILE,
			  .from = in,
			  .to = out,
			  .from_ptr = off,
			  .len = len,
			  .sound = optional(off) };

	return mutate(&c);
}

EXPORT ssize_t sendfile64(int out, int in, off64_t *off, size_t len)
{
	return sendfile(out, in, off, len);
}

EXPORT ssize_t splice(int in, off64_t *in_off, int out, off64_t *out_off, size_t len,
		      unsigned int flags)
{
	struct call c = { .kind = CALL_SPLICE,
			  .from = in,
			  .to = out,
			  .from_ptr = in_off,
			  .to_ptr = out_off,
			  .len = len,
			  .flags = flags,
			  .sound = optional(in_off) && optional(out_off) };

	return mutate(&c);
}

EXPORT int fallocate(int fd, int mode, off_t off, off_t len)
{
	struct call c = { .kind = CALL_FALLOCATE,
			  .to = fd,
			  .from = -1,
			  .to_off = (uint64_t)off,
			  .len = (uint64_t)len,
			  .flags = (unsigned int)mode,
			  .sound = true };

	return (int)mutate(&c);
}

EXPORT int fallocate64(int fd, int mode, off64_t off, off64_t len)
{
	return fallocate(fd, mode, off, len);
}

EXPORT int ftruncate(int fd, off_t size)
{
	struct call c = {
		.kind = CALL_TRUNCATE, .to = fd, .from = -1, .len = (uint64_t)size, .sound = true
	};

	return (int)mutate(&c);
}

EXPORT int ftruncate64(int fd, off64_t size)
{
	return ftruncate(fd, size);
}

EXPORT off_t lseek(int fd, off_t off, int whence)
{
	struct call c = { .kind = CALL_SEEK,
			  .to = fd,
			  .from = -1,
			  .to_off = (uint64_t)off,
			  .flags = (unsigned int)whence,
			  .sound = true };

	return mutate(&c);
}

EXPORT off64_t lseek64(int fd, off64_t off, int whence)
{
	return lseek(fd, off, whence);
}

EXPORT ssize_t pwritev2(int fd, const struct iovec *iov, int count, off_t off, int flags)
{
	struct call c = { .kind = CALL_WRITE,
			  .to = fd,
			  .from = -1,
			  .to_off = (uint64_t)off,
			  .flags = (unsigned int)flags,
			  .iov = iov,
			  .iov_count = count,
			  .sound = followable(iov) };

	for (int i = 0; c.sound && i < count; i++)
		c.len += iov[i].iov_len;
	return mutate(&c);
}

EXPORT ssize_t pwritev64v2(int fd, const struct iovec *iov, int count, off64_t off, int flags)
{
	return pwritev2(fd, iov, count, off, flags);
}

EXPORT ssize_t writev(int fd, const struct iovec *iov, int count)
{
	return pwritev2(fd, iov, count, (off_t)POSITION_BY_FD, 0);
}

EXPORT ssize_t write(int fd, const void *buf, size_t len)
{
	/* Where no mutant is, it stays the same call: a vector moves other limits. */
	const struct iovec iov = { .iov_base = (void *)(uintptr_t)buf, .iov_len = len };

	if (!mutant_active())
		return kernel()->write(fd, buf, len);
	return pwritev2(fd, &iov, 1, (off_t)POSITION_BY_FD, 0);
}

EXPORT ssize_t pwrite(int fd, const void *buf, size_t len, off_t off)
{
	const struct iovec iov = { .iov_base = (void *)(uintptr_t)buf, .iov_len = len };

	/* A negative offset is an error here, and the file position there. */
	if (!mutant_active() || off < 0)
		return kernel()->pwrite(fd, buf, len, off);
	return pwritev2(fd, &iov, 1, off, 0);
}

EXPORT ssize_t pwrite64(int fd, const void *buf, size_t len, off64_t off)
{
	return pwrite(fd, buf, len, off);
}

EXPORT int fsync(int fd)
{
	track_flushed(fd);
	return kernel()->fsync(fd);
}

EXPORT int fdatasync(int fd)
{
	track_flushed(fd);
	return kernel()->fdatasync(fd);
}

EXPORT int syncfs(int fd)
{
	track_all_flushed();
	return kernel()->syncfs(fd);
}

EXPORT int statx(int dir, const char *path, int flags, unsigned int mask, struct statx *out)
{
	const int ret = kernel()->statx(dir, path, flags, mask, out);

	if (!ret)
		track_show_times(out);
	return ret;
}
