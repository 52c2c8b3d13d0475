/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Oracles that a case names in "after". One oracle = one const struct in a file of check/; check.c
 * lists them. The model itself is not among them: it judges every point.
 */
#ifndef COWBELL_CHECK_H
#define COWBELL_CHECK_H

#include <stdbool.h>
#include <stddef.h>

struct world;
struct step;

/** struct oracle - one way of judging a point; what it finds wrong it says by world_fail() */
struct oracle {
	const char *name;
	/** @doc: one line */
	const char *doc;
	/** @need: what the filesystem must offer (enum need), -1 is nothing */
	int need;
	/** @dedicated: measures the whole filesystem: needs --dedicated and runs alone */
	bool dedicated;
	/** @start: after set-up, before the first step; may be NULL */
	void (*start)(struct world *w);
	/** @step: after every step; may be NULL */
	void (*step)(struct world *w);
	/** @round: after every round of a race; may be NULL. @races: judges only races */
	void (*round)(struct world *w);
	bool races;
	/** @stamps: needs sector stamps in the files that actors work on, and what they hold before
	 * and after each round */
	bool stamps;
	/** @restore: needs every round to start from the files as set-up made them */
	bool restore;
	/** @finish: after the last step and the read-back of all files; may be NULL. Also run by
	 * the op "check" midway */
	void (*finish)(struct world *w);
};

/** oracle_find() - by name, NULL if there is none; oracle_at() - number i of all, NULL past the end
 */
const struct oracle *oracle_find(const char *name);
const struct oracle *oracle_at(size_t i);

#endif
