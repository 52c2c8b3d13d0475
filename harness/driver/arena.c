/* SPDX-License-Identifier: GPL-2.0-only */
#include "arena.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES 16384

struct chunk {
	struct chunk *next;
	size_t used, size;
	_Alignas(max_align_t) unsigned char bytes[];
};

struct arena {
	struct chunk *chunks;
	/* it cannot grow */
	bool fixed;
};

/* There is no way on without memory, and nothing to clean up that the kernel would not. */
static void *need(void *p)
{
	if (p)
		return p;
	fputs("cowbell: out of memory\n", stderr);
	abort();
}

struct arena *arena_new(void)
{
	return need(calloc(1, sizeof(struct arena)));
}

struct arena *arena_new_in(void *memory, size_t size)
{
	const size_t align = _Alignof(max_align_t);
	const size_t head = (sizeof(struct arena) + align - 1) & ~(align - 1);
	struct arena *a = memory;

	need(size > head + sizeof(struct chunk) ? memory : NULL);
	a->fixed = true;
	a->chunks = (struct chunk *)((unsigned char *)memory + head);
	a->chunks->size = size - head - sizeof(struct chunk);
	return a;
}

void arena_free(struct arena *a)
{
	if (!a)
		return;
	while (a->chunks) {
		struct chunk *next = a->chunks->next;

		free(a->chunks);
		a->chunks = next;
	}
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

		c = need(a->fixed ? NULL : calloc(1, sizeof(*c) + room));
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
