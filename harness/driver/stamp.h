/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stamps: the bytes that cowbell writes, so that every byte read back names the write it came from.
 *
 * A pattern is an endless sequence of 16-byte granules. Each granule says its pattern, its place in
 * the pattern and the point (one run of one case) that wrote it. The 112 bits are mixed and spread
 * over sixteen bytes with the high bit always set: no stamped byte is zero, so a single zero byte
 * is already evidence, and neighbouring granules share no structure, so a shift by one byte or one
 * block cannot go unnoticed.
 *
 * Pure: no system calls, no globals.
 */
#ifndef COWBELL_STAMP_H
#define COWBELL_STAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STAMP_SIZE 16

/** struct stamp - what one granule says of itself */
struct stamp {
	/** @off: place in the pattern, in bytes; a multiple of STAMP_SIZE */
	uint64_t off;
	/** @pattern: number of the pattern, 1 .. 2^16-1; 0 stands for zeroes and is never written
	 */
	uint32_t pattern;
	/** @tag: which point wrote it, 16 bits; tells stale data of another point from our own */
	uint32_t tag;
};

/** stamp_encode() - the 16 bytes of a granule */
void stamp_encode(const struct stamp *s, uint8_t out[STAMP_SIZE]);

/** stamp_decode() - true and the stamp, if the 16 bytes are a granule of any point */
bool stamp_decode(const uint8_t in[STAMP_SIZE], struct stamp *out);

/**
 * stamp_fill() - bytes [off, off + len) of a pattern
 * @pattern: 0 gives zeroes
 */
void stamp_fill(void *buf, size_t len, uint32_t pattern, uint64_t off, uint32_t tag);

/**
 * stamp_find() - what the bytes at the start of a buffer are
 * @zero: set if they are zeroes
 * @found: the pattern and the place in it of buf[0], where a whole granule is found at any of the
 * 16 phases
 *
 * Returns for how many bytes that answer holds (>= 1); neither @zero nor found->pattern set means
 * bytes that are no stamp at all.
 */
size_t stamp_find(const uint8_t *buf, size_t len, bool *zero, struct stamp *found);

#endif
