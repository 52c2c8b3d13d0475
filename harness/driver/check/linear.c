/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * linear: was there one instant within each clone at which its source held just what it shows? Puts
 * the histories of a round into the terms of linear.h and has them judged there.
 */
#include "../linear.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../args.h"
#include "../check.h"
#include "../must.h"
#include "../need.h"
#include "../race.h"

/* Clones whose destinations are looked after, in one round. */
#define CLONES_MAX 64
/* What a clone wrote that is not to be seen any more. */
#define VALUE_HIDDEN (VALUE_PARTIAL | VALUE_STRANGE)
/* Steps for choices among equal values, in one round. */
#define BUDGET 200000

/** struct call - where an operation of the history comes from; actor -1 is the controller */
struct call {
	int actor;
	uint32_t entry;
};

/** struct story - a round in the terms of linear.h; its memory lasts for all rounds */
struct story {
	struct world *w;
	struct linear_op *ops;
	struct call *calls;
	size_t ops_count, ops_room;
	struct linear_access *accesses;
	size_t accesses_count, accesses_room;
	/* files whose size the round changes other than by clones */
	bool resized[SECTOR_FILES_MAX];
	/* files that calls of the round read; by get; those of whose clones something is hidden */
	bool read[SECTOR_FILES_MAX], seen[SECTOR_FILES_MAX], hidden[SECTOR_FILES_MAX];
	/* files of which readers want each sector for itself */
	bool apart[SECTOR_FILES_MAX];
	/* files whose time of modification is read; those that not clones alone change */
	bool timed[SECTOR_FILES_MAX], changed[SECTOR_FILES_MAX];
	struct effect clones[CLONES_MAX];
	size_t clones_count;
	/* the call whose effects are put in */
	struct call now;
	uint64_t inv, ret;
};

static struct story story;
/* Rounds of an observing case that no instant explains, and the first of them in words. */
static uint64_t torn;
static char first_torn[1100];

static void *grown(void *rows, size_t count, size_t *room, size_t size)
{
	if (count < *room)
		return rows;
	*room = *room ? 2 * *room : 256;
	return must(realloc(rows, *room * size));
}

/* Start an operation; what is told next belongs to it. */
static void begin(struct story *s, bool split)
{
	size_t room = s->ops_room;

	s->ops = grown(s->ops, s->ops_count, &room, sizeof(*s->ops));
	s->calls = grown(s->calls, s->ops_count, &s->ops_room, sizeof(*s->calls));
	s->calls[s->ops_count] = s->now;
	s->ops[s->ops_count++] = (struct linear_op){
		.inv = s->inv,
		.ret = s->ret,
		.actor = (uint32_t)(s->now.actor + 1),
		.split = split,
		.access = s->accesses_count,
	};
}

static void tell(struct story *s, bool write, int file, uint32_t first, uint32_t count,
		 uint64_t value)
{
	if (!count)
		return;
	s->accesses =
		grown(s->accesses, s->accesses_count, &s->accesses_room, sizeof(*s->accesses));
	s->accesses[s->accesses_count++] = (struct linear_access){
		.file = (uint32_t)file,
		.first = first,
		.count = count,
		.write = write,
		.value = value,
	};
	s->ops[s->ops_count - 1].access_count++;
}

static void tell_size(struct story *s, bool write, int file, uint64_t size)
{
	tell(s, write, file, LINEAR_SIZE, 1, size);
}

static void tell_runs(struct story *s, bool write, int file, const struct glimpse *g)
{
	for (size_t i = 0; i < g->runs_count; i++)
		tell(s, write, file, g->runs[i].first, g->runs[i].count, g->runs[i].value);
}

static uint32_t sectors(uint64_t bytes)
{
	return (uint32_t)(bytes / SECTOR_SIZE);
}

/* What the controller knows of a file, NULL and a complaint if it does not. */
static const struct race_file *known(struct story *s, int file)
{
	const struct round *r = s->w->round;

	for (size_t i = 0; i < r->files_count; i++)
		if (r->file[i].file == file)
			return &r->file[i];
	world_error(s->w, "linear: the contents of %s are not known", s->w->files[file].path);
	return NULL;
}

static void put_words(struct story *s, const struct effect *e, uint64_t value)
{
	for (uint32_t i = 0; i < sectors(e->len); i++) {
		begin(s, false);
		tell(s, true, e->file, sectors(e->off) + i, 1, VALUE_PARTIAL | value);
		begin(s, false);
		tell(s, true, e->file, sectors(e->off) + i, 1, value);
	}
}

