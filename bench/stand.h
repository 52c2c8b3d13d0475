/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The stand: what experiments work with. It makes sources, keeps destinations until the block ends,
 * waits until the filesystem is quiet, verifies what was copied, and writes result lines.
 */
#ifndef COWBELL_STAND_H
#define COWBELL_STAND_H

#include <stdio.h>

#include <jansson.h>

#include "chance.h"
#include "cost.h"
#include "probe.h"
#include "suite.h"

/** enum flag - what a reader must know of a series */
enum flag {
	FLAG_DRIFT = 1,
	FLAG_BIMODAL = 2,
	FLAG_CLOCK = 4,
	FLAG_NOT_QUIET = 8,
	FLAG_NOT_COLD = 16,
	FLAG_NOT_WARM = 32,
	FLAG_DIFFERS = 64,
	FLAG_COPIED = 128,
	FLAG_LATE = 256,
};

/** struct measurement - samples of one metric of a cell in one block, and what was observed */
struct measurement {
	const struct cell *cell;
	/** @metric: with the unit in its name; @better: "lower" or "higher" */
	const char *metric, *better;
	uint64_t *sample;
	size_t count, room;
	/** @batch: how many calls one sample is the mean of; 0 for single calls */
	unsigned int batch;
	/** @work_bytes: of one call */
	uint64_t work_bytes;
	/** @cost: of all calls together, if @has_cost */
	struct cost cost;
	bool has_cost;
	/** @observed: more keys, from the experiment; may be NULL */
	json_t *observed;
	unsigned int flags;
	/** @may_copy: blocks of their own are no surprise in what was shared */
	bool may_copy;
	/** @block, @order: when */
	unsigned int block, order;
	/** @copies: how many were verified, and what their maps said, in total */
	unsigned int copies, maps;
	uint64_t shared, copied, unknown, extents, source_extents;
};

/** struct source - a file to copy from; it stays for the whole suite */
struct source {
	char *name;
	uint64_t size, wanted_extents, extents, seed;
	size_t index;
	/** @nocow: with chattr +C, and so are copies that stand_make() makes */
	bool nocow;
};

/** struct stand - see above; members are for stand.c and engine.c */
struct stand {
	/** @folder: the run folder; @probe: of its filesystem */
	int folder;
	const struct probe *probe;
	bool dedicated, fio;
	uint64_t seed;
	const struct suite *suite;
	struct chance chance;
	struct cost_watch watch;
	/** @flags: of every line; @block, @order: the present ones */
	unsigned int flags, block, order;
	struct source **source;
	size_t sources, sources_room;
	/** @kept: destinations that wait to be verified; @pending: lines that wait for them */
	struct kept *kept;
	size_t kepts, kepts_room;
	struct measurement **pending;
	size_t pendings, pendings_room;
	/** @names: so many names were given out; @kept_bytes: what destinations may take up */
	uint64_t names, kept_bytes;
	/** @done: called with each finished measurement, before it goes */
	void (*done)(struct stand *stand, const struct measurement *m);
	void *done_arg;
	/** @out: where lines go */
	int out;
	/** @wrong: copies that did not hold what they should; @why: of stand_refuse() */
	unsigned int wrong;
	char why[200];
};

/** stand_refuse() - say why the cell cannot be measured; always false */
bool stand_refuse(struct stand *stand, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** stand_source() - number @index of the sources that a cell needs, made if need be; NULL after
 * stand_refuse() */
const struct source *stand_source(struct stand *stand, const struct cell *c, size_t index);

/** stand_open() - open a file of the run folder; a descriptor or a negative errno */
int stand_open(struct stand *stand, const char *name, int flags);

/** stand_name() - a new name for a destination; to be freed */
char *stand_name(struct stand *stand);

/** stand_make() - a new destination that holds what @from holds, made by a method, on disk; its
 * name, to be freed, or NULL after stand_refuse() */
char *stand_make(struct stand *stand, const struct method *m, const struct source *from);

/** stand_give_up() - forget a measurement; always false */
bool stand_give_up(struct measurement *m);

/** stand_copy() - make @to hold what @from holds, in blocks of its own; 0 or a negative errno */
int stand_copy(int from, int to, uint64_t size);

/** stand_room() - is there room for @bytes more? Gives up what is kept if need be; false after
 * stand_refuse() with the number of bytes needed */
bool stand_room(struct stand *stand, uint64_t bytes);

/** stand_quiet() - write all back and wait, by looking, until nothing moves; adds FLAG_NOT_QUIET to
 * what is measured next if it does not come to rest */
void stand_quiet(struct stand *stand);

/** stand_measurement() - a new one, of the present block; @metric and @better are not copied */
struct measurement *stand_measurement(struct stand *stand, const struct cell *c, const char *metric,
				      const char *better);

/** stand_sample() - one more sample */
void stand_sample(struct measurement *m, uint64_t value);

/** stand_keep() - a destination that is verified against a source, looked at and removed later;
 * @size 0: only removed. @name is taken over; @from stays with its owner. */
void stand_keep(struct stand *stand, struct measurement *m, char *name, const char *from,
		uint64_t size);

/** stand_take() - the measurement is complete but for its kept destinations; takes it over */
void stand_take(struct stand *stand, struct measurement *m);

/** stand_settle() - verify and remove what is kept, write the lines that waited for it, be quiet */
void stand_settle(struct stand *stand);

/** stand_line() - write one line; takes the reference */
void stand_line(struct stand *stand, json_t *line);

/** stand_cell_json() - the keys that say which cell, a new reference */
json_t *stand_cell_json(const struct cell *c);

/** stand_init(), stand_free() */
void stand_init(struct stand *stand);
void stand_free(struct stand *stand);

/** stand_drop_sources() - remove the sources: the next suite makes its own */
void stand_drop_sources(struct stand *stand);

#endif
