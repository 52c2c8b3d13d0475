/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads suites, with the names and messages of the case loader, and makes the plan. */
#include "suite.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load_internal.h"

#define BLOCKS	     10
#define TIME_S	     60
#define TIME_MAX_S   86400
#define SAMPLES	     10
#define BLOCK_BYTES  (256ULL << 20)
#define PARTS_MAX    32
#define NAME_MAX_LEN 160

static const struct units nominal = { .block = 4096, .page = 4096 };

static const char *const top_keys[] = { "measures", "why", "blocks", "time_s", "parts", NULL };
static const char *const part_keys[] = { "experiment",	"methods", "factors", "samples",
					 "block_bytes", "derive",  "needs",   NULL };
static const char *const derived_words[] = { "none", "slope", "crossover", "scaling" };

/** struct axis - the values of one factor */
struct axis {
	uint64_t *value;
	const char **label;
	size_t count;
	/** @given: the file names it; @named: it is part of names: the file has a list */
	bool given, named;
};

/** struct reader - a suite on its way */
struct reader {
	struct loader l;
	struct suite *s;
	/* of the present part */
	struct axis axis[FACTORS];
	const struct method **method;
	size_t methods;
};

static bool read_number(struct loader *l, const struct at *at, const json_t *value, uint64_t min,
			uint64_t max, uint64_t *out)
{
	const json_int_t n = json_integer_value(value);

	if (!json_is_integer(value))
		return load_wrong(l, at, "must be a number, not %s", load_type(value));
	if (n < 0 || (uint64_t)n < min || (uint64_t)n > max)
		return load_wrong(l, at, "must be from %" PRIu64 " to %" PRIu64, min, max);
	*out = (uint64_t)n;
	return true;
}

static bool read_size(struct loader *l, const struct at *at, const json_t *value, uint64_t *out)
{
	const char *why, *text;

	if (json_is_integer(value))
		return read_number(l, at, value, 0, INT64_MAX, out);
	text = load_string(l, at, value);
	if (!text)
		return false;
	/* the same bytes everywhere, so that runs can be compared */
	if (strpbrk(text, "BP"))
		return load_wrong(l, at, "\"%.64s\": the units B and P are not for suites", text);
	if (!units_parse(text, &nominal, out, &why))
		return load_wrong(l, at, "\"%.64s\": %s", text, why);
	if (*out > 1ULL << 50)
		return load_wrong(l, at, "\"%.64s\" is more than 1024T", text);
	return true;
}

static bool read_word(struct loader *l, const struct at *at, enum factor f, const json_t *value,
		      uint64_t *out)
{
	const char *text = load_string(l, at, value), *word;
	struct nearest n;
	char known[16];

	if (!text)
		return false;
	nearest_start(&n, text);
	for (uint64_t i = 0; (word = factor_value_word(f, i, known)); i++) {
		if (!strcmp(word, text)) {
			*out = i;
			return true;
		}
		nearest_try(&n, word);
	}
	return load_unknown(l, at, "word", &n);
}

/* Numbers that would divide by zero or never end. */
static bool sensible(struct loader *l, const struct at *at, enum factor f, uint64_t value)
{
	static const struct {
		enum factor f;
		uint64_t min, max;
	} bounds[] = {
		{ F_SIZE, 1, 1ULL << 50 },  { F_EXTENTS, 0, 1 << 20 }, { F_FILES, 1, 1 << 20 },
		{ F_WRITE, 1, 1 << 30 },    { F_MATCH, 0, 100 },       { F_CHUNK, 1, 1 << 30 },
		{ F_DESTINATIONS, 1, 100 }, { F_CLONERS, 1, 256 },     { F_RATE, 1, 100000 },
		{ F_DIRTY, 0, 1ULL << 50 },
	};

	for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++)
		if (bounds[i].f == f && (value < bounds[i].min || value > bounds[i].max))
			return load_wrong(l, at, "must be from %" PRIu64 " to %" PRIu64,
					  bounds[i].min, bounds[i].max);
	return true;
}

