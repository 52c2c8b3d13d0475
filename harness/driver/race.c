/* SPDX-License-Identifier: GPL-2.0-only */
#include "race.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "args.h"
#include "check.h"
#include "clock.h"
#include "mix.h"
#include "race_files.h"
#include "result.h"

#define MS UINT64_C(1000000)
/* Rounds in which each actor is alone, to see how long it takes; with a budget of less than
 * SOLO_BUDGET they would be most of all, and one must do. */
#define SOLO_ROUNDS 3
#define SOLO_BUDGET 0.1
/* Fewer rounds say little, however long they take; a smaller budget does with less. */
#define ROUNDS_MIN   8
#define ROUNDS_LEAST 2
/* So many are enough, whatever part of the rounds they are. */
#define OVERLAPS_PLENTY 10
/* If too few rounds overlap, as on a busy machine, go on for so long and so many rounds, but not
 * for longer than the last. */
#define PATIENCE_NS	 (UINT64_C(10) * 1000 * MS)
#define PATIENCE_ROUNDS	 200
#define PATIENCE_LAST_NS (UINT64_C(40) * 1000 * MS)

/** struct timing - how long the actors take for their steps, measured without the others */
struct timing {
	uint64_t ns[ACTORS_MAX];
};

static const struct actorspec *spec_of(const struct world *w, size_t actor)
{
	return &w->point->race->actors[actor];
}

/* The steps that put things in order before each round. They must work. */
static void run_before(struct world *w)
{
	const struct race *race = w->point->race;

	for (size_t i = 0; i < race->before_count && !world_stopped(w); i++) {
		const struct step *s = &race->before[i];
		struct op_result r = { 0 };

		w->step = s;
		s->op->run(w, s->args, &r);
		if (r.harness || !result_allowed(&s->expect, &r))
			world_error(w, "before round %" PRIu64 ": %s: %s", w->round->number,
				    args_text(w->arena, w->point, s),
				    r.harness ? strerror(r.harness) : result_text(w, &r));
	}
}

/* A filesystem that ran full is no finding of a race, unless the case expects it. */
static bool ran_full(const struct op_result *r)
{
	return r->err == ENOSPC || r->err == EDQUOT || r->harness == ENOSPC;
}

/* The steps that settle what a round has done, before it is looked at. That they do not work is a
 * finding: the filesystem has lost what it had taken. */
static void run_then(struct world *w)
{
	const struct race *race = w->point->race;

	for (size_t i = 0; i < race->then_count && !world_stopped(w); i++) {
		const struct step *s = &race->then[i];
		const char *text = args_text(w->arena, w->point, s);
		struct op_result r = { 0 };

		world_doing(w, s,
			    world_text(w, "after round %" PRIu64 ": %s", w->round->number, text));
		s->op->run(w, s->args, &r);
		if (r.harness || ran_full(&r))
			world_error(w, "after round %" PRIu64 ": %s: %s", w->round->number, text,
				    r.harness ? strerror(r.harness) : result_text(w, &r));
		else if (!result_allowed(&s->expect, &r))
			world_fail(w, result_wanted(w, &s->expect), "%s", result_text(w, &r));
	}
}

/* A call that may be refused must work once, or nothing was raced. */
static void note_worked(struct world *w, size_t actor, uint32_t step)
{
	if (step < 64)
		w->round->worked[actor] |= UINT64_C(1) << step;
}

static void all_worked(struct world *w)
{
	for (size_t i = 0; i < w->point->race->actors_count; i++)
		for (uint32_t k = 0; k < spec_of(w, i)->steps_count && k < 64; k++)
			if (spec_of(w, i)->steps[k].expect.kind == EXPECT_EITHER &&
			    !(w->round->worked[i] >> k & 1))
				world_error(w, "%s of %s never worked: nothing was raced",
					    args_text(w->arena, w->point, &spec_of(w, i)->steps[k]),
					    spec_of(w, i)->name);
}

