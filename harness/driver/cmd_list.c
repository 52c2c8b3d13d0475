/* SPDX-License-Identifier: GPL-2.0-only */
/* cowbell list: the names of points, and all words of the case language, made from its tables. */
#include "cmd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "need.h"
#include "op.h"
#include "select.h"

/* What is listed does not depend on sizes. */
static const struct units nominal = { .block = 4096, .page = 4096 };

static const char usage[] =
	"usage: cowbell list [--json | --cases] [SELECT...]\n"
	"       cowbell list --ops | --needs | --oracles\n"
	"SELECT is a case file or folder, a name, a name with * and ?, tag:WORD, or one of them\n"
	"after '!'.\n";

static const char *const type_words[] = {
	[ARG_NUM] = "size",	      [ARG_OPT_NUM] = "size or absent",
	[ARG_FD] = "descriptor",      [ARG_NEW_FD] = "new descriptor",
	[ARG_FILE] = "file",	      [ARG_NEW_FILE] = "new file",
	[ARG_MAP] = "mapping",	      [ARG_NEW_MAP] = "new mapping",
	[ARG_DATA] = "data",	      [ARG_WORD] = "one of",
	[ARG_FLAGS] = "flags",	      [ARG_MODE] = "mode",
	[ARG_BOOL] = "true or false", [ARG_TEXT] = "text",
	[ARG_LIST] = "list of",
};

static const char *const strength_words[] = {
	[STRENGTH_MUST] = "must",
	[STRENGTH_SHOULD] = "should",
	[STRENGTH_OBSERVE] = "observe",
};

static void print_arg(const struct argspec *a, const char *indent)
{
	printf("%s%s: %s", indent, a->name, type_words[a->type]);
	for (const struct word *w = a->words; w && w->name; w++)
		printf(" %s", w->name);
	if (a->required)
		fputs(", required", stdout);
	if (a->fallback)
		printf(", default %s", *a->fallback ? a->fallback : "none");
	if (a->max)
		printf(", at most %llu", (unsigned long long)a->max);
	printf("%s%s\n", a->doc ? ". " : "", a->doc ? a->doc : "");
	for (const struct argspec *n = a->nested; n && n->name; n++)
		print_arg(n, "            ");
}

static int list_ops(void)
{
	for (size_t i = 0; op_at(i); i++) {
		const struct op *op = op_at(i);

		printf("%s: %s%s\n", op->name, op->doc, op->dedicated ? " (--dedicated)" : "");
		for (const struct argspec *a = op->args; a && a->name; a++)
			print_arg(a, "    ");
		if (op->expects)
			puts("    expect:");
		for (const struct argspec *a = op->expects; a && a->name; a++)
			print_arg(a, "        ");
	}
	return CMD_GOOD;
}

static int list_needs(void)
{
	for (int i = 0; i < NEED_COUNT; i++)
		printf("%s: %s\n", need_word(i), need_doc(i));
	return CMD_GOOD;
}

static int list_oracles(void)
{
	for (size_t i = 0; oracle_at(i); i++)
		printf("%s: %s%s\n", oracle_at(i)->name, oracle_at(i)->doc,
		       oracle_at(i)->dedicated ? " (--dedicated)" : "");
	return CMD_GOOD;
}

static json_t *needs_json(const struct point *p)
{
	json_t *list = json_array();

	for (size_t i = 0; i < p->needs_count; i++) {
		const struct need_use *u = &p->needs[i];

		json_array_append_new(list, json_sprintf("%s%s%s%s", u->negated ? "!" : "",
							 need_word(u->need), u->param ? ":" : "",
							 u->param ? u->param : ""));
	}
	return list;
}

/* Names of ops go into an object first, so that each is there once. */
static void add_ops(json_t *names, const struct step *s)
{
	json_object_set_new(names, s->op->name, json_true());
	for (size_t i = 0; i < s->first_count; i++)
		add_ops(names, &s->first[i]);
	if (s->twin)
		add_ops(names, s->twin);
}

