/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trials of what concerns names, attributes, privileges and the machine. A refusal for want of
 * privilege is a plain "no" here. What touches the whole filesystem is tried only with --dedicated.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <linux/fs.h>

#include "acl.h"
#include "caps.h"
#include "clock.h"
#include "mix.h"
#include "op.h"
#include "probe_lab.h"
#include "quota.h"
#include "reclaim.h"
#include "swapfile.h"
#include "traffic.h"
#include "uapi.h"
#include "undo.h"

/* Nobody's user and group: any other than root would do. */
#define NOBODY	65534
#define GUARD_S 5
/* A second, and some. */
#define SECOND_MS 1100
/* btrfs has six kinds of space; more than these would be new ones. */
#define BTRFS_KINDS 16
/* What its trees must have for themselves. Without, not even a file can be removed for a while. */
#define TREES_BYTES (UINT64_C(16) << 20)
/* More than what trees and logs take meanwhile. */
#define NOISE_BYTES (2ULL << 20)

/* A refusal that only says who we are. */
static void refused_to_us(struct lab *l, const char *what, int err)
{
	if (err == EPERM || err == EACCES)
		lab_no(l, "%s: %s", what, errno_name(err));
	else
		lab_refused(l, what, err);
}

/* So does EIO where a file is to be made that is none of bytes: a client of SMB says that of all
 * that its server does not know. */
static void special_refused(struct lab *l, const char *what, int err)
{
	if (err == EIO)
		lab_no(l, "%s: %s", what, errno_name(err));
	else
		refused_to_us(l, what, err);
}

static bool has_dedicated(struct lab *l)
{
	if (!l->o->dedicated)
		lab_no(l, "needs --dedicated");
	return l->o->dedicated;
}

/* A stamped file; false if there is none, and that is answered. */
static bool one(struct lab *l)
{
	const int err = lab_file(l, 0, 1, LAB_SIZE, true);

	if (err < 0)
		lab_setup(l, err);
	return err >= 0;
}

