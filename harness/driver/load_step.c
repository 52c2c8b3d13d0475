/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * "steps": ops with their arguments and expectations, and the twin of a step that expects an errno,
 * which is the step's own JSON with a few keys changed.
 */
#include "load_internal.h"

#include <string.h>

static const char *const step_keys[] = { "op", "expect", "twin", "reason", "observe", NULL };
static const char *const twin_keys[] = { "op", "expect", "first", NULL };
static const char *const first_keys[] = { "op", "expect", NULL };
/* What a twin does not take over from its step. */
static const char *const not_inherited[] = { "expect", "twin", "reason", "observe", NULL };

static bool in_list(const char *const *list, const char *word)
{
	for (; *list; list++)
		if (!strcmp(*list, word))
			return true;
	return false;
}

static const struct op *read_op(struct loader *l, const struct at *at, json_t *object)
{
	json_t *value = json_object_get(object, "op");
	const char *name;
	const struct op *op;
	struct nearest n;

	if (!value) {
		load_wrong(l, at, "\"op\" is missing");
		return NULL;
	}
	name = load_string(l, AT_KEY(at, "op"), value);
	if (!name)
		return NULL;
	op = op_find(name);
	if (op)
		return op;
	nearest_start(&n, name);
	for (size_t i = 0; op_at(i); i++)
		nearest_try(&n, op_at(i)->name);
	load_unknown(l, AT_KEY(at, "op"), "op", &n);
	return NULL;
}

static bool read_observe(struct loader *l, const struct at *at, json_t *value, struct step *s)
{
	const char *key;
	int added;

	if (!value)
		return true;
	key = load_string(l, at, value);
	if (!key || !load_plain_name(l, at, key))
		return false;
	if (names_find(&l->observed, key) >= 0)
		return load_wrong(l, at, "\"%s\" is there twice", key);
	added = names_add(l, &l->observed, key);
	s->observe = l->observed.name[added].text;
	return true;
}

/* What a step needs in order to do what is expected of it. */
static bool step_needs(struct loader *l, const struct at *at, const struct step *s)
{
	const struct op *op = s->op;
	int need = -1;

	if (op->dedicated && !load_need(l, at, NEED_DEDICATED, false, NULL))
		return false;
	if (op->dedicated || op->alone)
		l->p->alone = true;
	if ((s->expect.kind == EXPECT_OK || s->expect.kind == EXPECT_EITHER) && op->need)
		need = op->need(s->args);
	/* A refusal may be an answer to a call that succeeds: the replies of a dedupe. */
	if (need >= 0 && s->expect.more_set && load_lacks(l, need))
		return true;
	/* A step that runs a hook bears the hook's name. */
	return need < 0 || load_need(l, at, need, false, need == NEED_HOOK ? op->name : NULL);
}

/*
 * Names that a step declared need a use only if the step can have made them, and was not made for
 * the sake of its own result.
 */
static void owe_names(struct names *names, const struct step *s, bool owed)
{
	for (size_t i = 0; i < names->count; i++)
		if (names->name[i].step == s)
			names->name[i].owed = owed;
}

/* What steps, twins and first steps have in common: everything but "twin". */
static bool read_call(struct loader *l, const struct at *at, json_t *object,
		      const char *const *keys, const char *pattern, struct step *s)
{
	if (!json_is_object(object))
		return load_wrong(l, at, "must be an object, not %s", load_type(object));
	if (l->steps_total++ == LOAD_STEPS_MAX)
		return load_wrong(l, at, "more than %d steps, twins and what runs first counted",
				  LOAD_STEPS_MAX);
	s->op = read_op(l, at, object);
	if (!s->op || !load_table_keys(l, at, s->op->args, object, keys))
		return false;
	if (s->op->actor && !l->in_actor)
		return load_wrong(l, at, "only actors can do \"%s\"", s->op->name);
	s->path = load_place(l, at);
	s->pattern = (uint32_t)names_find(&l->patterns, pattern);
	if (s->pattern == UINT32_MAX)
		s->pattern = (uint32_t)names_add(l, &l->patterns, pattern);
	s->args = arena_alloc(l->arena, s->op->args_size);
	l->step = s;
	if (!load_args(l, at, s->op->args, object, s->args, &s->args_set))
		return false;
	if (!read_observe(l, AT_KEY(at, "observe"), json_object_get(object, "observe"), s) ||
	    !load_expect(l, AT_KEY(at, "expect"), s, json_object_get(object, "expect")))
		return false;
	owe_names(&l->fds, s, s->expect.kind == EXPECT_OK && !l->parent);
	owe_names(&l->maps, s, s->expect.kind == EXPECT_OK && !l->parent);
	return step_needs(l, at, s);
}

