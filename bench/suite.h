/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Suites: what is measured, as JSON, and the plan made of it. A closed world as cases are: an
 * unknown key, a duplicate key or an unknown word is an error that names file and place. Pure.
 */
#ifndef COWBELL_SUITE_H
#define COWBELL_SUITE_H

#include "chance.h"
#include "experiment.h"
#include "factor.h"
#include "load.h"
#include "method.h"

#define SUITE_CELLS_MAX	  4096
#define SUITE_BLOCKS_MAX  10000
#define SUITE_SAMPLES_MAX 100000

/** enum derived - what is computed of a part at the end, beside medians */
enum derived {
	DERIVED_NONE,
	/** @DERIVED_SLOPE: time over the observed extents of the source, for each method */
	DERIVED_SLOPE,
	/** @DERIVED_CROSSOVER: from which size on the first method beats the best of the others */
	DERIVED_CROSSOVER,
	/** @DERIVED_SCALING: how much of N times the work N threads do */
	DERIVED_SCALING,
};

/** struct part - one experiment, by its methods and the values of its factors */
struct part {
	const struct experiment *experiment;
	/** @samples: of a cell in a block at most; @block_bytes: and not more than this together */
	unsigned int samples;
	uint64_t block_bytes;
	enum derived derived;
	/** @needs_dedicated: not without --dedicated */
	bool dedicated;
};

/** struct cell - one method at one point of the factors */
struct cell {
	/** @name: "paths/clone[size=1M]" */
	const char *name;
	const struct part *part;
	const struct method *method;
	/** @point: cells with the same number differ in their method only */
	size_t point;
	uint64_t value[FACTORS];
	/** @samples: how many the plan wants in each block */
	unsigned int samples;
};

/** struct suite - one file */
struct suite {
	const char *name, *measures;
	/** @blocks: how often each cell is measured; @time_s: no block begins after that time */
	unsigned int blocks, time_s;
	struct part *part;
	size_t parts;
	/** @cell: in the order of the file; @points: how many different points they have */
	struct cell *cell;
	size_t cells, points;
	struct arena *arena;
};

/**
 * suite_load() - read one suite
 * @path: for messages; @name: of the suite
 *
 * Returns NULL with @err filled if anything is wrong. suite_free() gives it back.
 */
struct suite *suite_load(const char *path, const char *name, const char *text, size_t len,
			 struct load_error *err);
void suite_free(struct suite *s);

/**
 * suite_order() - the order of one block: points in random order, methods in random order in each
 * @out: room for @s->cells numbers of cells
 *
 * The same seed and block give the same order.
 */
void suite_order(const struct suite *s, uint64_t seed, unsigned int block, size_t *out);

#endif
