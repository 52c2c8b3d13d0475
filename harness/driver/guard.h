/* SPDX-License-Identifier: GPL-2.0-only */
/* Copies memory that may not be there: a mapping beyond the end of its file answers with a signal.
 */
#ifndef COWBELL_GUARD_H
#define COWBELL_GUARD_H

#include <stddef.h>

/** guard_copy() - memcpy(3); returns 0, or the signal that a load or store raised (SIGBUS, SIGSEGV)
 */
int guard_copy(void *to, const void *from, size_t len);

/** guard_call() - the same of any function that only loads and stores */
int guard_call(void (*fn)(void *arg), void *arg);

#endif
