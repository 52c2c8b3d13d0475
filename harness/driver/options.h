/* SPDX-License-Identifier: GPL-2.0-only */
/* The options of `cowbell run`. */
#ifndef COWBELL_OPTIONS_H
#define COWBELL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "need.h"

#define OPTIONS_MANY 32

/** struct many - an option that may be given several times; ends with NULL */
struct many {
	const char *item[OPTIONS_MANY + 1];
	size_t count;
};

/** struct number - an option with a number */
struct number {
	bool set;
	uint64_t value;
};

/** struct run_options - what the command line says */
struct run_options {
	const char *dir, *dir2, *view, *server, *json, *resume, *format;
	struct number jobs, seed, timeout, repeat, round;
	/** @budget: 0 if not given */
	double budget;
	bool stop_on_fail, keep, dedicated, announce, despite_quirks, help;
	struct many hooks, quirks;
	/** @required: of which needs the lack is a fail */
	bool required[NEED_COUNT];
	/** @require: the same as it was given, NULL if it was not */
	const char *require;
	/** @select: what is left: which cases; ends with NULL */
	char *const *select;
	size_t select_count;
};

/**
 * options_parse() - understand a command line; argv[0] is the verb
 *
 * Returns false after one line on standard error if anything is wrong with it.
 */
bool options_parse(struct run_options *o, int argc, char **argv);

/** options_help() - print what there is, with defaults */
void options_help(void);

#endif
