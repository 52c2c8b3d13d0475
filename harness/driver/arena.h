/* SPDX-License-Identifier: GPL-2.0-only */
/* An arena: memory that is given back all at once. Allocation never returns NULL; out of memory
 * ends the program. */
#ifndef COWBELL_ARENA_H
#define COWBELL_ARENA_H

#include <stddef.h>

struct arena;

struct arena *arena_new(void);

/**
 * arena_within() - an arena that first uses up @size bytes of given memory
 *
 * What does not fit comes from elsewhere. arena_free() leaves the given memory alone.
 */
struct arena *arena_within(void *memory, size_t size);

/** arena_reset() - take back all that came from it, but keep an arena_within()'s memory */
void arena_reset(struct arena *a);

/** struct arena_mark - a moment in the life of an arena */
struct arena_mark {
	void *chunk;
	size_t used;
};

/** arena_mark() - remember what has come from it so far */
struct arena_mark arena_mark(const struct arena *a);

/** arena_release() - take back all that came from it since arena_mark() */
void arena_release(struct arena *a, struct arena_mark mark);

/** arena_spilled() - bytes that did not fit into an arena_within()'s memory */
size_t arena_spilled(const struct arena *a);

/** arena_free() - give back everything that came from it, and itself; NULL is fine */
void arena_free(struct arena *a);

/** arena_alloc() - zeroed bytes, aligned for any type */
void *arena_alloc(struct arena *a, size_t size);

/** arena_dup() - a copy of a string */
char *arena_dup(struct arena *a, const char *text);

/** arena_printf() - a new string */
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
