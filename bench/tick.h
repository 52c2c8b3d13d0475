/* SPDX-License-Identifier: GPL-2.0-only */
/* The clock of measurements: CLOCK_MONOTONIC_RAW, which no one steps or slews. */
#ifndef COWBELL_TICK_H
#define COWBELL_TICK_H

#include <stdint.h>
#include <time.h>

/** tick_ns() - nanoseconds since some time in the past */
static inline uint64_t tick_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

#endif
