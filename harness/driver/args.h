/* SPDX-License-Identifier: GPL-2.0-only */
/* What the arguments of a step say: as text for traces, and which files they name. */
#ifndef COWBELL_ARGS_H
#define COWBELL_ARGS_H

#include "arena.h"
#include "case.h"

/** args_text() - "clone_range from=a from_off=0 to=b to_off=4096 len=8192", from the arena */
const char *args_text(struct arena *a, const struct point *p, const struct step *s);

/**
 * args_each() - call @visit with every value of the arguments, nested lists included
 * @set: bit i stands for entry i of the table; what was not given is left out
 */
void args_each(const struct argspec *spec, const void *args, uint64_t set,
	       void (*visit)(void *context, const struct argspec *spec, const void *value),
	       void *context);

#endif
