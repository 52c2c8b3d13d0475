/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The group 0/N of subvolume N is there as soon as the filesystem counts. What it holds is an item
 * of the quota tree: bytes referenced, shared ones included, but each block once.
 */
#include "quota.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>

/* Number of the subvolume that a file lies in. */
static int subvolume(int fd, uint64_t *number)
{
	struct btrfs_ioctl_ino_lookup_args args = { .objectid = BTRFS_FIRST_FREE_OBJECTID };

	if (ioctl(fd, BTRFS_IOC_INO_LOOKUP, &args))
		return -errno;
	*number = args.treeid;
	return 0;
}

static int set_limit(int fd, uint64_t number, uint64_t flags, uint64_t bytes)
{
	struct btrfs_ioctl_qgroup_limit_args args = {
		.qgroupid = number,
		.lim = { .flags = flags, .max_rfer = bytes },
	};

	return ioctl(fd, BTRFS_IOC_QGROUP_LIMIT, &args) ? -errno : 0;
}

static int control(int fd, uint64_t cmd)
{
	struct btrfs_ioctl_quota_ctl_args args = { .cmd = cmd };

	return ioctl(fd, BTRFS_IOC_QUOTA_CTL, &args) ? -errno : 0;
}

int quota_on(int fd)
{
	uint64_t number = 0;
	int err = subvolume(fd, &number);

	if (err)
		return err;
	/* A limit that limits nothing; without quotas there is no group to have one. */
	err = set_limit(fd, number, 0, 0);
	if (err != -ENOTCONN)
		return err ? err : -EBUSY;
	err = control(fd, BTRFS_QUOTA_CTL_ENABLE);
	if (!err && ioctl(fd, BTRFS_IOC_QUOTA_RESCAN_WAIT)) {
		err = -errno;
		quota_off(fd);
	}
	return err;
}

int quota_off(int fd)
{
	return control(fd, BTRFS_QUOTA_CTL_DISABLE);
}

/* What the group held at the last commit. */
static int referenced(int fd, uint64_t number, uint64_t *bytes)
{
	struct btrfs_ioctl_search_args args = { .key = {
							.tree_id = BTRFS_QUOTA_TREE_OBJECTID,
							.min_type = BTRFS_QGROUP_INFO_KEY,
							.max_type = BTRFS_QGROUP_INFO_KEY,
							.min_offset = number,
							.max_offset = number,
							.max_transid = UINT64_MAX,
							.nr_items = 1,
						} };
	struct btrfs_ioctl_search_header header;
	struct btrfs_qgroup_info_item item;

	if (ioctl(fd, BTRFS_IOC_TREE_SEARCH, &args))
		return -errno;
	if (!args.key.nr_items)
		return -ENOENT;
	memcpy(&header, args.buf, sizeof(header));
	if (header.len < sizeof(item))
		return -EIO;
	memcpy(&item, args.buf + sizeof(header), sizeof(item));
	*bytes = le64toh(item.rfer);
	return 0;
}

int quota_limit(int fd, uint64_t room)
{
	uint64_t number = 0, bytes = 0;
	int err = subvolume(fd, &number);

	if (!err && syncfs(fd))
		err = -errno;
	if (!err)
		err = referenced(fd, number, &bytes);
	return err ? err : set_limit(fd, number, BTRFS_QGROUP_LIMIT_MAX_RFER, bytes + room);
}