static bool read_value(struct reader *r, const struct at *at, enum factor f, const json_t *value)
{
	struct loader *l = &r->l;
	struct axis *a = &r->axis[f];
	const size_t i = a->count++;
	bool good = false;

	switch (factor_kind(f)) {
	case FACTOR_SIZE:
		good = read_size(l, at, value, &a->value[i]);
		break;
	case FACTOR_COUNT:
		good = read_number(l, at, value, 0, INT64_MAX, &a->value[i]);
		break;
	case FACTOR_WORD:
		good = read_word(l, at, f, value, &a->value[i]);
		break;
	}
	if (!good || !sensible(l, at, f, a->value[i]))
		return false;
	for (size_t k = 0; k < i; k++)
		if (a->value[k] == a->value[i])
			return load_wrong(l, at, "is there twice");
	a->label[i] = json_is_string(value) ? arena_dup(l->arena, json_string_value(value))
					    : arena_printf(l->arena, "%" JSON_INTEGER_FORMAT,
							   json_integer_value(value));
	return true;
}

static bool read_axis(struct reader *r, const struct at *at, enum factor f, json_t *value)
{
	const size_t count = json_is_array(value) ? json_array_size(value) : 1;
	struct axis *a = &r->axis[f];

	if (!count || count > LOAD_LIST_MAX)
		return load_wrong(&r->l, at, "a list has 1 to %d values", LOAD_LIST_MAX);
	*a = (struct axis){ .given = true, .named = json_is_array(value) };
	a->value = arena_alloc(r->l.arena, count * sizeof(*a->value));
	a->label = arena_alloc(r->l.arena, count * sizeof(*a->label));
	if (!json_is_array(value))
		return read_value(r, at, f, value);
	for (size_t i = 0; i < count; i++)
		if (!read_value(r, AT_INDEX(at, i), f, json_array_get(value, i)))
			return false;
	return true;
}

static bool read_factors(struct reader *r, const struct part *p, const struct at *up, json_t *o)
{
	const struct at *at = AT_KEY(up, "factors");
	const char *key;
	json_t *value;

	for (enum factor f = 0; f < FACTORS; f++) {
		r->axis[f] = (struct axis){ .count = 1 };
		r->axis[f].value = arena_alloc(r->l.arena, sizeof(uint64_t));
		*r->axis[f].value = factor_default(f);
	}
	if (o && !json_is_object(o))
		return load_wrong(&r->l, at, "must be an object, not %s", load_type(o));
	json_object_foreach (o, key, value) {
		const int f = factor_find(key);

		if (f >= 0 && p->experiment->factors & 1U << f) {
			if (!read_axis(r, AT_KEY(at, key), (enum factor)f, value))
				return false;
			continue;
		}
		if (f < 0) {
			struct nearest n;

			nearest_start(&n, key);
			for (enum factor i = 0; i < FACTORS; i++)
				if (p->experiment->factors & 1U << i)
					nearest_try(&n, factor_word(i));
			return load_unknown(&r->l, at, "factor", &n);
		}
		return load_wrong(&r->l, AT_KEY(at, key),
				  "the experiment \"%s\" has no such factor", p->experiment->name);
	}
	return true;
}

static bool unknown_method(struct loader *l, const struct at *at, const char *name)
{
	const struct method *m;
	struct nearest n;

	nearest_start(&n, name);
	for (size_t i = 0; (m = method_at(i)); i++)
		nearest_try(&n, m->name);
	return load_unknown(l, at, "method", &n);
}

static bool read_methods(struct reader *r, const struct part *p, const struct at *up, json_t *list)
{
	const struct at *at = AT_KEY(up, "methods");
	struct loader *l = &r->l;
	json_t *item;
	size_t i;

	if (!json_is_array(list) || !json_array_size(list))
		return load_wrong(l, at, "must be a list of methods, not empty");
	r->methods = 0;
	r->method = arena_alloc(l->arena, json_array_size(list) * sizeof(struct method *));
	json_array_foreach (list, i, item) {
		const struct at *here = AT_INDEX(at, i);
		const char *name = load_string(l, here, item);
		const struct method *m = name ? method_find(name) : NULL;

		if (!name)
			return false;
		if (!m)
			return unknown_method(l, here, name);
		if (!(m->kind & p->experiment->methods))
			return load_wrong(l, here, "the experiment \"%s\" cannot use \"%s\"",
					  p->experiment->name, name);
		for (size_t k = 0; k < r->methods; k++)
			if (r->method[k] == m)
				return load_wrong(l, here, "\"%s\" is there twice", name);
		r->method[r->methods++] = m;
	}
	return true;
}

static bool read_experiment(struct loader *l, struct part *p, const struct at *up, json_t *value)
{
	const struct at *at = AT_KEY(up, "experiment");
	const char *name = load_string(l, at, value);
	const struct experiment *e;
	struct nearest n;

	if (!name)
		return false;
	p->experiment = experiment_find(name);
	if (p->experiment)
		return true;
	nearest_start(&n, name);
	for (size_t i = 0; (e = experiment_at(i)); i++)
		nearest_try(&n, e->name);
	return load_unknown(l, at, "experiment", &n);
}

