/* SPDX-License-Identifier: GPL-2.0-only */
/* The first line of a result file: where, with what, and how a run is done. */
#ifndef COWBELL_RUN_LINE_H
#define COWBELL_RUN_LINE_H

#include <stdint.h>

#include <jansson.h>

#include "probe.h"

/** struct run_line - what the line is made of */
struct run_line {
	int argc;
	char **argv;
	/** @dir, @dir2: the directories given; the latter may be NULL */
	const char *dir, *dir2;
	/** @view: another mount of @dir, or NULL; @server: what serves it, or NULL */
	const char *view, *server;
	/** @probe, @probe2: of either */
	const struct probe *probe, *probe2;
	uint64_t seed;
	unsigned int jobs, repeat;
	/** @points: how many results will follow at most */
	uint64_t points;
	/** @resumed: goes on with an earlier run */
	int resumed;
};

/** run_line() - a new reference */
json_t *run_line(const struct run_line *r);

#endif
