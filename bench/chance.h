/* SPDX-License-Identifier: GPL-2.0-only */
/* Random numbers that a seed repeats: splitmix64. Pure. */
#ifndef COWBELL_CHANCE_H
#define COWBELL_CHANCE_H

#include <stddef.h>
#include <stdint.h>

/** struct chance - a generator; any @state is a seed */
struct chance {
	uint64_t state;
};

/** chance_next() - 64 random bits */
static inline uint64_t chance_next(struct chance *c)
{
	uint64_t x = c->state += 0x9e3779b97f4a7c15;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

/** chance_below() - a number from 0 to @n - 1; @n must not be 0. Its bias is below n / 2^64. */
static inline uint64_t chance_below(struct chance *c, uint64_t n)
{
	return (uint64_t)(((unsigned __int128)chance_next(c) * n) >> 64);
}

/** chance_shuffle() - put numbers in random order */
static inline void chance_shuffle(struct chance *c, size_t *item, size_t count)
{
	for (size_t i = count; i > 1; i--) {
		const size_t k = (size_t)chance_below(c, i), swap = item[i - 1];

		item[i - 1] = item[k];
		item[k] = swap;
	}
}

#endif