static bool read_derived(struct loader *l, struct part *p, const struct at *up, json_t *value)
{
	const struct at *at = AT_KEY(up, "derive");
	const char *name = load_string(l, at, value);
	struct nearest n;

	if (!name)
		return false;
	nearest_start(&n, name);
	for (size_t i = 1; i < sizeof(derived_words) / sizeof(derived_words[0]); i++) {
		if (!strcmp(derived_words[i], name)) {
			p->derived = (enum derived)i;
			return true;
		}
		nearest_try(&n, derived_words[i]);
	}
	return load_unknown(l, at, "word", &n);
}

static bool read_needs(struct loader *l, struct part *p, const struct at *up, json_t *value)
{
	const struct at *at = AT_KEY(up, "needs");
	json_t *item;
	size_t i;

	if (!json_is_array(value))
		return load_wrong(l, at, "must be a list, not %s", load_type(value));
	json_array_foreach (value, i, item) {
		const char *word = load_string(l, AT_INDEX(at, i), item);

		if (!word)
			return false;
		if (strcmp(word, "dedicated"))
			return load_wrong(l, AT_INDEX(at, i),
					  "unknown need \"%.64s\" (known: dedicated)", word);
		p->dedicated = true;
	}
	return true;
}

/* Name of a method at the present point of the part. */
static const char *cell_name(struct reader *r, const struct method *m, const size_t *at)
{
	char text[512];
	size_t len = (size_t)snprintf(text, sizeof(text), "%s/%s", r->s->name, m->name);
	bool first = true;

	for (enum factor f = 0; f < FACTORS && len < sizeof(text); f++) {
		if (!r->axis[f].named)
			continue;
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s=%s",
					first ? "[" : ",", factor_word(f), r->axis[f].label[at[f]]);
		first = false;
	}
	if (!first && len < sizeof(text))
		snprintf(text + len, sizeof(text) - len, "]");
	return arena_dup(r->l.arena, text);
}

static bool add_cell(struct reader *r, const struct part *p, const struct at *up,
		     const struct method *m, const size_t *at)
{
	struct suite *s = r->s;
	struct cell *c = &s->cell[s->cells];
	uint64_t fit;

	if (s->cells == SUITE_CELLS_MAX)
		return load_wrong(&r->l, up, "more than %d cells", SUITE_CELLS_MAX);
	*c = (struct cell){ .name = cell_name(r, m, at), .part = p, .method = m };
	c->point = s->points;
	for (enum factor f = 0; f < FACTORS; f++)
		c->value[f] = r->axis[f].value[at[f]];
	fit = p->block_bytes / (c->value[F_SIZE] ? c->value[F_SIZE] : 1);
	c->samples = fit < p->samples ? (unsigned int)(fit ? fit : 1) : p->samples;
	if (strlen(c->name) > NAME_MAX_LEN)
		return load_wrong(&r->l, up, "a cell's name is longer than %d", NAME_MAX_LEN);
	for (size_t i = 0; i < s->cells; i++)
		if (!strcmp(s->cell[i].name, c->name))
			return load_wrong(&r->l, up, "there are two cells \"%s\"", c->name);
	s->cells++;
	return true;
}

/* The cross product of factors, then methods. */
static bool add_cells(struct reader *r, const struct part *p, const struct at *up)
{
	size_t at[FACTORS] = { 0 };
	int f;

	do {
		for (size_t i = 0; i < r->methods; i++)
			if (!add_cell(r, p, up, r->method[i], at))
				return false;
		r->s->points++;
		/* the next point: count up as an odometer does */
		for (f = FACTORS - 1; f >= 0; f--) {
			if (++at[f] < r->axis[f].count)
				break;
			at[f] = 0;
		}
	} while (f >= 0);
	return true;
}

