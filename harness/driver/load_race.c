/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * "actors", "before", "then" and "race": what is done at the same time, in rounds. Steps of actors
 * are plain: no twin, and nothing that declares a name.
 */
#include "load_internal.h"

#include <string.h>

#include "sector.h"

#define BUDGET_MS_USUAL 250
#define OVERLAPS_USUAL	10

static const char *const actor_keys[] = { "steps", "times", NULL };
static const char *const race_keys[] = {
	"by", "restore", "budget_ms", "overlaps", "winners", NULL
};

static struct race *race_of(struct loader *l)
{
	if (!l->p->race) {
		l->p->race = arena_alloc(l->arena, sizeof(*l->p->race));
		l->p->race->budget_ms = BUDGET_MS_USUAL;
		l->p->race->overlaps = OVERLAPS_USUAL;
		/* it needs all CPUs */
		l->p->alone = true;
	}
	return l->p->race;
}

/* Names that come and go would be known to one actor only. */
static bool declares_nothing(struct loader *l, const struct at *at, const struct step *s)
{
	for (size_t i = 0; s->op->args[i].name; i++) {
		const enum arg_type type = s->op->args[i].type;

		if (type == ARG_NEW_FD || type == ARG_NEW_MAP)
			return load_wrong(
				l, at,
				"\"%s\" declares a name, which cannot be done in every round",
				s->op->name);
	}
	return true;
}

static bool read_steps(struct loader *l, const struct at *at, json_t *list, const char *pattern,
		       struct step **steps, size_t *count)
{
	json_t *object;
	size_t i;

	if (!json_is_array(list) || !json_array_size(list))
		return load_wrong(l, at, "must be a list of steps, not empty");
	if (json_array_size(list) > LOAD_STEPS_MAX)
		return load_wrong(l, at, "at most %d steps", LOAD_STEPS_MAX);
	*steps = arena_alloc(l->arena, json_array_size(list) * sizeof(**steps));
	json_array_foreach (list, i, object) {
		struct step *s = &(*steps)[*count];

		if (json_is_null(object))
			continue;
		(*count)++;
		if (!step_read_plain(l, AT_INDEX(at, i), object,
				     arena_printf(l->arena, "%s%zu", pattern, i), s) ||
		    !declares_nothing(l, AT_INDEX(at, i), s))
			return false;
	}
	return *count || load_wrong(l, at, "vary leaves no step");
}

static bool read_number(struct loader *l, const struct at *at, json_t *value, unsigned int least,
			unsigned int most, unsigned int *out)
{
	if (!value)
		return true;
	if (!json_is_integer(value) || json_integer_value(value) < (json_int_t)least ||
	    json_integer_value(value) > (json_int_t)most)
		return load_wrong(l, at, "must be a whole number, %u to %u", least, most);
	*out = (unsigned int)json_integer_value(value);
	return true;
}

static bool read_actor(struct loader *l, const struct at *at, json_t *value, struct actorspec *a)
{
	const char *pattern = arena_printf(l->arena, "%s.", a->name);

	a->times = 1;
	if (!json_is_object(value))
		return read_steps(l, at, value, pattern, &a->steps, &a->steps_count);
	return load_keys(l, at, value, actor_keys) &&
	       read_number(l, AT_KEY(at, "times"), json_object_get(value, "times"), 1,
			   LOAD_TIMES_MAX, &a->times) &&
	       read_steps(l, AT_KEY(at, "steps"), json_object_get(value, "steps"), pattern,
			  &a->steps, &a->steps_count);
}

bool actors_read(struct loader *l, json_t *actors)
{
	const struct at *at = AT_KEY(NULL, "actors");
	struct race *race;
	const char *name;
	json_t *value;

	if (!actors)
		return true;
	if (!json_is_object(actors))
		return load_wrong(l, at, "must be an object, not %s", load_type(actors));
	if (json_object_size(actors) < 2)
		return load_wrong(l, at, "at least two actors");
	if (json_object_size(actors) >= SECTOR_ACTORS_MAX)
		return load_wrong(l, at, "at most %d actors", SECTOR_ACTORS_MAX - 1);
	race = race_of(l);
	race->actors = arena_alloc(l->arena, json_object_size(actors) * sizeof(*race->actors));
	l->in_actor = true;
	json_object_foreach (actors, name, value) {
		struct actorspec *a = &race->actors[race->actors_count++];

		if (!load_plain_name(l, AT_KEY(at, name), name))
			return false;
		a->name = arena_dup(l->arena, name);
		if (!read_actor(l, AT_KEY(at, name), value, a))
			return false;
	}
	l->in_actor = false;
	return true;
}

