/* SPDX-License-Identifier: GPL-2.0-only */
/* Bugs that show only while something else goes on: calls in two steps, with a gap between them. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <linux/fs.h>

#include "hands.h"

/* The gap between two steps; COWBELL_GAP_US sets another. */
#define GAP_US 50

static void gap(void)
{
	const char *text = getenv("COWBELL_GAP_US");
	const long us = text ? atol(text) : GAP_US;
	struct timespec now, end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_nsec += us * 1000;
	end.tv_sec += end.tv_nsec / 1000000000;
	end.tv_nsec %= 1000000000;
	do {
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec < end.tv_sec ||
		 (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec));
	acted();
}

/* [0, half) and [half, len), in this order or the other. */
static long in_halves(struct call *c, bool second_first)
{
	const uint64_t block = block_of(c->to), len = span(c);
	const uint64_t half = round_down(len / 2, block);
	const uint64_t first = second_first ? half : 0, other = second_first ? 0 : half;
	const uint64_t first_len = second_first ? len - half : half;

	if (!half)
		return call_real(c);
	if (!clone_piece(c->from, c->from_off + first, first_len, c->to, c->to_off + first))
		return call_real(c);
	gap();
	if (!clone_piece(c->from, c->from_off + other, len - first_len, c->to, c->to_off + other))
		return call_real(c);
	return 0;
}

static long first_half_first(struct call *c)
{
	return in_halves(c, false);
}

static long second_half_first(struct call *c)
{
	return in_halves(c, true);
}

const struct mutant race_mutants[] = {
	{ "clone-in-two-steps", "clone",
	  "a snapshot would show the first half from before a write and the second from after it",
	  CALL_CLONE, first_half_first, 0, 0 },
	{ "clone-in-two-steps-backwards", "clone",
	  "a snapshot would show the second half from before a write and the first from after it",
	  CALL_CLONE, second_half_first, 0, 0 },
	{ "clone-range-in-two-steps", "clone_range",
	  "a snapshot would show the first half from before a write and the second from after it",
	  CALL_CLONE_RANGE, first_half_first, 0, 0 },
	MUTANTS_END,
};
