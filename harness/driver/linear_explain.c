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

#define NAME_BYTES 160
/* how many values that a read may have seen are told one by one */
#define ALTERNATIVES_MAX 3

/** struct story - words that are being put together */
struct story {
	struct graph *g;
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
	const struct linear_history *h = s->g->h;
	const struct segment *r = &s->g->segment[segment];
	char file[64];

	if (h->name_file)
		h->name_file(h->context, r->file, file, sizeof(file));
	else
		snprintf(file, sizeof(file), "file %" PRIu32, r->file);
	if (r->first == LINEAR_SIZE)
		add(s, "the size of %s", file);
	else if (r->first == LINEAR_TIME)
		add(s, "the mtime of %s", file);
	else
		add(s, "sector %" PRIu32 " of %s", r->first, file);
}

static void add_value(struct story *s, uint64_t value)
{
	const struct linear_history *h = s->g->h;
	char text[96];

	if (h->name_value)
		h->name_value(h->context, value, text, sizeof(text));
	else
		snprintf(text, sizeof(text), "%#" PRIx64, value);
	add(s, "%s", text);
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
	add(s, " as ");
	add_value(s, g->bad_value);
	add(s, ", a value that nobody wrote there");
}

/* Who comes between others in program order is not to blame. */
static void blame_edge(struct story *s, const struct edge *e)
{
	if (e->why == WHY_PROGRAM)
		return;
	blame(s, op_of(s->g, e->from));
	if (e->why == WHY_OVERWROTE)
		blame(s, op_of(s->g, e->reader));
	blame(s, op_of(s->g, e->to));
}

static void tell_seen(struct story *s, const struct edge *e)
{
	const bool missed = e->why == WHY_MISSED;

	add_register(s, e->segment);
	add(s, missed ? " before " : " as ");
	add_op(s, op_of(s->g, e->why == WHY_READ ? e->from : e->to));
	add(s, missed ? " wrote it" : " left it");
	if (e->why == WHY_OVERWROTE) {
		add(s, " after ");
		add_op(s, op_of(s->g, e->from));
		add(s, " had returned");
	}
}

/* Who saw what the edge is about; NONE: nobody, it is program order. */
static uint32_t reader_of(const struct graph *g, const struct edge *e)
{
	if (e->why == WHY_PROGRAM)
		return NONE;
	if (e->why == WHY_OVERWROTE)
		return op_of(g, e->reader);
	return op_of(g, e->why == WHY_READ ? e->to : e->from);
}

