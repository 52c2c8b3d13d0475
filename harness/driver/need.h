/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The words of "needs": what a filesystem, the machine or the command line must offer for a case to
 * run. This is the list of words; probe.c finds the answers by trying with real data.
 */
#ifndef COWBELL_NEED_H
#define COWBELL_NEED_H

#include <stdbool.h>

/* word, what it says */
#define NEED_LIST(X) \
	X(CLONE, "clone", "FICLONE shares data between two files") \
	X(DEDUPE, "dedupe", "FIDEDUPERANGE shares equal data") \
	X(COPY_RANGE, "copy_range", "copy_file_range(2) copies between two files") \
	X(SENDFILE, "sendfile", "sendfile(2) copies from file to file") \
	X(SPLICE, "splice", "splice(2) moves between a file and a pipe") \
	X(OCFS2_REFLINK, "ocfs2_reflink", "OCFS2_IOC_REFLINK makes a new name") \
	X(FALLOCATE, "fallocate", "fallocate(2) mode 0") \
	X(KEEP_SIZE, "keep_size", "FALLOC_FL_KEEP_SIZE") \
	X(PUNCH, "punch", "FALLOC_FL_PUNCH_HOLE") \
	X(ZERO, "zero", "FALLOC_FL_ZERO_RANGE") \
	X(ZERO_KEEP_SIZE, "zero_keep_size", "the same with FALLOC_FL_KEEP_SIZE") \
	X(COLLAPSE, "collapse", "FALLOC_FL_COLLAPSE_RANGE") \
	X(INSERT, "insert", "FALLOC_FL_INSERT_RANGE") \
	X(UNSHARE, "unshare", "FALLOC_FL_UNSHARE_RANGE") \
	X(DIRECT, "direct", "O_DIRECT reads and writes") \
	X(FIEMAP, "fiemap", "FS_IOC_FIEMAP") \
	X(SEEK_HOLE, "seek_hole", "SEEK_HOLE finds a hole") \
	X(SPARSE, "sparse", \
	  "what is before data written far behind the end is a hole, which SEEK_DATA skips") \
	X(FAR_OFFSETS, "far_offsets", "data can be nearly at the largest offset, 2^63 - 1") \
	X(IO_URING, "io_uring", "io_uring reads and writes") \
	X(TMPFILE, "tmpfile", "O_TMPFILE") \
	X(NAME_FREE, "name_free", "a file that is open may lose its name, which is free at once") \
	X(LOCKS, "locks", "F_OFD_SETLK locks ranges of files against other descriptions") \
	X(FIFO, "fifo", "fifos and sockets can be made") \
	X(MKNOD, "mknod", "device nodes can be made and opened") \
	X(CHATTR, "chattr", "the immutable and append-only attributes can be set") \
	X(XATTR, "xattr", "user extended attributes") \
	X(CAPS_XATTR, "caps_xattr", "security.capability can be set") \
	X(ACL, "acl", "files and folders take access control lists") \
	X(EXTSIZE, "extsize", "FS_IOC_FSSETXATTR takes a unit for allocations") \
	X(COWEXTSIZE, "cowextsize", "and one for rewrites of shared blocks") \
	X(SWAP, "swap", "a file can be made a swap file") \
	X(RECLAIM, "reclaim", "blocks allocated in advance can be had back at once") \
	X(FREE_TOLD, "free_told", \
	  "statfs(2) tells, after syncfs(2), of the space that data takes") \
	X(FILL, "fill", "the filesystem can be filled up, and files removed all the same") \
	X(QUOTA, "quota", "what a subvolume of btrfs holds can be limited") \
	X(FREEZE, "freeze", "FIFREEZE and FITHAW") \
	X(DROP_CACHES, "drop_caches", "/proc/sys/vm/drop_caches") \
	X(ROOT, "root", "the caller is root in the initial user namespace") \
	X(MODES, "modes", "files keep the permission bits that they are given") \
	X(TIMES, "times", "the time stamps move with the call that changes a file") \
	X(CHOWN, "chown", "files can be given away, and become other users") \
	X(SECOND_FS, "second_fs", "--dir2 names another filesystem") \
	X(VIEW, "view", "--view names another mount of the same filesystem") \
	X(SECOND_CLIENT, "second_client", \
	  "it has caches of its own: that mount is of another client of the same server") \
	X(TRAFFIC, "traffic", "the client counts the bytes of files that it sends and fetches") \
	X(KMSG, "kmsg", "the kernel log can be read") \
	X(DEDICATED, "dedicated", \
	  "--dedicated: the filesystem is ours to fill, freeze and measure") \
	X(HOOK, "hook", "hook:NAME: --hook NAME=COMMAND was given")

#define NEED_ENUM(id, word, doc) NEED_##id,
enum need { NEED_LIST(NEED_ENUM) NEED_COUNT };
#undef NEED_ENUM

/** need_find() - number of a word, -1 if there is no such need */
int need_find(const char *word);

/**
 * need_list() - set @listed of each word in a text such as "clone,dedupe"
 *
 * Returns NULL, or where the first word begins that is none, or that only a name makes whole
 * (hook:NAME).
 */
const char *need_list(const char *text, bool listed[NEED_COUNT]);

/** need_word() - the word of a number; need_doc() - what it says, one line */
const char *need_word(int need);
const char *need_doc(int need);

#endif
