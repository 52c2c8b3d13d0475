/* SPDX-License-Identifier: GPL-2.0-only */
/* A round as JSON: who called what, when, and what came of it. `cowbell history` shows it. */
#include "race.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "result.h"

/** struct moment - a call of the round */
struct moment {
	size_t actor;
	const struct trace_entry *entry;
};

static int by_time(const void *a, const void *b)
{
	const struct moment *x = a, *y = b;

	return x->entry->inv < y->entry->inv ? -1 : x->entry->inv > y->entry->inv;
}

/* "0..7 put 3 of writer, 8..15 zeroes" */
static json_t *runs_json(const struct world *w, const struct sector_run *runs, size_t count)
{
	json_t *row = json_array();
	char value[96];

	for (size_t i = 0; i < count; i++) {
		trace_value_text(w->point, runs[i].value, value, sizeof(value));
		json_array_append_new(row,
				      json_sprintf("%" PRIu32 "..%" PRIu32 " %s", runs[i].first,
						   runs[i].first + runs[i].count - 1, value));
	}
	return row;
}

static json_t *moment_json(struct world *w, const struct moment *m, uint64_t start)
{
	const struct actorspec *a = &w->point->race->actors[m->actor];
	const struct trace_entry *e = m->entry;
	const struct step *s = &a->steps[e->step];
	json_t *out = json_object();

	json_object_set_new(out, "actor", json_string(a->name));
	json_object_set_new(out, "call", json_string(args_text(w->arena, w->point, s)));
	json_object_set_new(out, "inv_ns", json_integer((json_int_t)(e->inv - start)));
	json_object_set_new(out, "ret_ns", json_integer((json_int_t)(e->ret - start)));
	json_object_set_new(out, "result", json_string(result_text(w, &e->result)));
	if (!strcmp(s->op->name, "put") && e->result.data) {
		const struct put_done *done = e->result.data;

		json_object_set_new(out, "put", json_integer(done->seq));
		/* a put that was refused has none */
		if (done->len)
			json_object_set_new(
				out, "sectors",
				json_sprintf("%" PRIu64 "..%" PRIu64, done->off / SECTOR_SIZE,
					     (done->off + done->len) / SECTOR_SIZE - 1));
	}
	if (!strcmp(s->op->name, "get") && e->result.data) {
		const struct glimpse *g = e->result.data;

		json_object_set_new(out, "size_bytes", json_integer((json_int_t)g->size));
		json_object_set_new(out, "saw", runs_json(w, g->runs, g->runs_count));
	}
	return out;
}

static json_t *files_json(const struct world *w, bool after)
{
	const struct round *r = w->round;
	json_t *out = json_object();

	for (size_t i = 0; i < r->files_count && r->stamps; i++) {
		const struct glimpse *g = after ? &r->file[i].after : &r->file[i].before;

		json_object_set_new(out, w->point->files[r->file[i].file].name,
				    json_pack("{s:I, s:o}", "size_bytes", (json_int_t)g->size,
					      "holds", runs_json(w, g->runs, g->runs_count)));
	}
	return out;
}

json_t *race_history(struct world *w)
{
	const struct round *r = w->round;
	size_t count = 0, at = 0;
	struct moment *all;
	json_t *calls = json_array();

	for (size_t i = 0; i < actors_count(r->actors); i++)
		count += actors_trace(r->actors, i)->count;
	all = arena_alloc(w->arena, (count + 1) * sizeof(*all));
	for (size_t i = 0; i < actors_count(r->actors); i++)
		for (size_t k = 0; k < actors_trace(r->actors, i)->count; k++)
			all[at++] = (struct moment){ i, &actors_trace(r->actors, i)->entry[k] };
	qsort(all, count, sizeof(*all), by_time);
	for (size_t i = 0; i < count; i++)
		json_array_append_new(calls, moment_json(w, &all[i], all[0].entry->inv));
	return json_pack("{s:I, s:o, s:o, s:o}", "round", (json_int_t)r->number, "before",
			 files_json(w, false), "calls", calls, "after", files_json(w, true));
}
