/* SPDX-License-Identifier: GPL-2.0-only */
/* Compares two sides of result files, metric by metric. */
#ifndef COWBELL_COMPARISON_H
#define COWBELL_COMPARISON_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "results.h"
#include "stat.h"

/** struct side - the files of A, or of B */
struct side {
	struct results *files;
	size_t count;
};

/** enum compared_verdict - stat_verdict, and one more */
enum compared_verdict {
	COMPARED_BETTER = STAT_BETTER,
	COMPARED_WORSE = STAT_WORSE,
	COMPARED_SAME = STAT_SAME,
	COMPARED_INCONCLUSIVE = STAT_INCONCLUSIVE,
	COMPARED_INCOMPARABLE,
	COMPARED_COUNT,
};

/** compared_verdict_name() - "worse" */
const char *compared_verdict_name(enum compared_verdict v);

/** struct compared - one metric */
struct compared {
	/** @name: of the cell and its metric; @metric: of the latter alone */
	const char *name, *metric;
	/** @higher: more is better */
	bool higher;
	enum compared_verdict verdict;
	/** @reason: why it is incomparable or inconclusive, NULL if there is nothing to say */
	char *reason;
	/** @measured: what follows is known; @interval: so are the ends of @ratio */
	bool measured, interval;
	/** @units: observations on each side */
	size_t units[2];
	/** @median: of each side; @ratio: B to A */
	double median[2];
	struct stat_interval ratio;
	/** @p: of no difference; @p_holm: corrected for the number of metrics */
	double p, p_holm;
	/** @not_worse: B is not worse by the threshold: non-inferior */
	bool not_worse;
};

/** enum comparison_seeds - a seed is an order of measuring: did A and B have the same? */
enum comparison_seeds {
	/** @SEEDS_SAME: file by file, or one in all */
	SEEDS_SAME,
	/** @SEEDS_DIFFER: by chance, so that what order does is noise */
	SEEDS_DIFFER,
	/** @SEEDS_BY_SIDE: A has one, and B another: what order does is a difference of A and B */
	SEEDS_BY_SIDE,
};

/** struct comparison - set @design and @force; the rest is found */
struct comparison {
	struct stat_design design;
	/** @glob: which metrics, NULL for all that are the subject of their suite */
	const char *glob;

	/** @single: there is one file per side, so blocks count as observations */
	bool single;
	struct compared *items;
	size_t count;
	size_t counts[COMPARED_COUNT];
	enum comparison_seeds seeds;
	/** @least_p: smallest that p can be, corrected for the number of metrics */
	double least_p;
};

/**
 * comparison_differences() - what makes the files incomparable, as alike_differences() tells it
 *
 * Each file is held against the first of its side, and the first of B against the first of A.
 * "file_a" and "file_b" say which two.
 */
json_t *comparison_differences(const struct side *a, const struct side *b);

/**
 * comparison_interleaved() - were the files measured in turn, one of each side after the other?
 *
 * Then file i of A and of B are a pair. Told from "started".
 */
bool comparison_interleaved(const struct side *a, const struct side *b);

/** comparison_run() - compare; false if A and B have no metric in common */
bool comparison_run(struct comparison *c, const struct side *a, const struct side *b);

/** comparison_pairs_needed() - how many pairs of runs that many metrics need, for p to be able to
 *  be small enough
 */
size_t comparison_pairs_needed(const struct comparison *c);

void comparison_free(struct comparison *c);

#endif
