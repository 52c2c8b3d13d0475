/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Arguments of ops and "expect", read as the op's tables say (struct argspec): one reader for each
 * type of argument, each from text; values that are no text in JSON have their own way in.
 */
#include "load_internal.h"

#include <stdlib.h>
#include <string.h>

/** struct slot - where a value goes, and what may be said about it */
struct slot {
	const struct at *at;
	const struct argspec *spec;
	void *out;
};

int load_table_find(const struct argspec *table, const char *name)
{
	for (int i = 0; table && table[i].name; i++)
		if (!strcmp(table[i].name, name))
			return i;
	return -1;
}

static bool put_number(struct loader *l, const struct slot *s, uint64_t value)
{
	if (s->spec->max && value > s->spec->max)
		return load_wrong(l, s->at, "%llu is too much: at most %llu",
				  (unsigned long long)value, (unsigned long long)s->spec->max);
	if (s->spec->type == ARG_OPT_NUM)
		*(struct opt_num *)s->out = (struct opt_num){ .set = true, .value = value };
	else
		*(uint64_t *)s->out = value;
	return true;
}

static bool text_number(struct loader *l, const struct slot *s, const char *text)
{
	const char *why;
	uint64_t value;

	if (!units_parse(text, l->units, &value, &why))
		return load_wrong(l, s->at, "\"%.64s\" is no size: %s", text, why);
	return put_number(l, s, value);
}

/* Descriptor numbers move when later steps make files; so it is kept where they are. */
static void put_fd(struct loader *l, const struct slot *s, int fd)
{
	if (l->slots_count == l->slots_room) {
		const size_t room = l->slots_room ? l->slots_room * 2 : 32;
		int **grown = arena_alloc(l->arena, room * sizeof(*grown));

		if (l->slots_count)
			memcpy(grown, l->slots, l->slots_count * sizeof(*grown));
		l->slots = grown;
		l->slots_room = room;
	}
	*(int *)s->out = fd;
	l->slots[l->slots_count++] = s->out;
}

static bool unknown_name(struct loader *l, const struct slot *s, const char *what,
			 const struct names *names, const char *text)
{
	struct nearest n;

	nearest_start(&n, text);
	for (size_t i = 0; i < names->count; i++)
		nearest_try(&n, names->name[i].text);
	return load_unknown(l, s->at, what, &n);
}

static bool unknown_fd(struct loader *l, const struct slot *s, const char *text)
{
	struct nearest n;

	nearest_start(&n, text);
	for (size_t i = 0; i < l->files.count; i++)
		if (!l->p->files[i].open_none)
			nearest_try(&n, l->files.name[i].text);
	for (size_t i = 0; i < l->fds.count; i++)
		nearest_try(&n, l->fds.name[i].text);
	return load_unknown(l, s->at, "descriptor", &n);
}

static bool text_fd(struct loader *l, const struct slot *s, const char *text)
{
	const int fd = names_find(&l->fds, text);
	const int file = names_find(&l->files, text);

	if (!strcmp(text, "closed")) {
		*(int *)s->out = FD_CLOSED;
		return true;
	}
	if (!strcmp(text, "negative")) {
		*(int *)s->out = FD_NEGATIVE;
		return true;
	}
	if (fd >= 0) {
		l->fds.name[fd].used = true;
		put_fd(l, s, (int)l->files_before + fd);
		return true;
	}
	if (file < 0)
		return unknown_fd(l, s, text);
	if (l->p->files[file].open_none)
		return load_wrong(l, s->at, "the file \"%s\" has no descriptor", text);
	l->files.name[file].used = true;
	*(int *)s->out = file;
	return true;
}

static bool text_file(struct loader *l, const struct slot *s, const char *text)
{
	const int file = names_find(&l->files, text);

	if (file < 0)
		return unknown_name(l, s, "file", &l->files, text);
	l->files.name[file].used = true;
	*(int *)s->out = file;
	return true;
}

static bool text_map(struct loader *l, const struct slot *s, const char *text)
{
	const int map = names_find(&l->maps, text);

	if (map < 0)
		return unknown_name(l, s, "mapping", &l->maps, text);
	l->maps.name[map].used = true;
	*(int *)s->out = map;
	return true;
}

