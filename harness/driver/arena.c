/* SPDX-License-Identifier: GPL-2.0-only */
#include "arena.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "must.h"

#define CHUNK_BYTES 16384

struct chunk {
	struct chunk *next;
	size_t used, size;
	_Alignas(max_align_t) unsigned char bytes[];
};

struct arena {
	struct chunk *chunks;
	/* the first, if it lies in given memory */
	struct chunk *given;
	size_t spilled;
};

struct arena *arena_new(void)
{
	return must(calloc(1, sizeof(struct arena)));
}

struct arena *arena_within(void *memory, size_t size)
{
	struct arena *a = arena_new();

	a->chunks = a->given = memory;
	*a->given = (struct chunk){ .size = size - sizeof(*a->given) };
	return a;
}

/* Free all chunks that came after @last. */
static void free_chunks(struct arena *a, const struct chunk *last)
{
	while (a->chunks != last) {
		struct chunk *next = a->chunks->next;

		if (a->chunks != a->given)
			free(a->chunks);
		a->chunks = next;
	}
}

void arena_reset(struct arena *a)
{
	free_chunks(a, a->given);
	a->spilled = 0;
	if (!a->given)
		return;
	memset(a->given->bytes, 0, a->given->used);
	a->given->used = 0;
}

struct arena_mark arena_mark(const struct arena *a)
{
	return (struct arena_mark){ a->chunks, a->chunks ? a->chunks->used : 0 };
}

void arena_release(struct arena *a, struct arena_mark mark)
{
	struct chunk *c = mark.chunk;

	free_chunks(a, c);
	if (!c)
		return;
	memset(c->bytes + mark.used, 0, c->used - mark.used);
	c->used = mark.used;
}

size_t arena_spilled(const struct arena *a)
{
	return a->spilled;
}

void arena_free(struct arena *a)
{
	if (!a)
		return;
	free_chunks(a, NULL);
	free(a);
}

void *arena_alloc(struct arena *a, size_t size)
{
	struct chunk *c = a->chunks;
	const size_t align = _Alignof(max_align_t);
	void *p;

	size = (size + align - 1) & ~(align - 1);
	if (!c || c->size - c->used < size) {
		const size_t room = size > CHUNK_BYTES ? size : CHUNK_BYTES;

		a->spilled += a->given ? size : 0;
		c = must(calloc(1, sizeof(*c) + room));
		c->size = room;
		c->next = a->chunks;
		a->chunks = c;
	}
	p = c->bytes + c->used;
	c->used += size;
	return p;
}

char *arena_dup(struct arena *a, const char *text)
{
	const size_t size = strlen(text) + 1;

	return memcpy(arena_alloc(a, size), text, size);
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list args, again;
	char *text;
	int len;

	va_start(args, fmt);
	va_copy(again, args);
	len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	text = arena_alloc(a, (size_t)(len < 0 ? 0 : len) + 1);
	vsnprintf(text, (size_t)(len < 0 ? 0 : len) + 1, fmt, again);
	va_end(again);
	return text;
}
