/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KTAP version 1, as kernel tests print it. KTAP has no TODO: an xfail is a pass with a remark, and
 * what is known of a red point stands before it as diagnostic lines.
 */
#include <string.h>

#include "report.h"

static const struct row {
	const char *verdict, *status, *directive;
} rows[] = {
	{ "fail", "not ok", NULL }, { "error", "not ok", "ERROR" }, { "miss", "not ok", "ERROR" },
	{ "xpass", "ok", NULL },    { "xfail", "ok", "XFAIL" },	    { "pass", "ok", NULL },
	{ "done", "ok", NULL },	    { "skip", "ok", "SKIP" },
};

static long long number;

static void begin(FILE *out, const json_t *run)
{
	number = 0;
	fprintf(out, "KTAP version 1\n1..%lld\n", report_number(run, "points"));
}

/* A diagnostic of possibly many lines. */
static void diagnostic(FILE *out, const char *label, const char *text)
{
	if (!*text)
		return;
	fprintf(out, "# %s: ", label);
	for (; *text; text++) {
		fputc((unsigned char)*text < ' ' ? '\n' : *text, out);
		if (*text == '\n')
			fprintf(out, "# %s: ", label);
	}
	fputc('\n', out);
}

static void diagnostics(FILE *out, const json_t *line)
{
	static const char *const keys[] = { "reason",  "place",	 "done", "seen",
					    "allowed", "repeat", "kept" };
	json_t *stacks = json_object_get(line, "stacks"), *value;
	const char *key;
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		diagnostic(out, keys[i], report_text(line, keys[i]));
	json_array_foreach (json_object_get(line, "kmsg"), i, value)
		diagnostic(out, "kmsg", json_string_value(value));
	json_object_foreach (stacks, key, value)
		diagnostic(out, key, json_string_value(value));
}

static void name(FILE *out, const char *text)
{
	for (; *text; text++)
		fputc(*text == '#' || (unsigned char)*text < ' ' ? '_' : *text, out);
}

static void item(FILE *out, const json_t *line)
{
	const char *verdict = report_text(line, "verdict");
	const struct row *row = rows;

	while (strcmp(row->verdict, verdict) != 0 && row < rows + sizeof(rows) / sizeof(*rows) - 1)
		row++;
	if (!strcmp(row->status, "not ok"))
		diagnostics(out, line);
	fprintf(out, "%s %lld ", row->status, ++number);
	name(out, report_text(line, "case"));
	if (json_object_get(line, "round"))
		fprintf(out, ".round-%lld", report_number(line, "round"));
	if (row->directive) {
		fprintf(out, " # %s ", row->directive);
		name(out, report_text(line, "reason"));
	}
	fputc('\n', out);
}

static void end(FILE *out, const json_t *line)
{
	static const char *const early[] = { "interrupted", "aborted", "stopped" };

	for (size_t i = 0; i < sizeof(early) / sizeof(early[0]); i++)
		diagnostic(out, early[i], report_text(line, early[i]));
}

const struct report report_ktap = { .name = "ktap", .begin = begin, .item = item, .end = end };
