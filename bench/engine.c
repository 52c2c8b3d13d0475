/* SPDX-License-Identifier: GPL-2.0-only */
/* Blocks, as many as there is time for. */
#include "engine.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "history.h"
#include "tool.h"

/** struct work - one suite on its way */
struct work {
	struct engine *e;
	const struct suite *s;
	struct history history;
	/* cells that cannot be measured */
	bool *skipped;
	size_t *order;
	uint64_t start_ns;
	unsigned int blocks;
};

static void collect(struct stand *stand, const struct measurement *m)
{
	struct work *w = stand->done_arg;

	history_add(&w->history, m);
}

static void skip(struct work *w, const struct cell *c, const char *reason)
{
	json_t *line = stand_cell_json(c);

	w->skipped[c - w->s->cell] = true;
	json_object_set_new(line, "suite", json_string(w->s->name));
	json_object_set_new(line, "verdict", json_string("skip"));
	json_object_set_new(line, "reason", json_string(reason));
	stand_line(w->e->stand, line);
}

/* Why a cell cannot be measured here, as far as that is known before; false if nothing is wrong. */
static bool unfit(struct work *w, const struct cell *c, char *why, size_t size)
{
	const struct stand *stand = w->e->stand;
	const char *program =
		c->method->program ? c->method->program : c->part->experiment->program;
	const char *text = NULL;

	if (c->part->dedicated && !stand->dedicated)
		text = "needs --dedicated";
	else if (program && !tool_there(program))
		text = "is not installed";
	else if (c->method->need >= 0 &&
		 probe_meets(stand->probe, c->method->need, false, NULL, &text))
		text = NULL;
	if (text)
		snprintf(why, size, "%s%s%s", program && !tool_there(program) ? program : "",
			 program && !tool_there(program) ? " " : "", text);
	return text != NULL;
}

static void show(const struct work *w, const struct cell *c, size_t done)
{
	FILE *to = w->e->progress;
	const uint64_t s = (clock_ns() - w->start_ns) / 1000000000;

	if (!to)
		return;
	if (isatty(fileno(to)))
		fprintf(to, "\r\033[K%s: block %u of %u, %zu%%, %llu s, %s", w->s->name,
			w->blocks + 1, w->s->blocks, done * 100 / w->s->cells,
			(unsigned long long)s, c->name);
	else if (!done)
		fprintf(to, "%s: block %u of %u, %llu s\n", w->s->name, w->blocks + 1, w->s->blocks,
			(unsigned long long)s);
	fflush(to);
}

static void run_block(struct work *w)
{
	struct stand *stand = w->e->stand;

	stand->block = w->blocks;
	suite_order(w->s, stand->seed, w->blocks, w->order);
	stand_quiet(stand);
	for (size_t i = 0; i < w->s->cells; i++) {
		const struct cell *c = &w->s->cell[w->order[i]];

		show(w, c, i);
		stand->order = (unsigned int)i;
		if (w->skipped[w->order[i]])
			continue;
		/* kworkers come and go */
		cost_threads(&stand->watch);
		if (!c->part->experiment->measure(stand, c))
			skip(w, c, stand->why);
	}
	stand_settle(stand);
	w->blocks++;
}

/* Another block only if it will end in time, to judge by the longest so far. */
static void run_blocks(struct work *w)
{
	const unsigned int limit_s = w->e->time_s ? w->e->time_s : w->s->time_s;
	const uint64_t limit = (uint64_t)limit_s * 1000000000;
	uint64_t longest = 0;

	while (w->blocks < w->s->blocks) {
		const uint64_t start = clock_ns();

		if (w->blocks && start - w->start_ns + longest > limit)
			break;
		run_block(w);
		if (clock_ns() - start > longest)
			longest = clock_ns() - start;
	}
	if (w->e->progress && isatty(fileno(w->e->progress)))
		fputs("\r\033[K", w->e->progress);
}

static void run_suite(struct engine *e, const struct suite *s)
{
	struct work w = { .e = e, .s = s, .start_ns = clock_ns() };
	size_t left = 0;
	char why[200];

	w.skipped = calloc(s->cells, sizeof(*w.skipped));
	w.order = calloc(s->cells, sizeof(*w.order));
	if (!w.skipped || !w.order)
		abort();
	e->stand->suite = s;
	e->stand->done = collect;
	e->stand->done_arg = &w;
	for (size_t i = 0; i < s->cells; i++) {
		if (unfit(&w, &s->cell[i], why, sizeof(why)))
			skip(&w, &s->cell[i], why);
		else
			left++;
	}
	if (left)
		run_blocks(&w);
	history_derive(&w.history, e->stand);
	if (e->human)
		history_table(&w.history, s, e->human);
	stand_drop_sources(e->stand);
	history_free(&w.history);
	free(w.skipped);
	free(w.order);
}

void engine_run(struct engine *e)
{
	stand_init(e->stand);
	for (size_t i = 0; i < e->suites; i++)
		run_suite(e, e->suite[i]);
	stand_free(e->stand);
}
