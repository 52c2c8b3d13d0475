/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * origin: whatever is found in a file was put there, or stood in a file that was copied into it.
 * Nobody promises that a copy shows one instant (linear), and a sector of it may be of two puts;
 * but every word is somebody's, and lies where that somebody wrote it or where a copy takes it.
 */
#include <inttypes.h>

#include "../check.h"
#include "../need.h"
#include "../race.h"

/* Ways from one file into another by which a round copies. */
#define WAYS_MAX 64

/** struct way - sectors of file @from lie in @file, moved by @by sectors */
struct way {
	int file, from;
	uint32_t by;
};

/** struct search - what is known of the round that is judged */
struct search {
	struct world *w;
	struct way way[WAYS_MAX];
	size_t ways_count;
};

static uint32_t shift_of(uint64_t value)
{
	return (uint32_t)value & 0xffffff;
}

static bool by_a_copy(const struct search *s, int file, uint64_t value)
{
	for (size_t i = 0; i < s->ways_count; i++)
		if (s->way[i].file == file && (uint32_t)s->way[i].from == value_file(value) &&
		    s->way[i].by == shift_of(value))
			return true;
	return false;
}

/* From an earlier round, whose copies may have been other ones. */
static bool there_before(const struct search *s, int file, uint64_t value)
{
	const struct round *r = s->w->round;

	for (size_t i = 0; i < r->files_count; i++) {
		const struct glimpse *g = &r->file[i].before;

		for (size_t k = 0; r->file[i].file == file && k < g->runs_count; k++)
			if (value_file(g->runs[k].value) == value_file(value) &&
			    shift_of(g->runs[k].value) == shift_of(value))
				return true;
	}
	return false;
}

static void judge_run(const struct search *s, int file, const struct sector_run *run)
{
	const char *name = s->w->point->files[file].name;
	char text[128];

	if (run->value & VALUE_FOREIGN) {
		world_fail(s->w, "every word is of a put, or zero",
			   "sector %" PRIu32 " of %s holds bytes that nobody put", run->first,
			   name);
		return;
	}
	if (!(run->value & VALUE_STAMPED) ||
	    (value_file(run->value) == (uint32_t)file && !shift_of(run->value)) ||
	    by_a_copy(s, file, run->value) || there_before(s, file, run->value))
		return;
	trace_value_text(s->w->point, run->value, text, sizeof(text));
	world_fail(s->w, "what was put there, or copied there", "sector %" PRIu32 " of %s holds %s",
		   run->first, name, text);
}

static void judge_glimpse(struct search *s, int file, const struct glimpse *g)
{
	for (size_t i = 0; i < g->runs_count && !world_stopped(s->w); i++) {
		s->w->checked.bytes += (uint64_t)g->runs[i].count * SECTOR_SIZE;
		judge_run(s, file, &g->runs[i]);
	}
}

static void note_way(struct search *s, const struct effect *e)
{
	if (e->kind == EFFECT_CLONE && s->ways_count < WAYS_MAX)
		s->way[s->ways_count++] = (struct way){
			.file = e->file,
			.from = e->from,
			.by = (uint32_t)((e->from_off - e->off) / SECTOR_SIZE) & 0xffffff,
		};
}

static void judge_seen(struct search *s, const struct effect *e)
{
	if (e->kind == EFFECT_SEEN)
		judge_glimpse(s, e->file, e->seen);
}

static void each_effect(struct search *s, void (*visit)(struct search *, const struct effect *))
{
	const struct round *r = s->w->round;
	static struct effect effects[EFFECTS_MAX];

	for (size_t i = 0; i < actors_count(r->actors); i++) {
		const struct trace *t = actors_trace(r->actors, i);

		for (size_t k = 0; k < t->count; k++) {
			const struct op_result *result = &t->entry[k].result;
			const struct step *step =
				&s->w->point->race->actors[i].steps[t->entry[k].step];
			size_t count = 0;

			if (step->op->effects && !result->err && !result->sig)
				count = step->op->effects(s->w, step->args, result, effects);
			for (size_t m = 0; m < count && !world_stopped(s->w); m++)
				visit(s, &effects[m]);
		}
	}
}

static void judge_round(struct world *w)
{
	struct search s = { .w = w };

	each_effect(&s, note_way);
	for (size_t i = 0; i < w->round->files_count; i++)
		judge_glimpse(&s, w->round->file[i].file, &w->round->file[i].after);
	each_effect(&s, judge_seen);
}

const struct oracle oracle_origin = {
	.name = "origin",
	.doc = "of races: every word that is read was put there or copied there, torn or not",
	.need = -1,
	.round = judge_round,
	.races = true,
	.stamps = true,
};
