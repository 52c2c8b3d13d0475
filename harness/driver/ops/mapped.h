/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An argument struct that lies in a mapping of a file, maybe the very file that the call works on:
 * to get at it the kernel must take a page fault on that file (gap N12).
 */
#ifndef COWBELL_OPS_MAPPED_H
#define COWBELL_OPS_MAPPED_H

#include "../op.h"
#include "../world.h"

/** struct mapped - where the struct lies; start with { 0 } */
struct mapped {
	uint8_t *map;
	size_t map_len;
};

/**
 * mapped_place() - write the struct into file @fd at @off and find it there by a new mapping
 *
 * The page is flushed and dropped from the cache, so that the call itself has to read it in.
 * Returns NULL after setting r->harness.
 */
void *mapped_place(struct world *w, int fd, uint64_t off, const void *bytes, size_t len,
		   struct mapped *m, struct op_result *r);

/** mapped_take() - bring the struct back, as the call has left it, and unmap */
void mapped_take(struct mapped *m, void *bytes, size_t len, const void *at);

/** mapped_apply() - what that did to the file: nobody knows the bytes of [off, off + len) */
void mapped_apply(struct world *w, int fd, uint64_t off, size_t len);

#endif
