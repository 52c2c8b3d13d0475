/* SPDX-License-Identifier: GPL-2.0-only */
/* The time as the driver measures it. */
#ifndef COWBELL_CLOCK_H
#define COWBELL_CLOCK_H

#include <stdint.h>
#include <time.h>

/** clock_to_ns() - a time as one number */
static inline uint64_t clock_to_ns(const struct timespec *t)
{
	return (uint64_t)t->tv_sec * 1000000000 + (uint64_t)t->tv_nsec;
}

/** clock_ns() - nanoseconds that never go back */
static inline uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

#endif
