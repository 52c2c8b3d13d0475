/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The loader's way in: bounds on the text, the top level of a case, and the walk over all points.
 * It reads no files and calls no op but for what it needs.
 */
#include "load_internal.h"

#include <stdio.h>
#include <string.h>

#include "check.h"

/* What B and P stand for while a case is only checked. */
static const struct units nominal = { .block = 4096, .page = 4096 };

static const char *const top_keys[] = { "checks",    "why",	  "strength", "needs",	   "tags",
					"vary",	     "except",	  "files",    "steps",	   "actors",
					"before",    "then",	  "race",     "interrupt", "after",
					"timeout_s", "no_mutant", NULL };

static const char *const required_keys[] = { "checks", "why", "strength" };

static const char *const strengths[] = {
	[STRENGTH_MUST] = "must",
	[STRENGTH_SHOULD] = "should",
	[STRENGTH_OBSERVE] = "observe",
};

#define STRENGTHS_COUNT (sizeof(strengths) / sizeof(strengths[0]))

/* Brackets outside strings; returns the line that goes too deep, 0 if none does. */
static size_t too_deep(const char *text, size_t len)
{
	size_t depth = 0, line = 1;
	bool in_string = false;

	for (size_t i = 0; i < len; i++) {
		const char c = text[i];

		if (c == '\n')
			line++;
		else if (in_string && c == '\\')
			i++;
		else if (c == '"')
			in_string = !in_string;
		else if (!in_string && (c == '[' || c == '{') && ++depth > LOAD_DEPTH_MAX)
			return line;
		else if (!in_string && (c == ']' || c == '}') && depth)
			depth--;
	}
	return 0;
}

json_t *load_parse(struct loader *l, const char *text, size_t len)
{
	json_error_t error;
	json_t *root = NULL;
	size_t line;

	if (len > LOAD_TEXT_MAX) {
		load_wrong(l, NULL, "%zu bytes is too long: at most %d", len, LOAD_TEXT_MAX);
		return NULL;
	}
	line = too_deep(text, len);
	if (line) {
		load_wrong(l, NULL, "line %zu is nested too deep: at most %d", line,
			   LOAD_DEPTH_MAX);
		return NULL;
	}
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (!root) {
		/* The position takes the place of a place, as compilers write it. */
		l->path = arena_printf(l->arena, "%.200s:%d:%d", l->path, error.line, error.column);
		load_wrong(l, NULL, "%s", error.text);
		return NULL;
	}
	if (json_is_object(root))
		return root;
	load_wrong(l, NULL, "must be an object, not %s", load_type(root));
	json_decref(root);
	return NULL;
}

static bool read_strength(struct loader *l, const json_t *value, enum strength *strength)
{
	const struct at *at = AT_KEY(NULL, "strength");
	const char *word = load_string(l, at, value);
	struct nearest n;

	if (!word)
		return false;
	nearest_start(&n, word);
	for (size_t i = 0; i < STRENGTHS_COUNT; i++) {
		nearest_try(&n, strengths[i]);
		if (strcmp(strengths[i], word))
			continue;
		*strength = (enum strength)i;
		return true;
	}
	return load_unknown(l, at, "strength", &n);
}

static bool read_whys(struct loader *l, struct casefile *c, json_t *list)
{
	const struct at *at = AT_KEY(NULL, "why");
	json_t *item;
	size_t i;

	if (!json_is_array(list) || !json_array_size(list))
		return load_wrong(l, at, "must be a list of sources, not empty");
	if (json_array_size(list) > LOAD_LIST_MAX)
		return load_wrong(l, at, "at most %d sources", LOAD_LIST_MAX);
	c->why = arena_alloc(l->arena, json_array_size(list) * sizeof(*c->why));
	json_array_foreach (list, i, item) {
		if (!load_why(l, AT_INDEX(at, i), item))
			return false;
		for (size_t k = 0; k < c->why_count; k++)
			if (!strcmp(c->why[k], json_string_value(item)))
				return load_wrong(l, AT_INDEX(at, i), "\"%s\" is there twice",
						  c->why[k]);
		c->why[c->why_count++] = arena_dup(l->arena, json_string_value(item));
	}
	return true;
}

static bool read_timeout(struct loader *l, json_t *value, unsigned int *seconds)
{
	if (!value)
		return true;
	if (!json_is_integer(value) || json_integer_value(value) < 1 ||
	    json_integer_value(value) > LOAD_TIMEOUT_MAX)
		return load_wrong(l, AT_KEY(NULL, "timeout_s"),
				  "must be a number of seconds, 1 to %d", LOAD_TIMEOUT_MAX);
	*seconds = (unsigned int)json_integer_value(value);
	return true;
}

