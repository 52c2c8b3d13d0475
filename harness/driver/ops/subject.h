/* SPDX-License-Identifier: GPL-2.0-only */
/* "file" or "fd": what an op on attributes is about. */
#ifndef COWBELL_OPS_SUBJECT_H
#define COWBELL_OPS_SUBJECT_H

#include <stdbool.h>
#include <stddef.h>

#include "../case.h"

struct world;
struct wfile;
struct op_result;

/** struct subject - two arguments of which a step gives one */
struct subject {
	int file, fd;
};

/* They come first in the op's table: subject_*() look at the bits 0 and 1 of args_set. */
#define SUBJECT_ARGS(type_, field_) \
	{ .name = "file", \
	  .type = ARG_FILE, \
	  .offset = offsetof(type_, field_.file), \
	  .doc = "by its name" }, \
	{ \
		.name = "fd", .type = ARG_FD, .offset = offsetof(type_, field_.fd), \
		.doc = "by a descriptor, in place of a name" \
	}

/** subject_via - by which mount a file is reached: 0 "dir", 1 "view" */
extern const struct word subject_via[];

/** subject_by_fd() - does the step name a descriptor? */
bool subject_by_fd(const struct world *w);

/** subject_good() - does it name exactly one? If not, the point becomes an error */
bool subject_good(const struct world *w, struct op_result *r);

/** subject_file() - the file, NULL if the descriptor has none */
struct wfile *subject_file(struct world *w, const struct subject *s);

/** subject_path() - a path of the named file that works from anywhere; lives as long as the point
 */
const char *subject_path(struct world *w, const struct subject *s);

/** subject_path_of() - likewise of any file: below its folder, or by the harness's own descriptor
 * if it has no name */
const char *subject_path_of(struct world *w, const struct wfile *f);

#endif
