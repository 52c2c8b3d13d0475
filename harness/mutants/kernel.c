/* SPDX-License-Identifier: GPL-2.0-only */
/* Finds libc's functions behind ours, and makes a call as it stands. */
#include "kernel.h"

#include <dlfcn.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include <linux/fiemap.h>
#include <linux/fs.h>

#include "uapi.h"

static struct kernel found;

/* A function pointer from an object pointer, in the way that ISO C can say. */
static void find(void *out, const char *name)
{
	void *function = dlsym(RTLD_NEXT, name);

	memcpy(out, &function, sizeof(function));
}

const struct kernel *kernel(void)
{
	if (found.statx)
		return &found;
	find(&found.ioctl, "ioctl");
	find(&found.syscall, "syscall");
	find(&found.sendfile, "sendfile64");
	find(&found.splice, "splice");
	find(&found.fallocate, "fallocate64");
	find(&found.ftruncate, "ftruncate64");
	find(&found.lseek, "lseek64");
	find(&found.fsync, "fsync");
	find(&found.fdatasync, "fdatasync");
	find(&found.syncfs, "syncfs");
	find(&found.write, "write");
	find(&found.pwrite, "pwrite64");
	find(&found.pwritev2, "pwritev64v2");
	/* last: it says that all are there */
	find(&found.statx, "statx");
	return &found;
}

static long real_clone(struct call *c)
{
	return kernel()->ioctl(c->to, FICLONE, c->from);
}

static long real_clone_range(struct call *c)
{
	struct file_clone_range range = {
		.src_fd = c->from,
		.src_offset = c->from_off,
		.src_length = c->len,
		.dest_offset = c->to_off,
	};

	return kernel()->ioctl(c->to, FICLONERANGE, c->sound ? &range : c->arg);
}

static long real_dedupe(struct call *c)
{
	return kernel()->ioctl(c->from, FIDEDUPERANGE, c->arg);
}

static long real_reflink(struct call *c)
{
	return kernel()->ioctl(c->to, OCFS2_REFLINK, c->arg);
}

static long real_fiemap(struct call *c)
{
	return kernel()->ioctl(c->to, FS_IOC_FIEMAP, c->arg);
}

static long real_copy_range(struct call *c)
{
	return kernel()->syscall(SYS_copy_file_range, c->from, c->from_ptr, c->to, c->to_ptr,
				 (size_t)c->len, c->flags);
}

static long real_sendfile(struct call *c)
{
	return kernel()->sendfile(c->to, c->from, c->from_ptr, (size_t)c->len);
}

static long real_splice(struct call *c)
{
	return kernel()->splice(c->from, c->from_ptr, c->to, c->to_ptr, (size_t)c->len, c->flags);
}

static long real_fallocate(struct call *c)
{
	return kernel()->fallocate(c->to, (int)c->flags, (off_t)c->to_off, (off_t)c->len);
}

static long real_truncate(struct call *c)
{
	return kernel()->ftruncate(c->to, (off_t)c->len);
}

static long real_seek(struct call *c)
{
	return kernel()->lseek(c->to, (off_t)c->to_off, (int)c->flags);
}

static long real_write(struct call *c)
{
	return kernel()->pwritev2(c->to, c->iov, c->iov_count, (off_t)c->to_off, (int)c->flags);
}

long call_real(struct call *c)
{
	static long (*const calls[CALL_KINDS])(struct call * c) = {
		[CALL_CLONE] = real_clone,	   [CALL_CLONE_RANGE] = real_clone_range,
		[CALL_DEDUPE] = real_dedupe,	   [CALL_REFLINK] = real_reflink,
		[CALL_FIEMAP] = real_fiemap,	   [CALL_COPY_RANGE] = real_copy_range,
		[CALL_SENDFILE] = real_sendfile,   [CALL_SPLICE] = real_splice,
		[CALL_FALLOCATE] = real_fallocate, [CALL_TRUNCATE] = real_truncate,
		[CALL_SEEK] = real_seek,	   [CALL_WRITE] = real_write,
	};

	return calls[c->kind](c);
}
