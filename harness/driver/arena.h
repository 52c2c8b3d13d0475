/* SPDX-License-Identifier: GPL-2.0-only */
/* An arena: memory that is given back all at once. Allocation never returns NULL; out of memory
 * ends the program. */
#ifndef COWBELL_ARENA_H
#define COWBELL_ARENA_H

#include <stddef.h>

struct arena;

struct arena *arena_new(void);

/**
 * arena_new_in() - an arena in memory that another process may share
 * @memory: zeroed, aligned for any type; belongs to the caller, who needs not free the arena
 *
 * To ask for more than fits ends the program.
 */
struct arena *arena_new_in(void *memory, size_t size);

/** arena_free() - give back everything that came from it, and itself; NULL is fine */
void arena_free(struct arena *a);

/** arena_alloc() - zeroed bytes, aligned for any type */
void *arena_alloc(struct arena *a, size_t size);

/** arena_dup() - a copy of a string */
char *arena_dup(struct arena *a, const char *text);

/** arena_printf() - a new string */
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
