/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The JSON schema of the case language, for editors and other programs. It is made from the tables
 * that the loader reads by, so that it cannot say anything else. What depends on more than one
 * place (names that are declared, things that nothing uses) only the loader sees.
 */
#include "load_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "sector.h"

#define TERM	   "((0x[0-9a-fA-F]+|[0-9]+)[KMGTEBP]?|[BP])"
#define SIZE	   "-?" TERM "([+-]" TERM ")*"
#define VARY	   "\\$[A-Za-z0-9_]"
#define NOT_PLAIN  "(?!(\\.|\\.\\.|closed|negative|zero|none)(@|$))"
#define NAME	   NOT_PLAIN "[A-Za-z0-9_.-]{1,48}"
#define LABEL	   "[A-Za-z0-9_.:+-]{1,64}"
#define ERRNO_LAST 133
#define SIG_LAST   64

/*
 * JSON from a text with apostrophes for quotes. Only this file's own words go into it, so what does
 * not parse is a mistake in this file.
 */
static json_t *js(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static json_t *js(const char *fmt, ...)
{
	char text[2048];
	va_list args;
	json_t *value;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	for (char *c = text; *c; c++)
		if (*c == '\'')
			*c = '"';
	value = json_loads(text, JSON_DECODE_ANY, NULL);
	if (!value) {
		fprintf(stderr, "cowbell: no JSON: %s\n", text);
		abort();
	}
	return value;
}

/* Set one key of a schema. */
static json_t *with(json_t *schema, const char *key, json_t *value)
{
	json_object_set_new(schema, key, value);
	return schema;
}

static json_t *ref(const char *name)
{
	return js("{'$ref': '#/$defs/%s'}", name);
}

/* The definition PREFIX.OP. */
static json_t *op_ref(const char *prefix, const struct op *op)
{
	return js("{'$ref': '#/$defs/%s.%s'}", prefix, op->name);
}

static json_t *pattern(const char *text)
{
	return json_pack("{s:s, s:o}", "type", "string", "pattern", json_sprintf("^%s$", text));
}

/* A string with a reference to vary in it can become anything. */
static json_t *or_vary(json_t *schema)
{
	return json_pack("{s:[o, o]}", "anyOf", schema, ref("vary"));
}

static json_t *closed(json_t *properties, json_t *required)
{
	json_t *schema = js("{'type': 'object', 'additionalProperties': false}");

	return with(with(schema, "properties", properties), "required", required);
}

static json_t *list_of(json_t *items, int least, int most)
{
	json_t *schema = js("{'type': 'array', 'minItems': %d, 'maxItems': %d}", least, most);

	return with(schema, "items", items);
}

/* Letters that mean something to a regular expression do not occur in words. */
static json_t *words_pattern(const struct word *words)
{
	json_t *all = json_string("");

	for (const struct word *w = words; w->name; w++) {
		json_t *more = json_sprintf("%s%s|", json_string_value(all), w->name);

		json_decref(all);
		all = more;
	}
	return all;
}

static json_t *flags_schema(const struct word *words)
{
	json_t *any = words_pattern(words);
	json_t *text = json_sprintf("((%s%s)(\\+(%s%s))*)?", json_string_value(any), SIZE,
				    json_string_value(any), SIZE);
	json_t *schema = json_pack("{s:[o, o, o]}", "anyOf", pattern(json_string_value(text)),
				   js("{'type': 'integer'}"), ref("vary"));

	json_decref(any);
	json_decref(text);
	return schema;
}

static json_t *word_schema(const struct word *words)
{
	json_t *names = json_array();

	for (const struct word *w = words; w->name; w++)
		json_array_append_new(names, json_string(w->name));
	return or_vary(json_pack("{s:o}", "enum", names));
}

static json_t *table_properties(const struct argspec *table);

static json_t *table_required(const struct argspec *table)
{
	json_t *list = json_array();

	for (; table && table->name; table++)
		if (table->required)
			json_array_append_new(list, json_string(table->name));
	return list;
}

static json_t *arg_schema(const struct argspec *a)
{
	static const char *const defs[] = {
		[ARG_NUM] = "size",	  [ARG_OPT_NUM] = "size", [ARG_FD] = "descriptor",
		[ARG_NEW_FD] = "name",	  [ARG_FILE] = "name",	  [ARG_NEW_FILE] = "name",
		[ARG_MAP] = "name",	  [ARG_NEW_MAP] = "name", [ARG_DATA] = "data",
		[ARG_WORD] = NULL,	  [ARG_FLAGS] = NULL,	  [ARG_MODE] = "mode",
		[ARG_BOOL] = "yes-or-no", [ARG_TEXT] = "text",	  [ARG_LIST] = NULL,
	};

	if (a->type == ARG_WORD)
		return word_schema(a->words);
	if (a->type == ARG_FLAGS)
		return flags_schema(a->words);
	if (a->type == ARG_LIST)
		return or_vary(list_of(
			or_vary(closed(table_properties(a->nested), table_required(a->nested))), 0,
			LOAD_LIST_MAX));
	return ref(defs[a->type]);
}

static json_t *table_properties(const struct argspec *table)
{
	json_t *properties = json_object();

	for (; table && table->name; table++) {
		json_t *schema = arg_schema(table);

		if (table->doc)
			json_object_set_new(schema, "description", json_string(table->doc));
		json_object_set_new(properties, table->name, schema);
	}
	return properties;
}

/* "expect" of one op. */
static json_t *expect_schema(const struct op *op)
{
	json_t *properties = table_properties(op->expects);
	json_t *object;

	with(properties, "err", ref("err"));
	with(properties, "or_err", ref("err"));
	with(properties, "signal", ref("signal"));
	with(properties, "ret", ref("size"));
	object = closed(properties, json_array());
	with(object, "minProperties", json_integer(1));
	/* A call that fails returns nothing else. */
	with(object, "dependentSchemas",
	     js("{'ret': {'properties': {'err': false, 'signal': false}}, "
		"'or_err': {'properties': {'err': false, 'signal': false}}}"));
	return json_pack("{s:[o, o, o]}", "anyOf", js("{'enum': ['ok', 'any']}"), object,
			 ref("vary"));
}

static json_t *op_const(const struct op *op)
{
	return js("{'const': '%s'}", op->name);
}

/* The keys in which a twin of this op may differ, null for what it takes away. */
static json_t *patch_schema(const struct op *op)
{
	json_t *properties = json_object();
	json_t *schema = js("{'type': 'object', 'minProperties': 1, 'additionalProperties': "
			    "{'type': 'null'}, 'not': {'anyOf': [{'required': ['twin']}, "
			    "{'required': ['reason']}, {'required': ['observe']}]}}");

	for (const struct argspec *a = op->args; a && a->name; a++)
		with(properties, a->name,
		     js("{'anyOf': [{'$ref': '#/$defs/step.%s/properties/%s'}, {'type': 'null'}]}",
			op->name, a->name));
	with(properties, "op", op_const(op));
	with(properties, "expect",
	     json_pack("{s:[o, o]}", "allOf", op_ref("expect", op), ref("success")));
	with(properties, "first", or_vary(list_of(or_vary(ref("first-step")), 1, LOAD_STEPS_MAX)));
	return with(schema, "properties", properties);
}

/* A twin with another op has that op's keys. */
static json_t *twin_schema(const struct op *op)
{
	json_t *object = js("{'type': 'object', 'if': {'required': ['op']}}");

	with(object, "then", ref("patch"));
	with(object, "else", op_ref("patch", op));
	return json_pack("{s:[o, o, o]}", "anyOf", js("{'const': 'none'}"), object, ref("vary"));
}

static json_t *step_schema(const struct op *op)
{
	json_t *properties = table_properties(op->args);
	json_t *required = table_required(op->args);

	json_array_insert_new(required, 0, json_string("op"));
	with(properties, "op", op_const(op));
	with(properties, "expect", op_ref("expect", op));
	with(properties, "twin", twin_schema(op));
	with(properties, "reason", ref("text"));
	with(properties, "observe", ref("name"));
	return with(closed(properties, required), "description", json_string(op->doc));
}

/* A choice by "op" among definitions PREFIX.OP. */
static json_t *by_op(const char *prefix)
{
	json_t *all = json_array();

	for (size_t i = 0; op_at(i); i++)
		json_array_append_new(all, with(js("{'if': {'required': ['op'], 'properties': "
						   "{'op': {'const': '%s'}}}}",
						   op_at(i)->name),
						"then", op_ref(prefix, op_at(i))));
	return all;
}

static json_t *op_names(void)
{
	json_t *names = json_array();

	for (size_t i = 0; op_at(i); i++)
		json_array_append_new(names, json_string(op_at(i)->name));
	return or_vary(json_pack("{s:o}", "enum", names));
}

/* A step with any op: "reason" and a twin of "none" go together, and only failures have twins. */
static json_t *any_step(void)
{
	json_t *step =
		js("{'type': 'object', 'required': ['op'], 'dependentSchemas': "
		   "{'reason': {'required': ['twin'], 'properties': {'twin': "
		   "{'type': 'string'}}}, 'twin': {'required': ['expect'], 'properties': "
		   "{'expect': {'not': {'$ref': '#/$defs/success'}}}}}, "
		   "'if': {'required': ['twin'], 'properties': {'twin': {'const': 'none'}}}, "
		   "'then': {'required': ['reason']}}");

	with(step, "properties", json_pack("{s:o}", "op", op_names()));
	return with(step, "allOf", by_op("step"));
}

static json_t *first_step(void)
{
	json_t *limits = js("{'properties': {'twin': false, 'reason': false, 'observe': false, "
			    "'expect': {'not': {'$ref': '#/$defs/failure'}}}}");

	return json_pack("{s:[o, o]}", "allOf", ref("step"), limits);
}

static json_t *errno_names(void)
{
	json_t *names = json_array();

	for (int i = 1; i <= ERRNO_LAST; i++)
		if (errno_number(errno_name(i)) == i)
			json_array_append_new(names, json_string(errno_name(i)));
	return names;
}

static json_t *signal_names(void)
{
	json_t *names = json_array();

	for (int i = 1; i <= SIG_LAST; i++)
		if (signal_number(signal_name(i)) == i)
			json_array_append_new(names, json_string(signal_name(i)));
	return or_vary(json_pack("{s:o}", "enum", names));
}

static json_t *err_schema(void)
{
	json_t *one = or_vary(json_pack("{s:o}", "enum", errno_names()));

	return json_pack("{s:[o, o]}", "anyOf", one, list_of(json_incref(one), 1, EXPECT_ERRS));
}

static json_t *need_schema(void)
{
	json_t *words = json_array();

	for (int i = 0; i < NEED_COUNT; i++) {
		if (i == NEED_HOOK)
			continue;
		json_array_append_new(words, json_string(need_word(i)));
		json_array_append_new(words, json_sprintf("!%s", need_word(i)));
	}
	return json_pack("{s:[{s:o}, o, o]}", "anyOf", "enum", words,
			 pattern("!?hook:" NOT_PLAIN "[A-Za-z0-9_.-]{1,48}"), ref("vary"));
}

static json_t *oracle_schema(void)
{
	json_t *names = json_array();

	for (size_t i = 0; oracle_at(i); i++)
		json_array_append_new(names, json_string(oracle_at(i)->name));
	return or_vary(json_pack("{s:o}", "enum", names));
}

static json_t *why_schema(void)
{
	return pattern("(contract:[CFDSPO][1-9][0-9]{0,2}"
		       "|property:([1-9][0-9]?|1[0-4][0-9]|15[0-8])"
		       "|gap:N([1-9]|[12][0-9]|3[0-8])"
		       "|bug:B-[A-Za-z0-9-]+"
		       "|man:[^( ]+\\([1-9][^)]*\\)"
		       "|commit:[0-9a-f]{7,40}"
		       "|seed:[0-4]"
		       "|https://[^ \"<>]+)");
}

/* Words of the loader joined by '|', in parentheses. */
static json_t *joined(const char *(*word)(size_t i))
{
	json_t *all = json_string("");

	for (size_t i = 0; word(i); i++) {
		json_t *more =
			json_sprintf("%s%s%s", json_string_value(all), i ? "|" : "", word(i));

		json_decref(all);
		all = more;
	}
	return all;
}

/* WORD AFTER (BETWEEN WORD AFTER)* */
static json_t *joined_pattern(const char *(*word)(size_t i), const char *after, const char *between)
{
	json_t *words = joined(word);
	const char *w = json_string_value(words);
	json_t *text = json_sprintf("(%s)%s(%s(%s)%s)*", w, after, between, w, after);
	json_t *schema = pattern(json_string_value(text));

	json_decref(words);
	json_decref(text);
	return schema;
}

static json_t *open_schema(void)
{
	return json_pack("{s:[o, o, o]}", "anyOf", js("{'const': 'none'}"),
			 joined_pattern(files_open_word, "", "\\+"), ref("vary"));
}

static json_t *layout_schema(void)
{
	return or_vary(joined_pattern(files_layout_word, ":" SIZE, " "));
}

static json_t *type_schema(void)
{
	json_t *names = json_array();

	for (size_t i = 0; files_type(i); i++)
		json_array_append_new(names, json_string(files_type(i)));
	return or_vary(json_pack("{s:o}", "enum", names));
}

/* What a file of one type cannot have, and what it must. Without "type" it is the first of them. */
static json_t *type_rules(json_t *properties)
{
	json_t *rules = json_array(), *value;
	const char *key;

	for (size_t i = 0; files_type(i); i++) {
		json_t *none = json_object();
		json_t *rule = js("{'if': {'properties': {'type': {'const': '%s'}}%s}}",
				  files_type(i), i ? ", 'required': ['type']" : "");
		const bool path = files_type_has(i, "path");

		json_object_foreach (properties, key, value)
			if (!files_type_has(i, key))
				with(none, key, json_false());
		with(rule, "then",
		     json_pack("{s:o, s:o}", "properties", none, "required",
			       path ? js("['path']") : json_array()));
		json_array_append_new(rules, rule);
	}
	return rules;
}

static json_t *file_schema(void)
{
	json_t *properties = json_object(), *schema;

	with(properties, "size", ref("size"));
	with(properties, "data", ref("data"));
	with(properties, "layout", layout_schema());
	with(properties, "sync", ref("yes-or-no"));
	with(properties, "mode", ref("mode"));
	with(properties, "owner", or_vary(pattern("[0-9]{1,10}:[0-9]{1,10}")));
	with(properties, "on", or_vary(js("{'const': 'second'}")));
	with(properties, "open", open_schema());
	with(properties, "type", type_schema());
	with(properties, "path", ref("text"));
	schema = closed(properties, json_array());
	with(schema, "allOf", type_rules(properties));
	return with(schema, "dependentSchemas",
		    js("{'layout': {'properties': {'size': false, 'sync': false}}}"));
}

static json_t *vary_schema(void)
{
	json_t *plain = json_pack("{s:[o, o]}", "anyOf", pattern(LABEL),
				  js("{'type': ['integer', 'boolean']}"));
	json_t *list = list_of(plain, 1, LOAD_LIST_MAX);
	json_t *labelled =
		js("{'type': 'object', 'minProperties': 1, 'maxProperties': %d}", LOAD_LIST_MAX);
	json_t *vary = js("{'type': 'object', 'minProperties': 1, 'maxProperties': %d, "
			  "'propertyNames': {'pattern': '^[A-Za-z0-9_]{1,%d}$'}}",
			  LOAD_VARY_MAX, LOAD_NAME_MAX);

	with(list, "uniqueItems", json_true());
	with(labelled, "propertyNames", pattern(LABEL));
	return with(vary, "additionalProperties", json_pack("{s:[o, o]}", "anyOf", list, labelled));
}

static json_t *except_schema(void)
{
	return list_of(js("{'type': 'object', 'minProperties': 1, 'additionalProperties': "
			  "{'type': ['string', 'integer', 'boolean']}}"),
		       1, LOAD_LIST_MAX);
}

static json_t *unique(json_t *list)
{
	json_object_set_new(list, "uniqueItems", json_true());
	return list;
}

static json_t *files_schema(void)
{
	json_t *files = js("{'type': 'object', 'maxProperties': %d}", LOAD_FILES_MAX);

	with(files, "propertyNames", pattern("(?!step[0-9])(?!.+\\.sharer$)" NAME));
	return with(files, "additionalProperties", or_vary(ref("file")));
}

static json_t *race_schema(void)
{
	json_t *race = json_object();

	with(race, "by", or_vary(js("{'enum': ['processes', 'threads']}")));
	with(race, "restore", ref("yes-or-no"));
	with(race, "budget_ms",
	     or_vary(js("{'type': 'integer', 'minimum': 1, "
			"'maximum': %d}",
			LOAD_BUDGET_MS_MAX)));
	with(race, "overlaps", or_vary(js("{'type': 'integer', 'minimum': 0, 'maximum': 100}")));
	with(race, "winners",
	     or_vary(js("{'type': 'integer', 'minimum': 1, 'maximum': %d}", LOAD_STEPS_MAX)));
	return closed(race, json_array());
}

static json_t *actors_schema(void)
{
	json_t *steps = list_of(or_vary(ref("first-step")), 1, LOAD_STEPS_MAX);
	json_t *object = json_object();
	json_t *actors = js("{'type': 'object', 'minProperties': 2, 'maxProperties': %d}",
			    SECTOR_ACTORS_MAX - 1);

	with(object, "times",
	     or_vary(js("{'type': 'integer', 'minimum': 1, 'maximum': %d}", LOAD_TIMES_MAX)));
	with(object, "steps", or_vary(json_incref(steps)));
	with(actors, "propertyNames", pattern(NAME));
	return with(actors, "additionalProperties",
		    json_pack("{s:[o, o, o]}", "anyOf", steps, closed(object, js("['steps']")),
			      ref("vary")));
}

static json_t *steps_schema(void)
{
	return or_vary(list_of(or_vary(ref("first-step")), 1, LOAD_STEPS_MAX));
}

/* A plain step by one of some ops. */
static json_t *step_of(bool (*fits)(const struct op *op))
{
	json_t *names = json_array();

	for (size_t i = 0; op_at(i); i++)
		if (fits(op_at(i)))
			json_array_append_new(names, json_string(op_at(i)->name));
	return json_pack("{s:[o, {s:{s:o}}]}", "allOf", ref("first-step"), "properties", "op",
			 or_vary(json_pack("{s:o}", "enum", names)));
}

static bool can_be_interrupted(const struct op *op)
{
	return op->interruptible;
}

static bool settles(const struct op *op)
{
	return op->settles;
}

/* What the controller of a race may do after a round, and it has to work. */
static json_t *settling_steps(void)
{
	json_t *step = step_of(settles);

	json_array_append_new(json_object_get(step, "allOf"),
			      js("{'properties': {'expect': {'const': 'ok'}}}"));
	return or_vary(list_of(or_vary(step), 1, LOAD_STEPS_MAX));
}

static json_t *interrupt_schema(void)
{
	json_t *properties = table_properties(interrupt_args);
	json_t *object;

	with(properties, "call", or_vary(step_of(can_be_interrupted)));
	with(properties, "each", steps_schema());
	with(properties, "then", steps_schema());
	with(properties, "made", steps_schema());
	object = closed(properties, js("['call', 'each', 'signal']"));
	with(object, "dependentSchemas",
	     json_pack("{s:{s:{s:o}}}", "made", "properties", "call",
		       or_vary(step_of(op_makes_names))));
	/* These two nobody can catch. */
	with(object, "if", js("{'properties': {'signal': {'enum': ['SIGKILL', 'SIGSTOP']}}}"));
	return or_vary(with(object, "then",
			    js("{'properties': {'handler': {'anyOf': [{'const': 'none'}, "
			       "{'$ref': '#/$defs/vary'}]}}}")));
}

static json_t *top_properties(void)
{
	json_t *top = json_object();

	with(top, "checks", ref("text"));
	with(top, "why", unique(list_of(why_schema(), 1, LOAD_LIST_MAX)));
	with(top, "strength", js("{'enum': ['must', 'should', 'observe']}"));
	with(top, "needs", or_vary(unique(list_of(need_schema(), 0, LOAD_LIST_MAX))));
	with(top, "tags", or_vary(unique(list_of(ref("name"), 0, LOAD_LIST_MAX))));
	with(top, "vary", vary_schema());
	with(top, "except", except_schema());
	with(top, "files", files_schema());
	with(top, "steps", or_vary(list_of(or_vary(ref("step")), 1, LOAD_STEPS_MAX)));
	with(top, "actors", actors_schema());
	with(top, "before", steps_schema());
	with(top, "then", settling_steps());
	with(top, "race", race_schema());
	with(top, "interrupt", interrupt_schema());
	with(top, "after", or_vary(unique(list_of(oracle_schema(), 0, LOAD_LIST_MAX))));
	with(top, "timeout_s",
	     js("{'type': 'integer', 'minimum': 1, 'maximum': %d}", LOAD_TIMEOUT_MAX));
	return with(top, "no_mutant", ref("text"));
}

static json_t *definitions(void)
{
	json_t *defs = json_object();

	with(defs, "vary", json_pack("{s:s, s:s}", "type", "string", "pattern", VARY));
	with(defs, "text", js("{'type': 'string', 'minLength': 1}"));
	with(defs, "size",
	     json_pack("{s:[o, o, o]}", "anyOf", pattern(SIZE), js("{'type': 'integer'}"),
		       ref("vary")));
	with(defs, "name", or_vary(pattern(NAME)));
	with(defs, "descriptor",
	     json_pack("{s:[o, o]}", "anyOf", js("{'enum': ['closed', 'negative']}"), ref("name")));
	with(defs, "data",
	     json_pack("{s:[o, o, o]}", "anyOf", js("{'const': 'zero'}"),
		       pattern(NAME "(@" SIZE ")?"), ref("vary")));
	with(defs, "mode", or_vary(pattern("0*[0-7]{1,4}")));
	with(defs, "yes-or-no", or_vary(js("{'type': 'boolean'}")));
	with(defs, "err", err_schema());
	with(defs, "signal", signal_names());
	with(defs, "failure",
	     js("{'type': 'object', 'anyOf': [{'required': ['err']}, "
		"{'required': ['signal']}]}"));
	with(defs, "success",
	     js("{'anyOf': [{'const': 'ok'}, {'type': 'object', 'properties': "
		"{'err': false, 'signal': false}}, {'$ref': '#/$defs/vary'}]}"));
	with(defs, "file", file_schema());
	with(defs, "step", any_step());
	with(defs, "first-step", first_step());
	return with(defs, "patch",
		    json_pack("{s:o, s:{s:o}}", "allOf", by_op("patch"), "properties", "op",
			      op_names()));
}

json_t *load_schema(void)
{
	json_t *schema = closed(top_properties(), js("['checks', 'why', 'strength']"));
	json_t *defs = definitions();
	char key[80];

	for (size_t i = 0; op_at(i); i++) {
		snprintf(key, sizeof(key), "step.%s", op_at(i)->name);
		with(defs, key, step_schema(op_at(i)));
		snprintf(key, sizeof(key), "patch.%s", op_at(i)->name);
		with(defs, key, patch_schema(op_at(i)));
		snprintf(key, sizeof(key), "expect.%s", op_at(i)->name);
		with(defs, key, expect_schema(op_at(i)));
	}
	with(schema, "$defs", defs);
	with(schema, "anyOf",
	     js("[{'required': ['steps']}, {'required': ['actors']}, {'required': "
		"['interrupt']}]"));
	with(schema, "dependentRequired",
	     js("{'before': ['actors'], 'then': ['actors'], 'race': ['actors']}"));
	with(schema, "$schema", json_string("https://json-schema.org/draft/2020-12/schema"));
	with(schema, "title", json_string("a cowbell case"));
	/* In a case that promises something, every failure has a twin. */
	with(schema, "if", js("{'properties': {'strength': {'enum': ['must', 'should']}}}"));
	return with(schema, "then",
		    js("{'properties': {'steps': {'items': {'if': {'type': 'object', 'required': "
		       "['expect'], 'properties': {'expect': {'$ref': '#/$defs/failure'}}}, "
		       "'then': {'required': ['twin']}}}}}"));
}
