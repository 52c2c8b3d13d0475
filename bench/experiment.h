/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Experiments: how a cell is measured. One experiment = one const struct in a file of
 * bench/experiment/, and one word in EXPERIMENT_LIST.
 */
#ifndef COWBELL_EXPERIMENT_H
#define COWBELL_EXPERIMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cell;
struct stand;

/** struct experiment - one of them */
struct experiment {
	const char *name, *doc;
	/** @factors: which it has, a set of FACTOR_BIT(); @methods: kinds it can work with, a set
	 * of enum method_kind */
	uint32_t factors;
	unsigned int methods;
	/** @program: must be in PATH; NULL if none */
	const char *program;
	/** @bytes: an upper bound of what one block of the cell takes on the filesystem */
	uint64_t (*bytes)(const struct cell *c);
	/**
	 * @measure: measure the cell once, in the present block: make what is needed, wait until
	 * the filesystem is quiet, call, hand over the samples by stand_take()
	 *
	 * Returns false after stand_refuse(): the cell cannot be measured here.
	 */
	bool (*measure)(struct stand *stand, const struct cell *c);
};

#define EXPERIMENT_LIST(X) X(copy) X(cow) X(dedupe) X(scaling) X(interference) X(aftermath)

#define EXPERIMENT_EXTERN(id) extern const struct experiment experiment_##id;
EXPERIMENT_LIST(EXPERIMENT_EXTERN)
#undef EXPERIMENT_EXTERN

/** experiment_at() - number @i, NULL past the end; experiment_find() - by name, or NULL */
const struct experiment *experiment_at(size_t i);
const struct experiment *experiment_find(const char *name);

#endif