/* Hold what the calls returned against what the case expects. */
static void judge_results(struct world *w)
{
	const struct round *r = w->round;

	for (size_t i = 0; i < actors_count(r->actors); i++) {
		const struct trace *t = actors_trace(r->actors, i);

		for (size_t k = 0; k < t->count && !world_stopped(w); k++) {
			const struct trace_entry *e = &t->entry[k];
			const struct step *s = &spec_of(w, i)->steps[e->step];
			const char *text;

			if (s->expect.kind != EXPECT_ANY)
				w->checked.results++;
			if (!e->result.err && !e->result.sig)
				note_worked(w, i, e->step);
			if (!e->result.harness && result_allowed(&s->expect, &e->result))
				continue;
			text = args_text(w->arena, w->point, s);
			world_doing(w, s,
				    world_text(w, "round %" PRIu64 ": %s: %s", r->number,
					       spec_of(w, i)->name, text));
			if (ran_full(&e->result))
				world_error(w, "the filesystem ran full: %s: %s: %s",
					    spec_of(w, i)->name, text, result_text(w, &e->result));
			else if (e->result.harness)
				world_error(w, "%s: %s: the harness's own part failed: %s",
					    spec_of(w, i)->name, text, strerror(e->result.harness));
			else
				world_fail(w, result_wanted(w, &s->expect), "%s",
					   result_text(w, &e->result));
		}
	}
}

/* Of the calls that may be refused, as many work as can: neither more nor less. */
static void judge_winners(struct world *w)
{
	const struct round *r = w->round;
	unsigned int tried = 0, won = 0;

	for (size_t i = 0; i < actors_count(r->actors); i++) {
		const struct trace *t = actors_trace(r->actors, i);

		for (size_t k = 0; k < t->count; k++) {
			if (spec_of(w, i)->steps[t->entry[k].step].expect.kind != EXPECT_EITHER)
				continue;
			tried++;
			won += !t->entry[k].result.err && !t->entry[k].result.sig;
		}
	}
	/* An actor that runs alone may not have so many. */
	if (tried < w->point->race->winners)
		return;
	w->checked.results++;
	if (won != w->point->race->winners)
		world_fail(w,
			   world_text(w, "%u of the calls that may be refused work",
				      w->point->race->winners),
			   "%u of %u worked", won, tried);
}

/* Did a call of one run while a call of the other did? Both did theirs one after the other. */
static bool met(const struct trace *a, const struct trace *b)
{
	for (size_t i = 0, k = 0; i < a->count && k < b->count;) {
		if (a->entry[i].ret <= b->entry[k].inv)
			i++;
		else if (b->entry[k].ret <= a->entry[i].inv)
			k++;
		else
			return true;
	}
	return false;
}

/* Did a call of another actor run while the raced one, the first actor's, did? */
static bool overlapped(const struct round *r)
{
	const struct trace *raced = actors_trace(r->actors, 0);
	bool any = false;

	for (size_t i = 1; i < actors_count(r->actors) && !any; i++)
		any = met(raced, actors_trace(r->actors, i));
	return any;
}

static void judge(struct world *w)
{
	const struct point *p = w->point;
	struct round *r = w->round;
	/* There may be millions of rounds; what is said of one that is right is not kept. */
	const struct arena_mark mark = arena_mark(w->arena);

	judge_results(w);
	snprintf(r->doing, sizeof(r->doing), "round %" PRIu64, r->number);
	world_doing(w, NULL, r->doing);
	if (w->point->race->winners && !world_stopped(w))
		judge_winners(w);
	for (size_t i = 0; i < p->after_count && !world_stopped(w); i++)
		if (p->after[i]->round)
			p->after[i]->round(w);
	if (world_stopped(w))
		world_history(w, race_history(w));
	else
		arena_release(w->arena, mark);
}

/* One round from beginning to end; false if there is nothing more to be done. */
static bool run_round(struct world *w, const struct plan *plan)
{
	struct round *r = w->round;

	r->number = plan->round;
	race_files_restore(w);
	run_before(w);
	race_files_before(w);
	if (world_stopped(w) || !actors_round(r->actors, plan))
		return false;
	run_then(w);
	race_files_after(w);
	if (!world_stopped(w))
		judge(w);
	return !world_stopped(w);
}

static uint64_t duration(const struct trace *t)
{
	return t->count ? t->entry[t->count - 1].ret - t->entry[0].inv : 0;
}

/*
 * How long each actor takes by itself: the shortest of a few rounds, which are judged as well, and
 * of those measured before. What others do to this machine makes calls longer, and then overlaps
 * are more, not fewer.
 */
