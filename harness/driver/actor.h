/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Actors: processes or threads that make calls at the same time, round after round. They are
 * released together by futex, wait for delays of a plan by looking at the clock, and append what
 * they did to histories in shared memory. They judge nothing.
 */
#ifndef COWBELL_ACTOR_H
#define COWBELL_ACTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "trace.h"
#include "world.h"

#define ACTORS_MAX (SECTOR_ACTORS_MAX - 1)

struct put_cache;

/** struct actor - what an actor has; its ops find it as world.actor */
struct actor {
	const struct actorspec *spec;
	/** @id: from 1 on, as stamps name it */
	unsigned int id;
	/** @world: the point's, but with descriptors and an arena of its own */
	struct world world;
	struct trace *trace;
	/** @seq: of the last put */
	uint32_t seq;
	/** @random: state of the generator, set anew for each round (actor_random()) */
	uint64_t random;
	/** @inv, @ret: an op that does more than its call sets them around it; 0 otherwise */
	uint64_t inv, ret;
	/** @put: of op put */
	struct put_cache *put;
};

/** struct plan - one round: when who starts */
struct plan {
	/** @round: its number, from 1 on; @seed: what all of its chances are drawn from */
	uint64_t round, seed;
	/** @delay_ns: from the common start on, for each actor */
	uint64_t delay_ns[ACTORS_MAX];
	/** @solo: only this actor does anything; -1 is all */
	int solo;
};

struct actors;

/**
 * actors_start() - bring the point's actors to life; they wait for the first round
 *
 * Returns NULL after world_error(). The memory and the processes are the caller's, until
 * actors_stop().
 */
struct actors *actors_start(struct world *w);

/**
 * actors_round() - have all actors do their steps once, and wait for them
 *
 * Returns false after world_error(): an actor died, or ran out of room for its history. An actor
 * that hangs makes this hang, which the supervisor sees.
 */
bool actors_round(struct actors *a, const struct plan *plan);

/** actors_count(), actors_trace() - what actor @i (from 0 on) did in the last round */
size_t actors_count(const struct actors *a);
const struct trace *actors_trace(const struct actors *a, size_t i);

/** actors_stop() - end all actors, however it is with them; NULL is fine */
void actors_stop(struct actors *a);

/** actor_random() - the next of this round's random numbers, below @limit (not 0) */
uint64_t actor_random(struct actor *a, uint64_t limit);

#endif
