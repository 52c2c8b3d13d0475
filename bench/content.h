/* SPDX-License-Identifier: GPL-2.0-only */
/* Files for measurements: what is in them, whether a copy holds the same, what is in the page
 * cache, and where their blocks are. */
#ifndef COWBELL_CONTENT_H
#define COWBELL_CONTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** content_fill() - the data that a file of this @seed has at @off: incompressible, no two blocks
 * alike. Both @off and @len are multiples of 8, or @len reaches the end. */
void content_fill(void *out, size_t len, uint64_t off, uint64_t seed);

/**
 * content_write() - write [off, off + len) of a file
 *
 * Returns 0 or a negative errno.
 */
int content_write(int fd, uint64_t off, uint64_t len, uint64_t seed);

/** content_nocow() - chattr +C for an empty file: what is not shared is written in place; 0 or a
 * negative errno, -EOPNOTSUPP where there is no such attribute */
int content_nocow(int fd);

/** content_pieces() - make @fd a file of @size with @count pieces of 4 KiB, as far apart as can
 * be; 0 or a negative errno, -EINVAL if they would touch */
int content_pieces(int fd, uint64_t size, uint64_t count, uint64_t seed);

/**
 * content_same() - do two files hold the same, from byte 0 to byte @size, and end there?
 *
 * Returns 1, 0, or a negative errno.
 */
int content_same(int a, int b, uint64_t size);

/** content_warm() - have all of it in the page cache; content_cool() - nothing of it, as far as the
 * kernel can be told; @drop: drop all caches of the machine, metadata too */
void content_warm(int fd, uint64_t size);
void content_cool(int fd, bool drop);

/** content_cached() - bytes in the page cache; -1 if the kernel cannot say */
int64_t content_cached(int fd, uint64_t size);

/** struct placement - where a copy's blocks are, in comparison with its source's */
struct placement {
	/** @known: FIEMAP answered, of both */
	bool known;
	/** @shared: bytes that lie where the source has them, or are said to be shared;
	 * @copied: bytes in blocks of its own; @unknown: bytes of which the map says neither */
	uint64_t shared, copied, unknown;
	/** @extents: of the copy */
	uint64_t extents;
};

/** content_place() - compare the maps of two files that were written back */
void content_place(int from, int to, uint64_t size, struct placement *out);

/** content_extents() - how many extents a file has; 0 if that cannot be found out */
uint64_t content_extents(int fd, uint64_t size);

#endif