/* All edges in turn; two of one reader in one go, and all of program order. */
static void tell_edges(struct story *s, const struct way *way)
{
	const struct graph *g = s->g;
	uint32_t last_reader = NONE, earlier = NONE;
	size_t start = 0, told = 0;

	/* a cycle can be told from anywhere: best from where something was seen */
	for (size_t i = way->first == way->last ? way->count : 0; i-- > 0;) {
		const enum why why = g->edge[way->edge[i]].why,
			       best = g->edge[way->edge[start]].why;

		if (why == WHY_READ || (why != WHY_PROGRAM && best != WHY_READ))
			start = i;
	}
	for (size_t i = 0; i < way->count; i++) {
		const struct edge *e = &g->edge[way->edge[(start + i) % way->count]];
		const struct edge *next = &g->edge[way->edge[(start + i + 1) % way->count]];
		const uint32_t reader = reader_of(g, e);

		if (reader == NONE && earlier == NONE)
			earlier = op_of(g, e->from);
		if (reader == NONE && next->why == WHY_PROGRAM)
			continue;
		if (told++ && reader == last_reader) {
			add(s, ", but ");
			tell_seen(s, e);
			continue;
		}
		add(s, "%s", told > 1 ? ", " : "");
		add_op(s, reader == NONE ? earlier : reader);
		if (reader == NONE) {
			add(s, " came before ");
			add_op(s, op_of(g, e->to));
			add(s, " of the same actor");
			earlier = NONE;
		} else {
			add(s, " saw ");
			tell_seen(s, e);
		}
		last_reader = reader;
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

/* The operation of the same actor that leaves no time to @op: the earlier one that was called so
 * late, or the later one that returned so early. */
static uint32_t find_narrowing(const struct graph *g, uint32_t op, bool earlier)
{
	for (uint32_t i = 0; i < g->h->ops_count; i++) {
		const struct linear_op *o = &g->h->ops[i];

		if (g->actor[i] == g->actor[op] && (earlier ? i <= op : i >= op) &&
		    (earlier ? o->inv + 1 == g->inv[op] : o->ret + 1 == g->ret[op]))
			return i;
	}
	return op;
}

static void tell_no_time(struct story *s, uint32_t op)
{
	const struct linear_op *ops = s->g->h->ops;
	const uint32_t early = find_narrowing(s->g, op, true);
	const uint32_t late = find_narrowing(s->g, op, false);

	blame(s, early);
	blame(s, late);
	s->zero = 1 + (ops[early].inv < ops[late].inv ? ops[early].inv : ops[late].inv);
	add_name(s, early);
	add(s, " was called at ");
	add_time(s, s->g->inv[op]);
	add(s, " us, but ");
	add_name(s, late);
	add(s, ", which came after it, had returned at ");
	add_time(s, s->g->ret[op]);
	add(s, " us: these times cannot be");
}

static void blame_way(struct story *s, const struct way *way)
{
	for (size_t i = 0; i < way->count; i++)
		blame_edge(s, &s->g->edge[way->edge[i]]);
}

static void tell_way(struct story *s, const struct way *way)
{
	const struct graph *g = s->g;
	const uint32_t first = op_of(g, way->first), last = op_of(g, way->last);
	const struct edge *saw, *missed;

	if (!way->count) {
		tell_no_time(s, first);
		return;
	}
	blame_way(s, way);
	if (one_reader(g, way, &saw, &missed)) {
		tell_one_reader(s, saw, missed);
		return;
	}
	tell_edges(s, way);
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

/* What is wrong if this one of equal values was seen. */
static bool find_alternative(struct graph *g, const struct choice *c, uint32_t k, struct way *way)
{
	graph_untake(g, g->sure_edges);
	graph_take(g, c, g->candidate[c->candidate + k]);
	return !graph_propagate(g) && graph_find_way(g, way);
}

/* One read, and for each write that it may have seen what is wrong then. */
static bool tell_alternatives(struct story *s)
{
	struct graph *g = s->g;
	const struct choice *c = &g->choice[g->bad_choice];
	struct way way = { .count = 0 };

	if (g->bad_choice == NONE || c->all > ALTERNATIVES_MAX)
		return false;
	g->searching = false;
	for (uint32_t k = 0; k < c->all; k++) {
		if (!find_alternative(g, c, k, &way))
			return false;
	}
	blame(s, op_of(g, c->node));
	for (uint32_t k = 0; k < c->all; k++) {
		if (find_alternative(g, c, k, &way))
			blame_way(s, &way);
	}
	for (uint32_t k = 0; k < c->all; k++) {
		const uint32_t write = g->candidate[c->candidate + k].first;

		if (!find_alternative(g, c, k, &way))
			continue;
		add(s, k ? "; if it saw " : "if ");
		if (!k) {
			add_op(s, op_of(g, c->node));
			add(s, " saw ");
		}
		add_register(s, c->segment);
		add(s, " as ");
		add_op(s, op_of(g, g->write[write].node));
		add(s, " left it, then ");
		tell_way(s, &way);
	}
	return true;
}

/* What a read may have seen, where that is open; NULL: it is not. */
static const struct choice *find_choice(const struct graph *g, const struct read *read)
{
	for (size_t i = 0; i < g->choice_count; i++) {
		if (g->choice[i].access == read->access)
			return &g->choice[i];
	}
	return NULL;
}

/* Blames those that may have been seen, or names them. */
static void tell_writers(struct story *s, const struct choice *c, bool aloud)
{
	for (uint32_t k = 0; k < c->all; k++) {
		const struct candidate *seen = &s->g->candidate[c->candidate + k];
		const uint32_t op = op_of(s->g, s->g->write[seen->first].node);

		if (aloud) {
			add(s, k ? " or " : " from ");
			add_op(s, op);
		} else {
			blame(s, op);
		}
	}
}

/* Equal values leave a choice, and none of it works: say which reads cannot all be. */
static void tell_reads(struct story *s, const struct read *read, size_t count)
{
	for (size_t i = 0; i < count; i++)
		blame(s, read[i].op);
	for (size_t i = 0; i < count; i++) {
		if (find_choice(s->g, &read[i]))
			tell_writers(s, find_choice(s->g, &read[i]), false);
	}
	for (size_t i = 0; i < count; i++) {
		const struct choice *c = find_choice(s->g, &read[i]);

		if (!i || read[i].op != read[i - 1].op) {
			add(s, "%s", i ? ", " : "");
			add_op(s, read[i].op);
			add(s, " saw ");
		} else {
			add(s, ", and ");
		}
		add_register(s, c ? c->segment : s->g->low[read[i].access]);
		add(s, " as %#" PRIx64, s->g->h->accesses[read[i].access].value);
		if (c)
			tell_writers(s, c, true);
	}
	add(s, ": whichever each saw, no order explains all of it");
}

static void tell_choice(struct story *s, uint64_t budget)
{
	struct graph *all = s->g;
	struct read *read;
	bool *ignored;
	const size_t count = graph_drop_reads(all, budget, &read, &ignored);

	s->g = graph_new(all->h, ignored, budget);
	graph_judge(s->g);
	if (!tell_alternatives(s))
		tell_reads(s, read, count);
	graph_free(s->g);
	s->g = all;
}

void linear_explain(struct graph *g, uint64_t budget, struct linear_result *out)
{
	struct story s = { .g = g, .out = out };
	struct way way = { .count = 0 };

	if (g->fault == FAULT_READ)
		tell_read(&s);
	else if (g->fault == FAULT_CHOICE)
		tell_choice(&s, budget);
	else if (graph_find_way(g, &way))
		tell_way(&s, &way);
	else
		add(&s, "more operations than can be told contradict each other");
}
