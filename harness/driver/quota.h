/* SPDX-License-Identifier: GPL-2.0-only */
/* Quota groups of btrfs: how much the subvolume of an open file holds, and may hold. */
#ifndef COWBELL_QUOTA_H
#define COWBELL_QUOTA_H

#include <stdint.h>

/** quota_on() - have the filesystem count, and wait until it has; 0 or a negative errno.
 * -EBUSY if it does already: that is somebody else's, and must not be turned off by us */
int quota_on(int fd);

/** quota_off() - no more counting, and no limits; harmless if there was none; 0 or a negative errno
 */
int quota_off(int fd);

/**
 * quota_limit() - let the subvolume hold @room bytes more than what it holds now
 *
 * Flushes the filesystem, because only what is on the disk is counted. 0 or a negative errno; there
 * is no way back but quota_off().
 */
int quota_limit(int fd, uint64_t room);

#endif
