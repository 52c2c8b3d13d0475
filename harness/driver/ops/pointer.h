/* SPDX-License-Identifier: GPL-2.0-only */
/* Pointer arguments of calls: a good one, NULL, or one that leads nowhere. */
#ifndef COWBELL_OPS_POINTER_H
#define COWBELL_OPS_POINTER_H

#include <stddef.h>

#include "../case.h"

enum pointer { POINTER_GOOD, POINTER_NULL, POINTER_BAD };

static const struct word pointer_words[] = {
	{ "good", POINTER_GOOD },
	{ "null", POINTER_NULL },
	{ "bad", POINTER_BAD },
	{ NULL, 0 },
};

/** pointer() - @good, NULL, or an address in the never-mapped first page */
static inline void *pointer(int kind, void *good)
{
	if (kind == POINTER_BAD)
		return (void *)(uintptr_t)64;
	return kind == POINTER_NULL ? NULL : good;
}

#endif
