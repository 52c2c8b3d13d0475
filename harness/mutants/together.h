/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What mutants of races remember together: actors are processes, so it lies in memory that all of
 * them share, and whoever touches it holds its lock.
 */
#ifndef COWBELL_MUTANTS_TOGETHER_H
#define COWBELL_MUTANTS_TOGETHER_H

#include <sys/types.h>

#include "hands.h"

/* A write of more is not remembered. */
#define LAST_BYTES_MAX (UINT64_C(128) << 10)
#define PAIRS_MAX      16
#define LOCKS_MAX      64
#define PATH_BYTES     512

/** struct pair - two files of which one is a clone of the other, at the same offsets */
struct pair {
	uint64_t id[2];
	char path[2][PATH_BYTES];
};

/** struct together - what all processes of a point share */
struct together {
	/** @lock: id of the thread that holds it */
	int lock;
	/** @last: file, place and former bytes of the last buffered write */
	struct {
		uint64_t id, off, len;
		uint8_t bytes[LAST_BYTES_MAX];
	} last;
	/** @pair: files that were cloned, the oldest overwritten first */
	struct pair pair[PAIRS_MAX];
	size_t pairs_count;
	/** @cloning: the file that is cloned at this moment, 0 is none */
	uint64_t cloning;
	/** @writing: files that are written at this moment, by pair and side */
	int writing[PAIRS_MAX][2];
	/** @locks: who holds the lock of a file */
	int locks[LOCKS_MAX];
};

/** together() - there from the start; NULL if there was no memory */
struct together *together(void);

/** take(), give() - hold a lock, waiting for who is alive; a dead process holds none */
void take(int *lock);
void give(int *lock);

/** id_of() - a number for a file, not 0 */
uint64_t id_of(int fd);

/** note_pair() - @to is a clone of @from now */
void note_pair(int from, int to);

/** find_pair() - the latest of @fd, and at which side it stands; -1 if there is none */
int find_pair(int fd, int *side);

/** open_pair() - the file at one side, for reading and writing; -1 if it has gone */
int open_pair(int pair, int side);

/** gap() - the time between two steps of a call: 50 us, or COWBELL_GAP_US */
void gap(void);

#endif
