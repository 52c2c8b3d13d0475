/* SPDX-License-Identifier: GPL-2.0-only */
/* What makes a file a swap file. */
#ifndef COWBELL_SWAPFILE_H
#define COWBELL_SWAPFILE_H

#include <stdint.h>

/* Few enough to be had at once, and more than the header page alone, which swapon(2) refuses. */
#define SWAPFILE_PAGES 16

/** swapfile_header() - write a version 1 header into the first page; 0 or a negative errno
 * @pages: length of the swap area, header included */
int swapfile_header(int fd, uint64_t page, uint64_t pages);

#endif