/* The part of the top level that is the same for all points. */
static bool read_top(struct loader *l, struct casefile *c)
{
	json_t *no_mutant = json_object_get(c->root, "no_mutant");
	unsigned int seconds;

	if (!load_keys(l, NULL, c->root, top_keys))
		return false;
	for (size_t i = 0; i < sizeof(required_keys) / sizeof(required_keys[0]); i++)
		if (!json_object_get(c->root, required_keys[i]))
			return load_wrong(l, NULL, "\"%s\" is missing", required_keys[i]);
	if (!json_object_get(c->root, "steps") && !json_object_get(c->root, "actors") &&
	    !json_object_get(c->root, "interrupt"))
		return load_wrong(l, NULL, "\"steps\" is missing");
	c->checks = load_string(l, AT_KEY(NULL, "checks"), json_object_get(c->root, "checks"));
	if (!c->checks)
		return false;
	c->checks = arena_dup(l->arena, c->checks);
	if (no_mutant && !load_string(l, AT_KEY(NULL, "no_mutant"), no_mutant))
		return false;
	return read_whys(l, c, json_object_get(c->root, "why")) &&
	       read_strength(l, json_object_get(c->root, "strength"), &c->strength) &&
	       read_timeout(l, json_object_get(c->root, "timeout_s"), &seconds) &&
	       expand_read(l, c);
}

static const struct need_use *need_have(const struct point *p, int need, const char *param)
{
	for (size_t i = 0; i < p->needs_count; i++) {
		const struct need_use *u = &p->needs[i];

		if (u->need == need && !strcmp(u->param ? u->param : "", param ? param : ""))
			return u;
	}
	return NULL;
}

bool load_lacks(const struct loader *l, int need)
{
	const struct need_use *have = need_have(l->p, need, NULL);

	return have && have->negated;
}

bool load_need(struct loader *l, const struct at *at, int need, bool negated, const char *param)
{
	const struct need_use *have = need_have(l->p, need, param);

	if (have && have->negated != negated)
		return load_wrong(l, at, "needs both \"%s\" and \"!%s\", so it can never run",
				  need_word(need), need_word(need));
	if (!have)
		l->p->needs[l->p->needs_count++] =
			(struct need_use){ .need = need, .negated = negated, .param = param };
	return true;
}

/* One word of "needs": "clone", "!clone", "hook:remount". */
static bool read_need(struct loader *l, const struct at *at, const json_t *value)
{
	const char *text = load_string(l, at, value);
	const char *colon, *word, *param = NULL;
	struct nearest n;
	bool negated;
	int need;

	if (!text)
		return false;
	negated = *text == '!';
	word = text + negated;
	colon = strchr(word, ':');
	if (colon) {
		param = arena_dup(l->arena, colon + 1);
		word = arena_printf(l->arena, "%.*s", (int)(colon - word), word);
	}
	need = need_find(word);
	if (need < 0) {
		nearest_start(&n, word);
		for (int i = 0; i < NEED_COUNT; i++)
			nearest_try(&n, need_word(i));
		return load_unknown(l, at, "need", &n);
	}
	if (need == NEED_HOOK && !param)
		return load_wrong(l, at, "must name the hook: \"hook:NAME\"");
	if (need != NEED_HOOK && param)
		return load_wrong(l, at, "\"%s\" takes no name", need_word(need));
	if (param && !load_plain_name(l, at, param))
		return false;
	if (need_have(l->p, need, param) && need_have(l->p, need, param)->negated == negated)
		return load_wrong(l, at, "\"%.64s\" is there twice", text);
	return load_need(l, at, need, negated, param);
}

static bool read_needs(struct loader *l, json_t *list)
{
	const struct at *at = AT_KEY(NULL, "needs");
	json_t *item;
	size_t i;

	/* Besides the words written there are at most those that steps imply. */
	l->p->needs = arena_alloc(l->arena, (LOAD_LIST_MAX + NEED_COUNT) * sizeof(*l->p->needs));
	if (!list)
		return true;
	if (!json_is_array(list))
		return load_wrong(l, at, "must be a list, not %s", load_type(list));
	if (json_array_size(list) > LOAD_LIST_MAX)
		return load_wrong(l, at, "at most %d needs", LOAD_LIST_MAX);
	json_array_foreach (list, i, item)
		if (!json_is_null(item) && !read_need(l, AT_INDEX(at, i), item))
			return false;
	return true;
}

