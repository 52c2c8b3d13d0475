/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads the result file of a run that was cut short, so that the next run does only the rest. */
#ifndef COWBELL_RESUME_H
#define COWBELL_RESUME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "emit.h"

/** struct resume - what a result file says is done; all zero is nothing */
struct resume {
	/** @done: has a member for each point and round */
	json_t *done;
	/** @tally: how those ended */
	struct tally tally;
	/** @fs_type: of the run; @seed: of the run */
	char fs_type[32];
	uint64_t seed;
	/** @whole: how many bytes of the file are whole lines; what follows is a torn one */
	size_t whole;
};

/**
 * resume_parse() - understand a file's text
 *
 * Points that never ran (miss) are not done. Returns false with a reason in @why.
 */
bool resume_parse(struct resume *r, const char *text, size_t len, char *why, size_t why_size);

/** resume_read() - likewise from a file; @why begins with its path */
bool resume_read(struct resume *r, const char *path, char *why, size_t why_size);

/** resume_has() - is this point done in this round? Rounds count from 1 */
bool resume_has(const struct resume *r, const char *name, unsigned int round);

void resume_free(struct resume *r);

#endif
