/* SPDX-License-Identifier: GPL-2.0-only */
/* What `cowbell compare` does, for others that have files to compare. */
#ifndef COWBELL_COMPARE_H
#define COWBELL_COMPARE_H

#include <stdbool.h>

#include "opts.h"

/** struct compare_options - start with COMPARE_DEFAULTS */
struct compare_options {
	/** @threshold, @confidence: per cent */
	double threshold, confidence, seed;
	/** @force: compare what differs in more than the kernel; @partial: runs cut short */
	bool force, partial;
	/** @json: file for the result, "-" is standard output, NULL is none */
	const char *json, *metric;
};

#define COMPARE_DEFAULTS \
	{ \
		.threshold = 2, .confidence = 99, .seed = 1 \
	}

/** COMPARE_OPTS() - rows of an opts table that fill in a struct compare_options */
/* clang-format off */
#define COMPARE_OPTS(o) \
	{ OPT_NUMBER, "threshold", "PCT", &(o).threshold, 0, 1000, \
	  "smallest difference that matters (default: 2)" }, \
	{ OPT_NUMBER, "confidence", "PCT", &(o).confidence, 50, 99.9, \
	  "of the intervals; false alarms in all are the rest (99)" }, \
	{ OPT_TEXT, "metric", "GLOB", &(o).metric, 0, 0, "only these, whatever their role" }, \
	{ OPT_TEXT, "json", "FILE", &(o).json, 0, 0, \
	  "write the result there, too; - is the standard output" }, \
	{ OPT_FLAG, "force", NULL, &(o).force, 0, 0, \
	  "compare although the circumstances differ" }, \
	{ OPT_FLAG, "partial", NULL, &(o).partial, 0, 0, "take files of runs that were cut short" }
/* clang-format on */

/**
 * compare_files() - read, compare, print; returns the exit code
 * @verb: for messages
 * @paired: file i of A and file i of B are known to be a pair
 */
int compare_files(const char *verb, const struct compare_options *o, const struct words *a,
		  const struct words *b, bool paired);

#endif