/*
 * Number of a name that this argument declares, -1 after a complaint. A twin declares again what
 * its step, which fails, cannot have made.
 */
static int declare(struct loader *l, const struct slot *s, struct names *names, const char *text)
{
	int number = names_find(names, text);

	if (!load_plain_name(l, s->at, text))
		return -1;
	if (number < 0 && names->count < LOAD_NAMES_MAX)
		number = names_add(l, names, text);
	else if (number < 0) {
		load_wrong(l, s->at, "more than %d names", LOAD_NAMES_MAX);
		return -1;
	} else if (!l->parent || names->name[number].step != l->parent) {
		load_wrong(l, s->at, "\"%s\" is declared already", text);
		return -1;
	}
	names->name[number].step = l->step;
	names->name[number].place = load_place(l, s->at);
	return number;
}

static bool text_new_fd(struct loader *l, const struct slot *s, const char *text)
{
	int fd;

	if (names_find(&l->files, text) >= 0)
		return load_wrong(l, s->at, "\"%s\" is declared already", text);
	fd = declare(l, s, &l->fds, text);
	if (fd < 0)
		return false;
	put_fd(l, s, (int)l->files_before + fd);
	return true;
}

static bool text_new_map(struct loader *l, const struct slot *s, const char *text)
{
	const int map = declare(l, s, &l->maps, text);

	*(int *)s->out = map;
	return map >= 0;
}

static bool text_new_file(struct loader *l, const struct slot *s, const char *text)
{
	int file;

	if (names_find(&l->fds, text) >= 0)
		return load_wrong(l, s->at, "\"%s\" is declared already", text);
	if (l->files.count >= l->files_before + LOAD_FILES_MAX)
		return load_wrong(l, s->at, "steps can make at most %d files", LOAD_FILES_MAX);
	file = declare(l, s, &l->files, text);
	if (file < 0)
		return false;
	l->p->files[file] = (struct filespec){
		.name = l->files.name[file].text,
		.kind = FILE_LATER,
		.open_none = true,
		.sharer = -1,
	};
	*(int *)s->out = file;
	return true;
}

/* "zero", "name" or "name@size". */
static bool text_data(struct loader *l, const struct slot *s, const char *text)
{
	const char *at_sign = strchr(text, '@');
	const char *name = text, *why;
	struct data *data = s->out;
	int pattern;

	*data = (struct data){ .at = at_sign };
	if (!strcmp(text, "zero"))
		return true;
	if (at_sign) {
		name = arena_printf(l->arena, "%.*s", (int)(at_sign - text), text);
		if (!units_parse(at_sign + 1, l->units, &data->off, &why))
			return load_wrong(l, s->at, "\"%.64s\" is no size: %s", at_sign + 1, why);
	}
	if (!strcmp(name, "zero"))
		return load_wrong(l, s->at, "zeroes are the same everywhere: leave out the '@'");
	if (!load_plain_name(l, s->at, name))
		return false;
	pattern = names_find(&l->patterns, name);
	if (pattern < 0 && l->only_known_data)
		return unknown_name(l, s, "pattern", &l->patterns, name);
	if (pattern < 0 && l->patterns.count > LOAD_NAMES_MAX + LOAD_STEPS_MAX + LOAD_FILES_MAX)
		return load_wrong(l, s->at, "too many names of data");
	if (pattern < 0)
		pattern = names_add(l, &l->patterns, name);
	data->pattern = (uint32_t)pattern;
	return true;
}

static bool unknown_word(struct loader *l, const struct slot *s, const char *text)
{
	struct nearest n;

	nearest_start(&n, text);
	for (const struct word *w = s->spec->words; w->name; w++)
		nearest_try(&n, w->name);
	return load_unknown(l, s->at, "word", &n);
}

static const struct word *word_find(const struct slot *s, const char *text)
{
	for (const struct word *w = s->spec->words; w->name; w++)
		if (!strcmp(w->name, text))
			return w;
	return NULL;
}

static bool text_word(struct loader *l, const struct slot *s, const char *text)
{
	const struct word *w = word_find(s, text);

	if (!w)
		return unknown_word(l, s, text);
	*(int *)s->out = (int)w->value;
	return true;
}

