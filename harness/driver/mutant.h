/* SPDX-License-Identifier: GPL-2.0-only */
/* The mutant that a run is under (docs/mutants.md). */
#ifndef COWBELL_MUTANT_H
#define COWBELL_MUTANT_H

#include <stddef.h>

/**
 * mutant_check() - is the kernel that COWBELL_MUTANT asks for really in place?
 *
 * Returns 0, also if none is asked for, or -1 with @why: one line.
 */
int mutant_check(char *why, size_t size);

/** mutant_name() - the mutant that is in place, NULL if there is none */
const char *mutant_name(void);

#endif
