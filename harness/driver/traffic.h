/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a network filesystem says of itself: how many bytes of files its client has sent to the
 * server and fetched from it.
 */
#ifndef COWBELL_TRAFFIC_H
#define COWBELL_TRAFFIC_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/**
 * traffic_parse() - from the text of such a file, of all mounts of @source; closes it
 * @fs_type: "nfs4" (/proc/self/mountstats: the bytes of READ and WRITE) or "cifs"
 * (/proc/fs/cifs/Stats, where names of shares have backslashes)
 *
 * Returns whether @source is in it.
 */
bool traffic_parse(FILE *f, const char *fs_type, const char *source, uint64_t *bytes);

/** traffic_read() - likewise, now; negative errno, ENODATA if nothing counts here */
int traffic_read(const char *fs_type, const char *source, uint64_t *bytes);

#endif
