/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * XFS removes files in the background, and keeps blocks that it allocated in advance for minutes.
 * Its headers are not everywhere, so the ioctl is described here. btrfs gives back emptied parts of
 * the disk half a minute later, unless its thread is woken.
 */
#include "reclaim.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/btrfs.h>
#include <linux/magic.h>

#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif

/** struct xfs_blocks - struct xfs_fs_eofblocks; all files if no flag but SYNC is set */
struct xfs_blocks {
	uint32_t version, flags, uid, gid, project, pad;
	uint64_t min_file_size, more_pad[12];
};

#define XFS_BLOCKS_VERSION 1
#define XFS_BLOCKS_SYNC	   1
#define XFS_FREE_BLOCKS	   _IOR('X', 58, struct xfs_blocks)

bool reclaim_now(int dirfd)
{
	struct xfs_blocks all = { .version = XFS_BLOCKS_VERSION, .flags = XFS_BLOCKS_SYNC };
	struct statfs st;

	if (fstatfs(dirfd, &st))
		return false;
	/* Blocks of dirty pages are in use. Without privilege all stays as it is. */
	if (st.f_type == XFS_SUPER_MAGIC)
		return !syncfs(dirfd) && !ioctl(dirfd, XFS_FREE_BLOCKS, &all);
	return st.f_type == BTRFS_SUPER_MAGIC && !ioctl(dirfd, BTRFS_IOC_SYNC);
}

/* The kernel's own code for "call again", which no program is to see (ERESTARTSYS). */
#define CALL_AGAIN 512

/* A call that was killed in a point before may be told to us, once: over SMB (bug:B-cifs-10). */
static int sync_all(int fd)
{
	return syncfs(fd) < 0 && (errno < CALL_AGAIN || syncfs(fd) < 0) ? -1 : 0;
}

int reclaim_free_bytes(int dirfd, uint64_t *bytes)
{
	struct statvfs st;

	reclaim_now(dirfd);
	if (sync_all(dirfd) < 0 || fstatvfs(dirfd, &st) < 0)
		return -errno;
	*bytes = (uint64_t)st.f_bfree * st.f_frsize;
	return 0;
}