/* Words joined by '+'; a number among them is for flags that have no word. */
static bool text_flags(struct loader *l, const struct slot *s, const char *text)
{
	uint64_t flags = 0;

	while (text && *text) {
		const char *plus = strchr(text, '+');
		const int len = plus ? (int)(plus - text) : (int)strlen(text);
		const char *one = arena_printf(l->arena, "%.*s", len, text);
		const struct word *w = word_find(s, one);
		const char *why;
		uint64_t number;

		if (w)
			flags |= w->value;
		else if (units_parse(one, l->units, &number, &why))
			flags |= number;
		else
			return unknown_word(l, s, one);
		text = plus ? plus + 1 : NULL;
		if (text && !*text)
			return load_wrong(l, s->at, "a word is missing behind the last '+'");
	}
	*(uint64_t *)s->out = flags;
	return true;
}

static bool text_mode(struct loader *l, const struct slot *s, const char *text)
{
	uint32_t mode = 0;
	const char *digit;

	for (digit = text; *digit >= '0' && *digit <= '7' && mode <= 07777; digit++)
		mode = mode * 8 + (uint32_t)(*digit - '0');
	if (digit == text || *digit || mode > 07777)
		return load_wrong(l, s->at, "\"%.64s\" is no mode: octal digits, at most 07777",
				  text);
	*(uint32_t *)s->out = mode;
	return true;
}

static bool text_bool(struct loader *l, const struct slot *s, const char *text)
{
	(void)l;
	*(bool *)s->out = !strcmp(text, "true");
	return true;
}

static bool text_text(struct loader *l, const struct slot *s, const char *text)
{
	*(const char **)s->out = arena_dup(l->arena, text);
	return true;
}

/* What each type is called in messages, and how it is read from text. */
static const struct {
	const char *what;
	bool (*text)(struct loader *l, const struct slot *s, const char *text);
} types[] = {
	[ARG_NUM] = { "a size", text_number },
	[ARG_OPT_NUM] = { "a size", text_number },
	[ARG_FD] = { "a descriptor's name", text_fd },
	[ARG_NEW_FD] = { "a new descriptor's name", text_new_fd },
	[ARG_FILE] = { "a file's name", text_file },
	[ARG_NEW_FILE] = { "a new file's name", text_new_file },
	[ARG_MAP] = { "a mapping's name", text_map },
	[ARG_NEW_MAP] = { "a new mapping's name", text_new_map },
	[ARG_DATA] = { "a pattern's name", text_data },
	[ARG_WORD] = { "a word", text_word },
	[ARG_FLAGS] = { "words joined by +", text_flags },
	[ARG_MODE] = { "an octal mode in quotes", text_mode },
	[ARG_BOOL] = { "true or false", text_bool },
	[ARG_TEXT] = { "a string", text_text },
	[ARG_LIST] = { "a list of objects", NULL },
};

bool load_arg(struct loader *l, const struct at *at, const struct argspec *spec, const char *text,
	      void *out)
{
	const struct slot s = { .at = at, .spec = spec, .out = out };

	return types[spec->type].text(l, &s, text);
}

static bool list_value(struct loader *l, const struct slot *s, json_t *value)
{
	struct list *list = s->out;
	char *items;
	json_t *item;
	size_t i;

	if (json_array_size(value) > LOAD_LIST_MAX)
		return load_wrong(l, s->at, "at most %d items, not %zu", LOAD_LIST_MAX,
				  json_array_size(value));
	items = arena_alloc(l->arena, json_array_size(value) * s->spec->item_size);
	list->items = items;
	json_array_foreach (value, i, item) {
		const struct at *at = AT_INDEX(s->at, i);
		uint64_t set = 0;

		if (json_is_null(item))
			continue;
		if (!json_is_object(item))
			return load_wrong(l, at, "must be an object, not %s", load_type(item));
		if (!load_table_keys(l, at, s->spec->nested, item, NULL) ||
		    !load_args(l, at, s->spec->nested, item,
			       items + list->count++ * s->spec->item_size, &set))
			return false;
	}
	return true;
}

