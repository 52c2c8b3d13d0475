/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Why a history is illegal: the few operations that contradict each other, in words.
 *
 * A contradiction is one read that finds no write, or a way along edges from an instant back to
 * itself, or to one that must lie before it. The shortest such way is told. Times are those that
 * the other operations of the same actor leave, which are the recorded ones unless these overlap.
 */
#include "linear_internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define WAY_MAX	   64
#define STARTS_MAX 64
#define NAME_BYTES 160

/** struct way - edges that follow each other, to where it contradicts its start */
struct way {
	uint32_t edge[WAY_MAX];
	size_t count;
	/** @first, @last: its ends; the same node if it is a cycle */
	uint32_t first, last;
};

/** struct story - words that are being put together */
struct story {
	const struct graph *g;
	struct linear_result *out;
	size_t len;
	/** @zero: what times are relative to */
	uint64_t zero;
	/** @told: by blamed operation: its times were mentioned */
	bool told[LINEAR_BLAMED_MAX];
};

static void add(struct story *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(struct story *s, const char *fmt, ...)
{
	const size_t room = sizeof(s->out->why) - s->len;
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(s->out->why + s->len, room, fmt, args);
	va_end(args);
	if (len > 0)
		s->len += (size_t)len < room ? (size_t)len : room - 1;
}

static uint32_t op_of(const struct graph *g, uint32_t node)
{
	return g->node[node].op;
}

static bool initial(const struct graph *g, uint32_t op)
{
	return !g->ret[op];
}

/* Everybody is blamed before the first word, as times are relative to the earliest. */
static void blame(struct story *s, uint32_t op)
{
	struct linear_result *out = s->out;

	if (op == NONE || out->blamed_count == LINEAR_BLAMED_MAX)
		return;
	for (size_t i = 0; i < out->blamed_count; i++) {
		if (out->blamed[i] == op)
			return;
	}
	out->blamed[out->blamed_count++] = op;
	if (!initial(s->g, op) && (!s->zero || s->g->inv[op] < s->zero))
		s->zero = s->g->inv[op];
}

/* Signed: what is not blamed may lie before. */
static void add_time(struct story *s, uint64_t time)
{
	const bool before = time < s->zero;
	const uint64_t ns = before ? s->zero - time : time - s->zero;

	if (time == UINT64_MAX)
		add(s, "never");
	else
		add(s, "%s%" PRIu64 ".%03" PRIu64, before ? "-" : "", ns / 1000, ns % 1000);
}

static void add_name(struct story *s, uint32_t op)
{
	char name[NAME_BYTES] = "";

	if (s->g->h->name)
		s->g->h->name(s->g->h->context, op, name, sizeof(name));
	else
		snprintf(name, sizeof(name), "operation %" PRIu32, op);
	add(s, "%s", name);
}

/* The name, and when it is mentioned first the times. */
static void add_op(struct story *s, uint32_t op)
{
	add_name(s, op);
	for (size_t i = 0; i < s->out->blamed_count && !initial(s->g, op); i++) {
		if (s->out->blamed[i] != op || s->told[i])
			continue;
		s->told[i] = true;
		add(s, " [");
		add_time(s, s->g->inv[op]);
		add(s, "..");
		add_time(s, s->g->ret[op]);
		add(s, " us]");
	}
}

static void add_register(struct story *s, uint32_t segment)
{
	const struct segment *r = &s->g->segment[segment];

	if (r->first == LINEAR_SIZE)
		add(s, "the size of file %" PRIu32, r->file);
	else if (r->first == LINEAR_TIME)
		add(s, "the mtime of file %" PRIu32, r->file);
	else
		add(s, "sector %" PRIu32 " of file %" PRIu32, r->first, r->file);
}

static bool before(const struct graph *g, uint32_t write, uint32_t other)
{
	const struct node *a = &g->node[g->write[write].node];
	const struct node *b = &g->node[g->write[other].node];

	return a->ret < b->inv || (write < other && g->actor[a->op] == g->actor[b->op]);
}

/* A segment in which atomic @reader read what atomic @writer wrote; NONE: there is none. */
static uint32_t seen_elsewhere(const struct graph *g, uint32_t reader, uint32_t writer)
{
	const struct linear_op *r = &g->h->ops[reader], *w = &g->h->ops[writer];
	const struct linear_access *all = g->h->accesses;

	if (r->split || w->split)
		return NONE;
	for (size_t i = r->access; i < r->access + r->access_count; i++) {
		for (size_t k = w->access; k < w->access + w->access_count; k++) {
			if (!all[i].write && all[k].write && all[i].value == all[k].value &&
			    g->low[i] < g->high[k] && g->low[k] < g->high[i])
				return g->low[i] > g->low[k] ? g->low[i] : g->low[k];
		}
	}
	return NONE;
}

/* The write after @seen that was over before the read: best one that the reader saw elsewhere. */
static uint32_t find_missing(const struct graph *g, uint32_t seen)
{
	const struct segment *s = &g->segment[g->bad_segment];
	const struct node *r = &g->node[g->bad_node];
	uint32_t missing = NONE;

	for (uint32_t k = seen + 1; k < s->end; k++) {
		const struct node *w = &g->node[g->write[k].node];

		if (w->inv > r->ret)
			break;
		if (w == r || w->ret >= r->inv || !before(g, seen, k))
			continue;
		if (missing == NONE)
			missing = k;
		if (seen_elsewhere(g, r->op, w->op) != NONE)
			return k;
	}
	return missing;
}

static void tell_missing(struct story *s, uint32_t seen, uint32_t missing)
{
	const struct graph *g = s->g;
	const uint32_t reader = op_of(g, g->bad_node);
	const uint32_t late = op_of(g, g->write[missing].node);
	const uint32_t elsewhere = seen_elsewhere(g, reader, late);

	blame(s, reader);
	blame(s, late);
	add_op(s, reader);
	add(s, " saw ");
	if (elsewhere != NONE) {
		add_register(s, elsewhere);
		add(s, " as ");
		add_op(s, late);
		add(s, " left it, but ");
		add_register(s, g->bad_segment);
		add(s, " before it: a write was seen in part");
		return;
	}
	add_register(s, g->bad_segment);
	add(s, " as ");
	add_op(s, op_of(g, g->write[seen].node));
	add(s, " left it, before ");
	add_name(s, late);
	add(s, ", which had returned at ");
	add_time(s, g->ret[late]);
	add(s, " us: a completed write is missing");
}

static void tell_future(struct story *s, uint32_t seen)
{
	const struct graph *g = s->g;
	const uint32_t reader = op_of(g, g->bad_node), writer = op_of(g, g->write[seen].node);

	blame(s, reader);
	blame(s, writer);
	add_op(s, reader);
	add(s, " saw ");
	add_register(s, g->bad_segment);
	add(s, " as ");
	add_name(s, writer);
	add(s, " left it, which was called only at ");
	add_time(s, g->inv[writer]);
	add(s, " us: a write from the future");
}

/* A read that no write can have given. */
static void tell_read(struct story *s)
{
	const struct graph *g = s->g;
	const struct segment *r = &g->segment[g->bad_segment];
	uint32_t past = NONE, future = NONE;

	for (uint32_t k = r->start; k < r->end; k++) {
		if (g->write[k].value != g->bad_value || g->write[k].node == g->bad_node)
			continue;
		if (g->node[g->write[k].node].inv <= g->node[g->bad_node].ret)
			past = k;
		else if (future == NONE)
			future = k;
	}
	if (past != NONE && find_missing(g, past) != NONE) {
		tell_missing(s, past, find_missing(g, past));
		return;
	}
	if (future != NONE) {
		tell_future(s, future);
		return;
	}
	blame(s, op_of(g, g->bad_node));
	add_op(s, op_of(g, g->bad_node));
	add(s, " saw ");
	add_register(s, g->bad_segment);
	add(s, " as %#" PRIx64 ", a value that nobody wrote there", g->bad_value);
}

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
static bool find_shortest(struct graph *g, struct way *best)
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

static void blame_edge(struct story *s, const struct edge *e)
{
	blame(s, op_of(s->g, e->from));
	if (e->why == WHY_OVERWROTE)
		blame(s, op_of(s->g, e->reader));
	blame(s, op_of(s->g, e->to));
}

static void tell_edge(struct story *s, const struct edge *e)
{
	const uint32_t from = op_of(s->g, e->from), to = op_of(s->g, e->to);
	const bool missed = e->why == WHY_MISSED;
	uint32_t reader = missed ? from : to, writer = missed ? to : from;

	if (e->why == WHY_PROGRAM) {
		add_op(s, s->g->previous[to]);
		add(s, " came before ");
		add_op(s, to);
		add(s, ", which are one actor's");
		return;
	}
	if (e->why == WHY_OVERWROTE) {
		reader = op_of(s->g, e->reader);
		writer = to;
	}
	add_op(s, reader);
	add(s, " saw ");
	add_register(s, e->segment);
	add(s, missed ? " before " : " as ");
	add_op(s, writer);
	add(s, missed ? " wrote it" : " left it");
	if (e->why == WHY_OVERWROTE) {
		add(s, " after ");
		add_op(s, from);
		add(s, " had returned");
	}
}

/* Of one reader: the edge to it and the edge from it, if there is nothing else in the way than
 * program order. */
static bool one_reader(const struct graph *g, const struct way *way, const struct edge **saw,
		       const struct edge **missed)
{
	*saw = *missed = NULL;
	for (size_t i = 0; i < way->count; i++) {
		const struct edge *e = &g->edge[way->edge[i]];

		if (e->why == WHY_OVERWROTE || (e->why == WHY_READ && *saw) ||
		    (e->why == WHY_MISSED && *missed))
			return false;
		if (e->why == WHY_READ)
			*saw = e;
		else if (e->why == WHY_MISSED)
			*missed = e;
	}
	return *saw && *missed && (*saw)->to == (*missed)->from;
}

static void tell_one_reader(struct story *s, const struct edge *saw, const struct edge *missed)
{
	const struct graph *g = s->g;
	const uint32_t reader = op_of(g, saw->to);
	const uint32_t seen = op_of(g, saw->from), unseen = op_of(g, missed->to);

	add_op(s, reader);
	add(s, " saw ");
	if (seen == unseen) {
		add_register(s, saw->segment);
		add(s, " as ");
		add_op(s, seen);
		add(s, " left it, but ");
		add_register(s, missed->segment);
		add(s, " before it: a write was seen in part");
		return;
	}
	add_register(s, missed->segment);
	add(s, " before ");
	add_name(s, unseen);
	add(s, ", which had returned at ");
	add_time(s, g->ret[unseen]);
	add(s, " us, but ");
	add_register(s, saw->segment);
	add(s, " as ");
	add_name(s, seen);
	add(s, ", called at ");
	add_time(s, g->inv[seen]);
	add(s, " us, left it: %s",
	    g->actor[seen] == g->actor[unseen] ? "one writer's order is not kept"
					       : "the order of two writers is not kept");
}

/* Two operations that read, each what the other did not. */
static bool two_snapshots(const struct graph *g, const struct way *way)
{
	uint32_t reader[2] = { NONE, NONE };

	for (size_t i = 0; i < way->count; i++) {
		const struct edge *e = &g->edge[way->edge[i]];
		const uint32_t op = op_of(g, e->why == WHY_MISSED ? e->from : e->to);

		if (e->why == WHY_OVERWROTE)
			return false;
		if (e->why == WHY_PROGRAM || op == reader[0] || op == reader[1])
			continue;
		if (reader[1] != NONE)
			return false;
		reader[reader[0] != NONE] = op;
	}
	return reader[1] != NONE;
}

static void tell_way(struct story *s, const struct way *way)
{
	const struct graph *g = s->g;
	const uint32_t first = op_of(g, way->first), last = op_of(g, way->last);
	const struct edge *saw, *missed;
	size_t told = 0;

	blame(s, first);
	for (size_t i = 0; i < way->count; i++)
		blame_edge(s, &g->edge[way->edge[i]]);
	if (!way->count) {
		add_op(s, first);
		add(s, " has no time left between its call, its return and the other operations of "
		       "its actor");
		return;
	}
	if (one_reader(g, way, &saw, &missed)) {
		tell_one_reader(s, saw, missed);
		return;
	}
	for (size_t i = 0; i < way->count; i++) {
		const struct edge *e = &g->edge[way->edge[i]];

		/* of the two edges of program order, the second is told */
		if (op_of(g, e->to) == NONE)
			continue;
		add(s, "%s", told++ ? ", " : "");
		tell_edge(s, e);
	}
	if (way->first != way->last) {
		add(s, ", and ");
		add_name(s, last);
		add(s, " had returned at ");
		add_time(s, g->ret[last]);
		add(s, " us, before ");
		add_name(s, first);
		add(s, " was called at ");
		add_time(s, g->inv[first]);
		add(s, " us");
	}
	add(s, two_snapshots(g, way) ? ": two snapshots contradict each other"
				     : ": no order explains all of it");
}

/** struct read - a read that may be left out of account, to see whether it matters */
struct read {
	uint32_t access, op;
};

static bool still_illegal(const struct graph *g, const bool *ignored, uint64_t budget)
{
	struct graph *less = graph_new(g->h, ignored, budget);
	const bool illegal = graph_judge(less) == LINEAR_ILLEGAL;

	graph_free(less);
	return illegal;
}

/* Leaves out of account what reads it can, many at a time, then fewer. Returns how many remain. */
static size_t drop_reads(struct graph *g, struct read *read, size_t count, bool *ignored,
			 uint64_t budget)
{
	for (size_t step = count; step; step /= 2) {
		size_t kept = 0;

		for (size_t i = 0; i < count; i += step) {
			const size_t end = i + step < count ? i + step : count;
			bool needed;

			for (size_t k = i; k < end; k++)
				ignored[read[k].access] = true;
			needed = !still_illegal(g, ignored, budget);
			for (size_t k = i; needed && k < end; k++) {
				ignored[read[k].access] = false;
				read[kept++] = read[k];
			}
		}
		count = kept;
	}
	return count;
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

/* Whoever wrote that value there around that time. */
static void blame_writers(struct story *s, const struct read *read)
{
	const struct graph *g = s->g;
	const uint32_t low = g->low[read->access];

	for (uint32_t k = g->segment[low].start; k < g->segment[low].end; k++) {
		const struct node *w = &g->node[g->write[k].node];

		if (g->write[k].value == g->h->accesses[read->access].value &&
		    w->inv <= g->ret[read->op] && w->op != read->op)
			blame(s, w->op);
	}
}

/* Equal values leave a choice, and none of it works: say which reads cannot all be. */
static void tell_choice(struct story *s, struct graph *g, uint64_t budget)
{
	struct read *read;
	bool *ignored;
	size_t count = list_reads(g, &read, &ignored);

	count = drop_reads(g, read, count, ignored, budget);
	for (size_t i = 0; i < count; i++)
		blame(s, read[i].op);
	for (size_t i = 0; i < count; i++)
		blame_writers(s, &read[i]);
	for (size_t i = 0; i < count; i++) {
		add_op(s, read[i].op);
		add(s, " saw ");
		add_register(s, g->low[read[i].access]);
		add(s, " as %#" PRIx64 "%s", g->h->accesses[read[i].access].value,
		    i + 1 < count ? ", " : "");
	}
	add(s, ": whichever of the equal writes each saw, no order explains all of it");
}

void linear_explain(struct graph *g, uint64_t budget, struct linear_result *out)
{
	struct story s = { .g = g, .out = out };
	struct way way = { .count = 0 };

	if (g->fault == FAULT_READ) {
		tell_read(&s);
	} else if (g->fault == FAULT_CHOICE) {
		tell_choice(&s, g, budget);
	} else if (find_shortest(g, &way)) {
		tell_way(&s, &way);
	} else {
		add(&s, "more operations than can be told contradict each other");
	}
}
