/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the interposer remembers of the calls that passed: which ranges of which files share blocks,
 * which were written and not flushed, and time stamps that a mutant's own doings moved.
 *
 * The driver runs each point in a process of its own that makes its files itself, so all this lives
 * and dies with a point.
 */
#ifndef COWBELL_MUTANTS_TRACK_H
#define COWBELL_MUTANTS_TRACK_H

#include "kernel.h"

/** track_call() - a call has succeeded with result @ret */
void track_call(const struct call *c, long ret);

/** track_flushed() - a file's data is on the disk; track_all_flushed() - everybody's */
void track_flushed(int fd);
void track_all_flushed(void);

/**
 * track_sharers() - visit every range that shares blocks with [off, off + len) of @fd
 *
 * @visit is given a descriptor of the other file, open for reading and writing, and the range in it
 * that corresponds to [off, off + len): byte @off of @fd is byte @other_off of @other.
 */
void track_sharers(int fd, uint64_t off, uint64_t len,
		   void (*visit)(int other, uint64_t other_off, uint64_t off, uint64_t len,
				 void *context),
		   void *context);

/** track_is_shared() - was any of [off, off + len) of @fd part of a clone, dedupe or copy? */
bool track_is_shared(int fd, uint64_t off, uint64_t len);

/** track_dirty() - visit what of [off, off + len) was written and not flushed */
void track_dirty(int fd, uint64_t off, uint64_t len,
		 void (*visit)(uint64_t off, uint64_t len, void *context), void *context);

/**
 * track_times() - time stamps of a file as the program sees them; to be given to track_hide()
 * track_hide() - from now on it sees those, until something else changes the file; and as many
 *                blocks as before, if STATX_BLOCKS is set in stx_mask
 */
void track_times(int fd, struct statx *out);
void track_hide(int fd, const struct statx *before);

/** track_show_times() - put the stamps to be seen into the kernel's answer */
void track_show_times(struct statx *st);

#endif