static json_t *ops_json(const struct point *p)
{
	json_t *names = json_object(), *list = json_array(), *value;
	const char *name;

	for (size_t i = 0; i < p->steps_count; i++)
		add_ops(names, &p->steps[i]);
	for (size_t i = 0; p->race && i < p->race->before_count; i++)
		add_ops(names, &p->race->before[i]);
	for (size_t i = 0; p->race && i < p->race->then_count; i++)
		add_ops(names, &p->race->then[i]);
	for (size_t a = 0; p->race && a < p->race->actors_count; a++)
		for (size_t i = 0; i < p->race->actors[a].steps_count; i++)
			add_ops(names, &p->race->actors[a].steps[i]);
	if (p->interrupt)
		add_ops(names, &p->interrupt->call);
	for (size_t i = 0; p->interrupt && i < p->interrupt->each_count; i++)
		add_ops(names, &p->interrupt->each[i]);
	for (size_t i = 0; p->interrupt && i < p->interrupt->then_count; i++)
		add_ops(names, &p->interrupt->then[i]);
	json_object_foreach (names, name, value)
		json_array_append_new(list, json_string(name));
	json_decref(names);
	return list;
}

static json_t *texts_json(const char *const *texts, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, json_string(texts[i]));
	return list;
}

static json_t *tags_json(const struct selected *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->file->tags_count; i++)
		if (load_point_tagged(s->file, s->point, s->file->tags[i]))
			json_array_append_new(list, json_string(s->file->tags[i]));
	return list;
}

static int print_json(const struct selected *s)
{
	const struct casefile *c = s->file;
	struct load_error err;
	struct point *p = load_point(c, s->point, &nominal, &err);
	json_t *line;

	if (!p) {
		fprintf(stderr, "%s\n", err.text);
		return CMD_HARNESS;
	}
	line = json_pack("{s:s, s:s, s:s, s:o, s:s, s:o, s:o, s:b, s:b, s:o}", "case", p->name,
			 "file", c->path, "checks", c->checks, "why",
			 texts_json(c->why, c->why_count), "strength", strength_words[c->strength],
			 "tags", tags_json(s), "needs", needs_json(p), "alone", p->alone, "timed",
			 p->race || p->interrupt, "ops", ops_json(p));
	json_dumpf(line, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(line);
	point_free(p);
	return CMD_GOOD;
}

enum what { WHAT_POINTS, WHAT_JSON, WHAT_CASES };

static int print_selected(const struct selection *s, enum what what)
{
	int status = CMD_GOOD;

	for (size_t i = 0; i < s->points_count && status == CMD_GOOD; i++) {
		const struct selected *one = &s->points[i];

		if (what == WHAT_JSON)
			status = print_json(one);
		else if (what == WHAT_POINTS)
			puts(load_point_name(one->file, one->point));
		else if (!i || s->points[i - 1].file != one->file)
			printf("%s: %s\n", one->file->name, one->file->checks);
	}
	return status;
}

static int list_cases(int count, char **args, enum what what)
{
	struct selection s;
	int status = CMD_USAGE;

	if (select_points(&s, count, args))
		status = print_selected(&s, what);
	selection_free(&s);
	return status;
}

int cmd_list(int argc, char **argv)
{
	static const struct {
		const char *option;
		int (*list)(void);
		enum what what;
	} options[] = {
		{ "--ops", list_ops, WHAT_POINTS },
		{ "--needs", list_needs, WHAT_POINTS },
		{ "--oracles", list_oracles, WHAT_POINTS },
		{ "--json", NULL, WHAT_JSON },
		{ "--cases", NULL, WHAT_CASES },
	};
	size_t i;

	if (argc < 2 || argv[1][0] != '-')
		return list_cases(argc - 1, argv + 1, WHAT_POINTS);
	if (!strcmp(argv[1], "--help")) {
		fputs(usage, stdout);
		return CMD_GOOD;
	}
	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (!strcmp(argv[1], options[i].option))
			break;
	if (i == sizeof(options) / sizeof(options[0]) || (options[i].list && argc > 2)) {
		fputs(usage, stderr);
		return CMD_USAGE;
	}
	return options[i].list ? options[i].list()
			       : list_cases(argc - 2, argv + 2, options[i].what);
}
