/* SPDX-License-Identifier: GPL-2.0-only */
/* What the prober's trials share: files with stamped data, and ways to answer. Private to probe*.c.
 */
#ifndef COWBELL_PROBE_LAB_H
#define COWBELL_PROBE_LAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probe.h"

#define LAB_FILES 3
/* Data of a trial: large enough not to be packed into an inode by any filesystem. */
#define LAB_SIZE (64 * 1024)

/** struct lab - an empty folder to work in, and the files that the present trial has made there */
struct lab {
	int dirfd;
	const struct probe_options *o;
	/** @p: what is known already: units */
	const struct probe *p;
	/** @late_times: for struct probe */
	bool late_times;
	/** @fd: open read-write, -1 is none; @name: in the folder, other ones for each trial */
	int fd[LAB_FILES];
	char name[LAB_FILES][24];
	/** @trials: how many have had their names */
	unsigned int trials;
	/** @buf: LAB_SIZE bytes, aligned to as much; free for every trial's use */
	uint8_t *buf;
	/** @need: what the present trial answers */
	int need;
	enum answer answer;
	char why[120];
};

/** struct lab_piece - what a range of a file must hold; empty ones do no harm */
struct lab_piece {
	/** @pattern: of stamps, 0 is zeroes; @off: place in the pattern; @len: both in bytes */
	uint32_t pattern;
	uint64_t off, len;
};

/**
 * lab_name() - name in the folder of file @i
 *
 * What the trial before has removed may keep its name for a moment: over SMB, until the server has
 * closed it.
 */
const char *lab_name(const struct lab *l, int i);

/**
 * lab_file() - make file @i of @size bytes, stamped with a pattern
 * @sync: on the disk, not only in the page cache
 *
 * Returns its descriptor, or a negative errno.
 */
int lab_file(struct lab *l, int i, uint32_t pattern, uint64_t size, bool sync);

/** lab_write() - stamps in [off, off + len); 0 or a negative errno */
int lab_write(struct lab *l, int fd, uint32_t pattern, uint64_t off, uint64_t len);

/** lab_holds() - does the file hold these pieces from 0 on and end after them? If not, the answer
 * is given: @what names the call. Clobbers ->buf. */
bool lab_holds(struct lab *l, int fd, const struct lab_piece *pieces, size_t count,
	       const char *what);

/** lab_whole() - does the file hold LAB_SIZE bytes of the pattern and nothing else? */
bool lab_whole(struct lab *l, int fd, uint32_t pattern, const char *what);

/** lab_holds_bytes() - likewise: the bytes in ->buf are those of the pattern from @off on */
bool lab_holds_bytes(struct lab *l, uint32_t pattern, uint64_t off, size_t len, const char *what);

/** lab_clear() - close and remove all files, and have new names for the next ones */
void lab_clear(struct lab *l);

/* Answers. A trial that gives none has said yes. */

void lab_no(struct lab *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void lab_broken(struct lab *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** lab_refused() - a call failed: "no" for an errno that says "not supported", else "broken".
 * @err: of either sign */
void lab_refused(struct lab *l, const char *what, int err);

/** lab_setup() - our own preparations failed, so nothing is known: "broken" */
void lab_setup(struct lab *l, int err);

/* Trials, one for each need that the filesystem answers (probe_data.c, probe_admin.c). */

void try_clone(struct lab *l);
void try_dedupe(struct lab *l);
void try_copy_range(struct lab *l);
void try_sendfile(struct lab *l);
void try_splice(struct lab *l);
void try_falloc(struct lab *l);
void try_direct(struct lab *l);
void try_fiemap(struct lab *l);
void try_seek_hole(struct lab *l);
void try_sparse(struct lab *l);
void try_far_offsets(struct lab *l);
void try_io_uring(struct lab *l);

void try_ocfs2_reflink(struct lab *l);
void try_tmpfile(struct lab *l);
void try_name_free(struct lab *l);
void try_locks(struct lab *l);
void try_fifo(struct lab *l);
void try_mknod(struct lab *l);
void try_chattr(struct lab *l);
void try_xattr(struct lab *l);
void try_caps_xattr(struct lab *l);
void try_acl(struct lab *l);
void try_extsize(struct lab *l);
void try_swap(struct lab *l);
void try_reclaim(struct lab *l);
void try_free_told(struct lab *l);
void try_fill(struct lab *l);
void try_quota(struct lab *l);
void try_freeze(struct lab *l);
void try_drop_caches(struct lab *l);
void try_root(struct lab *l);
void try_modes(struct lab *l);
void try_times(struct lab *l);
void try_chown(struct lab *l);
void try_second_fs(struct lab *l);
void try_view(struct lab *l);
void try_second_client(struct lab *l);
void try_traffic(struct lab *l);
void try_kmsg(struct lab *l);
void try_dedicated(struct lab *l);
void try_hook(struct lab *l);

/** probe_unit() - find the allocation unit; *how says by which trial */
uint64_t probe_unit(struct lab *l, const char **how);

/** probe_mount() - fill in the type, options and device of the mount that @dirfd is on */
void probe_mount(int dirfd, struct probe *out);

/** probe_superblock() - device number of the superblock that @dirfd is on, as mountinfo has it (a
 * btrfs subvolume's st_dev is its own) */
uint64_t probe_superblock(int dirfd);

#endif