bool step_read_plain(struct loader *l, const struct at *at, json_t *object, const char *pattern,
		     struct step *s)
{
	return read_call(l, at, object, first_keys, pattern, s);
}

static bool expects_failure(const struct step *s)
{
	return s->expect.kind == EXPECT_ERR || s->expect.kind == EXPECT_SIGNAL;
}

/* The step's JSON with the twin's keys in place of its own; NULL after a complaint. */
static json_t *merge(struct loader *l, const struct at *at, json_t *step, json_t *patch)
{
	json_t *merged = json_copy(step), *value;
	const struct op *op = NULL;
	const char *key;
	void *next;

	for (size_t i = 0; not_inherited[i]; i++)
		json_object_del(merged, not_inherited[i]);
	json_object_foreach (patch, key, value) {
		if (!json_is_null(value))
			json_object_set(merged, key, value);
		else if (json_object_del(merged, key))
			load_wrong(l, AT_KEY(at, key), "the step has no such key to take away");
	}
	/* A twin with another op takes over only what that op knows. */
	if (!l->wrong && json_object_get(patch, "op"))
		op = read_op(l, at, merged);
	json_object_foreach_safe (merged, next, key, value)
		if (op && load_table_find(op->args, key) < 0 && !json_object_get(patch, key) &&
		    !in_list(twin_keys, key))
			json_object_del(merged, key);
	if (!l->wrong)
		return merged;
	json_decref(merged);
	return NULL;
}

/* Does the twin differ from its step in nothing but what is expected? */
static bool same_call(json_t *step, json_t *merged)
{
	json_t *bare = json_copy(step), *twin = json_copy(merged);
	bool same;

	for (size_t i = 0; not_inherited[i]; i++)
		json_object_del(bare, not_inherited[i]);
	json_object_del(twin, "expect");
	same = json_equal(bare, twin);
	json_decref(bare);
	json_decref(twin);
	return same;
}

static bool read_first(struct loader *l, const struct at *at, json_t *list, const char *pattern,
		       struct step *twin)
{
	json_t *object;
	size_t i;

	if (!list)
		return true;
	if (!json_is_array(list) || !json_array_size(list))
		return load_wrong(l, at, "must be a list of steps, not empty");
	if (json_array_size(list) > LOAD_STEPS_MAX)
		return load_wrong(l, at, "at most %d steps", LOAD_STEPS_MAX);
	twin->first = arena_alloc(l->arena, json_array_size(list) * sizeof(*twin->first));
	json_array_foreach (list, i, object) {
		struct step *s = &twin->first[twin->first_count];

		if (json_is_null(object))
			continue;
		twin->first_count++;
		if (!read_call(l, AT_INDEX(at, i), object, first_keys,
			       arena_printf(l->arena, "%s.first%zu", pattern, i), s))
			return false;
		if (expects_failure(s))
			return load_wrong(l, AT_INDEX(at, i), "what runs first must succeed");
	}
	return true;
}

static bool read_merged(struct loader *l, const struct at *at, json_t *step, json_t *merged,
			const char *pattern, struct step *s)
{
	struct step *twin = arena_alloc(l->arena, sizeof(*twin));

	if (same_call(step, merged))
		return load_wrong(l, at, "does the same as its step");
	l->parent = s;
	if (!read_first(l, AT_KEY(at, "first"), json_object_get(merged, "first"), pattern, twin) ||
	    !read_call(l, at, merged, twin_keys, pattern, twin))
		return false;
	l->parent = NULL;
	if (twin->expect.kind != EXPECT_OK)
		return load_wrong(l, AT_KEY(at, "expect"), "a twin must succeed");
	s->twin = twin;
	return true;
}

/* "twin": "none" and its "reason". */
static bool read_no_twin(struct loader *l, const struct at *at, json_t *object, struct step *s)
{
	json_t *reason = json_object_get(object, "reason");

	if (strcmp(json_string_value(json_object_get(object, "twin")), "none"))
		return load_wrong(l, AT_KEY(at, "twin"), "must be an object or \"none\"");
	if (!reason)
		return load_wrong(l, at, "\"twin\": \"none\" needs a \"reason\"");
	s->no_twin = load_string(l, AT_KEY(at, "reason"), reason);
	if (!s->no_twin)
		return false;
	s->no_twin = arena_dup(l->arena, s->no_twin);
	return true;
}

