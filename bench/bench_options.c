/* SPDX-License-Identifier: GPL-2.0-only */
#include "bench_options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct option known[] = {
	{ "dir", required_argument, NULL, 'd' },
	{ "json", required_argument, NULL, 'j' },
	{ "time", required_argument, NULL, 't' },
	{ "seed", required_argument, NULL, 's' },
	{ "dedicated", no_argument, NULL, 'D' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "list", no_argument, NULL, 'l' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static bool number(const char *name, const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 10);
	if (isdigit((unsigned char)*text) && !*end && !errno && *out >= min && *out <= max)
		return true;
	fprintf(stderr, "cowbell bench: --%s must be a number from %llu to %llu, not '%s'\n", name,
		(unsigned long long)min, (unsigned long long)max, text);
	return false;
}

static bool take(struct bench_options *o, int c, char **argv)
{
	switch (c) {
	case 'd':
		o->dir = optarg;
		return true;
	case 'j':
		o->json = optarg;
		return true;
	case 't':
		return number("time", optarg, 1, 86400, &o->time_s);
	case 's':
		o->has_seed = true;
		return number("seed", optarg, 0, INT64_MAX, &o->seed);
	case 'D':
		o->dedicated = true;
		return true;
	case 'q':
		o->quiet = true;
		return true;
	case 'l':
		o->list = true;
		return true;
	case 'h':
		o->help = true;
		return true;
	case ':':
		fprintf(stderr, "cowbell bench: %s needs a value\n", argv[optind - 1]);
		return false;
	default:
		fprintf(stderr, "cowbell bench: bad option '%s' (see: cowbell bench --help)\n",
			argv[optind - 1]);
		return false;
	}
}

bool bench_options_parse(struct bench_options *o, int argc, char **argv)
{
	int c;

	memset(o, 0, sizeof(*o));
	opterr = 0;
	optind = 1;
	while ((c = getopt_long(argc, argv, ":h", known, NULL)) != -1)
		if (!take(o, c, argv))
			return false;
	o->suite = argv + optind;
	o->suites = (size_t)(argc - optind);
	if (o->help || o->list || o->dir)
		return true;
	fputs("cowbell bench: --dir is missing: measure in which directory?\n", stderr);
	return false;
}

void bench_options_help(void)
{
	puts("usage: cowbell bench --dir DIR [OPTION...] [SUITE...]\n"
	     "\n"
	     "Times clone, copy and dedupe in a folder of its own below DIR. SUITE is a name from\n"
	     "--list, or a path of a JSON file; without one, every suite but quick is measured.\n"
	     "\n"
	     "  --dir DIR     measure on the filesystem of this directory\n"
	     "  --json FILE   write results there as JSON lines; - is stdout\n"
	     "  --time S      seconds for each suite, in place of its own: no block begins that\n"
	     "                would end later, but the first is always measured\n"
	     "  --seed N      have the same order and data again\n"
	     "  --dedicated   the filesystem and the machine are ours: drop caches\n"
	     "  --quiet       no progress on standard error\n"
	     "  --list        show suites, methods, experiments and factors\n"
	     "\n"
	     "Exit codes: 0 measured, 1 a copy did not hold what its source holds, 2 usage,\n"
	     "77 everything was skipped, 99 harness error.");
}
