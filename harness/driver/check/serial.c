/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * serial: what a round left behind, and what its calls returned, is what they would have left and
 * returned in some order, one after the other. Each order that the times allow is tried on a copy
 * of the model.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../check.h"
#include "../must.h"
#include "../need.h"
#include "../race.h"

/* Orders of calls that are tried in a round; a case with more is too big to be judged. */
#define ORDERS_MAX 120
#define CALLS_MAX  16

/** struct place - a call: entry @entry of actor @actor */
struct place {
	size_t actor, entry;
};

/** struct search - the orders of one round */
struct search {
	struct world *w;
	/* how many calls of each actor are in the order already */
	size_t used[ACTORS_MAX];
	struct place order[CALLS_MAX];
	size_t calls, depth, orders;
	bool explained;
	/* why the orders tried do not fit */
	char why[700];
};

/** struct saved - what a trial changes */
struct saved {
	struct wfile *files;
	struct mfile *models;
	struct ofd *ofds;
	int *map_files;
	uint32_t next_origin;
};

static const struct trace_entry *entry_of(const struct search *s, const struct place *p)
{
	return &actors_trace(s->w->round->actors, p->actor)->entry[p->entry];
}

static const struct step *step_of(const struct search *s, const struct place *p)
{
	return &s->w->point->race->actors[p->actor].steps[entry_of(s, p)->step];
}

static void *copy_of(const void *rows, size_t count, size_t size)
{
	void *copy = must(calloc(count + 1, size));

	if (count)
		memcpy(copy, rows, count * size);
	return copy;
}

/* Keep all that a trial changes, and give every file a model of its own to be changed. */
static void save(struct world *w, struct saved *s)
{
	const struct point *p = w->point;

	s->files = copy_of(w->files, p->files_count, sizeof(*w->files));
	s->models = must(calloc(p->files_count + 1, sizeof(*s->models)));
	s->ofds = must(calloc(p->fds_count + 1, sizeof(*s->ofds)));
	s->map_files = must(calloc(p->maps_count + 1, sizeof(*s->map_files)));
	for (size_t i = 0; i < p->files_count; i++) {
		if (!w->files[i].model)
			continue;
		s->models[i] = *w->files[i].model;
		s->models[i].rope = (struct rope){ 0 };
		rope_copy(&s->models[i].rope, &w->files[i].model->rope);
		w->files[i].model = &s->models[i];
	}
	for (size_t i = 0; i < p->fds_count; i++)
		if (w->fds[i].ofd)
			s->ofds[i] = *w->fds[i].ofd;
	for (size_t i = 0; i < p->maps_count; i++)
		s->map_files[i] = w->maps[i].file;
	s->next_origin = w->model.next_origin;
}

static void put_back(struct world *w, struct saved *s)
{
	const struct point *p = w->point;

	for (size_t i = 0; i < p->files_count; i++)
		if (s->files[i].model)
			rope_free(&s->models[i].rope);
	memcpy(w->files, s->files, p->files_count * sizeof(*w->files));
	for (size_t i = 0; i < p->fds_count; i++)
		if (w->fds[i].ofd)
			*w->fds[i].ofd = s->ofds[i];
	for (size_t i = 0; i < p->maps_count; i++)
		w->maps[i].file = s->map_files[i];
	w->model.next_origin = s->next_origin;
	free(s->files);
	free(s->models);
	free(s->ofds);
	free(s->map_files);
}

static void apply(struct search *s, const struct place *p)
{
	const struct trace_entry *e = entry_of(s, p);
	const struct step *step = step_of(s, p);
	const bool refused = e->result.err || e->result.sig;

	s->w->step = step;
	if (step->op->apply && (!refused || step->op->apply_errors))
		step->op->apply(s->w, step->args, &e->result);
}

/* Add to the explanation: "in the order left; right: ..." */
static void explain(struct search *s, const char *tried)
{
	size_t at = strlen(s->why);

	at += (size_t)snprintf(s->why + at, sizeof(s->why) - at, "%sin the order ", at ? "; " : "");
	for (size_t i = 0; i < s->calls && at < sizeof(s->why); i++)
		at += (size_t)snprintf(s->why + at, sizeof(s->why) - at, "%s%s %s", i ? ", " : "",
				       s->w->point->race->actors[s->order[i].actor].name,
				       step_of(s, &s->order[i])->op->name);
	if (at < sizeof(s->why))
		snprintf(s->why + at, sizeof(s->why) - at, ": %s", tried);
}

static void try_order(struct search *s)
{
	struct world *w = s->w;
	const struct step *step = w->step;
	struct saved saved;
	const char *tried;

	s->orders++;
	save(w, &saved);
	world_try(w);
	for (size_t i = 0; i < s->calls; i++)
		apply(s, &s->order[i]);
	for (size_t i = 0; i < w->point->files_count && !world_stopped(w); i++)
		if (w->files[i].raced)
			world_read_back(w, &w->files[i], false);
	tried = world_tried(w);
	put_back(w, &saved);
	w->step = step;
	s->explained = !tried;
	if (tried)
		explain(s, tried);
}

/* May this actor's next call be the next of all? Not if one that is still to come had returned
 * before it began. */
static bool may_come(const struct search *s, size_t actor)
{
	const struct place p = { actor, s->used[actor] };
	const uint64_t inv = entry_of(s, &p)->inv;

	for (size_t i = 0; i < actors_count(s->w->round->actors); i++) {
		const struct place next = { i, s->used[i] };

		if (i != actor && next.entry < actors_trace(s->w->round->actors, i)->count &&
		    entry_of(s, &next)->ret < inv)
			return false;
	}
	return true;
}

static void search(struct search *s)
{
	if (s->depth == s->calls) {
		try_order(s);
		return;
	}
	for (size_t i = 0; i < actors_count(s->w->round->actors); i++) {
		if (s->explained || s->orders >= ORDERS_MAX)
			return;
		if (s->used[i] == actors_trace(s->w->round->actors, i)->count || !may_come(s, i))
			continue;
		s->order[s->depth++] = (struct place){ i, s->used[i]++ };
		search(s);
		s->used[i]--;
		s->depth--;
	}
}

static void serial_round(struct world *w)
{
	struct search s = { .w = w };

	for (size_t i = 0; i < actors_count(w->round->actors); i++)
		s.calls += actors_trace(w->round->actors, i)->count;
	if (s.calls > CALLS_MAX) {
		world_error(w, "serial: %zu calls in a round are too many, at most %d", s.calls,
			    CALLS_MAX);
		return;
	}
	search(&s);
	if (s.explained)
		return;
	if (s.orders == ORDERS_MAX)
		world_error(w, "serial: undecided after %d orders", ORDERS_MAX);
	else
		world_fail(w, "some order of the calls explains all", "%s", s.why);
}

const struct oracle oracle_serial = {
	.name = "serial",
	.doc = "of races: contents and results are those of some order of the calls, one by one",
	.need = -1,
	.round = serial_round,
	.races = true,
	.restore = true,
};