static bool read_oracle(struct loader *l, const struct at *at, const json_t *value)
{
	const char *name = load_string(l, at, value);
	struct point *p = l->p;
	const struct oracle *o;
	struct nearest n;

	if (!name)
		return false;
	o = oracle_find(name);
	if (!o) {
		nearest_start(&n, name);
		for (size_t i = 0; oracle_at(i); i++)
			nearest_try(&n, oracle_at(i)->name);
		return load_unknown(l, at, "oracle", &n);
	}
	for (size_t i = 0; i < p->after_count; i++)
		if (p->after[i] == o)
			return load_wrong(l, at, "\"%s\" is there twice", name);
	if (o->races && !p->race)
		return load_wrong(l, at, "\"%s\" judges races, so it needs \"actors\"", name);
	p->after[p->after_count++] = o;
	p->alone |= o->dedicated;
	if (o->dedicated && !load_need(l, at, NEED_DEDICATED, false, NULL))
		return false;
	return o->need < 0 || load_need(l, at, o->need, false, NULL);
}

static bool read_after(struct loader *l, json_t *list)
{
	const struct at *at = AT_KEY(NULL, "after");
	json_t *item;
	size_t i;

	if (!list)
		return true;
	if (!json_is_array(list))
		return load_wrong(l, at, "must be a list, not %s", load_type(list));
	if (json_array_size(list) > LOAD_LIST_MAX)
		return load_wrong(l, at, "at most %d oracles", LOAD_LIST_MAX);
	l->p->after = arena_alloc(l->arena, json_array_size(list) * sizeof(*l->p->after));
	json_array_foreach (list, i, item)
		if (!json_is_null(item) && !read_oracle(l, AT_INDEX(at, i), item))
			return false;
	return true;
}

static bool read_tags(struct loader *l, json_t *list)
{
	const struct at *at = AT_KEY(NULL, "tags");
	json_t *item;
	size_t i;

	if (!list)
		return true;
	if (!json_is_array(list))
		return load_wrong(l, at, "must be a list, not %s", load_type(list));
	if (json_array_size(list) > LOAD_LIST_MAX)
		return load_wrong(l, at, "at most %d tags", LOAD_LIST_MAX);
	json_array_foreach (list, i, item) {
		const char *tag;

		if (json_is_null(item))
			continue;
		tag = load_string(l, AT_INDEX(at, i), item);
		if (!tag || !load_plain_name(l, AT_INDEX(at, i), tag))
			return false;
		if (names_find(&l->tags, tag) >= 0)
			return load_wrong(l, AT_INDEX(at, i), "\"%s\" is there twice", tag);
		names_add(l, &l->tags, tag);
	}
	return true;
}

/* The parts of a point that "vary" can change, in the order in which they depend on each other. */
static const struct {
	const char *key;
	bool (*read)(struct loader *l, json_t *value);
} parts[] = {
	{ "needs", read_needs }, { "tags", read_tags },	    { "files", files_read },
	{ "steps", steps_read }, { "actors", actors_read }, { "before", before_read },
	{ "then", then_read },	 { "race", race_read },	    { "interrupt", interrupt_read },
	{ "after", read_after },
};

static void finish_names(struct loader *l)
{
	struct point *p = l->p;
	size_t count = 0;

	p->files_count = l->files.count;
	p->fds_count = l->files.count + l->fds.count;
	p->fds = arena_alloc(l->arena, p->fds_count * sizeof(*p->fds));
	for (size_t i = 0; i < l->files.count; i++)
		p->fds[count++] = l->files.name[i].text;
	for (size_t i = 0; i < l->fds.count; i++)
		p->fds[count++] = l->fds.name[i].text;
	p->maps = names_texts(l, &l->maps);
	p->maps_count = l->maps.count;
	p->patterns = names_texts(l, &l->patterns);
	p->patterns_count = l->patterns.count;
}

/* Read point number @i; l->p holds it, also if there was something wrong. */
static bool read_point(struct loader *l, const struct casefile *c, size_t i)
{
	struct point *p = arena_alloc(l->arena, sizeof(*p));

	l->p = p;
	p->arena = l->arena;
	p->name = arena_dup(l->arena, expand_name(c, i));
	p->checks = arena_dup(l->arena, c->checks);
	p->strength = c->strength;
	names_add(l, &l->patterns, "zero");
	if (!read_timeout(l, json_object_get(c->root, "timeout_s"), &p->timeout_s))
		return false;
	for (size_t k = 0; k < sizeof(parts) / sizeof(parts[0]); k++) {
		json_t *value = expand_part(l, c, i, parts[k].key);
		bool good = !l->wrong && parts[k].read(l, value);

		json_decref(value);
		if (!good)
			return false;
	}
	if (!steps_finish(l))
		return false;
	finish_names(l);
	return true;
}

/* Add what one point used to what any point used. */
static void survey_names(struct loader *all, struct names *seen, const struct names *names)
{
	for (size_t i = 0; i < names->count; i++) {
		const struct name *n = &names->name[i];
		int k = names_find(seen, n->text);

		if (k < 0) {
			k = names_add(all, seen, n->text);
			seen->name[k].place = n->place ? arena_dup(all->arena, n->place) : NULL;
		}
		seen->name[k].used |= n->used;
		seen->name[k].owed |= n->owed;
	}
}

