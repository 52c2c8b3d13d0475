/* SPDX-License-Identifier: GPL-2.0-only */
/* Removes whatever a point can have left. Goes on after a failure and reports the first. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <unistd.h>

#include "beneath.h"
#include "rmtree.h"

#define DEPTH_MAX 64

static int inside(int fd, const char *except, int depth);

/* Attributes forbid removal from, and of, what bears them. */
static void clear_attributes(int fd)
{
	int flags;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && (flags & (FS_IMMUTABLE_FL | FS_APPEND_FL))) {
		flags &= ~(FS_IMMUTABLE_FL | FS_APPEND_FL);
		ioctl(fd, FS_IOC_SETFLAGS, &flags);
	}
}

/* Take away whatever may forbid the removal of a file: attributes, its use as swap space. */
static void loosen(int dirfd, const char *name)
{
	struct stat st;
	char path[40];
	int fd;

	clear_attributes(dirfd);
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) ||
	    !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
		return;
	fd = beneath_open(dirfd, name, O_RDONLY | O_NONBLOCK, 0);
	if (fd < 0)
		return;
	clear_attributes(fd);
	if (S_ISREG(st.st_mode)) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		swapoff(path);
	}
	close(fd);
}

static int remove_one(int dirfd, const char *name, int depth)
{
	int fd, ret = 0;

	for (int attempt = 0; attempt < 2; attempt++) {
		if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
			return 0;
		/* EPERM is said of a folder too, by some filesystems */
		fd = beneath_open(dirfd, name, O_RDONLY | O_DIRECTORY, 0);
		if (fd >= 0) {
			ret = depth < DEPTH_MAX ? inside(fd, NULL, depth + 1) : -ELOOP;
			close(fd);
			if (unlinkat(dirfd, name, AT_REMOVEDIR) == 0)
				return 0;
		}
		ret = ret ? ret : -errno;
		if (attempt == 0)
			loosen(dirfd, name);
	}
	return ret;
}

static int inside(int fd, const char *except, int depth)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *e;
	int first = 0, ret;
	DIR *d;

	if (copy < 0)
		return -errno;
	d = fdopendir(copy);
	if (!d) {
		close(copy);
		return -ENOMEM;
	}
	while ((e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
		    (except && !strcmp(e->d_name, except)))
			continue;
		ret = remove_one(fd, e->d_name, depth);
		first = first ? first : ret;
	}
	closedir(d);
	return first;
}

int rmtree_inside(int dirfd, const char *except)
{
	return inside(dirfd, except, 0);
}

int rmtree(int dirfd, const char *name)
{
	return remove_one(dirfd, name, 0);
}
