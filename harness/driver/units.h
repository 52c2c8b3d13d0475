/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sizes in the words of a case: "512", "4K", "8B-1", "P+1", "0x7ffff000", "-1".
 * Pure.
 */
#ifndef COWBELL_UNITS_H
#define COWBELL_UNITS_H

#include <stdbool.h>
#include <stdint.h>

/** struct units - what the letters B and P stand for on the filesystem under test, in bytes */
struct units {
	/** @block: B, the allocation unit found by probing */
	uint64_t block;
	/** @page: P, the page size */
	uint64_t page;
};

/**
 * units_parse() - the value of a size expression
 *
 * A sum of terms, each a decimal or 0x number with an optional suffix K M G T E (binary) B P. A
 * term may be the bare suffix B or P. Arithmetic is modulo 2^64, so that "-1" is all ones: every
 * number may be out of range on purpose.
 *
 * Returns false and a reason (static text) if the text is no such expression or a single term
 * exceeds 2^64-1.
 */
bool units_parse(const char *text, const struct units *u, uint64_t *value, const char **why);

#endif
