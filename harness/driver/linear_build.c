/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The first half of the snapshot oracle: operations in the order of time, files cut into segments,
 * and for each segment the row of its writes. Nothing is judged here.
 */
#include "linear_internal.h"

#include <stdlib.h>
#include <string.h>

/* what is there before anything is done by an actor of its own */
#define INITIAL_ACTOR ((uint64_t)1 << 32)

#define ROOM_MIN 64

void *graph_grow(struct arena *arena, void *items, size_t count, size_t *room, size_t size)
{
	void *grown;

	if (count < *room)
		return items;
	*room = *room ? 2 * *room : ROOM_MIN;
	grown = arena_alloc(arena, *room * size);
	if (count)
		memcpy(grown, items, count * size);
	return grown;
}

/** struct map - numbers by key, by open addressing; 0: not there */
struct map {
	struct arena *arena;
	uint64_t *key;
	uint32_t *value;
	size_t used, room;
};

static void map_init(struct map *m, struct arena *arena, size_t room)
{
	*m = (struct map){
		.arena = arena,
		.key = arena_alloc(arena, room * sizeof(*m->key)),
		.value = arena_alloc(arena, room * sizeof(*m->value)),
		.room = room,
	};
}

static size_t map_find(const struct map *m, uint64_t key)
{
	size_t i = (size_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (m->room - 1);

	while (m->value[i] && m->key[i] != key)
		i = (i + 1) & (m->room - 1);
	return i;
}

static uint32_t map_get(const struct map *m, uint64_t key)
{
	return m->value[map_find(m, key)];
}

/* Gives @value to a key that is not there; returns what the key has. */
static uint32_t map_put(struct map *m, uint64_t key, uint32_t value)
{
	const size_t at = map_find(m, key);
	struct map wider;

	if (m->value[at])
		return m->value[at];
	m->key[at] = key;
	m->value[at] = value;
	if (2 * ++m->used < m->room)
		return value;
	map_init(&wider, m->arena, 4 * m->room);
	for (size_t i = 0; i < m->room; i++) {
		if (m->value[i])
			map_put(&wider, m->key[i], m->value[i]);
	}
	*m = wider;
	return value;
}

/* Before anything is before even what starts at 0. */
static uint64_t shifted(uint64_t time)
{
	return time < UINT64_MAX ? time + 1 : time;
}

static bool initial(const struct linear_op *op)
{
	return !op->inv && !op->ret;
}

/*
 * The operations of an actor took place one after the other: none before the latest invocation
 * so far, none after the earliest return from there on.
 */
static void narrow_times(struct graph *g)
{
	struct map actors;
	uint32_t *last = arena_alloc(g->arena, (g->h->ops_count + 1) * sizeof(*last));

	map_init(&actors, g->arena, ROOM_MIN);
	for (uint32_t i = 0; i < g->h->ops_count; i++) {
		const struct linear_op *op = &g->h->ops[i];
		const uint64_t key = initial(op) ? INITIAL_ACTOR : op->actor;
		const uint32_t actor = map_put(&actors, key, (uint32_t)actors.used + 1);

		g->actor[i] = actor;
		g->previous[i] = last[actor] ? last[actor] - 1 : NONE;
		last[actor] = i + 1;
		g->inv[i] = initial(op) ? 0 : shifted(op->inv);
		g->ret[i] = initial(op) ? 0 : shifted(op->ret);
		if (g->previous[i] != NONE && g->inv[g->previous[i]] > g->inv[i])
			g->inv[i] = g->inv[g->previous[i]];
	}
	for (size_t i = g->h->ops_count; i-- > 0;) {
		const uint32_t previous = g->previous[i];

		if (previous != NONE && g->ret[i] < g->ret[previous])
			g->ret[previous] = g->ret[i];
	}
}

/* Merges [a, b) and [b, c) of @from, each in order. */
static void merge(const uint64_t *inv, const uint32_t *from, uint32_t *to, size_t a, size_t b,
		  size_t c)
{
	const size_t middle = b;

	for (size_t i = a; i < c; i++) {
		const size_t left = a, right = b;

		if (left < middle && (right == c || inv[from[left]] <= inv[from[right]]))
			to[i] = from[a++];
		else
			to[i] = from[b++];
	}
}

/* A merge sort that starts from the runs that are there: histories come by time, or by actor. */
static void sort_by_time(struct graph *g)
{
	const size_t n = g->h->ops_count;
	uint32_t *from = arena_alloc(g->arena, n * sizeof(*from));
	uint32_t *to = arena_alloc(g->arena, n * sizeof(*to));
	size_t *run = arena_alloc(g->arena, (n + 2) * sizeof(*run));
	size_t runs = 0;

	for (size_t i = 0; i < n; i++) {
		from[i] = (uint32_t)i;
		if (i && g->inv[i] < g->inv[i - 1])
			run[++runs] = i;
	}
	run[++runs] = n;
	while (runs > 1) {
		uint32_t *swap = from;
		size_t merged = 0;

		for (size_t i = 0; i < runs; i += 2) {
			const size_t end = i + 2 <= runs ? run[i + 2] : n;

			merge(g->inv, from, to, run[i], run[i + 1], end);
			run[++merged] = end;
		}
		runs = merged;
		from = to;
		to = swap;
	}
	g->order = from;
}

static uint64_t register_key(uint32_t file, uint32_t number)
{
	return (uint64_t)file << 32 | number;
}

/* Behind the access; a range of sectors does not reach the size. */
static uint64_t end_key(const struct linear_access *a)
{
	return register_key(a->file,
			    a->count < LINEAR_SIZE - a->first ? a->first + a->count : LINEAR_SIZE);
}

static int compare_keys(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static size_t accesses_end(const struct linear_history *h)
{
	size_t end = 0;

	for (size_t i = 0; i < h->ops_count; i++) {
		const size_t here = h->ops[i].access + h->ops[i].access_count;

		if (here > end)
			end = here;
	}
	return end;
}

/* A segment starts wherever an access does, and where one ends. */
static void cut_segments(struct graph *g, struct map *keys)
{
	const struct linear_history *h = g->h;
	uint64_t *sorted;
	size_t count = 0;

	for (size_t i = 0; i < h->ops_count; i++) {
		const struct linear_access *a = h->accesses + h->ops[i].access;

		for (size_t k = 0; k < h->ops[i].access_count; k++, a++) {
			map_put(keys, register_key(a->file, a->first), 1);
			map_put(keys, end_key(a), 1);
		}
	}
	sorted = arena_alloc(g->arena, (keys->used + 1) * sizeof(*sorted));
	for (size_t i = 0; i < keys->room; i++) {
		if (keys->value[i])
			sorted[count++] = keys->key[i];
	}
	qsort(sorted, count, sizeof(*sorted), compare_keys);
	g->segment = arena_alloc(g->arena, (count + 1) * sizeof(*g->segment));
	g->segment_count = count;
	for (size_t i = 0; i < count; i++) {
		g->segment[i].file = (uint32_t)(sorted[i] >> 32);
		g->segment[i].first = (uint32_t)sorted[i];
		g->segment[i].split_op = NONE;
		keys->value[map_find(keys, sorted[i])] = (uint32_t)i + 1;
	}
}

/* The segments of each access, and room for the writes of each segment. */
static void place_accesses(struct graph *g)
{
	const struct linear_history *h = g->h;
	struct map keys;
	uint32_t writes = 0;

	map_init(&keys, g->arena, 4 * ROOM_MIN);
	cut_segments(g, &keys);
	for (size_t i = 0; i < h->ops_count; i++) {
		for (size_t k = 0; k < h->ops[i].access_count; k++) {
			const size_t n = h->ops[i].access + k;
			const struct linear_access *a = &h->accesses[n];
			const uint32_t low = map_get(&keys, register_key(a->file, a->first)) - 1;

			g->low[n] = low;
			g->high[n] = low;
			if (a->count)
				g->high[n] = a->first == LINEAR_SIZE
						     ? low + 1
						     : map_get(&keys, end_key(a)) - 1;
			for (uint32_t s = low; a->write && s < g->high[n]; s++)
				g->segment[s].end++;
		}
	}
	for (size_t s = 0; s < g->segment_count; s++) {
		struct segment *segment = &g->segment[s];
		const uint32_t count = segment->end;

		segment->start = segment->end = segment->cursor = writes;
		writes += count;
	}
	g->write = arena_alloc(g->arena, (writes + 1) * sizeof(*g->write));
}

static uint32_t new_node(struct graph *g, uint32_t op)
{
	g->node = graph_grow(g->arena, g->node, g->node_count, &g->node_room, sizeof(*g->node));
	g->node[g->node_count] = (struct node){
		.inv = g->inv[op],
		.ret = g->ret[op],
		.out = NONE,
		.op = op,
	};
	return (uint32_t)g->node_count++;
}

uint32_t graph_split_node(struct graph *g, uint32_t op, uint32_t segment, uint32_t *next)
{
	struct segment *s = &g->segment[segment];

	if (s->split_op != op) {
		s->split_op = op;
		s->split_node = (*next)++;
	}
	return s->split_node;
}

static void add_write(struct graph *g, uint32_t segment, uint32_t node, uint64_t value)
{
	struct segment *s = &g->segment[segment];
	const struct node *n = &g->node[node];
	const uint32_t actor = g->actor[n->op];

	/* an operation that writes twice leaves what it wrote last */
	if (s->end > s->start && g->write[s->end - 1].node == node) {
		g->write[s->end - 1].value = value;
		return;
	}
	if (s->end > s->start && s->last_actor != actor && n->inv <= s->last_ret)
		s->overlap = true;
	if (s->last_ret < n->ret)
		s->last_ret = n->ret;
	s->last_actor = actor;
	g->write[s->end++] = (struct write){ .value = value, .node = node };
}

static void add_split(struct graph *g, uint32_t op)
{
	const struct linear_op *o = &g->h->ops[op];
	uint32_t next = g->node_first[op];

	for (size_t k = o->access; k < o->access + o->access_count; k++) {
		for (uint32_t s = g->low[k]; s < g->high[k]; s++) {
			const uint32_t node = graph_split_node(g, op, s, &next);

			while (g->node_count < next)
				new_node(g, op);
			if (g->h->accesses[k].write)
				add_write(g, s, node, g->h->accesses[k].value);
		}
	}
	if (next == g->node_first[op])
		new_node(g, op);
}

static void add_atomic(struct graph *g, uint32_t op)
{
	const struct linear_op *o = &g->h->ops[op];
	const uint32_t node = new_node(g, op);

	for (size_t k = o->access; k < o->access + o->access_count; k++) {
		for (uint32_t s = g->low[k]; g->h->accesses[k].write && s < g->high[k]; s++)
			add_write(g, s, node, g->h->accesses[k].value);
	}
}

/* Where writes overlap, a reader looks back for as long as one may still matter. */
static void find_overlaps(struct graph *g)
{
	for (size_t i = 0; i < g->segment_count; i++) {
		struct segment *s = &g->segment[i];
		uint64_t until = 0;

		s->split_op = NONE;
		if (!s->overlap)
			continue;
		if (!g->until)
			g->until = arena_alloc(g->arena, g->segment[g->segment_count - 1].end *
								 sizeof(*g->until));
		for (uint32_t w = s->start; w < s->end; w++) {
			if (until < g->node[g->write[w].node].ret)
				until = g->node[g->write[w].node].ret;
			g->until[w] = until;
		}
	}
}

/* One node between two operations of an actor whose times do not tell them apart. */
static void keep_program_order(struct graph *g, uint32_t op)
{
	const uint32_t previous = g->previous[op];
	uint32_t between;

	if (previous == NONE || g->ret[previous] < g->inv[op])
		return;
	between = new_node(g, op);
	g->node[between].op = NONE;
	g->node[between].inv = 0;
	g->node[between].ret = UINT64_MAX;
	for (uint32_t n = g->node_first[previous]; n < g->node_end[previous]; n++)
		graph_edge(g, (struct edge){ .from = n, .to = between, .why = WHY_PROGRAM });
	for (uint32_t n = g->node_first[op]; n < g->node_end[op]; n++)
		graph_edge(g, (struct edge){ .from = between, .to = n, .why = WHY_PROGRAM });
}

void graph_build(struct graph *g)
{
	const size_t ops = g->h->ops_count, accesses = accesses_end(g->h);

	g->inv = arena_alloc(g->arena, ops * sizeof(*g->inv));
	g->ret = arena_alloc(g->arena, ops * sizeof(*g->ret));
	g->actor = arena_alloc(g->arena, ops * sizeof(*g->actor));
	g->previous = arena_alloc(g->arena, ops * sizeof(*g->previous));
	g->node_first = arena_alloc(g->arena, ops * sizeof(*g->node_first));
	g->node_end = arena_alloc(g->arena, ops * sizeof(*g->node_end));
	g->low = arena_alloc(g->arena, accesses * sizeof(*g->low));
	g->high = arena_alloc(g->arena, accesses * sizeof(*g->high));
	g->node_room = ops + ROOM_MIN;
	g->node = arena_alloc(g->arena, g->node_room * sizeof(*g->node));
	narrow_times(g);
	sort_by_time(g);
	place_accesses(g);
	for (size_t i = 0; i < ops; i++) {
		const uint32_t op = g->order[i];

		g->node_first[op] = (uint32_t)g->node_count;
		if (g->h->ops[op].split)
			add_split(g, op);
		else
			add_atomic(g, op);
		g->node_end[op] = (uint32_t)g->node_count;
	}
	find_overlaps(g);
	for (size_t i = 0; i < ops; i++)
		keep_program_order(g, g->order[i]);
}
