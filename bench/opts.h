/* SPDX-License-Identifier: GPL-2.0-only */
/* Command lines in which an option may take several words: --a FILE FILE --b FILE FILE. */
#ifndef COWBELL_OPTS_H
#define COWBELL_OPTS_H

#include <stdbool.h>
#include <stddef.h>

/** struct words - a row of arguments, as they lie in argv */
struct words {
	char **item;
	size_t count;
};

/** enum opt_kind - what an option takes */
enum opt_kind {
	/** @OPT_END: ends a table; its .to, a struct words, gets the words that belong to no option
	 */
	OPT_END,
	/** @OPT_FLAG: nothing; a bool */
	OPT_FLAG,
	/** @OPT_TEXT: a word; a const char pointer */
	OPT_TEXT,
	/** @OPT_NUMBER: a number from .min to .max, perhaps with a fraction; a double */
	OPT_NUMBER,
	/** @OPT_WHOLE: a whole number from .min to .max; a double */
	OPT_WHOLE,
	/** @OPT_WORDS: all words up to the next option; a struct words */
	OPT_WORDS,
};

/** struct opt - one option */
struct opt {
	enum opt_kind kind;
	/** @name: without its dashes; @value: how the help calls what it takes */
	const char *name, *value;
	void *to;
	double min, max;
	const char *doc;
};

/**
 * opts_parse() - understand a command line; argv[0] is the verb
 * @after: gets what follows "--"; NULL if nothing may
 *
 * Words that belong to no option must follow each other. Returns false after one line on
 * standard error if anything is wrong.
 */
bool opts_parse(const struct opt *opts, int argc, char **argv, struct words *after);

/** opts_help() - print the table on standard output */
void opts_help(const struct opt *opts);

#endif