static void put(struct story *s, const struct effect *e)
{
	const struct race_file *f = known(s, e->file);
	const uint32_t at = sectors(e->off);
	const struct sector_stamp stamp = {
		.actor = e->actor,
		.file = (uint32_t)e->file,
		.seq = e->seq,
		.place = e->grows ? 0 : at,
	};
	const uint64_t value = trace_value(&stamp, at);

	if (!f)
		return;
	if (!e->grows && e->off + e->len > f->before.size) {
		world_error(s->w, "linear: a put beyond the end of %s; only how=append may grow it",
			    s->w->files[e->file].path);
		return;
	}
	if (e->grain == GRAIN_WORD) {
		put_words(s, e, value);
		return;
	}
	/* a write is whole to clones; a plain read need not wait for its end */
	begin(s, e->grain == GRAIN_SECTOR || s->seen[e->file]);
	tell(s, true, e->file, at, sectors(e->len), value);
	if (e->grows)
		tell_size(s, true, e->file, e->off + e->len);
}

static void tell_time(struct story *s, bool write, int file, const struct glimpse *g)
{
	if (s->timed[file])
		tell(s, write, file, LINEAR_TIME, 1, g->mtime_ns);
}

/*
 * Who loads word by word may see a sector change. So may who reads a file that is written: no
 * filesystem need hold a lock over both, and then words are all that is whole.
 */
static bool tears(const struct story *s, const struct effect *e, uint64_t value)
{
	return (e->grain == GRAIN_WORD || s->changed[e->file]) &&
	       value & (VALUE_PARTIAL | VALUE_STRANGE) && !(value & VALUE_FOREIGN);
}

/* First the size, then the sectors: a reader may not see a size before what is in it. */
static void seen(struct story *s, const struct effect *e)
{
	begin(s, false);
	tell_size(s, false, e->file, e->seen->size);
	tell_time(s, false, e->file, e->seen);
	if (!e->snapshot)
		begin(s, e->grain != GRAIN_WHOLE);
	for (size_t i = 0; i < e->seen->runs_count; i++) {
		const struct sector_run *run = &e->seen->runs[i];

		if (e->snapshot || !tears(s, e, run->value))
			tell(s, false, e->file, run->first, run->count, run->value);
	}
}

/*
 * What a clone wrote stands in its destination still, but for what puts have written over since:
 * those name the destination itself as the file that they were meant for.
 */
static bool is_own(const struct effect *e, uint64_t value)
{
	return value & VALUE_STAMPED && value_file(value) == (uint32_t)e->file &&
	       (e->from != e->file || !(value & 0xffffff));
}

static const struct sector_run *run_at(const struct glimpse *g, uint32_t sector)
{
	for (size_t i = 0; i < g->runs_count; i++)
		if (sector - g->runs[i].first < g->runs[i].count)
			return &g->runs[i];
	return NULL;
}

/*
 * A clone of sectors of the destination that a put has hidden, or that never took place. What it
 * wrote is known if nobody has written the source, or if that has come from here in the first
 * place; if not, it is what nobody can read.
 */
static void clone_hidden(struct story *s, const struct effect *e, const struct race_file *from,
			 struct sector_run run, int64_t by)
{
	const uint64_t back = trace_shift(run.value, -by);

	for (uint32_t at = run.first; at < run.first + run.count; at++) {
		const uint32_t place = (uint32_t)(at - by);
		const struct sector_run *old = run_at(&from->before, place);
		const struct sector_run *now = run_at(&from->after, place);

		if (now && (now->value == back || (old && old->value == now->value))) {
			tell(s, false, e->from, place, 1, now->value);
			tell(s, true, e->file, at, 1, trace_shift(now->value, by));
		} else {
			s->hidden[e->file] = true;
			tell(s, true, e->file, at, 1, VALUE_HIDDEN);
		}
	}
}

static void clone_sectors(struct story *s, const struct effect *e, uint64_t len)
{
	const struct race_file *to = known(s, e->file), *from = known(s, e->from);
	const uint32_t first = sectors(e->off), end = first + sectors(len);
	const int64_t by = (int64_t)first - sectors(e->from_off);

	for (size_t i = 0; to && from && i < to->after.runs_count; i++) {
		const struct sector_run *run = &to->after.runs[i];
		const uint32_t low = run->first > first ? run->first : first;
		const uint32_t high = run->first + run->count < end ? run->first + run->count : end;

		if (low >= high)
			continue;
		if (is_own(e, run->value)) {
			clone_hidden(s, e, from, (struct sector_run){ low, high - low, run->value },
				     by);
			continue;
		}
		tell(s, false, e->from, (uint32_t)(low - by), high - low,
		     trace_shift(run->value, -by));
		tell(s, true, e->file, low, high - low, run->value);
	}
}

