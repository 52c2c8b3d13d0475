/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Size expressions: "512", "4K", "8B-1", "-1". A term that does not fit in 64 bits is a mistake of
 * the author; a sum that wraps is what the author asked for.
 */
#include "units.h"

#include <stddef.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Value of a hexadecimal digit, -1 if it is none. */
static int hex_digit(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* What a suffix stands for, 0 if the letter is none. */
static uint64_t suffix_bytes(char c, const struct units *u)
{
	const struct {
		char letter;
		uint64_t bytes;
	} known[] = {
		{ 'K', 1ULL << 10 }, { 'M', 1ULL << 20 }, { 'G', 1ULL << 30 }, { 'T', 1ULL << 40 },
		{ 'E', 1ULL << 60 }, { 'B', u->block },	  { 'P', u->page },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].letter == c)
			return known[i].bytes;
	return 0;
}

/* Digits at *text in the given base; moves *text behind them. */
static bool number(const char **text, unsigned int base, uint64_t *value, const char **why)
{
	const char *start = *text;

	*value = 0;
	for (;; ++*text) {
		const int digit = hex_digit(**text);

		if (digit < 0 || (unsigned int)digit >= base)
			break;
		if (__builtin_mul_overflow(*value, base, value) ||
		    __builtin_add_overflow(*value, (uint64_t)digit, value)) {
			*why = "a number does not fit in 64 bits";
			return false;
		}
	}
	if (*text == start) {
		*why = "a number is missing";
		return false;
	}
	return true;
}

/* One term: a number, a number with a suffix, or the suffix B or P alone. */
static bool term(const char **text, const struct units *u, uint64_t *value, const char **why)
{
	const char first = **text;
	uint64_t unit;

	*value = 1;
	if (first != 'B' && first != 'P') {
		const bool hex = first == '0' && (*text)[1] == 'x';

		if (hex)
			*text += 2;
		if (!number(text, hex ? 16 : 10, value, why))
			return false;
	}
	unit = suffix_bytes(**text, u);
	if (!unit)
		return true;
	++*text;
	if (__builtin_mul_overflow(*value, unit, value)) {
		*why = "a number does not fit in 64 bits";
		return false;
	}
	return true;
}

bool units_parse(const char *text, const struct units *u, uint64_t *value, const char **why)
{
	uint64_t sum = 0;
	bool minus = *text == '-';

	if (minus)
		text++;
	for (;;) {
		uint64_t one;

		if (!term(&text, u, &one, why))
			return false;
		sum = minus ? sum - one : sum + one;
		if (!*text)
			break;
		if (*text != '+' && *text != '-') {
			*why = "terms are numbers with a suffix K M G T E B P, joined by + or -";
			return false;
		}
		minus = *text++ == '-';
	}
	*value = sum;
	return true;
}
