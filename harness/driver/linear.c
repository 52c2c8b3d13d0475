/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The second half of the snapshot oracle: what was read becomes edges between instants, and the
 * graph is searched for a contradiction.
 *
 * To see a value is to come after a write of it and before the next write. Those edges, and the
 * times of each operation, are all there is: there is an instant for each if the edges have no
 * cycle and nobody's earliest time, found along them, is later than its return. An edge between
 * operations that do not overlap says what their times say already, and is left out; so there are
 * few. Where equal values leave a choice, each is tried, within the budget.
 */
#include "linear_internal.h"

#include <string.h>

/* how many neighbours of a write among overlapping writers are looked at */
#define NEIGHBOURS 64

static const struct node *writer(const struct graph *g, uint32_t write)
{
	return &g->node[g->write[write].node];
}

static bool spend(struct graph *g)
{
	if (!g->budget)
		return false;
	g->budget--;
	return true;
}

static void save(struct graph *g, uint32_t node)
{
	const struct node *n = &g->node[node];

	g->trail =
		graph_grow(g->arena, g->trail, g->trail_count, &g->trail_room, sizeof(*g->trail));
	g->trail[g->trail_count++] =
		(struct trail){ .earliest = n->earliest, .level = n->level, .node = node };
}

/* Moves @to behind @from. Returns whether it had to move. */
static bool push_behind(struct graph *g, const struct node *from, uint32_t to)
{
	struct node *n = &g->node[to];

	if (n->earliest > from->earliest ||
	    (n->earliest == from->earliest && n->level > from->level))
		return false;
	if (g->searching)
		save(g, to);
	n->earliest = from->earliest;
	n->level = from->level + 1;
	return true;
}

/*
 * Brings the labels up to date with one new edge. Before, each edge led to a later label; a cycle
 * must go through the new edge, so it comes back to where that starts.
 */
static bool settle(struct graph *g, uint32_t from, uint32_t to)
{
	size_t head = 0, tail = 0;

	if (!push_behind(g, &g->node[from], to))
		return true;
	g->queue = graph_grow(g->arena, g->queue, tail, &g->queue_room, sizeof(*g->queue));
	g->queue[tail++] = to;
	while (head < tail) {
		const struct node *n = &g->node[g->queue[head++]];

		if (n->earliest > n->ret || n == &g->node[from] || !spend(g))
			return false;
		for (uint32_t e = n->out; e != NONE; e = g->edge[e].next) {
			if (!push_behind(g, n, g->edge[e].to))
				continue;
			g->queue = graph_grow(g->arena, g->queue, tail, &g->queue_room,
					      sizeof(*g->queue));
			g->queue[tail++] = g->edge[e].to;
		}
	}
	return true;
}

bool graph_edge(struct graph *g, struct edge edge)
{
	struct node *from = &g->node[edge.from];

	if (from->ret < g->node[edge.to].inv || edge.from == edge.to)
		return true;
	/* a write of many segments is seen in many; once will do */
	if (from->out != NONE && g->edge[from->out].to == edge.to)
		return true;
	g->edge = graph_grow(g->arena, g->edge, g->edge_count, &g->edge_room, sizeof(*g->edge));
	edge.next = from->out;
	from->out = (uint32_t)g->edge_count;
	g->edge[g->edge_count++] = edge;
	return !g->searching || settle(g, edge.from, edge.to);
}

static bool same_actor(const struct graph *g, uint32_t write, uint32_t other)
{
	return g->actor[writer(g, write)->op] == g->actor[writer(g, other)->op];
}

/*
 * Among writes that overlap: those known to be after the one seen come after the read, and those
 * known to be before the read come before the one seen.
 */
static bool take_overlapping(struct graph *g, uint32_t reader, uint32_t segment, uint32_t seen)
{
	const struct segment *s = &g->segment[segment];
	const struct node *r = &g->node[reader], *w = writer(g, seen);
	struct edge missed = { .from = reader, .segment = segment, .why = WHY_MISSED };
	struct edge overwrote = { .to = g->write[seen].node,
				  .reader = reader,
				  .segment = segment,
				  .why = WHY_OVERWROTE };

	for (uint32_t k = seen + 1; k < s->end && writer(g, k)->inv <= r->ret; k++) {
		missed.to = overwrote.from = g->write[k].node;
		if (missed.to == reader)
			continue;
		if (writer(g, k)->inv > w->ret || same_actor(g, k, seen)) {
			if (!graph_edge(g, missed))
				return false;
		} else if (writer(g, k)->ret < r->inv && !graph_edge(g, overwrote)) {
			return false;
		}
	}
	for (uint32_t k = seen; k-- > s->start && seen - k <= NEIGHBOURS;) {
		overwrote.from = g->write[k].node;
		if (overwrote.from == reader || writer(g, k)->ret >= r->inv)
			continue;
		if (!graph_edge(g, overwrote))
			return false;
		if (g->until[k] < w->inv)
			break;
	}
	return true;
}