static bool read_twin(struct loader *l, const struct at *at, json_t *object, const char *pattern,
		      struct step *s)
{
	json_t *patch = json_object_get(object, "twin"), *merged;
	bool good;

	if (json_object_get(object, "reason") && !json_is_string(patch))
		return load_wrong(l, at, "\"reason\" belongs to \"twin\": \"none\"");
	if (!patch && expects_failure(s) && l->p->strength != STRENGTH_OBSERVE)
		return load_wrong(l, at,
				  "expects a failure, so it needs a \"twin\" that succeeds, or "
				  "\"twin\": \"none\" and a \"reason\"");
	if (!patch)
		return true;
	if (!expects_failure(s))
		return load_wrong(l, AT_KEY(at, "twin"),
				  "only a step that expects a failure has a twin");
	if (json_is_string(patch))
		return read_no_twin(l, at, object, s);
	if (!json_is_object(patch))
		return load_wrong(l, AT_KEY(at, "twin"), "must be an object or \"none\", not %s",
				  load_type(patch));
	for (size_t i = 1; not_inherited[i]; i++)
		if (json_object_get(patch, not_inherited[i]))
			return load_wrong(l, AT_KEY(at, "twin"), "a twin has no \"%s\"",
					  not_inherited[i]);
	merged = merge(l, AT_KEY(at, "twin"), object, patch);
	if (!merged)
		return false;
	good = read_merged(l, AT_KEY(at, "twin"), object, merged,
			   arena_printf(l->arena, "%s.twin", pattern), s);
	json_decref(merged);
	return good;
}

/* A case that takes any result of every step promises nothing, one that observes must say what. */
static bool strength_fits(struct loader *l)
{
	bool judged = l->p->race != NULL;

	/* What an interrupted call leaves is judged, or recorded, in any case. */
	if (l->p->interrupt)
		return true;
	for (size_t i = 0; i < l->p->steps_count; i++)
		if (l->p->steps[i].expect.kind != EXPECT_ANY)
			judged = true;
	if (l->p->strength != STRENGTH_OBSERVE && !judged)
		return load_wrong(
			l, AT_KEY(NULL, "steps"),
			"any result of every step will do, so the strength is \"observe\"");
	if (l->p->strength == STRENGTH_OBSERVE && !l->observed.count && !l->p->race)
		return load_wrong(l, AT_KEY(NULL, "steps"),
				  "a case of strength \"observe\" needs a step with \"observe\"");
	return true;
}

/* Files that steps make have descriptors too, so all declared later move up. */
static void shift_descriptors(struct loader *l)
{
	const int shift = (int)(l->files.count - l->files_before);

	for (size_t i = 0; i < l->slots_count; i++)
		*l->slots[i] += shift;
}

bool steps_read(struct loader *l, json_t *steps)
{
	const struct at *at = AT_KEY(NULL, "steps");
	struct point *p = l->p;
	json_t *object;
	size_t i;

	l->files_before = l->files.count;
	if (!steps)
		return true;
	if (!json_is_array(steps) || !json_array_size(steps))
		return load_wrong(l, at, "must be a list of steps, not empty");
	if (json_array_size(steps) > LOAD_STEPS_MAX)
		return load_wrong(l, at, "at most %d steps, not %zu", LOAD_STEPS_MAX,
				  json_array_size(steps));
	p->steps = arena_alloc(l->arena, json_array_size(steps) * sizeof(*p->steps));
	json_array_foreach (steps, i, object) {
		const char *pattern = arena_printf(l->arena, "step%zu", i);
		struct step *s = &p->steps[p->steps_count];

		if (json_is_null(object))
			continue;
		p->steps_count++;
		if (!read_call(l, AT_INDEX(at, i), object, step_keys, pattern, s) ||
		    !read_twin(l, AT_INDEX(at, i), object, pattern, s))
			return false;
	}
	if (!p->steps_count)
		return load_wrong(l, at, "vary leaves no step");
	return true;
}

bool load_step(struct loader *l, const struct at *at, json_t *object, const char *pattern,
	       struct step *s)
{
	if (!step_read_plain(l, at, object, pattern, s))
		return false;
	return !expects_failure(s) || load_wrong(l, AT_KEY(at, "expect"), "it must succeed");
}

bool steps_finish(struct loader *l)
{
	shift_descriptors(l);
	return strength_fits(l);
}
