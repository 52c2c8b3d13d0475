/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads what `cowbell bench` wrote (docs/results.md). Whatever the bytes are, the answer is a whole
 * file or one line that says what is wrong with it and where.
 */
#ifndef COWBELL_RESULTS_H
#define COWBELL_RESULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "stat.h"

/** RESULTS_SCHEMA - the number that this reader knows */
#define RESULTS_SCHEMA 1
/** RESULTS_SAMPLES_MAX - of one line */
#define RESULTS_SAMPLES_MAX 1000000

/** struct metric - what one file says of one metric */
struct metric {
	/** @name: of the cell and, after a space, of the metric */
	char *name;
	/** @metric: "time_ns"; @better: "lower" or "higher"; @role: "measure"; empty if not said */
	const char *metric, *better, *role;
	/** @mechanism: what was observed, NULL if nothing; "varies" if blocks differ */
	const char *mechanism;
	/** @skip: why there are no samples, NULL if there are */
	const char *skip;
	/** @factors, @work_bytes: what was controlled; NULL if it was not said */
	const json_t *factors, *work_bytes;
	/** @blocks: in measuring order, @number says which each is; their samples are sorted */
	struct stat_block *blocks;
	json_int_t *number;
	size_t count;
};

/** struct results - one file; start with zeroes */
struct results {
	const char *path;
	/** @run: the first line */
	const json_t *run;
	/** @metrics: in the order in which the file has them first */
	struct metric *metrics;
	size_t count;
	/** @cut_short: there is no last line, or it says that the run was interrupted */
	bool cut_short;

	/** @lines: keeps what the strings above point to; @by_name: from name to index */
	json_t *lines, *by_name;
};

/**
 * results_parse() - understand the text of a file
 * @path: for messages; kept
 * @partial: take a file that was cut short
 *
 * Returns false with a message that begins with "PATH:LINE: ". results_free() in either case.
 */
bool results_parse(struct results *r, const char *path, const char *text, size_t len, bool partial,
		   char *why, size_t why_size);

/** results_read() - the same with the file at path */
bool results_read(struct results *r, const char *path, bool partial, char *why, size_t why_size);

/** results_find() - the cell of that name, NULL if there is none */
const struct metric *results_find(const struct results *r, const char *name);

/** results_median() - of a metric, over its blocks' medians; false if it was not measured, or is 0
 */
bool results_median(const struct results *r, const char *name, double *out);

/**
 * results_named() - does a name of a metric, as in struct metric, match a pattern?
 * @pattern: of the whole name, or of the part before the space; * and ? are special, brackets not
 */
bool results_named(const char *name, const char *pattern);

void results_free(struct results *r);

#endif
