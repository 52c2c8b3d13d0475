/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For people. On a terminal: a live line, and above it whatever went wrong, in full. Elsewhere: one
 * line for each result. At the end the sums, and why points were skipped.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "report.h"

#define LIVE_NS 100000000

static const struct look {
	const char *verdict, *colour;
	/* shown in full */
	bool full;
} looks[] = {
	{ "fail", "1;31", true },  { "error", "1;35", true }, { "miss", "35", false },
	{ "xpass", "1;33", true }, { "xfail", "33", false },  { "pass", "32", false },
	{ "done", "36", false },   { "skip", "2", false },
};

#define LOOKS (sizeof(looks) / sizeof(looks[0]))

static struct {
	bool live, colour;
	long long points, seen, count[LOOKS];
	struct timespec last;
	json_t *skips;
} state;

static size_t look_of(const char *verdict)
{
	size_t i = 0;

	while (i < LOOKS - 1 && strcmp(looks[i].verdict, verdict) != 0)
		i++;
	return i;
}

static void word(FILE *out, size_t look, const char *text, int width)
{
	if (state.colour)
		fprintf(out, "\033[%sm%-*s\033[0m", looks[look].colour, width, text);
	else
		fprintf(out, "%-*s", width, text);
}

static void begin(FILE *out, const json_t *run)
{
	const json_t *kernel = json_object_get(run, "kernel");
	const json_t *fs = json_object_get(run, "filesystem");
	const char *no_colour = getenv("NO_COLOR");

	memset(&state, 0, sizeof(state));
	state.live = isatty(fileno(out));
	state.colour = state.live && !(no_colour && *no_colour);
	state.points = report_number(run, "points");
	state.skips = json_object();
	fprintf(out, "cowbell %s: %lld points on %s in %s, kernel %s, unit %lld bytes, seed %lld\n",
		report_text(run, "cowbell"), state.points, report_text(fs, "type"),
		report_text(run, "dir"), report_text(kernel, "release"),
		report_number(fs, "unit_bytes"), report_number(run, "seed"));
}

static void running(FILE *out, const char *name)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!state.live ||
	    (now.tv_sec - state.last.tv_sec) * 1000000000LL + now.tv_nsec - state.last.tv_nsec <
		    LIVE_NS)
		return;
	state.last = now;
	fprintf(out, "\r\033[K%lld/%lld", state.seen, state.points);
	for (size_t i = 0; i < LOOKS; i++)
		if (state.count[i])
			fprintf(out, "  %lld %s", state.count[i], looks[i].verdict);
	fprintf(out, "  %.60s", name);
	fflush(out);
}

static void item(FILE *out, const json_t *line)
{
	const char *verdict = report_text(line, "verdict"), *reason = report_text(line, "reason");
	size_t look = look_of(verdict);

	state.seen++;
	state.count[look]++;
	if (!strcmp(verdict, "skip"))
		json_object_set_new(state.skips, reason,
				    json_integer(report_number(state.skips, reason) + 1));
	if (state.live && !looks[look].full)
		return;
	if (state.live)
		fputs("\r\033[K", out);
	word(out, look, verdict, 5);
	fprintf(out, " %s", report_text(line, "case"));
	if (json_object_get(line, "round"))
		fprintf(out, " round %lld", report_number(line, "round"));
	if (json_object_get(line, "wall_ns"))
		fprintf(out, " %.1f ms", (double)report_number(line, "wall_ns") / 1e6);
	if (!looks[look].full && *reason)
		fprintf(out, ": %s", reason);
	fputc('\n', out);
	if (looks[look].full)
		report_detail(out, line);
}

static void end(FILE *out, const json_t *line)
{
	static const char *const early[] = { "interrupted", "aborted", "stopped" };
	const json_t *counts = json_object_get(line, "counts");
	const char *key, *comma = "";
	json_t *value;

	if (state.live)
		fputs("\r\033[K", out);
	if (json_object_size(state.skips))
		fputs("skipped:\n", out);
	json_object_foreach (state.skips, key, value)
		fprintf(out, "%7lld  %s\n", (long long)json_integer_value(value), key);
	for (size_t i = 0; i < sizeof(early) / sizeof(early[0]); i++)
		if (json_object_get(line, early[i]))
			fprintf(out, "%s: %s\n", early[i], report_text(line, early[i]));
	for (size_t i = 0; i < LOOKS; i++) {
		long long n = report_number(counts, looks[i].verdict);

		if (!n)
			continue;
		fprintf(out, "%s%lld ", comma, n);
		word(out, i, looks[i].verdict, 0);
		comma = ", ";
	}
	fprintf(out, "%s in %.1f s\n", *comma ? "" : "nothing done",
		(double)report_number(line, "wall_ns") / 1e9);
	json_decref(state.skips);
	state.skips = NULL;
}

const struct report report_pretty = {
	.name = "pretty",
	.begin = begin,
	.running = running,
	.item = item,
	.end = end,
};
