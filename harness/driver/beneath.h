/* SPDX-License-Identifier: GPL-2.0-only */
/* Opens names in a folder so that nothing outside of it is ever reached. */
#ifndef COWBELL_BENEATH_H
#define COWBELL_BENEATH_H

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/**
 * beneath_open() - open @name in @dirfd, through no symbolic link and into no other mount
 *
 * Returns a descriptor or a negative errno.
 */
static inline int beneath_open(int dirfd, const char *name, uint64_t flags, uint64_t mode)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC | O_NOFOLLOW,
		.mode = mode,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};
	int fd = (int)syscall(SYS_openat2, dirfd, name, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

#endif