/* Of two clones into one range, only what the later one wrote is there to be seen. */
static void note_clone(struct story *s, const struct effect *e)
{
	s->read[e->from] = true;
	for (size_t i = 0; i < s->clones_count; i++) {
		const struct effect *o = &s->clones[i];

		if (o->file == e->file && (o->len == CLONE_ALL || e->off < o->off + o->len) &&
		    (e->len == CLONE_ALL || o->off < e->off + e->len))
			world_error(s->w, "linear: two clones into one range of %s",
				    s->w->files[e->file].path);
	}
	if (s->clones_count == CLONES_MAX)
		world_error(s->w, "linear: at most %d clones in a round", CLONES_MAX);
	else
		s->clones[s->clones_count++] = *e;
}

/*
 * How much a clone up to the end of its source was: where the destination has nothing behind it,
 * its size tells; elsewhere the source must keep its size.
 */
static uint64_t clone_rest(struct story *s, const struct effect *e, const struct race_file *from,
			   const struct race_file *to)
{
	const char *from_name = s->w->files[e->from].path, *to_name = s->w->files[e->file].path;
	uint64_t len;

	if (to->before.size > e->off) {
		if (s->resized[e->from])
			world_error(s->w,
				    "linear: %s changes its size and is cloned into %s, which must "
				    "be empty before each round",
				    from_name, to_name);
		return from->before.size > e->from_off ? from->before.size - e->from_off : 0;
	}
	if (s->resized[e->file])
		world_error(s->w,
			    "linear: %s is cloned up to its end into %s, whose size something else "
			    "changes",
			    from_name, to_name);
	len = to->after.size > e->off ? to->after.size - e->off : 0;
	tell_size(s, false, e->from, e->from_off + len);
	tell_size(s, true, e->file, e->off + len);
	return len;
}

/*
 * The last operation is a clone, and its destination is read meanwhile. It is one instant of its
 * source; but nobody promises that all pages of the destination change at once for who looks at
 * them, through a mapping above all. So each sector does for itself, and then the size.
 */
static void part(struct story *s, const struct effect *e)
{
	struct linear_op *op = &s->ops[s->ops_count - 1];
	const size_t count = op->access_count, start = op->access;
	struct linear_access *all = must(malloc((count + 1) * sizeof(*all)));
	const uint32_t file = (uint32_t)e->file;

	memcpy(all, s->accesses + start, count * sizeof(*all));
	s->accesses_count = start;
	op->access_count = 0;
	for (int pass = 0; pass < 3; pass++) {
		if (pass)
			begin(s, pass == 1);
		for (size_t i = 0; i < count; i++) {
			const bool written = all[i].write && all[i].file == file;
			const bool sector = all[i].first < LINEAR_TIME;

			if (pass == (!written ? 0 : sector ? 1 : 2))
				tell(s, all[i].write, (int)all[i].file, all[i].first, all[i].count,
				     all[i].value);
		}
	}
	free(all);
}

static void clone(struct story *s, const struct effect *e)
{
	const struct race_file *from = known(s, e->from), *to = known(s, e->file);

	if (!from || !to)
		return;
	begin(s, false);
	tell_time(s, true, e->file, &to->after);
	if (e->len != CLONE_ALL && e->off + e->len > to->before.size)
		tell_size(s, true, e->file, e->off + e->len);
	clone_sectors(s, e, e->len == CLONE_ALL ? clone_rest(s, e, from, to) : e->len);
	if (s->apart[e->file])
		part(s, e);
}

/* Nobody writes what is there already, so two ranges can only be equal where nothing was put. */
static void equal(struct story *s, const struct effect *e)
{
	const struct race_file *from = known(s, e->from);
	const uint32_t first = sectors(e->from_off), end = first + sectors(e->len);
	const int64_t by = (int64_t)sectors(e->off) - first;

	if (!from)
		return;
	begin(s, false);
	for (size_t i = 0; i < from->before.runs_count; i++) {
		const struct sector_run *run = &from->before.runs[i];
		const uint32_t low = run->first > first ? run->first : first;
		const uint32_t high = run->first + run->count < end ? run->first + run->count : end;

		if (low >= high)
			continue;
		tell(s, false, e->from, low, high - low, run->value);
		tell(s, false, e->file, (uint32_t)(low + by), high - low,
		     trace_shift(run->value, by));
	}
}

