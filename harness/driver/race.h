/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Runs the rounds of a race: puts the files in order, has the actors act by a plan drawn from the
 * seed, and hands what they did to the oracles.
 */
#ifndef COWBELL_RACE_H
#define COWBELL_RACE_H

#include <stdint.h>

#include "actor.h"

/** struct race_file - a file that actors work on */
struct race_file {
	/** @file: its number */
	int file;
	/** @before, @after: what it held around the round, if an oracle wants stamps */
	struct glimpse before, after;
	/** @prepared: steps before the round may change it, so it must be read again then */
	bool prepared;
	/** @room: how many runs either can hold */
	size_t room;
	/** @at_ns: when @after was read */
	uint64_t at_ns;
};

/** struct round - what oracles find as world.round */
struct round {
	uint64_t number, seed;
	struct actors *actors;
	struct race_file file[SECTOR_FILES_MAX];
	size_t files_count;
	/** @stamps, @restore: what the oracles asked for */
	bool stamps, restore;
	/** @seq: of the controller's last put; @strange: sectors that were strange so far */
	uint32_t seq, strange;
	/** @worked: which steps of each actor have succeeded in any round, as bits */
	uint64_t worked[ACTORS_MAX];
	/** @buffer: to read and write files between rounds */
	uint8_t *buffer;
	/** @doing: "round 7" */
	char doing[32];
};

/** struct race_options - from the command line */
struct race_options {
	/** @budget: scales the case's own; @round: run only the plan of this round, 0 is all */
	double budget;
	uint64_t round;
};

/** race_run() - run the point's rounds and judge each; world_fail() or world_error() if need be */
void race_run(struct world *w, const struct race_options *o);

/** race_history() - what the actors did in this round, as a row of objects in the order of time */
json_t *race_history(struct world *w);

#endif
