/* SPDX-License-Identifier: GPL-2.0-only */
/* cowbell lint: reads cases as a run would, and says what is wrong with them. */
#include "cmd.h"

#include <stdio.h>
#include <string.h>

#include "select.h"

static const char usage[] = "usage: cowbell lint [PATH...]\n"
			    "       cowbell lint --schema\n"
			    "Checks case files and folders of them, all cases if none is named.\n";

/* The members of an object, a line each, so that changes can be read. */
static void print_members(json_t *object)
{
	const char *before = "\n", *key;
	json_t *value;

	json_object_foreach (object, key, value) {
		printf("%s\"%s\": ", before, key);
		if (!strcmp(key, "$defs")) {
			putchar('{');
			print_members(value);
			putchar('}');
		} else {
			json_dumpf(value, stdout, JSON_ENCODE_ANY);
		}
		before = ",\n";
	}
	putchar('\n');
}

static int print_schema(void)
{
	json_t *schema = load_schema();

	putchar('{');
	print_members(schema);
	puts("}");
	json_decref(schema);
	return CMD_GOOD;
}

static int lint(int count, char **paths)
{
	struct selection s;
	size_t bad, points = 0;
	int status = CMD_USAGE;

	if (select_files(&s, count, paths, &bad) && !bad) {
		for (size_t i = 0; i < s.files_count; i++)
			points += s.files[i]->points;
		printf("%zu cases, %zu points: all good\n", s.files_count, points);
		status = CMD_GOOD;
	}
	selection_free(&s);
	return status;
}

int cmd_lint(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--schema"))
		return print_schema();
	if (argc == 2 && !strcmp(argv[1], "--help")) {
		fputs(usage, stdout);
		return CMD_GOOD;
	}
	if (argc > 1 && argv[1][0] == '-') {
		fputs(usage, stderr);
		return CMD_USAGE;
	}
	return lint(argc - 1, argv + 1);
}