/* The last sector that any access of the round has named, so that a cut can end there. */
static void cut(struct story *s, const struct effect *e)
{
	const struct race_file *f = known(s, e->file);
	uint64_t end;

	if (!f)
		return;
	end = f->before.size > f->after.size ? f->before.size : f->after.size;
	begin(s, false);
	tell_size(s, true, e->file, e->off);
	if (end > e->off)
		tell(s, true, e->file, sectors(e->off), sectors(end - e->off), VALUE_NOTHING);
}

static void zero(struct story *s, const struct effect *e)
{
	const struct race_file *f = known(s, e->file);
	const uint64_t last = (uint64_t)SECTOR_PLACE_MAX * SECTOR_SIZE;
	uint64_t end = e->off + e->len;

	if (!f)
		return;
	/* beyond the end of file, too: an append may have moved that before */
	end = end < last ? end : last;
	begin(s, false);
	if (end > e->off)
		tell(s, true, e->file, sectors(e->off), sectors(end - e->off), VALUE_ZERO);
}

static void add_effect(struct story *s, const struct effect *e)
{
	static void (*const adders[])(struct story *, const struct effect *) = {
		[EFFECT_PUT] = put,   [EFFECT_SEEN] = seen, [EFFECT_CLONE] = clone,
		[EFFECT_ZERO] = zero, [EFFECT_CUT] = cut,   [EFFECT_EQUAL] = equal,
	};

	adders[e->kind](s, e);
}

/* What must be known of a round before its effects are put in. */
static void note_effect(struct story *s, const struct effect *e)
{
	if (e->kind == EFFECT_CUT || (e->kind == EFFECT_PUT && e->grows))
		s->resized[e->file] = true;
	if (e->kind == EFFECT_SEEN) {
		s->read[e->file] = true;
		s->seen[e->file] |= !e->snapshot;
		s->timed[e->file] |= e->seen->timed;
		s->apart[e->file] |= e->grain != GRAIN_WHOLE;
	} else if (e->kind == EFFECT_CLONE) {
		note_clone(s, e);
	} else if (e->kind != EFFECT_EQUAL) {
		s->changed[e->file] = true;
	}
}

/* Do something with every effect of every call that worked. */
static void each_effect(struct story *s, void (*visit)(struct story *, const struct effect *))
{
	const struct round *r = s->w->round;
	static struct effect effects[EFFECTS_MAX];

	for (size_t i = 0; i < actors_count(r->actors); i++) {
		const struct trace *t = actors_trace(r->actors, i);

		for (uint32_t k = 0; k < t->count; k++) {
			const struct trace_entry *e = &t->entry[k];
			const struct step *step = &s->w->point->race->actors[i].steps[e->step];
			size_t count = 0;

			if (step->op->effects && !e->result.err && !e->result.sig)
				count = step->op->effects(s->w, step->args, &e->result, effects);
			s->now = (struct call){ (int)i, k };
			s->inv = e->inv;
			s->ret = e->ret;
			for (size_t m = 0; m < count && !world_stopped(s->w); m++)
				visit(s, &effects[m]);
		}
	}
}

/* What was there before anything, or what is there when all is over. */
static void add_state(struct story *s, bool after)
{
	const struct round *r = s->w->round;

	s->now = (struct call){ -1, after };
	s->inv = s->ret = 0;
	for (size_t i = 0; i < r->files_count && after; i++)
		if (r->file[i].at_ns > s->inv)
			s->inv = s->ret = r->file[i].at_ns;
	begin(s, false);
	for (size_t i = 0; i < r->files_count; i++) {
		const struct race_file *f = &r->file[i];
		const struct glimpse *g = after ? &f->after : &f->before;

		tell_runs(s, !after, f->file, g);
		tell_size(s, !after, f->file, g->size);
		tell_time(s, !after, f->file, g);
	}
}

