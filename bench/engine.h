/* SPDX-License-Identifier: GPL-2.0-only */
/* The engine: measures suites in complete blocks, each in an order of its own, as long as there is
 * time; then derives what is said of all blocks together, and prints a table. */
#ifndef COWBELL_ENGINE_H
#define COWBELL_ENGINE_H

#include <stdio.h>

#include "stand.h"

/** struct engine - what to do */
struct engine {
	struct stand *stand;
	/** @suite: one after the other */
	struct suite *const *suite;
	size_t suites;
	/** @time_s: in place of each suite's own; 0: its own */
	unsigned int time_s;
	/** @human: for tables; @progress: for what is being done, NULL for nothing */
	FILE *human, *progress;
};

/** engine_run() - all of it; lines go to the stand's descriptor */
void engine_run(struct engine *e);

#endif