static bool there_are_actors(struct loader *l, const struct at *at)
{
	return l->p->race || load_wrong(l, at, "has no use without \"actors\"");
}

bool before_read(struct loader *l, json_t *list)
{
	const struct at *at = AT_KEY(NULL, "before");
	struct race *race = l->p->race;

	if (!list)
		return true;
	if (!there_are_actors(l, at))
		return false;
	return read_steps(l, at, list, "before", &race->before, &race->before_count);
}

/* What was done to a file then would be nobody's, and nobody holds what else is expected. */
static bool only_settles(struct loader *l, const struct at *at, const struct step *s)
{
	if (!s->op->settles)
		return load_wrong(
			l, AT_KEY(at, "op"),
			"\"%s\" does more than to write out, to forget, to wait or to look",
			s->op->name);
	return s->expect.kind == EXPECT_OK ||
	       load_wrong(l, AT_KEY(at, "expect"), "must be left out: it has to work");
}

bool then_read(struct loader *l, json_t *list)
{
	const struct at *at = AT_KEY(NULL, "then");
	struct race *race = l->p->race;

	if (!list)
		return true;
	if (!there_are_actors(l, at))
		return false;
	if (!read_steps(l, at, list, "then", &race->then, &race->then_count))
		return false;
	for (size_t i = 0; i < race->then_count; i++)
		if (!only_settles(l, AT_INDEX(at, i), &race->then[i]))
			return false;
	return true;
}

static bool read_by(struct loader *l, const struct at *at, json_t *value, struct race *race)
{
	const char *word;
	struct nearest n;

	if (!value)
		return true;
	word = load_string(l, at, value);
	if (!word)
		return false;
	race->threads = !strcmp(word, "threads");
	if (race->threads || !strcmp(word, "processes"))
		return true;
	nearest_start(&n, word);
	nearest_try(&n, "threads");
	nearest_try(&n, "processes");
	return load_unknown(l, at, "kind of actor", &n);
}

/* What putting files in order again needs. */
static bool restore_needs(struct loader *l, const struct at *at, const struct race *race)
{
	for (size_t i = 0; i < race->actors_count; i++)
		for (size_t k = 0; k < race->actors[i].steps_count; k++)
			if (race->actors[i].steps[k].op->frees_name &&
			    !load_need(l, at, NEED_NAME_FREE, false, NULL))
				return false;
	return true;
}

/* Where all may work, that so many do says nothing of who came first. */
static bool winners_lose(struct loader *l, const struct at *at, const struct race *race)
{
	size_t calls = 0;

	for (size_t i = 0; i < race->actors_count; i++)
		for (size_t k = 0; k < race->actors[i].steps_count; k++)
			if (race->actors[i].steps[k].expect.kind == EXPECT_EITHER)
				calls += race->actors[i].times;
	return !race->winners || race->winners < calls ||
	       load_wrong(l, at,
			  "more calls than that must be such that may be refused (\"or_err\"), "
			  "not %zu",
			  calls);
}

bool race_read(struct loader *l, json_t *value)
{
	const struct at *at = AT_KEY(NULL, "race");
	struct race *race = l->p->race;
	json_t *restore;

	if (!value)
		return true;
	if (!there_are_actors(l, at))
		return false;
	if (!json_is_object(value))
		return load_wrong(l, at, "must be an object, not %s", load_type(value));
	restore = json_object_get(value, "restore");
	if (!load_keys(l, at, value, race_keys))
		return false;
	if (restore && !json_is_boolean(restore))
		return load_wrong(l, AT_KEY(at, "restore"), "must be true or false");
	race->restore = json_is_true(restore);
	if (race->restore && !restore_needs(l, AT_KEY(at, "restore"), race))
		return false;
	return read_by(l, AT_KEY(at, "by"), json_object_get(value, "by"), race) &&
	       read_number(l, AT_KEY(at, "budget_ms"), json_object_get(value, "budget_ms"), 1,
			   LOAD_BUDGET_MS_MAX, &race->budget_ms) &&
	       read_number(l, AT_KEY(at, "overlaps"), json_object_get(value, "overlaps"), 0, 100,
			   &race->overlaps) &&
	       read_number(l, AT_KEY(at, "winners"), json_object_get(value, "winners"), 1,
			   LOAD_STEPS_MAX, &race->winners) &&
	       winners_lose(l, AT_KEY(at, "winners"), race);
}
