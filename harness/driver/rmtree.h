/* SPDX-License-Identifier: GPL-2.0-only */
/* Removes whatever a point can have left: trees, immutable and append-only files, swap files. */
#ifndef COWBELL_RMTREE_H
#define COWBELL_RMTREE_H

/**
 * rmtree() - remove @name in the folder @dirfd and all below it; other filesystems that are mounted
 * there and targets of symbolic links are never entered. Returns 0 or a negative errno.
 */
int rmtree(int dirfd, const char *name);

/** rmtree_inside() - likewise, but leave the folder @dirfd itself; the name @except in it stays */
int rmtree_inside(int dirfd, const char *except);

#endif
