/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TAP version 14. An xfail is a TODO, as is an xpass; a red point has a YAML block with its fields
 * as JSON texts, which are YAML too.
 */
#include <stdlib.h>
#include <string.h>

#include "report.h"

static const struct row {
	const char *verdict, *status, *directive;
} rows[] = {
	{ "fail", "not ok", NULL }, { "error", "not ok", NULL },   { "miss", "not ok", NULL },
	{ "xpass", "ok", "TODO" },  { "xfail", "not ok", "TODO" }, { "pass", "ok", NULL },
	{ "done", "ok", NULL },	    { "skip", "ok", "SKIP" },
};

static long long number, planned;

static void begin(FILE *out, const json_t *run)
{
	number = 0;
	planned = report_number(run, "points");
	fprintf(out, "TAP version 14\n1..%lld\n", planned);
}

/* '#' and '\' mean something in TAP; a line end would end the test. */
static void text(FILE *out, const char *s)
{
	for (; *s; s++) {
		if (*s == '#' || *s == '\\')
			fputc('\\', out);
		fputc((unsigned char)*s < ' ' ? ' ' : *s, out);
	}
}

static void yaml(FILE *out, const json_t *line)
{
	static const char *const keys[] = { "verdict", "reason",  "place",  "done",
					    "seen",    "allowed", "seed",   "repeat",
					    "kept",    "kmsg",	  "stacks", "trace" };

	fputs("  ---\n", out);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		json_t *value = json_object_get(line, keys[i]);
		char *dump = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;

		if (dump)
			fprintf(out, "  %s: %s\n", keys[i], dump);
		free(dump);
	}
	fputs("  ...\n", out);
}

static void item(FILE *out, const json_t *line)
{
	const char *verdict = report_text(line, "verdict");
	const struct row *row = rows;

	while (strcmp(row->verdict, verdict) != 0 && row < rows + sizeof(rows) / sizeof(*rows) - 1)
		row++;
	fprintf(out, "%s %lld - ", row->status, ++number);
	text(out, report_text(line, "case"));
	if (json_object_get(line, "round"))
		fprintf(out, " round %lld", report_number(line, "round"));
	if (row->directive) {
		const char *reason = report_text(json_object_get(line, "quirk"), "reason");

		fprintf(out, " # %s ", row->directive);
		text(out, *reason ? reason : report_text(line, "reason"));
	}
	fputc('\n', out);
	if (!strcmp(row->status, "not ok"))
		yaml(out, line);
}

static void end(FILE *out, const json_t *line)
{
	static const char *const early[] = { "interrupted", "aborted", "stopped" };

	for (size_t i = 0; i < sizeof(early) / sizeof(early[0]); i++) {
		if (!json_object_get(line, early[i]))
			continue;
		fprintf(out, "Bail out! %s: ", early[i]);
		text(out, report_text(line, early[i]));
		fputc('\n', out);
	}
}

const struct report report_tap = { .name = "tap", .begin = begin, .item = item, .end = end };
