/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The smallest contradiction in an illegal history: the shortest way along edges to where it
 * cannot lead, and the few reads without which there would be none.
 */
#include "linear_internal.h"

/* from how many of the instants that come too late a way is looked for */
#define STARTS_MAX 64

/** struct back - edges by where they arrive */
struct back {
	const struct graph *g;
	uint32_t *in, *next;
	/** @through: by node: the edge by which it was found, while going back */
	uint32_t *through, *queue;
};

static struct back turn_around(struct graph *g)
{
	struct back b = {
		.g = g,
		.in = arena_alloc(g->arena, g->node_count * sizeof(*b.in)),
		.next = arena_alloc(g->arena, g->edge_count * sizeof(*b.next)),
		.through = arena_alloc(g->arena, g->node_count * sizeof(*b.through)),
		.queue = arena_alloc(g->arena, (g->node_count + 1) * sizeof(*b.queue)),
	};

	for (size_t i = 0; i < g->node_count; i++)
		b.in[i] = b.through[i] = NONE;
	for (uint32_t e = 0; e < g->edge_count; e++) {
		b.next[e] = b.in[g->edge[e].to];
		b.in[g->edge[e].to] = e;
	}
	return b;
}

/* The shortest way that ends in @last and contradicts its start; false: there is none, or it is
 * too long to be told. */
static bool find_way(struct back *b, uint32_t last, struct way *way)
{
	const struct graph *g = b->g;
	size_t head = 0, tail = 0;
	uint32_t first = NONE;

	*way = (struct way){ .first = last, .last = last };
	if (g->node[last].inv > g->node[last].ret)
		return true;
	b->queue[tail++] = last;
	while (head < tail && first == NONE) {
		for (uint32_t e = b->in [b->queue[head++]]; e != NONE; e = b->next[e]) {
			const uint32_t from = g->edge[e].from;

			if (b->through[from] != NONE)
				continue;
			b->through[from] = e;
			b->queue[tail++] = from;
			if (from == last || g->node[from].inv > g->node[last].ret) {
				first = from;
				break;
			}
		}
	}
	for (uint32_t n = first; n != NONE && way->count < WAY_MAX;) {
		way->edge[way->count] = b->through[n];
		n = g->edge[way->edge[way->count++]].to;
		if (n == last)
			break;
	}
	for (size_t i = 0; i < tail; i++)
		b->through[b->queue[i]] = NONE;
	b->through[last] = NONE;
	way->first = first;
	return first != NONE && g->edge[way->edge[way->count - 1]].to == last;
}

/* A node on a cycle: from one that was never reached, back along others of those. */
static uint32_t find_cycle(struct back *b)
{
	const struct graph *g = b->g;
	uint32_t at = 0;

	while (at < g->node_count && !g->node[at].in)
		at++;
	for (size_t i = 0; at < g->node_count && i < g->node_count; i++) {
		uint32_t e = b->in[at];

		while (!g->node[g->edge[e].from].in)
			e = b->next[e];
		at = g->edge[e].from;
	}
	return at;
}

/* The shortest of the first few contradictions; graph_propagate() has left its marks. */
bool graph_find_way(struct graph *g, struct way *best)
{
	struct back b = turn_around(g);
	const uint32_t on_cycle = find_cycle(&b);
	size_t tried = 0;
	struct way way = { .count = 0 };
	bool found = false;

	for (uint32_t n = 0; n < g->node_count && tried < STARTS_MAX; n++) {
		if (g->node[n].earliest <= g->node[n].ret)
			continue;
		tried++;
		if (find_way(&b, n, &way) && (!found || way.count < best->count)) {
			*best = way;
			found = true;
		}
	}
	if (on_cycle < g->node_count && find_way(&b, on_cycle, &way) &&
	    (!found || way.count < best->count)) {
		*best = way;
		found = true;
	}
	return found;
}

static size_t list_reads(struct graph *g, struct read **read, bool **ignored)
{
	const struct linear_history *h = g->h;
	size_t accesses = 0, count = 0;

	for (uint32_t op = 0; op < h->ops_count; op++) {
		count += h->ops[op].access_count;
		if (accesses < h->ops[op].access + h->ops[op].access_count)
			accesses = h->ops[op].access + h->ops[op].access_count;
	}
	*ignored = arena_alloc(g->arena, accesses * sizeof(**ignored));
	*read = arena_alloc(g->arena, count * sizeof(**read));
	count = 0;
	for (uint32_t op = 0; op < h->ops_count; op++) {
		for (size_t k = h->ops[op].access; k < h->ops[op].access + h->ops[op].access_count;
		     k++) {
			if (!h->accesses[k].write)
				(*read)[count++] = (struct read){ .access = (uint32_t)k, .op = op };
		}
	}
	return count;
}

static bool still_illegal(const struct graph *g, const bool *ignored, uint64_t budget)
{
	struct graph *less = graph_new(g->h, ignored, budget);
	const bool illegal = graph_judge(less) == LINEAR_ILLEGAL;

	graph_free(less);
	return illegal;
}

size_t graph_drop_reads(struct graph *g, uint64_t budget, struct read **read, bool **ignored)
{
	size_t count = list_reads(g, read, ignored);

	/* many at a time, then fewer */
	for (size_t step = count; step; step /= 2) {
		size_t kept = 0;

		for (size_t i = 0; i < count; i += step) {
			const size_t end = i + step < count ? i + step : count;
			bool needed;

			for (size_t k = i; k < end; k++)
				(*ignored)[(*read)[k].access] = true;
			needed = !still_illegal(g, *ignored, budget);
			for (size_t k = i; needed && k < end; k++) {
				(*ignored)[(*read)[k].access] = false;
				(*read)[kept++] = (*read)[k];
			}
		}
		count = kept;
	}
	return count;
}
