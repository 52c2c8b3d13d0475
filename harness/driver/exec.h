/* SPDX-License-Identifier: GPL-2.0-only */
/* Runs one point in the calling process, which is a child of its own: set-up, steps, checks,
 * result. */
#ifndef COWBELL_EXEC_H
#define COWBELL_EXEC_H

#include <jansson.h>

#include "case.h"
#include "op.h"
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
	 * likewise, or -1; @viewfd: the first through another mount (--view), or -1 */
	int dirfd, dir2fd, viewfd;
	uint64_t seed;
	/**
	 * @hook: have the supervisor run a hook (remount) while the child holds nothing open below
	 * the directory. It closes and reopens the three folders. Returns 0 or a negative errno.
	 * NULL if there are no hooks.
	 */
	int (*hook)(void *context, const char *name, int *dirfd, int *dir2fd, int *viewfd);
	void *hook_context;
	/** @budget: scales how much is tried where chance decides, 0 is usual; @round: of a race,
	 * run only this round, again and again; 0 is all */
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

/*
 * For what runs a point's calls in its own way (interrupt.c). The step that is running is
 * world->step.
 */

/** exec_steps() - run steps as those of "steps" are; false if the point is over */
bool exec_steps(struct world *w, const struct step *steps, size_t count);

/** exec_begin() - this step is what happens now: for messages and the supervisor; @how is put after
 * its arguments */
void exec_begin(struct world *w, const struct step *s, const char *how);

/** exec_result() - "ok", "4096", "EINTR": a result in words */
const char *exec_result(const struct world *w, const struct op_result *r);

/** exec_apply() - let the contract judge a result and advance the model; false if the point is over
 */
bool exec_apply(struct world *w, const struct op_result *r);

/** exec_trace() - a line for the trace; exec_trace_length(), exec_trace_cut() - forget the lines of
 * attempts that went well */
void exec_trace(struct world *w, const char *result);
size_t exec_trace_length(const struct world *w);
void exec_trace_cut(struct world *w, size_t length);

/** exec_over() - has something failed already? */
bool exec_over(const struct world *w);

#endif