bool graph_take(struct graph *g, const struct choice *c, struct candidate seen)
{
	const struct segment *s = &g->segment[c->segment];
	struct edge edge = { .from = g->write[seen.first].node,
			     .to = c->node,
			     .segment = c->segment,
			     .why = WHY_READ };

	if (!graph_edge(g, edge))
		return false;
	if (s->overlap)
		return take_overlapping(g, c->node, c->segment, seen.first);
	if (seen.last + 1 == s->end)
		return true;
	edge.from = c->node;
	edge.to = g->write[seen.last + 1].node;
	edge.why = WHY_MISSED;
	return graph_edge(g, edge);
}

void graph_untake(struct graph *g, size_t edges)
{
	while (g->edge_count > edges) {
		const struct edge *e = &g->edge[--g->edge_count];

		g->node[e->from].out = e->next;
	}
}

static void add_candidate(struct graph *g, uint32_t first, uint32_t last)
{
	g->candidate = graph_grow(g->arena, g->candidate, g->candidate_count, &g->candidate_room,
				  sizeof(*g->candidate));
	g->candidate[g->candidate_count++] = (struct candidate){ .first = first, .last = last };
}

/* One write after the other: from the last that was over before the read, to the last that began
 * before its end. */
static void find_candidates(struct graph *g, struct segment *s, uint32_t reader, uint64_t value)
{
	const struct node *r = &g->node[reader];

	while (s->cursor + 1 < s->end && writer(g, s->cursor + 1)->ret < r->inv)
		s->cursor++;
	for (uint32_t i = s->cursor; i < s->end && writer(g, i)->inv <= r->ret; i++) {
		const uint32_t first = i;

		if (g->write[i].value != value || g->write[i].node == reader)
			continue;
		while (i + 1 < s->end && g->write[i + 1].value == value &&
		       g->write[i + 1].node != reader && writer(g, i + 1)->inv <= r->ret)
			i++;
		add_candidate(g, first, i);
	}
}

/* Overlapping writes: all that began before the read's end, but for those that were surely
 * overwritten before its start. */
static void find_overlapping(struct graph *g, struct segment *s, uint32_t reader, uint64_t value)
{
	const struct node *r = &g->node[reader];
	uint64_t newest = 0;
	uint32_t i;

	while (s->cursor < s->end && writer(g, s->cursor)->inv <= r->inv)
		s->cursor++;
	for (i = s->cursor; i < s->end && writer(g, i)->inv <= r->ret;)
		i++;
	while (i-- > s->start && g->until[i] >= newest) {
		const struct node *w = writer(g, i);

		if (w == r)
			continue;
		if (g->write[i].value == value && w->ret >= newest)
			add_candidate(g, i, i);
		if (!newest && w->ret < r->inv)
			newest = w->inv;
	}
}

static bool judge_read(struct graph *g, uint32_t access, uint32_t segment, uint32_t reader)
{
	const uint64_t value = g->h->accesses[access].value;
	struct choice c = { .node = reader,
			    .segment = segment,
			    .access = access,
			    .candidate = (uint32_t)g->candidate_count };

	if (g->segment[segment].overlap)
		find_overlapping(g, &g->segment[segment], reader, value);
	else
		find_candidates(g, &g->segment[segment], reader, value);
	c.count = c.all = (uint32_t)g->candidate_count - c.candidate;
	if (!c.count) {
		g->fault = FAULT_READ;
		g->bad_node = reader;
		g->bad_segment = segment;
		g->bad_value = value;
		return false;
	}
	if (c.count == 1) {
		g->candidate_count--;
		return graph_take(g, &c, g->candidate[c.candidate]);
	}
	g->choice = graph_grow(g->arena, g->choice, g->choice_count, &g->choice_room,
			       sizeof(*g->choice));
	g->choice[g->choice_count++] = c;
	return true;
}

static bool judge_op(struct graph *g, uint32_t op)
{
	const struct linear_op *o = &g->h->ops[op];
	uint32_t next = g->node_first[op];

	for (size_t k = o->access; k < o->access + o->access_count; k++) {
		const struct linear_access *a = &g->h->accesses[k];
		const bool judged = !a->write && !(g->ignored && g->ignored[k]);

		if (judged)
			g->reads += a->count;
		if (!judged && !o->split)
			continue;
		for (uint32_t s = g->low[k]; s < g->high[k]; s++) {
			const uint32_t node =
				o->split ? graph_split_node(g, op, s, &next) : g->node_first[op];

			if (judged && !judge_read(g, (uint32_t)k, s, node))
				return false;
		}
	}
	return true;
}

static void count_arrivals(struct graph *g)
{
	for (size_t i = 0; i < g->node_count; i++) {
		g->node[i].in = 0;
		g->node[i].level = 0;
		g->node[i].earliest = g->node[i].inv;
	}
	for (size_t i = 0; i < g->edge_count; i++)
		g->node[g->edge[i].to].in++;
}

