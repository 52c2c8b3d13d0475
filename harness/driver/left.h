/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What an interrupted call has left of a file: judged from what the file held before, what it would
 * hold after the whole call, and what it holds now.
 *
 * Pure: no system calls, no globals.
 */
#ifndef COWBELL_LEFT_H
#define COWBELL_LEFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model.h"

/** enum left - what is there now */
enum left {
	/** @LEFT_NOTHING: what was there before */
	LEFT_NOTHING,
	/** @LEFT_PREFIX: up to some block what the call was to bring, and from there on what was
	   there before; a file that grows ends there */
	LEFT_PREFIX,
	/** @LEFT_ALL: what the whole call was to bring */
	LEFT_ALL,
	/** @LEFT_OTHER: anything else: old and new blocks mixed, bytes that are neither, a size
	   that is neither */
	LEFT_OTHER,
	/** @LEFT_SAME: the call changes no content, and none has changed */
	LEFT_SAME,
	LEFT_COUNT,
};

/** left_name() - "prefix" */
const char *left_name(enum left left);

/** struct leftover - a judgement in the making; private but for what left_end() leaves */
struct leftover {
	const struct rope *before, *after;
	uint32_t tag;
	uint64_t block;
	/** @size: of the file now; @at: how far it has been read */
	uint64_t size, at;
	/** @all_before, @all_after: every block so far is as before, as after */
	bool all_before, all_after;
	/** @new_end: end of the last block that can only be new; @old_start: start of the first
	 * that can only be old, or UINT64_MAX */
	uint64_t new_end, old_start;
	/** @wrong: start of the first block that makes it LEFT_OTHER, or UINT64_MAX; @garbage: that
	 * block is neither old nor new */
	uint64_t wrong;
	bool garbage;
	/** @prefix: for LEFT_PREFIX, how many bytes are new */
	uint64_t prefix;
};

/**
 * left_begin() - start to judge a file
 * @before, @after: what it held, and what it would hold; without PATTERN_ANY
 * @size: its size now; @block: judge in units of so many bytes; @tag: of the point's stamps
 */
void left_begin(struct leftover *l, const struct rope *before, const struct rope *after,
		uint64_t size, uint64_t block, uint32_t tag);

/**
 * left_feed() - the next bytes of the file
 * @scratch: room for @len bytes more
 *
 * @len must be a multiple of the block, but at the end of the file.
 */
void left_feed(struct leftover *l, const void *bytes, size_t len, void *scratch);

/** left_end() - the verdict, when all bytes up to the size were fed */
enum left left_end(struct leftover *l);

#endif
