/* SPDX-License-Identifier: GPL-2.0-only */
/* Numbers that look random and are the same for the same seed (SplitMix64, Steele et al. 2014). */
#ifndef COWBELL_MIX_H
#define COWBELL_MIX_H

#include <stdint.h>

/** mix() - a number spread over 64 bits; invertible */
static inline uint64_t mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/** mix_next() - the next number of a sequence */
static inline uint64_t mix_next(uint64_t *state)
{
	*state += UINT64_C(0x9e3779b97f4a7c15);
	return mix(*state);
}

#endif
