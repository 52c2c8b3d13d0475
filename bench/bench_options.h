/* SPDX-License-Identifier: GPL-2.0-only */
/* The command line of `cowbell bench`. */
#ifndef COWBELL_BENCH_OPTIONS_H
#define COWBELL_BENCH_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** struct bench_options - what it says */
struct bench_options {
	const char *dir, *json;
	/** @time_s: 0 if each suite has its own; @seed: if @has_seed */
	uint64_t time_s, seed;
	bool has_seed, dedicated, quiet, list, help;
	/** @suite: names or paths, none for all that are not "quick" */
	char *const *suite;
	size_t suites;
};

/** bench_options_parse() - false after one line on standard error if anything is wrong */
bool bench_options_parse(struct bench_options *o, int argc, char **argv);

void bench_options_help(void);

#endif
