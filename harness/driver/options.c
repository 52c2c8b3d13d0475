/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads the options of `cowbell run` from one table. */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hook.h"
#include "options.h"
#include "sink.h"
#include "supervise.h"

enum kind { TEXT, NUMBER, FACTOR, FLAG, MANY };

static const struct row {
	const char *name, *value;
	enum kind kind;
	size_t offset;
	/* bounds of a number */
	uint64_t min, max;
	const char *doc;
} rows[] = {
#define ROW(n, v, k, field, lo, hi, d) \
	{ \
		n, v, k, offsetof(struct run_options, field), lo, hi, d \
	}
	ROW("dir", "DIR", TEXT, dir, 0, 0, "work below this directory (default: the current one)"),
	ROW("dir2", "DIR", TEXT, dir2, 0, 0, "a directory on another filesystem"),
	ROW("view", "DIR", TEXT, view, 0, 0, "the same directory through another mount of it"),
	ROW("server", "NAME", TEXT, server, 0, 0,
	    "what serves a network filesystem (ksmbd, samba): some quirks are a server's"),
	ROW("json", "FILE", TEXT, json, 0, 0, "write results there as JSON lines; - is stdout"),
	ROW("format", "NAME", TEXT, format, 0, 0, "report as pretty (default), tap, ktap or junit"),
	ROW("jobs", "N", NUMBER, jobs, 1, SUPERVISE_JOBS_MAX,
	    "points at a time (default: CPUs, 4 at most)"),
	ROW("seed", "N", NUMBER, seed, 0, INT64_MAX, "have the same randomness again"),
	ROW("timeout", "S", NUMBER, timeout, 1, 86400, "seconds for a point (default: 60)"),
	ROW("repeat", "N", NUMBER, repeat, 1, 1000000, "run every point N times"),
	ROW("budget", "FACTOR", FACTOR, budget, 0, 0,
	    "give races and sweeps so many times their time"),
	ROW("round", "N", NUMBER, round, 1, INT64_MAX, "of races, run the plan of this round only"),
	ROW("stop-on-fail", NULL, FLAG, stop_on_fail, 0, 0, "start nothing after the first fail"),
	ROW("keep", NULL, FLAG, keep, 0, 0, "keep the folders of points that failed"),
	ROW("dedicated", NULL, FLAG, dedicated, 0, 0,
	    "the filesystem is ours alone: fill, freeze and measure it"),
	ROW("hook", "NAME=COMMAND", MANY, hooks, 0, 0, "a command that cases may ask for: remount"),
	ROW("require", "NEED,...", TEXT, require, 0, 0,
	    "a case that lacks one of these is a fail, and no skip"),
	ROW("quirks", "FILE", MANY, quirks, 0, 0, "more known deviations"),
	ROW("despite-quirks", NULL, FLAG, despite_quirks, 0, 0,
	    "run also what this kernel is known not to get over"),
	ROW("resume", "FILE", TEXT, resume, 0, 0, "go on with the run whose results these are"),
	ROW("announce", NULL, FLAG, announce, 0, 0,
	    "write a line before each point too: it tells what ran when the machine died"),
	ROW("help", NULL, FLAG, help, 0, 0, "show this"),
#undef ROW
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static bool parse_number(const struct row *row, const char *text, struct number *out)
{
	char *end;

	errno = 0;
	out->value = strtoull(text, &end, 10);
	out->set = isdigit((unsigned char)*text) && !*end && !errno && out->value >= row->min &&
		   out->value <= row->max;
	if (!out->set)
		fprintf(stderr, "cowbell run: --%s must be a number from %llu to %llu, not '%s'\n",
			row->name, (unsigned long long)row->min, (unsigned long long)row->max,
			text);
	return out->set;
}

#define FACTOR_MIN 0.001
#define FACTOR_MAX 100000

static bool parse_factor(const struct row *row, const char *text, double *out)
{
	char *end;

	*out = strtod(text, &end);
	if (isdigit((unsigned char)*text) && !*end && *out >= FACTOR_MIN && *out <= FACTOR_MAX)
		return true;
	fprintf(stderr, "cowbell run: --%s must be a factor from %g to %d, not '%s'\n", row->name,
		FACTOR_MIN, FACTOR_MAX, text);
	return false;
}

static bool take(struct run_options *o, const struct row *row, const char *value)
{
	char *field = (char *)o + row->offset;
	struct many *many;

	switch (row->kind) {
	case TEXT:
		if (!*value)
			fprintf(stderr, "cowbell run: --%s must not be empty\n", row->name);
		*(const char **)(void *)field = value;
		return *value;
	case NUMBER:
		return parse_number(row, value, (struct number *)(void *)field);
	case FACTOR:
		return parse_factor(row, value, (double *)(void *)field);
	case FLAG:
		*(bool *)field = true;
		return true;
	case MANY:
		many = (struct many *)(void *)field;
		if (many->count == OPTIONS_MANY) {
			fprintf(stderr, "cowbell run: more than %d times --%s\n", OPTIONS_MANY,
				row->name);
			return false;
		}
		many->item[many->count++] = value;
		return true;
	}
	return false;
}

static bool read_required(struct run_options *o)
{
	const char *bad = o->require ? need_list(o->require, o->required) : NULL;

	if (bad)
		fprintf(stderr,
			"cowbell run: --require: there is no need '%.*s' "
			"(see: cowbell probe)\n",
			(int)strcspn(bad, ","), bad);
	return !bad;
}

static bool sensible(const struct run_options *o)
{
	for (size_t i = 0; i < o->hooks.count; i++) {
		if (!hook_valid(o->hooks.item[i])) {
			fprintf(stderr, "cowbell run: --hook must be NAME=COMMAND, not '%s'\n",
				o->hooks.item[i]);
			return false;
		}
	}
	if (!sink_report(o->format)) {
		fprintf(stderr,
			"cowbell run: --format must be pretty, tap, ktap or junit, "
			"not '%s'\n",
			o->format);
		return false;
	}
	return true;
}

bool options_parse(struct run_options *o, int argc, char **argv)
{
	struct option known[ROWS + 1];
	int which, found;

	memset(o, 0, sizeof(*o));
	memset(known, 0, sizeof(known));
	o->format = "pretty";
	for (size_t i = 0; i < ROWS; i++) {
		known[i].name = rows[i].name;
		known[i].has_arg = rows[i].value ? required_argument : no_argument;
	}
	opterr = 0;
	optind = 1;
	while ((found = getopt_long(argc, argv, ":h", known, &which)) != -1) {
		if (found == 'h') {
			o->help = true;
		} else if (found == ':') {
			fprintf(stderr, "cowbell run: %s needs a value\n", argv[optind - 1]);
			return false;
		} else if (found == '?') {
			fprintf(stderr, "cowbell run: bad option '%s' (see: cowbell run --help)\n",
				argv[optind - 1]);
			return false;
		} else if (!take(o, &rows[which], optarg)) {
			return false;
		}
	}
	o->select = argv + optind;
	o->select_count = (size_t)(argc - optind);
	return o->help || (read_required(o) && sensible(o));
}

void options_help(void)
{
	printf("usage: cowbell run [OPTION...] [SELECT...]\n\n");
	for (size_t i = 0; i < ROWS; i++) {
		char left[48];

		snprintf(left, sizeof(left), "--%s %s", rows[i].name,
			 rows[i].value ? rows[i].value : "");
		printf("  %-24s %s\n", left, rows[i].doc);
	}
	printf("\nSELECT names cases: see `cowbell list --help`. Exit codes: 0 nothing failed,\n"
	       "1 something failed, 2 usage, 77 everything was skipped, 99 harness error.\n");
}
