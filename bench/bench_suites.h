/* SPDX-License-Identifier: GPL-2.0-only */
/* Finds suite files. */
#ifndef COWBELL_BENCH_SUITES_H
#define COWBELL_BENCH_SUITES_H

#include "suite.h"

/** struct bench_suites - those that were asked for, in that order */
struct bench_suites {
	struct suite **suite;
	size_t count;
};

/**
 * bench_suites_load() - read suites by name or path; none: all but "quick" and "self"
 *
 * The folder is that of COWBELL_BENCH, or bench/suites of the checkout that the program was built
 * in, or what was installed. Returns false after a line on standard error for each bad file.
 */
bool bench_suites_load(struct bench_suites *s, size_t count, char *const *wanted);
void bench_suites_free(struct bench_suites *s);

/** bench_suites_list() - print suites, methods, experiments and factors */
bool bench_suites_list(void);

#endif
