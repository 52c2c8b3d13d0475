/* SPDX-License-Identifier: GPL-2.0-only */
/* What was measured of each cell so far, over all blocks: for medians, slopes, tables. */
#ifndef COWBELL_HISTORY_H
#define COWBELL_HISTORY_H

#include <stdio.h>

#include "stand.h"

/** struct track - one metric of one cell */
struct track {
	const struct cell *cell;
	const char *metric, *better;
	/** @sample: of all blocks, in the order of measuring */
	uint64_t *sample;
	size_t samples, samples_room;
	/** @median: of each block; @extents: of the source, as observed in it */
	uint64_t *median, *extents;
	size_t blocks, blocks_room;
	/** @shared, @copied: bytes in all copies */
	uint64_t shared, copied;
	unsigned int flags;
};

/** struct history - all of them, in the order in which they came */
struct history {
	struct track *track;
	size_t count, room;
};

/** history_add() - one more block of a cell; history_free() */
void history_add(struct history *h, const struct measurement *m);
void history_free(struct history *h);

/** history_find() - NULL if the cell has no such metric */
const struct track *history_find(const struct history *h, const struct cell *c, const char *metric);

/** history_derive() - write the derived lines of a suite */
void history_derive(const struct history *h, struct stand *stand);

/** history_table() - print medians: a row for each method, a column for each point */
void history_table(const struct history *h, const struct suite *s, FILE *out);

#endif
