/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What actors did: each keeps a history of its own, in memory that it shares with the controller,
 * to which it only ever appends. The oracles of races read it between rounds.
 */
#ifndef COWBELL_TRACE_H
#define COWBELL_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "op.h"
#include "sector.h"

/** struct trace_entry - one call of one actor in one round */
struct trace_entry {
	/** @step: number of the actor's step; @turn: how often it had been made before */
	uint32_t step, turn;
	/** @inv, @ret: just before and just after the call, CLOCK_MONOTONIC in ns; they increase
	 * strictly within an actor */
	uint64_t inv, ret;
	/** @result: with memory of the actor's arena, which the controller sees at the same place
	 */
	struct op_result result;
};

/** struct trace - the history of one actor in one round */
struct trace {
	/** @count: entries that are there; @room: that fit; @lost: calls for which there was no
	 * room, which makes the point an error */
	size_t count, room, lost;
	/** @spilled: bytes of results for which there was no shared memory; likewise */
	size_t spilled;
	struct trace_entry entry[];
};

/** struct put_done - what op put leaves in its result: where it wrote which stamp */
struct put_done {
	/** @off, @len: in bytes, whole sectors */
	uint64_t off, len;
	uint32_t actor, seq;
};

/** struct sector_run - sectors that hold one value (sector_value()) */
struct sector_run {
	uint32_t first, count;
	uint64_t value;
};

/** struct glimpse - what was read of a file: by op get, or by the controller between rounds */
struct glimpse {
	/** @off, @len: in bytes: what was read; @size, @mtime_ns: the file's before that */
	uint64_t off, len, size, mtime_ns;
	/** @timed: the time is to be judged, too */
	bool timed;
	/** @runs: of whole sectors from @off on */
	size_t runs_count;
	struct sector_run *runs;
};

/*
 * Values of sectors, as linear.h wants them: which put a sector is of, and by how many sectors it
 * lies elsewhere than where that put wrote it.
 */
#define VALUE_ZERO UINT64_C(0)
/* no such sector: beyond the end of file */
#define VALUE_NOTHING UINT64_C(1)
/* the first part of a put by single stores, and then what was there before */
#define VALUE_PARTIAL (UINT64_C(1) << 63)
/* torn or alien, never equal to another's */
#define VALUE_STRANGE (UINT64_C(1) << 62)
#define VALUE_STAMPED (UINT64_C(1) << 61)
/* with bytes that nobody put */
#define VALUE_FOREIGN (UINT64_C(1) << 60)

/** trace_value() - the value of a sector of @stamp at place @at */
static inline uint64_t trace_value(const struct sector_stamp *stamp, uint32_t at)
{
	return VALUE_STAMPED | (uint64_t)stamp->actor << 52 | (uint64_t)stamp->file << 48 |
	       (uint64_t)stamp->seq << 24 | ((stamp->place - at) & 0xffffff);
}

/** trace_shift() - the same value @by sectors further up in a file */
static inline uint64_t trace_shift(uint64_t value, int64_t by)
{
	if (!(value & VALUE_STAMPED) || value & VALUE_STRANGE)
		return value;
	return (value & ~UINT64_C(0xffffff)) | ((value - (uint64_t)by) & 0xffffff);
}

static inline uint32_t value_actor(uint64_t value)
{
	return (uint32_t)(value >> 52) & 15;
}

static inline uint32_t value_file(uint64_t value)
{
	return (uint32_t)(value >> 48) & 15;
}

static inline uint32_t value_seq(uint64_t value)
{
	return (uint32_t)(value >> 24) & 0xffffff;
}

/** enum effect_kind - what a call may do to sectors, for the oracles of races */
enum effect_kind {
	/** @EFFECT_PUT: [off, off + len) of .file holds stamp .actor, .seq */
	EFFECT_PUT,
	/** @EFFECT_SEEN: .seen is what .file held */
	EFFECT_SEEN,
	/** @EFFECT_CLONE: [from_off, from_off + len) of .from is at .off of .file, too; up to the
	 * end of .from if len is CLONE_ALL */
	EFFECT_CLONE,
	/** @EFFECT_ZERO: [off, off + len) of .file is zeroes, as far as the file goes */
	EFFECT_ZERO,
	/** @EFFECT_CUT: .file ends at .off */
	EFFECT_CUT,
	/** @EFFECT_EQUAL: [from_off, from_off + len) of .from equals .file at .off */
	EFFECT_EQUAL,
};

#define CLONE_ALL UINT64_MAX

/** enum grain - what of a call takes place at one instant */
enum grain { GRAIN_WHOLE, GRAIN_SECTOR, GRAIN_WORD };

/** struct effect - one thing that a call did */
struct effect {
	enum effect_kind kind;
	enum grain grain;
	/** @file, @from: numbers of files of the point */
	int file, from;
	/** @off, @from_off, @len: in bytes */
	uint64_t off, from_off, len;
	uint32_t actor, seq;
	/** @grows: the put set the file's size to off + len; @snapshot: .seen was read of a copy
	 * that one call made, and shows .file as it was at an instant of that call */
	bool grows, snapshot;
	const struct glimpse *seen;
};

/* No call has more. */
#define EFFECTS_MAX 128

/**
 * trace_look() - what the sectors in a buffer are, as runs of values
 * @bytes: whole sectors, from sector @first of the file on
 * @strange: counts sectors that were torn or alien; each gets a value of its own
 *
 * Returns how many runs there are; @runs has room for @count of them.
 */
size_t trace_look(const void *bytes, size_t count, uint32_t first, uint32_t tag, uint32_t *strange,
		  struct sector_run *runs);

/** trace_value_text() - "put 7 of writer", "zeroes", into @out */
void trace_value_text(const struct point *p, uint64_t value, char *out, size_t size);

#endif
