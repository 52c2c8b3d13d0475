/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Result lines as JSON objects (docs/results.md), verdicts and their sums, and the command that
 * does a point again. Pure: nothing is written here, sink.c does that.
 */
#ifndef COWBELL_EMIT_H
#define COWBELL_EMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "case.h"

/** enum verdict - in order of gravity */
enum verdict {
	VERDICT_FAIL,
	VERDICT_ERROR,
	VERDICT_MISS,
	VERDICT_XPASS,
	VERDICT_XFAIL,
	VERDICT_PASS,
	VERDICT_DONE,
	VERDICT_SKIP,
	VERDICT_COUNT,
};

/** verdict_name() - "fail"; verdict_find() - VERDICT_COUNT if there is no such verdict */
const char *verdict_name(enum verdict v);
enum verdict verdict_find(const char *name);

/** struct tally - how many results of each verdict */
struct tally {
	uint64_t count[VERDICT_COUNT];
};

/** tally_exit() - exit code of a run that came to its end */
int tally_exit(const struct tally *t);

/** struct emit_point - what every line about a point says */
struct emit_point {
	const char *name;
	enum strength strength;
	/** @round: 0 leaves it out */
	unsigned int round;
	/** @seed: to be given to --seed to have it again */
	uint64_t seed;
};

/**
 * emit_case() - a result line
 * @child: the child's part, or NULL; its verdict and reason are left out. Not changed.
 */
json_t *emit_case(const struct emit_point *p, enum verdict v, const char *reason,
		  const json_t *child);

/**
 * emit_start() - the line before a point is started
 * @timeout_s: the limit of its own, 0 if it has none
 * @repeat: what emit_repeat() gives
 */
json_t *emit_start(const struct emit_point *p, unsigned int timeout_s, const char *repeat);

/**
 * emit_end() - the last line
 * @key, @text: what ended the run early ("interrupted": "SIGINT"), or NULL
 */
json_t *emit_end(const struct tally *t, uint64_t wall_ns, const char *key, const char *text);

/** emit_text() - a JSON string of any bytes: what is no UTF-8 becomes '?' */
json_t *emit_text(const char *text, size_t len);

/** struct emit_command - the options that a repeated run must have too; NULL and 0 leave out */
struct emit_command {
	/** @require: only where the lack of this is what is to be had again */
	const char *dir, *dir2, *view, *server, *require;
	bool dedicated;
	unsigned int timeout_s;
	double budget;
	/** @hooks, @quirks, @cases: rows that end with NULL */
	const char *const *hooks;
	const char *const *quirks;
	bool despite_quirks;
};

/** emit_repeat() - a line for the shell that does one point again, or @round of a race (0: all of
 * it); to be freed */
char *emit_repeat(const struct emit_command *c, uint64_t seed, uint64_t round, const char *name);

/** emit_quote() - one word for the shell, quoted only if need be; to be freed */
char *emit_quote(const char *word);

/** emit_point_seed() - the seed of a point, from that of the run and its name */
uint64_t emit_point_seed(uint64_t seed, const char *name);

#endif