void try_ocfs2_reflink(struct lab *l)
{
	char from[64], to[64];
	struct ocfs2_reflink args = { .preserve = 0 };

	if (!one(l))
		return;
	snprintf(from, sizeof(from), "/proc/self/fd/%d/%s", l->dirfd, lab_name(l, 0));
	snprintf(to, sizeof(to), "/proc/self/fd/%d/%s", l->dirfd, lab_name(l, 1));
	args.old_path = (uintptr_t)from;
	args.new_path = (uintptr_t)to;
	if (ioctl(l->fd[0], OCFS2_REFLINK, &args)) {
		lab_refused(l, "OCFS2_IOC_REFLINK", errno);
		return;
	}
	l->fd[1] = openat(l->dirfd, lab_name(l, 1), O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (l->fd[1] < 0)
		lab_broken(l, "OCFS2_IOC_REFLINK: open: %s", errno_name(errno));
	else
		lab_whole(l, l->fd[1], 1, "OCFS2_IOC_REFLINK");
}

void try_tmpfile(struct lab *l)
{
	char again[32];
	int err;

	l->fd[0] = openat(l->dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	/* EISDIR is how open(2) says that the kernel does not know the flag. */
	if (l->fd[0] < 0 && errno == EISDIR) {
		lab_no(l, "O_TMPFILE: EISDIR");
	} else if (l->fd[0] < 0) {
		lab_refused(l, "O_TMPFILE", errno);
	} else {
		err = lab_write(l, l->fd[0], 1, 0, LAB_SIZE);
		if (err)
			lab_broken(l, "O_TMPFILE: write: %s", errno_name(-err));
		else
			lab_whole(l, l->fd[0], 1, "O_TMPFILE");
		/* Cases have several descriptors of one file, and the model one for reading. */
		snprintf(again, sizeof(again), "/proc/self/fd/%d", l->fd[0]);
		l->fd[1] = open(again, O_RDWR | O_CLOEXEC);
		l->fd[2] = l->fd[1] < 0 ? -1 : open(again, O_RDONLY | O_CLOEXEC);
		if (l->fd[2] < 0)
			lab_no(l, "O_TMPFILE: opened again: %s", errno_name(errno));
	}
}

/* A server of SMB may keep the name until the last who has the file open has closed it. */
void try_name_free(struct lab *l)
{
	struct statx st;
	int err;

	if (!one(l))
		return;
	if (unlinkat(l->dirfd, lab_name(l, 0), 0)) {
		lab_setup(l, errno);
		return;
	}
	l->fd[1] = openat(l->dirfd, lab_name(l, 0), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (l->fd[1] < 0) {
		lab_no(l, "the name of a removed file: %s", errno_name(errno));
		return;
	}
	if (!lab_whole(l, l->fd[0], 1, "a removed file"))
		return;
	err = lab_file(l, 2, 2, LAB_SIZE, true);
	if (err < 0)
		lab_setup(l, err);
	else if (renameat(l->dirfd, lab_name(l, 2), l->dirfd, lab_name(l, 0)))
		lab_no(l, "a name is taken from an open file: %s", errno_name(errno));
	else if (statx(l->fd[1], "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_SIZE, &st))
		lab_no(l, "an open file that is replaced: %s", errno_name(errno));
}

/* Locks that keep nobody out are none. */
void try_locks(struct lab *l)
{
	struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	const int fd = lab_file(l, 0, 1, LAB_SIZE, true);

	l->fd[1] = fd < 0 ? -1 : openat(l->dirfd, lab_name(l, 0), O_RDWR | O_CLOEXEC);
	if (l->fd[1] < 0)
		lab_setup(l, fd < 0 ? fd : -errno);
	else if (fcntl(fd, F_OFD_SETLK, &all))
		lab_refused(l, "F_OFD_SETLK", errno);
	else if (!fcntl(l->fd[1], F_OFD_SETLK, &all))
		lab_broken(l, "F_OFD_SETLK: two descriptions have all of a file to themselves");
	else if (errno != EAGAIN && errno != EACCES)
		lab_broken(l, "F_OFD_SETLK of what is locked: %s", errno_name(errno));
}

void try_fifo(struct lab *l)
{
	if (mkfifoat(l->dirfd, lab_name(l, 0), 0600))
		special_refused(l, "mkfifo", errno);
	else if (mknodat(l->dirfd, lab_name(l, 1), S_IFSOCK | 0600, 0))
		special_refused(l, "mknod of a socket", errno);
}

void try_mknod(struct lab *l)
{
	/* The numbers of /dev/null. */
	if (mknodat(l->dirfd, lab_name(l, 0), S_IFCHR | 0600, makedev(1, 3))) {
		special_refused(l, "mknod", errno);
		return;
	}
	l->fd[0] = openat(l->dirfd, lab_name(l, 0), O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (l->fd[0] < 0)
		refused_to_us(l, "open of a device node", errno);
	else if (write(l->fd[0], "x", 1) != 1)
		lab_broken(l, "write to a device node: %s", errno_name(errno));
}

/* Sets one attribute, sees whether a plain open for writing is refused, and takes it away again. */
static void try_attribute(struct lab *l, int attribute, const char *name)
{
	int flags = 0, with, fd;

	if (ioctl(l->fd[0], FS_IOC_GETFLAGS, &flags)) {
		lab_refused(l, "FS_IOC_GETFLAGS", errno);
		return;
	}
	with = flags | attribute;
	if (ioctl(l->fd[0], FS_IOC_SETFLAGS, &with)) {
		refused_to_us(l, "FS_IOC_SETFLAGS", errno);
		return;
	}
	fd = openat(l->dirfd, lab_name(l, 0), O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		lab_broken(l, "%s file can be opened for writing", name);
		close(fd);
	}
	if (ioctl(l->fd[0], FS_IOC_SETFLAGS, &flags))
		lab_broken(l, "%s attribute cannot be taken away: %s", name, errno_name(errno));
}

void try_chattr(struct lab *l)
{
	if (!one(l))
		return;
	try_attribute(l, FS_IMMUTABLE_FL, "an immutable");
	if (l->answer == ANSWER_YES)
		try_attribute(l, FS_APPEND_FL, "an append-only");
}

static void try_xattr_value(struct lab *l, const char *name, const void *value, size_t size)
{
	uint8_t back[64];
	ssize_t n;

	if (!one(l))
		return;
	if (fsetxattr(l->fd[0], name, value, size, 0)) {
		refused_to_us(l, name, errno);
		return;
	}
	n = fgetxattr(l->fd[0], name, back, sizeof(back));
	if (n < 0)
		lab_broken(l, "%s: set, but getxattr: %s", name, errno_name(errno));
	else if ((size_t)n != size || memcmp(back, value, size))
		lab_broken(l, "%s: reads back another value", name);
}

void try_xattr(struct lab *l)
{
	try_xattr_value(l, "user.cowbell", "some value", 10);
}

void try_caps_xattr(struct lab *l)
{
	uint8_t blob[CAPS_BLOB_SIZE];

	caps_blob(blob);
	try_xattr_value(l, "security.capability", blob, sizeof(blob));
}

void try_acl(struct lab *l)
{
	uint8_t blob[ACL_BLOB_SIZE];

	acl_blob(blob, ACL_FILE_USER);
	try_xattr_value(l, ACL_ACCESS, blob, sizeof(blob));
}

/* Hints can only be given to an empty file. Who does not know them may say so, or take no notice.
 */
void try_extsize(struct lab *l)
{
	const bool cow = l->need == NEED_COWEXTSIZE;
	const int fd = lab_file(l, 0, 0, 0, false);
	struct fsxattr x = { 0 };

	if (fd < 0) {
		lab_setup(l, fd);
		return;
	}
	if (ioctl(fd, FS_IOC_FSGETXATTR, &x)) {
		lab_refused(l, "FS_IOC_FSGETXATTR", errno);
		return;
	}
	x.fsx_xflags |= cow ? FS_XFLAG_COWEXTSIZE : FS_XFLAG_EXTSIZE;
	*(cow ? &x.fsx_cowextsize : &x.fsx_extsize) = LAB_SIZE;
	if (ioctl(fd, FS_IOC_FSSETXATTR, &x)) {
		/* EINVAL is what XFS says if it cannot share blocks. */
		if (errno == EINVAL)
			lab_no(l, "FS_IOC_FSSETXATTR: EINVAL");
		else
			lab_refused(l, "FS_IOC_FSSETXATTR", errno);
		return;
	}
	x = (struct fsxattr){ 0 };
	if (ioctl(fd, FS_IOC_FSGETXATTR, &x))
		lab_broken(l, "set, but FS_IOC_FSGETXATTR: %s", errno_name(errno));
	else if ((cow ? x.fsx_cowextsize : x.fsx_extsize) != LAB_SIZE)
		lab_no(l, "the hint is not kept");
}

void try_swap(struct lab *l)
{
	const uint64_t size = SWAPFILE_PAGES * l->p->units.page;
	int fd, flags = 0, err;
	struct undo u;

	if (!has_dedicated(l))
		return;
	fd = lab_file(l, 0, 0, 0, false);
	/* Must be said before there is data; who does not know it does not need it. */
	if (fd >= 0 && !ioctl(fd, FS_IOC_GETFLAGS, &flags)) {
		flags |= FS_NOCOW_FL;
		(void)ioctl(fd, FS_IOC_SETFLAGS, &flags);
	}
	err = fd < 0 ? fd : lab_write(l, fd, 0, 0, size);
	if (!err)
		err = swapfile_header(fd, l->p->units.page, SWAPFILE_PAGES);
	if (err || fchmod(fd, 0600) || fsync(fd)) {
		lab_setup(l, err ? err : errno);
		return;
	}
	err = undo_begin(&u, fd, undo_swapon, undo_swapoff, GUARD_S);
	/* EINVAL is all that swapon(2) has for a filesystem that cannot. */
	if (err == -EINVAL)
		lab_no(l, "swapon: EINVAL");
	else if (err)
		refused_to_us(l, "swapon", -err);
	err = undo_end(&u);
	if (err)
		lab_broken(l, "swapoff: %s", errno_name(-err));
}

/* Bytes that btrfs has set aside for its trees and not used yet; UINT64_MAX elsewhere. */
static uint64_t room_for_trees(struct lab *l)
{
	struct btrfs_ioctl_space_args *args = (void *)l->buf;
	uint64_t room = 0;

	memset(l->buf, 0, LAB_SIZE);
	args->space_slots = BTRFS_KINDS;
	if (ioctl(l->dirfd, BTRFS_IOC_SPACE_INFO, args))
		return UINT64_MAX;
	for (uint64_t i = 0; i < args->total_spaces && i < BTRFS_KINDS; i++)
		if (args->spaces[i].flags & BTRFS_BLOCK_GROUP_METADATA)
			room += args->spaces[i].total_bytes - args->spaces[i].used_bytes;
	return room;
}

void try_reclaim(struct lab *l)
{
	if (!reclaim_now(l->dirfd))
		lab_no(l, "no call gives them back");
}

/* Make a file of NOISE_BYTES that cannot be compressed; 0 or a negative errno. */
static int write_noise(struct lab *l, int file)
{
	uint64_t random = (uint64_t)file;
	const int fd = lab_file(l, file, 0, 0, false);

	for (uint64_t at = 0; fd >= 0 && at < NOISE_BYTES; at += LAB_SIZE) {
		ssize_t n;

		for (size_t i = 0; i < LAB_SIZE; i += sizeof(random)) {
			const uint64_t word = mix_next(&random);

			memcpy(l->buf + i, &word, sizeof(word));
		}
		n = pwrite(fd, l->buf, LAB_SIZE, (off_t)at);
		if (n != LAB_SIZE)
			return n < 0 ? -errno : -ENOSPC;
	}
	return fd < 0 ? fd : 0;
}

/* Write, and see whether so much less is free; 0 or a negative errno. */
static int try_noise(struct lab *l, int file, bool *told)
{
	uint64_t before, after;
	int err = reclaim_free_bytes(l->dirfd, &before);

	if (!err)
		err = write_noise(l, file);
	if (!err)
		err = reclaim_free_bytes(l->dirfd, &after);
	if (!err)
		*told = after + NOISE_BYTES / 2 <= before;
	return err;
}

/* What was removed before may come back just then, and a server that writes when it sees fit may do
 * so; so one file says nothing. One that grows may have its blocks in advance. */
void try_free_told(struct lab *l)
{
	int times = 0;
	bool told;

	if (!has_dedicated(l))
		return;
	for (int i = 0; i < LAB_FILES; i++) {
		const int err = try_noise(l, i, &told);

		if (err) {
			lab_setup(l, err);
			return;
		}
		times += told;
	}
	if (times <= LAB_FILES / 2)
		lab_no(l, "statfs(2) after syncfs(2) does not tell of %llu MiB that were written",
		       NOISE_BYTES >> 20);
}

/* It is not tried: nothing else would run well at the same time. */
void try_fill(struct lab *l)
{
	struct stat st;

	if (!has_dedicated(l))
		return;
	if (room_for_trees(l) < TREES_BYTES) {
		lab_no(l, "btrfs would be left without room for its trees");
		return;
	}
	if (!one(l))
		return;
	if (fallocate(l->fd[0], FALLOC_FL_KEEP_SIZE, LAB_SIZE, LAB_SIZE))
		lab_refused(l, "fallocate with FALLOC_FL_KEEP_SIZE", errno);
	else if (fstat(l->fd[0], &st))
		lab_setup(l, errno);
	else if (st.st_blocks * 512 <= LAB_SIZE)
		lab_no(l, "fallocate with FALLOC_FL_KEEP_SIZE reserves no block");
}

void try_quota(struct lab *l)
{
	struct undo u;
	int err;

	if (!has_dedicated(l))
		return;
	err = undo_begin(&u, l->dirfd, quota_on, quota_off, GUARD_S);
	if (err == -EBUSY) {
		lab_no(l, "there are quotas already, which are not ours");
		return;
	}
	if (err) {
		refused_to_us(l, "BTRFS_IOC_QUOTA_CTL", -err);
		return;
	}
	err = quota_limit(l->dirfd, LAB_SIZE);
	if (err)
		lab_broken(l, "BTRFS_IOC_QGROUP_LIMIT: %s", errno_name(-err));
	err = undo_end(&u);
	if (err)
		lab_broken(l, "BTRFS_IOC_QUOTA_CTL, to turn it off: %s", errno_name(-err));
}

void try_freeze(struct lab *l)
{
	struct undo u;
	int err;

	if (!has_dedicated(l))
		return;
	err = undo_begin(&u, l->dirfd, undo_freeze, undo_thaw, GUARD_S);
	if (err) {
		refused_to_us(l, "FIFREEZE", -err);
		return;
	}
	err = undo_end(&u);
	if (err)
		lab_broken(l, "FITHAW: %s", errno_name(-err));
}

void try_drop_caches(struct lab *l)
{
	int fd;

	if (!has_dedicated(l))
		return;
	fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		lab_no(l, "/proc/sys/vm/drop_caches: %s", errno_name(errno));
	else
		close(fd);
}

void try_root(struct lab *l)
{
	unsigned int inside = 1, outside = 1, count = 0;
	FILE *f;

	if (geteuid() != 0) {
		lab_no(l, "the user is %u", geteuid());
		return;
	}
	f = fopen("/proc/self/uid_map", "re");
	/* A kernel without CONFIG_USER_NS has one for all. */
	if (!f && errno == ENOENT)
		return;
	if (!f || fscanf(f, "%u %u %u", &inside, &outside, &count) != 3 || inside || outside ||
	    count != UINT32_MAX)
		lab_no(l, "in a user namespace of its own");
	if (f)
		fclose(f);
}

/* In a child, because there is no way back for all of it. */
static bool become_nobody(void)
{
	const pid_t pid = fork();
	int status = -1;

	if (!pid) {
		const bool done = !setgroups(0, NULL) && !setresgid(NOBODY, NOBODY, NOBODY) &&
				  !setresuid(NOBODY, NOBODY, NOBODY);

		_exit(done ? 0 : 1);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return pid > 0 && status == 0;
}

/* Servers of other systems take what they have no place for, and forget it (mount.cifs(8)). */
void try_modes(struct lab *l)
{
	static const mode_t modes[] = { 0640, 0604 };
	struct stat st;

	if (!one(l))
		return;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (fchmod(l->fd[0], modes[i]))
			lab_no(l, "chmod: %s", errno_name(errno));
		else if (fstat(l->fd[0], &st) || (st.st_mode & 07777) != modes[i])
			lab_no(l, "chmod: taken, and forgotten");
	}
}

static bool moved(const struct stat *before, int fd)
{
	struct stat after;

	return !fstat(fd, &after) && (after.st_mtim.tv_sec != before->st_mtim.tv_sec ||
				      after.st_mtim.tv_nsec != before->st_mtim.tv_nsec);
}

/* A client to which the server has left the time stamps tells them when another one opens the file,
 * and from then on shows those of the server (RFC 9754). */
static bool moves_when_opened_elsewhere(struct lab *l)
{
	struct stat before;
	struct statx sync;
	int fd;

	if (l->o->viewfd < 0 || fstat(l->fd[0], &before))
		return false;
	fd = openat(l->o->viewfd, lab_name(l, 0), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0)
		close(fd);
	/* statx(2) asks the server, fstat(2) shows what it said */
	return !statx(l->fd[0], "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_MTIME, &sync) &&
	       moved(&before, l->fd[0]);
}

/* Close the file for so long that the server sees it, and open it again. */
static bool reopen(struct lab *l)
{
	close(l->fd[0]);
	poll(NULL, 0, SECOND_MS);
	l->fd[0] = openat(l->dirfd, lab_name(l, 0), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	return l->fd[0] >= 0;
}

/* Write, flush, and flush once more when time has gone by; false if that does not work. @lag_ns
 * says how much older the time of modification is than that of the write: only two of them compare,
 * as the clocks differ. */
static bool write_and_flush(struct lab *l, int wait_ms, int64_t *lag_ns)
{
	const int64_t written = (int64_t)clock_ns();
	struct stat st;

	if (pwrite(l->fd[0], "x", 1, 0) != 1 || fsync(l->fd[0]))
		return false;
	poll(NULL, 0, wait_ms);
	if (fsync(l->fd[0]) || !reopen(l) || fstat(l->fd[0], &st))
		return false;
	*lag_ns = written - (st.st_mtim.tv_sec * 1000000000LL + st.st_mtim.tv_nsec);
	return true;
}

/* A server may date a file whenever it is flushed after a write, written or not in between. It may
 * keep whole seconds, so that what it says is a second off. */
static bool moves_when_flushed(struct lab *l)
{
	int64_t at_once, later;

	return write_and_flush(l, 0, &at_once) && write_and_flush(l, 3 * SECOND_MS, &later) &&
	       at_once - later > 3 * SECOND_MS * 1000000LL / 2;
}

/* A client that caches writes may leave the time of modification to the server, until the file is
 * closed. One that never moves is no such thing. */
void try_times(struct lab *l)
{
	/* the longest for filesystems that keep every other second, and clients that ask once a
	 * second */
	static const int wait_ms[] = { 20, 100, SECOND_MS, SECOND_MS };
	struct stat before;

	if (!one(l) || fstat(l->fd[0], &before))
		return;
	for (size_t i = 0; i < sizeof(wait_ms) / sizeof(wait_ms[0]); i++) {
		poll(NULL, 0, wait_ms[i]);
		if (pwrite(l->fd[0], "x", 1, 0) != 1)
			return;
		if (!moved(&before, l->fd[0]))
			continue;
		l->late_times = moves_when_opened_elsewhere(l);
		if (l->late_times)
			lab_no(l, "the mtime moves once more when another client opens the file");
		return;
	}
	if (!reopen(l)) {
		lab_setup(l, errno);
		return;
	}
	if (!moved(&before, l->fd[0])) {
		lab_broken(l, "a write does not move the mtime");
		return;
	}
	l->late_times = moves_when_flushed(l);
	lab_no(l, "a write moves the mtime when the file is closed%s",
	       l->late_times ? ", and each flush moves it again" : "");
}

void try_chown(struct lab *l)
{
	struct stat st;

	if (!one(l))
		return;
	if (fchown(l->fd[0], NOBODY, NOBODY))
		/* EINVAL: the user has no number in our namespace. */
		lab_no(l, "chown: %s", errno_name(errno));
	else if (fstat(l->fd[0], &st) || st.st_uid != NOBODY || st.st_gid != NOBODY)
		lab_no(l, "chown: taken, and forgotten");
	else if (!become_nobody())
		lab_no(l, "cannot become another user");
}

void try_second_fs(struct lab *l)
{
	const int dir2fd = l->o->dir2fd;
	int fd;

	if (dir2fd < 0) {
		lab_no(l, "needs --dir2");
		return;
	}
	if (probe_superblock(l->dirfd) == probe_superblock(dir2fd)) {
		lab_no(l, "--dir2 is on the same filesystem");
		return;
	}
	fd = openat(dir2fd, lab_name(l, 0), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, "x", 1) != 1)
		lab_no(l, "--dir2 cannot be written to: %s", errno_name(errno));
	if (fd >= 0) {
		close(fd);
		unlinkat(dir2fd, lab_name(l, 0), 0);
	}
}

void try_view(struct lab *l)
{
	/* That it is one was found out before (workdir_view()). */
	if (l->o->viewfd < 0)
		lab_no(l, "needs --view");
}

void try_second_client(struct lab *l)
{
	if (l->o->viewfd < 0)
		lab_no(l, "needs --view");
	else if (probe_superblock(l->dirfd) == probe_superblock(l->o->viewfd))
		lab_no(l, "both mounts are of one superblock");
}

/* What is written, and on its way to the disk, must have gone over the network. */
void try_traffic(struct lab *l)
{
	uint64_t before = 0, after = 0;
	int err = traffic_read(l->p->fs_type, l->p->device, &before);

	if (err) {
		lab_no(l, "nothing counts it");
		return;
	}
	err = lab_file(l, 0, 1, LAB_SIZE, true);
	if (err < 0)
		lab_setup(l, err);
	else if (traffic_read(l->p->fs_type, l->p->device, &after) || after < before + LAB_SIZE)
		lab_broken(l, "of %d bytes %" PRIu64 " were counted", LAB_SIZE, after - before);
}

void try_kmsg(struct lab *l)
{
	const int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	char record[8192];

	/* EAGAIN: nothing to read at present; EPIPE: the oldest lines are gone. Both can be read.
	 */
	if (fd < 0 || (read(fd, record, sizeof(record)) < 0 && errno != EAGAIN && errno != EPIPE))
		lab_no(l, "/dev/kmsg: %s", errno_name(errno));
	if (fd >= 0)
		close(fd);
}

void try_dedicated(struct lab *l)
{
	(void)has_dedicated(l);
}

void try_hook(struct lab *l)
{
	if (!l->o->hooks || !l->o->hooks[0])
		lab_no(l, "needs --hook");
}
