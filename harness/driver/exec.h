/* SPDX-License-Identifier: GPL-2.0-only */
/* Runs one point in the calling process, which is a child of its own: set-up, steps, checks,
 * result. */
#ifndef COWBELL_EXEC_H
#define COWBELL_EXEC_H

#include <jansson.h>

#include "case.h"
#include "probe.h"

/**
 * struct exec_now - what a point is doing, in memory shared with the supervisor, so that a hang or
 * a crash can be named. The executor writes it before each call; strings, cut to size.
 */
struct exec_now {
	/** @place: "steps[2].twin"; @done: the op and its arguments */
	char place[96];
	char done[416];
};

/** struct exec_env - what the supervisor gives a child */
struct exec_env {
	const struct probe *probe;
	/** @dirfd: an empty folder for this point alone, in which all it does takes place; @dir2fd:
	 * likewise, or -1 */
	int dirfd, dir2fd;
	uint64_t seed;
	/**
	 * @hook: have the supervisor run a hook (remount) while the child holds nothing open below
	 * the directory. It closes and reopens *dirfd and *dir2fd. Returns 0 or a negative errno.
	 * NULL if there are no hooks.
	 */
	int (*hook)(void *context, const char *name, int *dirfd, int *dir2fd);
	void *hook_context;
	/** @budget: scales the time that races are run, 1 is usual; @round: run only this round of
	 * them, again and again; 0 is all */
	double budget;
	uint64_t round;
	/** @now: never NULL in a run; NULL is allowed, e.g. in unit tests */
	struct exec_now *now;
};

/**
 * exec_point() - run a point
 *
 * Returns a new JSON object with the child's part of a result line: verdict, reason, done, seen,
 * allowed, checked, observed, trace (docs/results.md).
 */
json_t *exec_point(const struct exec_env *env, const struct point *p);

#endif