static bool measure(struct world *w, double factor, struct timing *out)
{
	const int rounds = factor < SOLO_BUDGET ? 1 : SOLO_ROUNDS;

	for (size_t i = 0; i < actors_count(w->round->actors); i++) {
		for (int k = 0; k < rounds; k++) {
			const struct plan plan = { .seed = mix(w->seed + (uint64_t)k),
						   .solo = (int)i };
			uint64_t ns;

			if (!run_round(w, &plan))
				return false;
			ns = duration(actors_trace(w->round->actors, i));
			out->ns[i] = ns < out->ns[i] ? ns : out->ns[i];
		}
	}
	return true;
}

/*
 * The first actor starts when the longest of the others could just have ended; each of the others
 * by chance from so early that it ends then to so late that the first one has ended. The chances
 * are the seed's; only what they are parts of is measured.
 */
static void draw(const struct world *w, uint64_t number, const struct timing *t, struct plan *out)
{
	const size_t count = actors_count(w->round->actors);
	uint64_t random = mix(w->seed ^ mix(number)), longest = 0;

	*out = (struct plan){ .round = number, .seed = mix(random), .solo = -1 };
	for (size_t i = 1; i < count; i++)
		longest = t->ns[i] > longest ? t->ns[i] : longest;
	out->delay_ns[0] = longest;
	for (size_t i = 1; i < count; i++) {
		const uint64_t window = t->ns[i] + t->ns[0];

		out->delay_ns[i] =
			longest - t->ns[i] +
			(uint64_t)((double)window * (double)(mix_next(&random) >> 11) * 0x1p-53);
	}
}

/* Who gives a race a part of its time asks for that part of the proof. */
static bool enough_overlap(const struct world *w, double factor)
{
	const struct checked *c = &w->checked;
	const double plenty = OVERLAPS_PLENTY * (factor < 1 ? factor : 1);

	if (!w->point->race->overlaps || (c->overlaps && (double)c->overlaps >= plenty))
		return true;
	return c->overlaps && c->overlaps * 100 >= c->rounds * w->point->race->overlaps;
}

/* Too few have overlapped; may more rounds help, @ns after the budget was used up? */
static bool patient(uint64_t ns, uint64_t rounds)
{
	return ns < PATIENCE_NS || (rounds < PATIENCE_ROUNDS && ns < PATIENCE_LAST_NS);
}

/* Run rounds until the budget is used up. */
static void run_rounds(struct world *w, double factor, uint64_t only, struct timing *t)
{
	const uint64_t budget = (uint64_t)((double)w->point->race->budget_ms * factor * (double)MS);
	const uint64_t start = clock_ns();
	uint64_t spent = 0, number = 0;
	struct plan plan;
	uint64_t least = factor < 1 ? (uint64_t)(factor * ROUNDS_MIN) : ROUNDS_MIN;

	least = least < ROUNDS_LEAST ? ROUNDS_LEAST : least;
	while (spent < budget || w->checked.rounds < least ||
	       (!enough_overlap(w, factor) && patient(spent - budget, w->checked.rounds))) {
		/* Calls that took long when they were measured make delays too long to meet. */
		if (spent >= budget && w->checked.rounds % ROUNDS_MIN == 0 &&
		    !measure(w, factor, t))
			return;
		draw(w, only ? only : ++number, t, &plan);
		if (!run_round(w, &plan))
			return;
		w->checked.rounds++;
		w->checked.overlaps += overlapped(w->round);
		spent = clock_ns() - start;
	}
	all_worked(w);
	if (!enough_overlap(w, factor))
		world_unproven(
			w, world_text(w,
				      "only %" PRIu64 " of %" PRIu64
				      " rounds overlapped, which proves little; %u%% are needed",
				      w->checked.overlaps, w->checked.rounds,
				      w->point->race->overlaps));
}

void race_run(struct world *w, const struct race_options *o)
{
	struct round round = { .seed = w->seed };
	struct timing timing = { 0 };
	const double factor = o->budget > 0 ? o->budget : 1;

	memset(&timing, 0xff, sizeof(timing));
	w->round = &round;
	for (size_t i = 0; i < w->point->after_count; i++) {
		round.stamps |= w->point->after[i]->stamps;
		round.restore |= w->point->after[i]->restore;
	}
	round.restore |= w->point->race->restore;
	world_doing(w, NULL, "before the first round");
	race_files_start(w);
	if (!world_stopped(w))
		round.actors = actors_start(w);
	if (round.actors && measure(w, factor, &timing))
		run_rounds(w, factor, o->round, &timing);
	actors_stop(round.actors);
	race_files_stop(w);
	w->round = NULL;
}