static bool integer_value(struct loader *l, const struct slot *s, json_t *value)
{
	const uint64_t number = (uint64_t)json_integer_value(value);

	if (s->spec->type != ARG_FLAGS)
		return put_number(l, s, number);
	*(uint64_t *)s->out = number;
	return true;
}

/* One argument from JSON. */
static bool value_read(struct loader *l, const struct slot *s, json_t *value)
{
	const enum arg_type type = s->spec->type;
	const bool number = type == ARG_NUM || type == ARG_OPT_NUM || type == ARG_FLAGS;

	if (type == ARG_LIST && json_is_array(value))
		return list_value(l, s, value);
	if (type == ARG_BOOL && json_is_boolean(value)) {
		*(bool *)s->out = json_is_true(value);
		return true;
	}
	if (number && json_is_integer(value))
		return integer_value(l, s, value);
	if (type != ARG_LIST && type != ARG_BOOL && json_is_string(value))
		return types[type].text(l, s, json_string_value(value));
	return load_wrong(l, s->at, "must be %s, not %s", types[type].what, load_type(value));
}

bool load_table_keys(struct loader *l, const struct at *at, const struct argspec *table,
		     json_t *object, const char *const *others)
{
	const char *key;
	json_t *value;

	json_object_foreach (object, key, value) {
		struct nearest n;
		size_t i;

		for (i = 0; others && others[i] && strcmp(others[i], key); i++)
			;
		if ((others && others[i]) || load_table_find(table, key) >= 0)
			continue;
		nearest_start(&n, key);
		for (i = 0; table && table[i].name; i++)
			nearest_try(&n, table[i].name);
		for (i = 0; others && others[i]; i++)
			nearest_try(&n, others[i]);
		return load_unknown(l, at, "key", &n);
	}
	return true;
}

/* An argument that is not there. */
static bool absent(struct loader *l, const struct slot *s, uint64_t *set, uint64_t bit)
{
	if (s->spec->required)
		return load_wrong(l, s->at->up, "\"%s\" is missing: %s", s->spec->name,
				  s->spec->doc ? s->spec->doc : types[s->spec->type].what);
	if (s->spec->fallback) {
		*set |= bit;
		return types[s->spec->type].text(l, s, s->spec->fallback);
	}
	if (s->spec->type == ARG_FD || s->spec->type == ARG_FILE || s->spec->type == ARG_MAP)
		*(int *)s->out = NAME_NONE;
	/* The data of a step that says nothing is its own. */
	if (s->spec->type == ARG_DATA && l->step && !l->only_known_data)
		*(struct data *)s->out = (struct data){ .pattern = l->step->pattern };
	return true;
}

bool load_args(struct loader *l, const struct at *at, const struct argspec *table, json_t *object,
	       void *out, uint64_t *set)
{
	for (int i = 0; table && table[i].name; i++) {
		const struct slot s = {
			.at = AT_KEY(at, table[i].name),
			.spec = &table[i],
			.out = (char *)out + table[i].offset,
		};
		json_t *value = json_object_get(object, table[i].name);

		if (!value) {
			if (!absent(l, &s, set, 1ULL << i))
				return false;
			continue;
		}
		*set |= 1ULL << i;
		if (!value_read(l, &s, value))
			return false;
	}
	return true;
}

static bool add_err(struct loader *l, const struct at *at, json_t *value, struct expect *e)
{
	const char *name = load_string(l, at, value);
	size_t count;
	int err;

	if (!name)
		return false;
	err = errno_number(name);
	if (!err)
		return load_wrong(l, at, "\"%.64s\" is no errno name", name);
	for (count = 0; e->errs[count]; count++)
		if (e->errs[count] == err)
			return load_wrong(l, at, "%s is there twice", name);
	if (count == EXPECT_ERRS)
		return load_wrong(l, at, "at most %d errnos", EXPECT_ERRS);
	e->errs[count] = err;
	e->kind = EXPECT_ERR;
	return true;
}

