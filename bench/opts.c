/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads command lines from a table. */
#include "opts.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool complain(const char *verb, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static bool complain(const char *verb, const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "cowbell %s: ", verb);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	return false;
}

static bool is_option(const char *word)
{
	return word[0] == '-' && word[1] == '-';
}

static const struct opt *find(const struct opt *o, const char *word)
{
	while (o->kind != OPT_END && strcmp(o->name, word + 2) != 0)
		o++;
	return o->kind == OPT_END ? NULL : o;
}

static bool take_number(const char *verb, const struct opt *o, const char *word)
{
	char *end;
	double value;

	errno = 0;
	value = strtod(word, &end);
	if (end == word || *end || errno || isnan(value) || value < o->min || value > o->max ||
	    (o->kind == OPT_WHOLE && value != floor(value)))
		return complain(verb, "--%s must be a %snumber from %g to %g, not '%s'", o->name,
				o->kind == OPT_WHOLE ? "whole " : "", o->min, o->max, word);
	*(double *)o->to = value;
	return true;
}

/* How many words of argv, which begins with the option, are its own; 0 if they are wrong. */
static int take(const char *verb, const struct opt *o, int argc, char **argv)
{
	struct words *words = o->to;
	int count = 1;

	if (o->kind == OPT_FLAG) {
		*(bool *)o->to = true;
		return 1;
	}
	if (argc < 2 || (is_option(argv[1]) && o->kind != OPT_TEXT)) {
		complain(verb, "--%s needs a value", o->name);
		return 0;
	}
	if (o->kind == OPT_TEXT) {
		*(const char **)o->to = argv[1];
		return 2;
	}
	if (o->kind != OPT_WORDS)
		return take_number(verb, o, argv[1]) ? 2 : 0;
	if (words->count) {
		complain(verb, "--%s is given twice", o->name);
		return 0;
	}
	while (count < argc && !is_option(argv[count]))
		count++;
	*words = (struct words){ .item = argv + 1, .count = (size_t)count - 1 };
	return count;
}

/* A word that belongs to no option. */
static bool take_free(const char *verb, const struct opt *opts, char **word)
{
	const struct opt *o = opts;
	struct words *rest;

	while (o->kind != OPT_END)
		o++;
	rest = o->to;
	if (!rest)
		return complain(verb, "what is '%s'? (see: cowbell %s --help)", *word, verb);
	if (!rest->count)
		rest->item = word;
	if (rest->item + rest->count != word)
		return complain(verb, "'%s' is apart from '%s'", *word, rest->item[0]);
	rest->count++;
	return true;
}

bool opts_parse(const struct opt *opts, int argc, char **argv, struct words *after)
{
	const char *verb = argv[0];
	int used;

	for (int i = 1; i < argc; i += used) {
		const struct opt *o;

		used = 1;
		if (!strcmp(argv[i], "--") && after) {
			*after = (struct words){ argv + i + 1, (size_t)(argc - i - 1) };
			return true;
		}
		if (!is_option(argv[i])) {
			if (!take_free(verb, opts, &argv[i]))
				return false;
			continue;
		}
		o = find(opts, argv[i]);
		if (!o)
			return complain(verb, "bad option '%s' (see: cowbell %s --help)", argv[i],
					verb);
		used = take(verb, o, argc - i, argv + i);
		if (!used)
			return false;
	}
	return true;
}

void opts_help(const struct opt *opts)
{
	for (const struct opt *o = opts; o->kind != OPT_END; o++) {
		char left[48];

		snprintf(left, sizeof(left), "--%s %s", o->name, o->value ? o->value : "");
		printf("  %-24s %s\n", left, o->doc);
	}
}