static void survey_tags(struct loader *all, struct casefile *c, size_t i, const struct names *tags)
{
	*expand_tags(c, i) = names_texts(all, tags);
	for (size_t k = 0; k < tags->count; k++) {
		(*expand_tags(c, i))[k] = arena_dup(all->arena, tags->name[k].text);
		if (names_find(&all->tags, tags->name[k].text) < 0)
			names_add(all, &all->tags, tags->name[k].text);
	}
}

/* Check one point, and gather what it uses into @all. */
static bool check_point(struct loader *all, struct casefile *c, size_t i, struct load_error *err)
{
	struct loader l = {
		.path = all->path,
		.err = err,
		.units = &nominal,
		.arena = arena_new(),
	};
	const bool good = read_point(&l, c, i);

	all->values += l.values;
	if (good) {
		survey_names(all, &all->files, &l.files);
		survey_names(all, &all->fds, &l.fds);
		survey_names(all, &all->maps, &l.maps);
		survey_tags(all, c, i, &l.tags);
	}
	arena_free(l.arena);
	return good;
}

/*
 * Check all points. If only some are wrong, the complaint names the first of them; if all are wrong
 * in the same way, it is not the point's fault.
 */
static bool check_points(struct loader *all, struct casefile *c)
{
	size_t wrong = c->points;
	bool alike = true;

	for (size_t i = 0; i < c->points && alike; i++) {
		struct load_error err = { "" };

		if (check_point(all, c, i, &err))
			alike = wrong == c->points;
		else if (wrong == c->points) {
			alike = i == 0;
			wrong = i;
			*all->err = err;
		} else {
			alike = !strcmp(err.text, all->err->text);
		}
		if (all->values > LOAD_VALUES_MAX && wrong < c->points)
			break;
		if (all->values > LOAD_VALUES_MAX)
			return load_wrong(all, NULL, "more than %d JSON values in all points",
					  LOAD_VALUES_MAX);
	}
	if (wrong == c->points)
		return true;
	all->wrong = true;
	if (!alike) {
		const size_t len = strlen(all->err->text);

		snprintf(all->err->text + len, sizeof(all->err->text) - len, " (in %s)",
			 expand_name(c, wrong) + strlen(c->name));
	}
	return false;
}

static bool check_used(struct loader *l, const struct names *names)
{
	for (size_t i = 0; i < names->count; i++) {
		const struct name *n = &names->name[i];

		if (n->owed && !n->used)
			return load_wrong(l, NULL, "%s: nothing uses \"%s\"",
					  n->place ? n->place : "files", n->text);
	}
	return true;
}

static bool read_case(struct loader *l, struct casefile *c, const char *text, size_t len)
{
	c->root = load_parse(l, text, len);
	if (!c->root || !read_top(l, c) || !check_points(l, c))
		return false;
	c->tags = names_texts(l, &l->tags);
	c->tags_count = l->tags.count;
	return expand_unused(l, c) && check_used(l, &l->files) && check_used(l, &l->fds) &&
	       check_used(l, &l->maps);
}

struct casefile *load_case(const char *path, const char *name, const char *text, size_t len,
			   struct load_error *err)
{
	struct arena *arena = arena_new();
	struct casefile *c = arena_alloc(arena, sizeof(*c));
	struct loader l = { .path = path, .err = err, .arena = arena, .units = &nominal };

	c->arena = arena;
	c->path = arena_dup(arena, path);
	c->name = arena_dup(arena, name);
	err->text[0] = '\0';
	if (read_case(&l, c, text, len))
		return c;
	casefile_free(c);
	return NULL;
}

void casefile_free(struct casefile *c)
{
	if (!c)
		return;
	json_decref(c->root);
	arena_free(c->arena);
}

struct point *load_point(const struct casefile *c, size_t i, const struct units *units,
			 struct load_error *err)
{
	struct loader l = { .path = c->path, .err = err, .arena = arena_new(), .units = units };

	err->text[0] = '\0';
	if (read_point(&l, c, i))
		return l.p;
	arena_free(l.arena);
	return NULL;
}

void point_free(struct point *p)
{
	if (p)
		arena_free(p->arena);
}

const char *load_point_name(const struct casefile *c, size_t i)
{
	return expand_name(c, i);
}

bool load_point_tagged(const struct casefile *c, size_t i, const char *tag)
{
	for (const char **t = *expand_tags(c, i); *t; t++)
		if (!strcmp(*t, tag))
			return true;
	return false;
}
