/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The supervisor: runs every point in a child of its own, watches from outside, and writes a result
 * for each. One process, one event loop. It touches the filesystem under test only by helpers with
 * a time limit, so that nothing that a point does can keep the run from going on.
 */
#ifndef COWBELL_SUPERVISE_H
#define COWBELL_SUPERVISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "case.h"
#include "emit.h"
#include "probe.h"
#include "quirk.h"
#include "select.h"

struct resume;
struct sink;
struct workdir;

#define SUPERVISE_JOBS_MAX 64

/** struct supervise - a run: what it is given, and what became of it */
struct supervise {
	const struct selected *points;
	size_t points_count;
	unsigned int jobs, repeat, timeout_s;
	bool stop_on_fail, keep, dedicated;
	/** @announce: write a line before each point is started */
	bool announce;
	uint64_t seed;
	/** @budget: scales the time of races, 0 is as usual; @round: of races, 0 is all */
	double budget;
	uint64_t round;
	/** @hooks: NAME=COMMAND texts, ends with NULL; NULL if there are none */
	const char *const *hooks;
	/** @dir, @dir2: run folders; @dir2 is NULL if there is no second directory */
	struct workdir *dir, *dir2;
	/** @view: the run folder as another mount shows it (workdir_view()), or NULL */
	struct workdir *view;
	const struct probe *probe;
	/** @quirks: list made by quirk_load(); @place: where we are */
	const json_t *quirks;
	/** @required: needs whose lack is a fail, by number */
	const bool *required;
	/** @despite_quirks: run also what a quirk says not to run */
	bool despite_quirks;
	struct quirk_place place;
	const struct resume *resume;
	struct sink *sink;
	/** @again: for the command that repeats a point */
	struct emit_command again;
	/** @kmsg: from kmsg_open(); @device: last part of the device's name, or NULL */
	int kmsg;
	const char *device;
	/** @signals: a signalfd for SIGCHLD and those that end a run */
	int signals;

	/** @tally: how the points ended */
	struct tally tally;
	/** @signal: what ended the run, 0 is nothing; @aborted, @stopped: why it ended early, or
	 * empty */
	int signal;
	char aborted[256], stopped[256];
	/** @kept: folders were kept on request; @abandoned: children that could not be killed */
	bool kept;
	unsigned int abandoned;
};

/** supervise_run() - run all points, or as many as can be */
void supervise_run(struct supervise *s);

#endif
