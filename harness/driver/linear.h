/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The snapshot oracle: was there an instant, within each operation, at which all that it saw had
 * been written, and nothing else?
 *
 * A history is a list of operations with the times of their invocation and return. Each reads and
 * writes registers: a register is a sector of a file, or its size. Values are opaque numbers; equal
 * ones cannot be told apart (zeroes). A clone reads a range of its source and writes a range of its
 * destination, all at one instant. Nothing here knows of stamps, files or system calls.
 *
 * Pure: no system calls, no globals.
 */
#ifndef COWBELL_LINEAR_H
#define COWBELL_LINEAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The register that is a file's size, beside its sectors. */
#define LINEAR_SIZE UINT32_MAX
/* The register that is its time of modification. */
#define LINEAR_TIME (UINT32_MAX - 2)

/** struct linear_access - registers [first, first + count) of a file, and one value for all */
struct linear_access {
	uint32_t file, first, count;
	bool write;
	uint64_t value;
};

/** struct linear_op - one operation */
struct linear_op {
	/** @inv, @ret: when it was called and when it came back, in ns of one clock; UINT64_MAX:
	 * never. What ends when another begins is not before it. */
	uint64_t inv, ret;
	/** @actor: operations of one actor took place in the order in which they stand */
	uint32_t actor;
	/**
	 * @split: it is not atomic: each register is read or written at an instant of its own
	 * between @inv and @ret; otherwise all of it takes place at one instant
	 */
	bool split;
	/** @access, @access_count: part of the history's accesses; reads see what was before the
	 * operation's own writes */
	size_t access, access_count;
};

/** struct linear_history - what was seen */
struct linear_history {
	/** @ops: fewer than 2^32; one with inv == ret == 0 is what was there at first, before all
	 * that is not, whatever its actor */
	const struct linear_op *ops;
	size_t ops_count;
	const struct linear_access *accesses;
	/**
	 * @name: words for operation @op ("clone a -> b by cloner"), for explanations; may be
	 * NULL
	 */
	void (*name)(void *context, size_t op, char *out, size_t size);
	/** @name_file, @name_value: words for a file ("b") and a value ("put 7 of writer"); NULL
	 * shows their numbers */
	void (*name_file)(void *context, uint32_t file, char *out, size_t size);
	void (*name_value)(void *context, uint64_t value, char *out, size_t size);
	void *context;
};

enum linear_verdict { LINEAR_LEGAL, LINEAR_ILLEGAL, LINEAR_UNKNOWN };

#define LINEAR_BLAMED_MAX 6

/** struct linear_result - the answer */
struct linear_result {
	enum linear_verdict verdict;
	/** @blamed: the operations that contradict each other, none of which can be left out */
	size_t blamed[LINEAR_BLAMED_MAX], blamed_count;
	/** @why: what is wrong, in words, with times relative to the earliest operation blamed */
	char why[1024];
	/** @reads: registers that were read and judged */
	uint64_t reads;
};

/**
 * linear_check() - judge a history
 * @budget: how many steps may be spent on choices between equal values; a step is to move one
 * operation in time to see whether a choice is possible, some 10 ns. When it is used up the answer
 * is LINEAR_UNKNOWN, unless what leaves no choice is illegal already. The explanation of a choice
 * that has no way out may cost that again for each of a few dozen trials.
 *
 * Exact where every register has one writer at a time; where writers of one register overlap, only
 * what is wrong in every order of theirs is illegal, and not all of that is noticed. O(n log n) in
 * the number of operations and accesses, and linear in how many operations overlap.
 */
void linear_check(const struct linear_history *h, uint64_t budget, struct linear_result *out);

#endif
