/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * JUnit XML, for CI systems: one suite, one test case for each point; the folder of a case is its
 * class. The suite's element states the sums, so nothing is written before the end.
 */
#include <stdlib.h>
#include <string.h>

#include "report.h"

static struct {
	char *text;
	size_t size;
	FILE *items;
	char suite[128];
	long long all, failures, errors, skipped;
} state;

static const struct row {
	const char *verdict, *element;
	long long *sum;
} rows[] = {
	{ "fail", "failure", &state.failures }, { "error", "error", &state.errors },
	{ "miss", "error", &state.errors },	{ "xfail", "skipped", &state.skipped },
	{ "skip", "skipped", &state.skipped },
};

/* XML 1.0 has no way to write most control characters, nor U+FFFE and U+FFFF. */
static void text(FILE *out, const char *s)
{
	static const struct {
		const char *odd, *escape;
	} escapes[] = { { "<", "&lt;" },	 { ">", "&gt;" },	 { "&", "&amp;" },
			{ "\"", "&quot;" },	 { "\n", "&#10;" },	 { "\t", "&#9;" },
			{ "\xef\xbf\xbe", "?" }, { "\xef\xbf\xbf", "?" } };

	while (*s) {
		size_t i = 0, n = sizeof(escapes) / sizeof(escapes[0]);

		while (i < n && strncmp(escapes[i].odd, s, strlen(escapes[i].odd)) != 0)
			i++;
		if (i < n)
			fputs(escapes[i].escape, out);
		else
			fputc((unsigned char)*s < ' ' || *s == 0x7f ? '?' : *s, out);
		s += i < n ? strlen(escapes[i].odd) : 1;
	}
}

static void begin(FILE *out, const json_t *run)
{
	(void)out;
	memset(&state, 0, sizeof(state));
	snprintf(state.suite, sizeof(state.suite), "%s, kernel %s",
		 report_text(json_object_get(run, "filesystem"), "type"),
		 report_text(json_object_get(run, "kernel"), "release"));
	state.items = open_memstream(&state.text, &state.size);
	if (!state.items)
		abort();
}

static void element(FILE *out, const char *name, const json_t *line)
{
	static const char *const keys[] = { "place", "done", "seen",   "allowed", "repeat",
					    "kept",  "kmsg", "stacks", "trace",	  "quirk" };

	fprintf(out, "      <%s message=\"", name);
	text(out, report_text(line, "reason"));
	fputs("\">", out);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		json_t *value = json_object_get(line, keys[i]);
		char *dump = NULL;

		if (!value)
			continue;
		if (!json_is_string(value))
			dump = json_dumps(value, JSON_INDENT(1));
		fprintf(out, "\n%s: ", keys[i]);
		text(out, dump ? dump : json_string_value(value));
		free(dump);
	}
	fprintf(out, "</%s>\n", name);
}

static void item(FILE *out, const json_t *line)
{
	const char *verdict = report_text(line, "verdict"), *name = report_text(line, "case");
	size_t folder = strcspn(name, "/"), i = 0, n = sizeof(rows) / sizeof(rows[0]);
	char class[128];

	(void)out;
	out = state.items;
	while (i < n && strcmp(rows[i].verdict, verdict) != 0)
		i++;
	snprintf(class, sizeof(class), "cowbell.%.*s", (int)(name[folder] ? folder : 0), name);
	fputs("    <testcase classname=\"", out);
	text(out, class);
	fputs("\" name=\"", out);
	text(out, name);
	if (json_object_get(line, "round"))
		fprintf(out, " round %lld", report_number(line, "round"));
	fprintf(out, "\" time=\"%.6f\">\n", (double)report_number(line, "wall_ns") / 1e9);
	state.all++;
	if (i < n) {
		++*rows[i].sum;
		element(out, rows[i].element, line);
	}
	fputs("    </testcase>\n", out);
}

static void end(FILE *out, const json_t *line)
{
	fclose(state.items);
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"",
	      out);
	text(out, state.suite);
	fprintf(out, "\" tests=\"%lld\" failures=\"%lld\" errors=\"%lld\" skipped=\"%lld\" ",
		state.all, state.failures, state.errors, state.skipped);
	fprintf(out, "time=\"%.3f\">\n%s  </testsuite>\n</testsuites>\n",
		(double)report_number(line, "wall_ns") / 1e9, state.text);
	free(state.text);
}

const struct report report_junit = { .name = "junit", .begin = begin, .item = item, .end = end };
