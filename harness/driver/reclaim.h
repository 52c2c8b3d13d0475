/* SPDX-License-Identifier: GPL-2.0-only */
/* Have a filesystem do now what it would do in the background. */
#ifndef COWBELL_RECLAIM_H
#define COWBELL_RECLAIM_H

#include <stdbool.h>
#include <stdint.h>

/**
 * reclaim_now() - as far as the filesystem of @dirfd can be told to: blocks of removed files are
 * given back, and so are those allocated in advance, behind the end of a file or for a copy on
 * write
 *
 * XFS and btrfs have a call for that, for the administrator. False if nothing could be done.
 */
bool reclaim_now(int dirfd);

/**
 * reclaim_free_bytes() - what is free on the whole filesystem of @dirfd once all is written and
 * reclaimed (statfs(2) after syncfs(2)), in *@bytes
 *
 * Returns 0 or a negative errno.
 */
int reclaim_free_bytes(int dirfd, uint64_t *bytes);

#endif
