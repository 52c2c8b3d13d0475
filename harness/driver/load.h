/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The loader: from JSON text to cases and points. A closed world: an unknown key, a duplicate key,
 * an unused file or an unreachable step is an error that names the file and the place in it. Sizes,
 * counts and nesting are bounded before anything is allocated. Pure: it reads no files; it is
 * unit-tested and fuzzed anywhere.
 */
#ifndef COWBELL_LOAD_H
#define COWBELL_LOAD_H

#include "case.h"

/* Bounds: a case that exceeds one is refused. */
#define LOAD_TEXT_MAX	(256 * 1024)
#define LOAD_POINTS_MAX 4096
#define LOAD_STEPS_MAX	256
#define LOAD_FILES_MAX	64
#define LOAD_NAME_MAX	48
#define LOAD_LIST_MAX	256
#define LOAD_DEPTH_MAX	12
/* keys of "vary" */
#define LOAD_VARY_MAX 16
/* names of data that steps write, beyond their own; descriptors or mappings that steps make */
#define LOAD_NAMES_MAX 256
/* JSON values of one point, and of all points together, after substitution */
#define LOAD_POINT_VALUES_MAX (64 * 1024)
#define LOAD_VALUES_MAX	      (2 * 1024 * 1024)
/* bytes of data that one file may hold before the first step */
#define LOAD_FILE_DATA_MAX (64ULL << 30)
/* longest "timeout_s" */
#define LOAD_TIMEOUT_MAX 86400
/* most "times" of an actor, longest "budget_ms" of a race */
#define LOAD_TIMES_MAX	   1000
#define LOAD_BUDGET_MS_MAX 600000

/** struct load_error - where and what, "steps[2].len: ..." */
struct load_error {
	/** @text: one line: "PATH: PLACE: what is wrong" */
	char text[512];
};

/**
 * load_case() - read one case
 * @path: for messages; @name: of the case, "errno/overlap"
 *
 * Every point is expanded once with nominal units, so that what is wrong with any is found here.
 * Returns NULL with @err filled if anything is wrong. casefile_free() gives it back.
 */
struct casefile *load_case(const char *path, const char *name, const char *text, size_t len,
			   struct load_error *err);
void casefile_free(struct casefile *c);

/**
 * load_point() - point number @i (0 .. c->points-1) with sizes in the given units
 *
 * Returns NULL with @err filled only if a size cannot be had in these units. point_free() gives it
 * back.
 */
struct point *load_point(const struct casefile *c, size_t i, const struct units *units,
			 struct load_error *err);
void point_free(struct point *p);

/** load_point_name() - the name that load_point() would give point @i, without loading it */
const char *load_point_name(const struct casefile *c, size_t i);

/** load_point_tagged() - does point @i bear the tag? */
bool load_point_tagged(const struct casefile *c, size_t i, const char *tag);

/** interrupt_args - the plain keys of "interrupt", with offsets in struct interrupt */
extern const struct argspec interrupt_args[];

/** load_schema() - the JSON schema of the language, made from the tables of ops, oracles and needs;
 * a new reference */
json_t *load_schema(void);

#endif
