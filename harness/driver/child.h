/* SPDX-License-Identifier: GPL-2.0-only */
/* The child's side of a running point. */
#ifndef COWBELL_CHILD_H
#define COWBELL_CHILD_H

#include <stdbool.h>
#include <stdint.h>

#include "case.h"
#include "exec.h"
#include "probe.h"

struct workdir;

/** enum child_exit - a child's exit code */
enum child_exit {
	CHILD_CLEAN = 0,
	/** @CHILD_LEFT: it could not remove its folder */
	CHILD_LEFT = 3,
	/** @CHILD_KEPT: it left its folder on purpose */
	CHILD_KEPT = 4,
};

/** struct child - what a child needs to know */
struct child {
	const struct point *point;
	const struct probe *probe;
	/** @dir, @dir2: run folders; the latter may be NULL */
	struct workdir *dir, *dir2;
	/** @view: the first of them as another mount shows it, or NULL */
	struct workdir *view;
	/** @folder: name of the point's own folder in them */
	const char *folder;
	uint64_t seed;
	/** @budget, @round: for races (exec.h) */
	double budget;
	uint64_t round;
	/** @keep: leave the folder behind if the point does not pass */
	bool keep;
	/** @out: where the result goes; @hook: socket to the supervisor, -1 if there are no hooks
	 */
	int out, hook;
	struct exec_now *now;
};

/** child_main() - run the point, send its result, remove what it left; returns the exit code */
int child_main(const struct child *c);

#endif