bool graph_propagate(struct graph *g)
{
	uint32_t *queue = arena_alloc(g->arena, g->node_count * sizeof(*queue));
	size_t head = 0, tail = 0;
	bool good = true;

	count_arrivals(g);
	for (uint32_t i = 0; i < g->node_count; i++) {
		if (!g->node[i].in)
			queue[tail++] = i;
	}
	while (head < tail) {
		const struct node *n = &g->node[queue[head++]];

		if (n->earliest > n->ret)
			good = false;
		for (uint32_t e = n->out; e != NONE; e = g->edge[e].next) {
			push_behind(g, n, g->edge[e].to);
			if (!--g->node[g->edge[e].to].in)
				queue[tail++] = g->edge[e].to;
		}
	}
	/* what is left is on a cycle, or behind one */
	return good && tail == g->node_count;
}

/* Back to before a trial. */
static void back(struct graph *g, size_t edges, size_t trail)
{
	graph_untake(g, edges);
	while (g->trail_count > trail) {
		const struct trail *t = &g->trail[--g->trail_count];

		g->node[t->node].earliest = t->earliest;
		g->node[t->node].level = t->level;
	}
}

/*
 * Leaves only the candidates that are possible as far as is known; where one is left, that is
 * known from then on. Returns false for a read without any; *changed: more is known than before.
 */
static bool drop_candidates(struct graph *g, bool *changed)
{
	size_t kept = 0;

	for (size_t i = 0; i < g->choice_count; i++) {
		struct choice *c = &g->choice[i];
		uint32_t possible = 0;

		for (uint32_t k = 0; k < c->count && g->budget; k++) {
			const struct candidate seen = g->candidate[c->candidate + k];
			const size_t edges = g->edge_count, trail = g->trail_count;

			if (graph_take(g, c, seen) || !g->budget) {
				g->candidate[c->candidate + k] =
					g->candidate[c->candidate + possible];
				g->candidate[c->candidate + possible++] = seen;
			}
			back(g, edges, trail);
		}
		if (!g->budget) {
			*changed = false;
			return true;
		}
		if (!possible) {
			g->fault = FAULT_CHOICE;
			g->bad_choice = (uint32_t)i;
			return false;
		}
		*changed |= possible < c->count;
		c->count = possible;
		if (possible > 1)
			g->choice[kept++] = *c;
		else if (!graph_take(g, c, g->candidate[c->candidate]))
			return true;
	}
	g->choice_count = kept;
	return true;
}

static enum linear_verdict search(struct graph *g)
{
	size_t depth = 0;

	for (size_t i = 0; i < g->choice_count; i++)
		g->choice[i].now = 0;
	while (depth < g->choice_count) {
		struct choice *c = &g->choice[depth];

		if (c->now == c->count) {
			c->now = 0;
			if (!depth--) {
				g->fault = FAULT_CHOICE;
				g->bad_choice = NONE;
				return LINEAR_ILLEGAL;
			}
			c = &g->choice[depth];
			back(g, c->edge_mark, c->trail_mark);
			c->now++;
			continue;
		}
		c->edge_mark = (uint32_t)g->edge_count;
		c->trail_mark = (uint32_t)g->trail_count;
		if (graph_take(g, c, g->candidate[c->candidate + c->now])) {
			depth++;
			continue;
		}
		if (!g->budget)
			return LINEAR_UNKNOWN;
		back(g, c->edge_mark, c->trail_mark);
		c->now++;
	}
	return LINEAR_LEGAL;
}

enum linear_verdict graph_judge(struct graph *g)
{
	bool changed = true;

	graph_build(g);
	for (size_t i = 0; i < g->h->ops_count; i++) {
		if (!judge_op(g, g->order[i]))
			return LINEAR_ILLEGAL;
	}
	if (!graph_propagate(g)) {
		g->fault = FAULT_ORDER;
		return LINEAR_ILLEGAL;
	}
	g->sure_edges = g->edge_count;
	g->searching = true;
	while (changed && g->choice_count) {
		changed = false;
		if (!drop_candidates(g, &changed))
			return LINEAR_ILLEGAL;
	}
	if (!g->choice_count)
		return LINEAR_LEGAL;
	return g->budget ? search(g) : LINEAR_UNKNOWN;
}

struct graph *graph_new(const struct linear_history *h, const bool *ignored, uint64_t budget)
{
	struct arena *arena = arena_new();
	struct graph *g = arena_alloc(arena, sizeof(*g));

	g->arena = arena;
	g->h = h;
	g->ignored = ignored;
	g->budget = budget;
	return g;
}

void graph_free(struct graph *g)
{
	arena_free(g->arena);
}

void linear_check(const struct linear_history *h, uint64_t budget, struct linear_result *out)
{
	struct graph *g = graph_new(h, NULL, budget);

	memset(out, 0, sizeof(*out));
	out->verdict = graph_judge(g);
	out->reads = g->reads;
	if (out->verdict == LINEAR_ILLEGAL)
		linear_explain(g, budget, out);
	graph_free(g);
}
