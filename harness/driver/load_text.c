/* SPDX-License-Identifier: GPL-2.0-only */
/* Names and messages of the loader: every message is one line that says the place and what would be
 * right. */
#include "load_internal.h"

#include <stdio.h>
#include <string.h>

/* Longest word that is compared with known ones, and how many letters may differ. */
#define WORD_MAX 32
#define FAR_MAX	 2

/* snprintf() behind what is there already. */
static void append(char *text, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void append(char *text, size_t size, const char *fmt, ...)
{
	const size_t len = strlen(text);
	va_list args;

	va_start(args, fmt);
	vsnprintf(text + len, size - len, fmt, args);
	va_end(args);
}

static void place_text(char *text, size_t size, const struct at *at)
{
	if (!at)
		return;
	place_text(text, size, at->up);
	if (!at->key)
		append(text, size, "[%zu]", at->index);
	else
		append(text, size, "%s%.48s", at->up ? "." : "", at->key);
}

/* A hostile file must not be able to write to the terminal. */
static void one_line(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

bool load_wrong(struct loader *l, const struct at *at, const char *fmt, ...)
{
	char *text = l->err->text;
	const size_t size = sizeof(l->err->text);
	va_list args;
	size_t len;

	if (l->wrong)
		return false;
	l->wrong = true;
	text[0] = '\0';
	append(text, size, "%.200s: ", l->path);
	place_text(text, size, at);
	if (at)
		append(text, size, ": ");
	len = strlen(text);
	va_start(args, fmt);
	vsnprintf(text + len, size - len, fmt, args);
	va_end(args);
	one_line(text);
	return false;
}

const char *load_place(struct loader *l, const struct at *at)
{
	char text[256] = "";

	place_text(text, sizeof(text), at);
	return arena_dup(l->arena, text);
}

/* Edit distance; both words are at most WORD_MAX letters long. */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int row[WORD_MAX + 1];
	const size_t a_len = strlen(a), b_len = strlen(b);

	for (size_t j = 0; j <= b_len; j++)
		row[j] = (unsigned int)j;
	for (size_t i = 1; i <= a_len; i++) {
		unsigned int corner = row[0];

		row[0] = (unsigned int)i;
		for (size_t j = 1; j <= b_len; j++) {
			const unsigned int above = row[j];
			unsigned int best = corner + (a[i - 1] != b[j - 1]);

			if (above + 1 < best)
				best = above + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			corner = above;
			row[j] = best;
		}
	}
	return row[b_len];
}

void nearest_start(struct nearest *n, const char *wanted)
{
	n->wanted = wanted;
	n->best = NULL;
	n->distance = FAR_MAX + 1;
	n->all[0] = '\0';
}

void nearest_try(struct nearest *n, const char *known)
{
	const size_t len = strlen(n->wanted);
	unsigned int far;

	append(n->all, sizeof(n->all), "%s%s", *n->all ? ", " : "", known);
	if (len > WORD_MAX || strlen(known) > WORD_MAX)
		return;
	far = distance(n->wanted, known);
	/* A word of two letters is two letters away from every other. */
	if (far < n->distance && far < len) {
		n->best = known;
		n->distance = far;
	}
}

bool load_unknown(struct loader *l, const struct at *at, const char *what, const struct nearest *n)
{
	if (n->best)
		return load_wrong(l, at, "unknown %s \"%.64s\" (did you mean \"%.64s\"?)", what,
				  n->wanted, n->best);
	/* All that there is, if the buffer holds it. */
	if (*n->all && strlen(n->all) < sizeof(n->all) - 1)
		return load_wrong(l, at, "unknown %s \"%.64s\" (known: %s)", what, n->wanted,
				  n->all);
	return load_wrong(l, at, "unknown %s \"%.64s\"", what, n->wanted);
}

bool load_keys(struct loader *l, const struct at *at, json_t *object, const char *const *known)
{
	const char *key;
	json_t *value;

	json_object_foreach (object, key, value) {
		struct nearest n;
		size_t i;

		for (i = 0; known[i] && strcmp(known[i], key); i++)
			;
		if (known[i])
			continue;
		nearest_start(&n, key);
		for (i = 0; known[i]; i++)
			nearest_try(&n, known[i]);
		return load_unknown(l, at, "key", &n);
	}
	return true;
}

bool load_plain_name(struct loader *l, const struct at *at, const char *name)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789-_.";
	static const char *const reserved[] = { ".", "..", "closed", "negative", "zero", "none" };

	if (!*name || strspn(name, letters) != strlen(name))
		return load_wrong(l, at,
				  "\"%.64s\" is no plain name: letters, digits, '-', '_' and '.'",
				  name);
	if (strlen(name) > LOAD_NAME_MAX)
		return load_wrong(l, at, "a name has at most %d letters", LOAD_NAME_MAX);
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (!strcmp(name, reserved[i]))
			return load_wrong(l, at, "\"%s\" is reserved: choose another name", name);
	return true;
}

const char *load_type(const json_t *value)
{
	static const char *const types[] = {
		[JSON_OBJECT] = "an object", [JSON_ARRAY] = "a list",	 [JSON_STRING] = "a string",
		[JSON_INTEGER] = "a number", [JSON_REAL] = "a fraction", [JSON_TRUE] = "true",
		[JSON_FALSE] = "false",	     [JSON_NULL] = "null",
	};

	return value ? types[json_typeof(value)] : "nothing";
}

const char *load_string(struct loader *l, const struct at *at, const json_t *value)
{
	if (!json_is_string(value)) {
		load_wrong(l, at, "must be a string, not %s", load_type(value));
		return NULL;
	}
	if (!*json_string_value(value)) {
		load_wrong(l, at, "must not be empty");
		return NULL;
	}
	return json_string_value(value);
}

int names_find(const struct names *n, const char *text)
{
	for (size_t i = 0; i < n->count; i++)
		if (!strcmp(n->name[i].text, text))
			return (int)i;
	return -1;
}

int names_add(struct loader *l, struct names *n, const char *text)
{
	if (n->count == n->room) {
		const size_t room = n->room ? n->room * 2 : 16;
		struct name *grown = arena_alloc(l->arena, room * sizeof(*grown));

		if (n->count)
			memcpy(grown, n->name, n->count * sizeof(*grown));
		n->name = grown;
		n->room = room;
	}
	n->name[n->count] = (struct name){ .text = arena_dup(l->arena, text) };
	return (int)n->count++;
}

const char **names_texts(struct loader *l, const struct names *n)
{
	const char **texts = arena_alloc(l->arena, (n->count + 1) * sizeof(*texts));

	for (size_t i = 0; i < n->count; i++)
		texts[i] = n->name[i].text;
	return texts;
}
