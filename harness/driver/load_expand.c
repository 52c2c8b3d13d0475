/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * "vary" and "except": the cross product, names of its points, and the substitution of "$name" in
 * the JSON tree. A value may refer to keys of "vary" that stand before its own. All that
 * substitution makes is counted, so that a small file cannot grow without bound.
 */
#include "load_internal.h"

#include <string.h>

/* So many bytes of text count as one JSON value. */
#define TEXT_PER_VALUE 64

/** struct vary - one key of "vary" */
struct vary {
	const char *key;
	const char **labels;
	json_t **values;
	size_t count;
	bool used;
};

struct expansion {
	struct vary *vary;
	size_t count;
	/** @product: how many points there are with the excepted ones */
	size_t product;
	/** @raw: for each point its number in the product */
	size_t *raw;
	const char **names;
	const char ***tags;
};

/** struct spot - one point in the course of substitution */
struct spot {
	const struct expansion *x;
	/** @label: which value each key has */
	size_t label[LOAD_VARY_MAX];
	/** @limit: only keys before this one may be referred to */
	size_t limit;
};

static const char word_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				   "0123456789_";
static const char label_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789_.:+-";

/* A plain value as text, NULL if it has none. */
static const char *scalar_text(struct loader *l, const json_t *value)
{
	if (json_is_string(value))
		return json_string_value(value);
	if (json_is_integer(value))
		return arena_printf(l->arena, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	if (json_is_boolean(value))
		return json_is_true(value) ? "true" : "false";
	return NULL;
}

/* Which label a text is, -1 if it is none. */
static int label_find(const struct vary *v, const char *label)
{
	for (size_t i = 0; i < v->count; i++)
		if (!strcmp(v->labels[i], label))
			return (int)i;
	return -1;
}

static bool label_add(struct loader *l, const struct at *at, struct vary *v, const char *label,
		      json_t *value)
{
	if (!label)
		return load_wrong(l, at, "%s has no name: use an object, {\"label\": value}",
				  load_type(value));
	if (!*label || strlen(label) > LABEL_MAX || strspn(label, label_letters) != strlen(label))
		return load_wrong(l, at,
				  "\"%.64s\" cannot be part of a point's name: 1 to %d letters, "
				  "digits, and _ . : + -",
				  label, LABEL_MAX);
	if (label_find(v, label) >= 0)
		return load_wrong(l, at, "\"%s\" is there twice", label);
	v->labels[v->count] = arena_dup(l->arena, label);
	v->values[v->count++] = value;
	return true;
}

static bool vary_values(struct loader *l, const struct at *at, struct vary *v, json_t *values)
{
	const size_t count =
		json_is_array(values) ? json_array_size(values) : json_object_size(values);
	const char *label;
	json_t *value;
	size_t i;

	if (!json_is_array(values) && !json_is_object(values))
		return load_wrong(l, at, "must be a list or an object of labelled values, not %s",
				  load_type(values));
	if (!count)
		return load_wrong(l, at, "must not be empty");
	if (count > LOAD_LIST_MAX)
		return load_wrong(l, at, "at most %d values, not %zu", LOAD_LIST_MAX, count);
	v->labels = arena_alloc(l->arena, count * sizeof(*v->labels));
	v->values = arena_alloc(l->arena, count * sizeof(*v->values));
	json_array_foreach (values, i, value)
		if (!label_add(l, AT_INDEX(at, i), v, scalar_text(l, value), value))
			return false;
	json_object_foreach (values, label, value)
		if (!label_add(l, at, v, label, value))
			return false;
	return true;
}

static bool vary_read(struct loader *l, struct expansion *x, json_t *vary)
{
	const struct at *at = AT_KEY(NULL, "vary");
	const char *key;
	json_t *values;

	x->product = 1;
	if (!vary)
		return true;
	if (!json_is_object(vary))
		return load_wrong(l, at, "must be an object, not %s", load_type(vary));
	if (!json_object_size(vary))
		return load_wrong(l, at, "must not be empty");
	if (json_object_size(vary) > LOAD_VARY_MAX)
		return load_wrong(l, at, "at most %d keys, not %zu", LOAD_VARY_MAX,
				  json_object_size(vary));
	x->vary = arena_alloc(l->arena, json_object_size(vary) * sizeof(*x->vary));
	json_object_foreach (vary, key, values) {
		struct vary *v = &x->vary[x->count++];

		if (!*key || strlen(key) > LOAD_NAME_MAX ||
		    strspn(key, word_letters) != strlen(key))
			return load_wrong(
				l, at, "\"%.64s\" cannot be a key: 1 to %d letters, digits and _",
				key, LOAD_NAME_MAX);
		v->key = arena_dup(l->arena, key);
		if (!vary_values(l, AT_KEY(at, key), v, values))
			return false;
		x->product *= v->count;
		if (x->product > LOAD_POINTS_MAX)
			return load_wrong(l, at, "more than %d points", LOAD_POINTS_MAX);
	}
	return true;
}

/* The value that each key has in point number @raw of the product; the last key runs fastest. */
static void spot_at(struct spot *s, const struct expansion *x, size_t raw)
{
	s->x = x;
	s->limit = x->count;
	for (size_t k = x->count; k-- > 0;) {
		s->label[k] = raw % x->vary[k].count;
		raw /= x->vary[k].count;
	}
}

static int vary_find(const struct expansion *x, const char *key, size_t len)
{
	for (size_t k = 0; k < x->count; k++)
		if (strlen(x->vary[k].key) == len && !memcmp(x->vary[k].key, key, len))
			return (int)k;
	return -1;
}

static bool unknown_vary(struct loader *l, const struct at *at, const struct expansion *x,
			 size_t limit, const char *key)
{
	struct nearest n;

	nearest_start(&n, key);
	for (size_t k = 0; k < limit; k++)
		nearest_try(&n, x->vary[k].key);
	return load_unknown(l, at, "key of vary", &n);
}

/* One object of "except": wanted[k] is the label of key k, or -1 for any. */
static bool except_one(struct loader *l, const struct at *at, const struct expansion *x,
		       json_t *object, int *wanted)
{
	const char *key;
	json_t *value;

	if (!json_is_object(object) || !json_object_size(object))
		return load_wrong(l, at,
				  "must be an object that names a label for some keys of "
				  "vary");
	for (size_t k = 0; k < x->count; k++)
		wanted[k] = -1;
	json_object_foreach (object, key, value) {
		const int k = vary_find(x, key, strlen(key));
		const char *label = scalar_text(l, value);
		struct nearest n;

		if (k < 0)
			return unknown_vary(l, at, x, x->count, key);
		if (!label)
			return load_wrong(l, AT_KEY(at, key), "must be a label, not %s",
					  load_type(value));
		wanted[k] = label_find(&x->vary[k], label);
		if (wanted[k] >= 0)
			continue;
		nearest_start(&n, label);
		for (size_t i = 0; i < x->vary[k].count; i++)
			nearest_try(&n, x->vary[k].labels[i]);
		return load_unknown(l, AT_KEY(at, key), "label", &n);
	}
	return true;
}

/* Take the points out that one object of "except" matches. */
static size_t except_mark(const struct expansion *x, const int *wanted, bool *out)
{
	size_t matched = 0;

	for (size_t raw = 0; raw < x->product; raw++) {
		struct spot s;
		size_t k;

		spot_at(&s, x, raw);
		for (k = 0; k < x->count; k++)
			if (wanted[k] >= 0 && (size_t)wanted[k] != s.label[k])
				break;
		if (k < x->count)
			continue;
		out[raw] = true;
		matched++;
	}
	return matched;
}

static bool except_read(struct loader *l, const struct expansion *x, json_t *list, bool *out)
{
	const struct at *at = AT_KEY(NULL, "except");
	json_t *object;
	size_t i;

	if (!list)
		return true;
	if (!x->count)
		return load_wrong(l, at, "there is no vary to leave points out of");
	if (!json_is_array(list) || !json_array_size(list))
		return load_wrong(l, at, "must be a list of objects, not empty");
	if (json_array_size(list) > LOAD_LIST_MAX)
		return load_wrong(l, at, "at most %d objects, not %zu", LOAD_LIST_MAX,
				  json_array_size(list));
	json_array_foreach (list, i, object) {
		int wanted[LOAD_VARY_MAX] = { 0 };

		if (!except_one(l, AT_INDEX(at, i), x, object, wanted))
			return false;
		if (!except_mark(x, wanted, out))
			return load_wrong(l, AT_INDEX(at, i), "matches no point");
	}
	return true;
}

static const char *point_name(struct loader *l, const char *name, const struct spot *s)
{
	for (size_t k = 0; k < s->x->count; k++)
		name = arena_printf(l->arena, "%s%s%s=%s", name, k ? "," : "[", s->x->vary[k].key,
				    s->x->vary[k].labels[s->label[k]]);
	return s->x->count ? arena_printf(l->arena, "%s]", name) : name;
}

bool expand_read(struct loader *l, struct casefile *c)
{
	struct expansion *x = arena_alloc(l->arena, sizeof(*x));
	bool *out;

	c->expansion = x;
	if (!vary_read(l, x, json_object_get(c->root, "vary")))
		return false;
	out = arena_alloc(l->arena, x->product * sizeof(*out));
	if (!except_read(l, x, json_object_get(c->root, "except"), out))
		return false;
	x->raw = arena_alloc(l->arena, x->product * sizeof(*x->raw));
	x->names = arena_alloc(l->arena, x->product * sizeof(*x->names));
	x->tags = arena_alloc(l->arena, x->product * sizeof(*x->tags));
	for (size_t raw = 0; raw < x->product; raw++) {
		struct spot s;

		if (out[raw])
			continue;
		spot_at(&s, x, raw);
		x->names[c->points] = point_name(l, c->name, &s);
		x->raw[c->points++] = raw;
	}
	if (!c->points)
		return load_wrong(l, AT_KEY(NULL, "except"), "leaves no point");
	return true;
}

const char *expand_name(const struct casefile *c, size_t i)
{
	return c->expansion->names[i];
}

const char ***expand_tags(const struct casefile *c, size_t i)
{
	return &c->expansion->tags[i];
}

bool expand_unused(struct loader *l, const struct casefile *c)
{
	for (size_t k = 0; k < c->expansion->count; k++)
		if (!c->expansion->vary[k].used)
			return load_wrong(l,
					  AT_KEY(AT_KEY(NULL, "vary"), c->expansion->vary[k].key),
					  "nothing uses it");
	return true;
}

static bool count_values(struct loader *l, const struct at *at, size_t more)
{
	l->values += more;
	if (l->values > LOAD_POINT_VALUES_MAX)
		return load_wrong(l, at, "vary makes more than %d JSON values of one point",
				  LOAD_POINT_VALUES_MAX);
	return true;
}

static json_t *put(struct loader *l, const struct at *at, const struct spot *s, json_t *value);

/*
 * The reference at *text, which points behind the '$': a new reference to its value, NULL after a
 * complaint. Moves *text behind it. A dot belongs to it only if the value has members.
 */
static json_t *follow(struct loader *l, const struct at *at, const struct spot *s,
		      const char **text)
{
	const size_t len = strspn(*text, word_letters);
	const int k = vary_find(s->x, *text, len);
	struct spot inner = *s;
	struct vary *v;
	json_t *value;
	size_t member;

	if (!len) {
		load_wrong(l, at, "a '$' must stand before a key of vary");
		return NULL;
	}
	if (k < 0 || (size_t)k >= s->limit) {
		unknown_vary(l, at, s->x, s->limit,
			     arena_printf(l->arena, "%.*s", (int)(len < 64 ? len : 64), *text));
		return NULL;
	}
	v = &s->x->vary[k];
	v->used = true;
	value = v->values[s->label[k]];
	*text += len;
	member = **text == '.' ? strspn(*text + 1, word_letters) : 0;
	if (json_is_object(value) && member) {
		const char *key = arena_printf(l->arena, "%.*s", (int)member, *text + 1);
		json_t *part = json_object_get(value, key);

		if (!part)
			load_wrong(l, at, "%s=%s has no member \"%.64s\" (null would leave it out)",
				   v->key, v->labels[s->label[k]], key);
		*text += member + 1;
		value = part;
	}
	if (!value)
		return NULL;
	inner.limit = (size_t)k;
	return put(l, at, &inner, value);
}

/* A text with references in it. */
static json_t *put_text(struct loader *l, const struct at *at, const struct spot *s,
			const char *text)
{
	const char *result = "";

	while (*text) {
		const size_t len = strcspn(text, "$");
		const char *piece;
		json_t *value;

		result = arena_printf(l->arena, "%s%.*s", result, (int)len, text);
		text += len;
		if (!*text)
			break;
		text++;
		value = follow(l, at, s, &text);
		if (!value)
			return NULL;
		piece = scalar_text(l, value);
		if (piece)
			result = arena_printf(l->arena, "%s%s", result, piece);
		else
			load_wrong(l, at, "%s cannot be part of a text", load_type(value));
		json_decref(value);
		/* The arena keeps every step of the way, so all of it counts. */
		if (!count_values(l, at, strlen(result) / TEXT_PER_VALUE + 1))
			return NULL;
	}
	return json_string(result);
}

static json_t *put_string(struct loader *l, const struct at *at, const struct spot *s,
			  json_t *value)
{
	const char *text = json_string_value(value);
	const char *rest;
	json_t *whole;

	if (!strchr(text, '$'))
		return json_incref(value);
	if (*text != '$')
		return put_text(l, at, s, text);
	rest = text + 1;
	whole = follow(l, at, s, &rest);
	if (!whole || !*rest)
		return whole;
	json_decref(whole);
	return put_text(l, at, s, text);
}

static bool is_reference(const json_t *value)
{
	return json_is_string(value) && *json_string_value(value) == '$';
}

/* A value of null that comes from "vary" leaves the key out. */
static json_t *put_object(struct loader *l, const struct at *at, const struct spot *s,
			  json_t *object)
{
	json_t *copy = json_object(), *value;
	const char *key;

	json_object_foreach (object, key, value) {
		json_t *new = put(l, AT_KEY(at, key), s, value);

		if (!new)
			break;
		if (json_is_null(new) && is_reference(value))
			json_decref(new);
		else
			json_object_set_new_nocheck(copy, key, new);
	}
	if (!l->wrong)
		return copy;
	json_decref(copy);
	return NULL;
}

/* A null from "vary" stays, so that the items behind it keep their numbers; readers skip it. */
static json_t *put_array(struct loader *l, const struct at *at, const struct spot *s, json_t *array)
{
	json_t *copy = json_array(), *value;
	size_t i;

	json_array_foreach (array, i, value) {
		json_t *new = NULL;

		if (json_is_null(value))
			load_wrong(l, AT_INDEX(at, i), "null is no item of a list");
		else
			new = put(l, AT_INDEX(at, i), s, value);
		if (!new)
			break;
		json_array_append_new(copy, new);
	}
	if (!l->wrong)
		return copy;
	json_decref(copy);
	return NULL;
}

/* A copy of the value with all references in it followed; NULL after a complaint. */
static json_t *put(struct loader *l, const struct at *at, const struct spot *s, json_t *value)
{
	if (!count_values(l, at, 1))
		return NULL;
	if (json_is_object(value))
		return put_object(l, at, s, value);
	if (json_is_array(value))
		return put_array(l, at, s, value);
	if (json_is_string(value))
		return put_string(l, at, s, value);
	return json_incref(value);
}

json_t *expand_part(struct loader *l, const struct casefile *c, size_t i, const char *key)
{
	json_t *part = json_object_get(c->root, key);
	struct spot s;

	if (!part)
		return NULL;
	spot_at(&s, c->expansion, c->expansion->raw[i]);
	return put(l, AT_KEY(NULL, key), &s, part);
}