static bool read_part(struct reader *r, struct part *p, const struct at *at, json_t *o)
{
	struct loader *l = &r->l;
	json_t *samples = json_object_get(o, "samples"), *bytes = json_object_get(o, "block_bytes");
	json_t *derive = json_object_get(o, "derive"), *needs = json_object_get(o, "needs");
	uint64_t number = SAMPLES;

	if (!json_is_object(o))
		return load_wrong(l, at, "must be an object, not %s", load_type(o));
	p->block_bytes = BLOCK_BYTES;
	if (!load_keys(l, at, o, part_keys) ||
	    !read_experiment(l, p, at, json_object_get(o, "experiment")) ||
	    !read_methods(r, p, at, json_object_get(o, "methods")) ||
	    !read_factors(r, p, at, json_object_get(o, "factors")) ||
	    (samples &&
	     !read_number(l, AT_KEY(at, "samples"), samples, 1, SUITE_SAMPLES_MAX, &number)) ||
	    (bytes && !read_size(l, AT_KEY(at, "block_bytes"), bytes, &p->block_bytes)) ||
	    (derive && !read_derived(l, p, at, derive)) || (needs && !read_needs(l, p, at, needs)))
		return false;
	p->samples = (unsigned int)number;
	return add_cells(r, p, at);
}

static bool read_why(struct loader *l, json_t *list)
{
	const struct at *at = AT_KEY(NULL, "why");
	json_t *item;
	size_t i;

	if (!json_is_array(list) || !json_array_size(list))
		return load_wrong(l, at, "must be a list of sources, not empty");
	json_array_foreach (list, i, item)
		if (!load_string(l, AT_INDEX(at, i), item))
			return false;
	return true;
}

static bool read_suite(struct reader *r, json_t *o)
{
	json_t *parts = json_object_get(o, "parts"), *blocks = json_object_get(o, "blocks");
	json_t *time_s = json_object_get(o, "time_s");
	uint64_t blocks_n = BLOCKS, time_n = TIME_S;
	struct loader *l = &r->l;
	struct suite *s = r->s;
	const char *measures;

	if (!load_keys(l, NULL, o, top_keys))
		return false;
	measures = load_string(l, AT_KEY(NULL, "measures"), json_object_get(o, "measures"));
	if (!measures || !read_why(l, json_object_get(o, "why")) ||
	    (blocks &&
	     !read_number(l, AT_KEY(NULL, "blocks"), blocks, 1, SUITE_BLOCKS_MAX, &blocks_n)) ||
	    (time_s && !read_number(l, AT_KEY(NULL, "time_s"), time_s, 1, TIME_MAX_S, &time_n)))
		return false;
	s->measures = arena_dup(s->arena, measures);
	s->blocks = (unsigned int)blocks_n;
	s->time_s = (unsigned int)time_n;
	if (!json_is_array(parts) || !json_array_size(parts) || json_array_size(parts) > PARTS_MAX)
		return load_wrong(l, AT_KEY(NULL, "parts"), "must be a list of 1 to %d parts",
				  PARTS_MAX);
	s->part = arena_alloc(s->arena, json_array_size(parts) * sizeof(*s->part));
	s->cell = arena_alloc(s->arena, SUITE_CELLS_MAX * sizeof(*s->cell));
	for (; s->parts < json_array_size(parts); s->parts++)
		if (!read_part(r, &s->part[s->parts], AT_INDEX(AT_KEY(NULL, "parts"), s->parts),
			       json_array_get(parts, s->parts)))
			return false;
	return true;
}

struct suite *suite_load(const char *path, const char *name, const char *text, size_t len,
			 struct load_error *err)
{
	struct arena *arena = arena_new();
	struct reader r = { .l = { .path = path, .err = err, .arena = arena } };
	json_t *root;
	bool good;

	r.s = arena_alloc(arena, sizeof(*r.s));
	r.s->arena = arena;
	r.s->name = arena_dup(arena, name);
	err->text[0] = '\0';
	root = load_parse(&r.l, text, len);
	good = root && load_plain_name(&r.l, NULL, name) && read_suite(&r, root);
	json_decref(root);
	if (good)
		return r.s;
	arena_free(arena);
	return NULL;
}

void suite_free(struct suite *s)
{
	if (s)
		arena_free(s->arena);
}

void suite_order(const struct suite *s, uint64_t seed, unsigned int block, size_t *out)
{
	struct chance c = { seed + block };
	size_t *points = malloc((s->points + 1) * sizeof(*points)), at = 0;

	if (!points)
		abort();
	/* neighbouring seeds have nothing in common after this */
	c.state = chance_next(&c);
	for (size_t i = 0; i < s->points; i++)
		points[i] = i;
	chance_shuffle(&c, points, s->points);
	for (size_t i = 0; i < s->points; i++) {
		const size_t first = at;

		for (size_t k = 0; k < s->cells; k++)
			if (s->cell[k].point == points[i])
				out[at++] = k;
		chance_shuffle(&c, out + first, at - first);
	}
	free(points);
}