static void name_op(void *context, size_t op, char *out, size_t size)
{
	const struct story *s = context;
	const struct call *c = &s->calls[op];
	const struct point *p = s->w->point;

	if (c->actor < 0) {
		snprintf(out, size,
			 c->entry ? "what is there in the end" : "what was there before");
	} else {
		const struct actorspec *a = &p->race->actors[c->actor];
		const struct trace_entry *e =
			&actors_trace(s->w->round->actors, (size_t)c->actor)->entry[c->entry];
		const struct step *step = &a->steps[e->step];
		const struct put_done *done = step->op->actor ? e->result.data : NULL;

		if (done && !strcmp(step->op->name, "put"))
			snprintf(out, size, "put %" PRIu32 " of %s into [%" PRIu64 "..%" PRIu64 ")",
				 done->seq, a->name, done->off, done->off + done->len);
		else
			snprintf(out, size, "%s of %s", args_text(s->w->arena, p, step), a->name);
	}
}

static void name_file(void *context, uint32_t file, char *out, size_t size)
{
	const struct story *s = context;

	snprintf(out, size, "%s", s->w->point->files[file].name);
}

static void name_value(void *context, uint64_t value, char *out, size_t size)
{
	const struct story *s = context;

	/* sizes are small numbers, sectors never are */
	if (value & (VALUE_STAMPED | VALUE_STRANGE) || value == VALUE_ZERO)
		trace_value_text(s->w->point, value, out, size);
	else
		snprintf(out, size, "%" PRIu64, value);
}

/* What cannot be anybody's is said in better words than "nobody wrote that". */
static bool strange(struct story *s)
{
	for (size_t i = 0; i < s->accesses_count; i++) {
		const struct linear_access *a = &s->accesses[i];

		if (a->write || a->first == LINEAR_SIZE || !(a->value & VALUE_STRANGE))
			continue;
		world_fail(s->w, "every sector is of one put",
			   "sector %" PRIu32 " of %s is torn, or foreign", a->first,
			   s->w->point->files[a->file].name);
		return true;
	}
	return false;
}

static void observe(struct world *w, const struct linear_result *result)
{
	if (!torn++)
		snprintf(first_torn, sizeof(first_torn), "round %" PRIu64 ": %s", w->round->number,
			 result->why);
}

/* Rounds of which too little can be known. */
static void refuse(const struct story *s)
{
	for (size_t i = 0; i < SECTOR_FILES_MAX; i++) {
		if (s->hidden[i] && s->read[i])
			world_error(s->w,
				    "linear: what was cloned into %s is written over and read",
				    s->w->files[i].path);
		if (s->timed[i] && s->changed[i])
			world_error(
				s->w,
				"linear: the times of %s are read, so only a clone may change it",
				s->w->files[i].path);
	}
}

static void judge_round(struct world *w)
{
	struct story *s = &story;
	struct linear_result result;
	struct linear_history h;

	s->w = w;
	s->ops_count = s->accesses_count = 0;
	s->clones_count = 0;
	memset(s->resized, 0, sizeof(s->resized));
	memset(s->apart, 0, sizeof(s->apart));
	memset(s->read, 0, sizeof(s->read));
	memset(s->seen, 0, sizeof(s->seen));
	memset(s->hidden, 0, sizeof(s->hidden));
	memset(s->timed, 0, sizeof(s->timed));
	memset(s->changed, 0, sizeof(s->changed));
	each_effect(s, note_effect);
	add_state(s, false);
	each_effect(s, add_effect);
	refuse(s);
	add_state(s, true);
	if (world_stopped(w))
		return;
	if (w->point->strength != STRENGTH_OBSERVE && strange(s))
		return;
	h = (struct linear_history){
		.ops = s->ops,
		.ops_count = s->ops_count,
		.accesses = s->accesses,
		.name = name_op,
		.name_file = name_file,
		.name_value = name_value,
		.context = s,
	};
	linear_check(&h, BUDGET, &result);
	w->checked.bytes += result.reads * SECTOR_SIZE;
	if (result.verdict == LINEAR_UNKNOWN)
		world_error(w, "linear: undecided after %d steps", BUDGET);
	else if (result.verdict == LINEAR_ILLEGAL && w->point->strength == STRENGTH_OBSERVE)
		observe(w, &result);
	else if (result.verdict == LINEAR_ILLEGAL)
		world_fail(w, "one instant in each call explains all", "%s", result.why);
}

static void finish(struct world *w)
{
	if (w->point->strength != STRENGTH_OBSERVE)
		return;
	world_observe(w, "rounds_torn", json_integer((json_int_t)torn));
	if (torn)
		world_observe(w, "first_torn", json_string(first_torn));
}

const struct oracle oracle_linear = {
	.name = "linear",
	.doc = "of races: each clone shows its source as it was at one instant, and no write is "
	       "lost",
	.need = -1,
	.round = judge_round,
	.races = true,
	.stamps = true,
	.finish = finish,
};