static bool expect_err(struct loader *l, const struct at *at, json_t *value, struct expect *e)
{
	json_t *item;
	size_t i;

	if (!value)
		return true;
	if (!json_is_array(value))
		return add_err(l, at, value, e);
	json_array_foreach (value, i, item)
		if (!json_is_null(item) && !add_err(l, AT_INDEX(at, i), item, e))
			return false;
	return e->errs[0] || load_wrong(l, at, "must not be empty");
}

/* "or_err": success is as good. */
static bool expect_or_err(struct loader *l, const struct at *at, json_t *value, struct expect *e)
{
	if (!value)
		return true;
	if (e->kind != EXPECT_OK)
		return load_wrong(l, at, "a call that must fail cannot succeed as well");
	if (!expect_err(l, at, value, e))
		return false;
	e->kind = EXPECT_EITHER;
	return true;
}

static bool expect_signal(struct loader *l, const struct at *at, json_t *value, struct expect *e)
{
	const char *name;

	if (!value)
		return true;
	name = load_string(l, at, value);
	if (!name)
		return false;
	e->sig = signal_number(name);
	if (!e->sig)
		return load_wrong(l, at, "\"%.64s\" is no signal name", name);
	if (e->kind == EXPECT_OK)
		e->kind = EXPECT_SIGNAL;
	return true;
}

static bool expect_ret(struct loader *l, const struct at *at, json_t *value, struct expect *e)
{
	static const struct argspec spec = { .name = "ret", .type = ARG_OPT_NUM };
	const struct slot s = { .at = at, .spec = &spec, .out = &e->ret };

	if (!value)
		return true;
	if (e->kind != EXPECT_OK && e->kind != EXPECT_EITHER)
		return load_wrong(l, at, "a call that fails returns nothing else");
	return value_read(l, &s, value);
}

static bool expect_object(struct loader *l, const struct at *at, struct step *s, json_t *value)
{
	static const char *const keys[] = { "err", "or_err", "signal", "ret", NULL };
	const struct op *op = s->op;
	struct expect *e = &s->expect;

	if (!json_object_size(value))
		return load_wrong(l, at, "says nothing: use \"ok\" or \"any\"");
	if (!load_table_keys(l, at, op->expects, value, keys) ||
	    !expect_err(l, AT_KEY(at, "err"), json_object_get(value, "err"), e) ||
	    !expect_or_err(l, AT_KEY(at, "or_err"), json_object_get(value, "or_err"), e) ||
	    !expect_signal(l, AT_KEY(at, "signal"), json_object_get(value, "signal"), e) ||
	    !expect_ret(l, AT_KEY(at, "ret"), json_object_get(value, "ret"), e))
		return false;
	if (!op->expects)
		return true;
	e->more = arena_alloc(l->arena, op->expects_size);
	l->only_known_data = true;
	if (!load_args(l, at, op->expects, value, e->more, &e->more_set))
		return false;
	l->only_known_data = false;
	if (!e->more_set)
		e->more = NULL;
	return true;
}

/* "ok" and "any". */
static bool expect_word(struct loader *l, const struct at *at, struct step *s, const char *word)
{
	if (errno_number(word))
		return load_wrong(l, at, "an errno is written { \"err\": \"%s\" }", word);
	s->expect.kind = strcmp(word, "any") ? EXPECT_OK : EXPECT_ANY;
	s->expect.text = arena_dup(l->arena, word);
	if (strcmp(word, "any") && strcmp(word, "ok"))
		return load_wrong(l, at, "must be \"ok\", \"any\" or an object, not \"%.64s\"",
				  word);
	return true;
}

bool load_expect(struct loader *l, const struct at *at, struct step *s, json_t *value)
{
	char *text;

	s->expect = (struct expect){ .kind = s->observe ? EXPECT_ANY : EXPECT_OK };
	s->expect.text = s->observe ? "any" : "ok";
	if (!value)
		return true;
	if (json_is_string(value))
		return expect_word(l, at, s, json_string_value(value));
	if (!json_is_object(value))
		return load_wrong(l, at, "must be \"ok\", \"any\" or an object, not %s",
				  load_type(value));
	if (!expect_object(l, at, s, value))
		return false;
	text = json_dumps(value, JSON_COMPACT);
	s->expect.text = arena_dup(l->arena, text ? text : "");
	free(text);
	return true;
}
