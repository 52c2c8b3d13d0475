/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's own calls, below the functions that interpose.c puts in front of libc's. */
#ifndef COWBELL_MUTANTS_KERNEL_H
#define COWBELL_MUTANTS_KERNEL_H

#include <sys/stat.h>

#include "mutants.h"

/** struct kernel - libc's functions, found behind ours */
struct kernel {
	int (*ioctl)(int fd, unsigned long request, ...);
	long (*syscall)(long number, ...);
	ssize_t (*sendfile)(int out, int in, off_t *off, size_t len);
	ssize_t (*splice)(int in, off_t *in_off, int out, off_t *out_off, size_t len,
			  unsigned int flags);
	int (*fallocate)(int fd, int mode, off_t off, off_t len);
	int (*ftruncate)(int fd, off_t size);
	off_t (*lseek)(int fd, off_t off, int whence);
	int (*fsync)(int fd);
	int (*fdatasync)(int fd);
	int (*syncfs)(int fd);
	ssize_t (*write)(int fd, const void *buf, size_t len);
	ssize_t (*pwrite)(int fd, const void *buf, size_t len, off_t off);
	ssize_t (*pwritev2)(int fd, const struct iovec *iov, int count, off_t off, int flags);
	int (*statx)(int dir, const char *path, int flags, unsigned int mask, struct statx *out);
};

/** kernel() - always whole: found when first asked for */
const struct kernel *kernel(void);

/** call_real() - make the call as it now stands; returns its result, with errno set */
long call_real(struct call *c);

#endif
