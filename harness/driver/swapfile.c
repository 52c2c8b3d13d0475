/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The header of a swap area (include/linux/swap.h, union swap_header): a page of which only four
 * words and the magic at its end matter.
 */
#include "swapfile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAGIC	   "SWAPSPACE2"
#define MAGIC_SIZE 10
/* The words lie behind room for a boot sector. */
#define WORDS_AT 1024

int swapfile_header(int fd, uint64_t page, uint64_t pages)
{
	/* version, last page, number of bad pages: in the machine's own byte order */
	const uint32_t words[] = { 1, (uint32_t)(pages - 1), 0 };
	uint8_t *buf = calloc(1, page);
	ssize_t n;
	int err = 0;

	if (!buf)
		return -ENOMEM;
	memcpy(buf + WORDS_AT, words, sizeof(words));
	memcpy(buf + page - MAGIC_SIZE, MAGIC, MAGIC_SIZE);
	n = pwrite(fd, buf, page, 0);
	if (n < 0)
		err = -errno;
	else if ((uint64_t)n != page)
		err = -EIO;
	free(buf);
	return err;
}
