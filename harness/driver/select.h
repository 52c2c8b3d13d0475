/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SELECT arguments: which points of which cases are meant.
 *
 *   PATH        a case file, a folder of them, or one point of a file: "my.json[len=2B]"
 *   NAME        the name of a case, of one of its points, or of a folder of cases; '*' and '?'
 *               stand for any text and any letter, brackets for themselves
 *   tag:WORD    what bears the tag
 *   !SELECT     takes away
 *
 * Without any, or with '!' only, all cases are meant. Points tagged "long" are meant only by their
 * file, their full name or a tag.
 */
#ifndef COWBELL_SELECT_H
#define COWBELL_SELECT_H

#include "load.h"

/** struct selected - one point */
struct selected {
	const struct casefile *file;
	size_t point;
	/** @again: the SELECT argument that means this point alone */
	const char *again;
};

/** struct selection - what was selected, ordered by name; and the files that were read for it */
struct selection {
	struct casefile **files;
	size_t files_count;
	struct selected *points;
	size_t points_count;
	struct arena *arena;
};

/**
 * select_points() - find, read and choose
 * @args: SELECT arguments
 *
 * Files of which no argument could mean a point are not read. Every bad file among the others and
 * every argument that matches nothing is reported on stderr, a line each. Returns false if there
 * was any. selection_free() gives it back in any case.
 */
bool select_points(struct selection *s, int count, char *const *args);

/**
 * select_files() - read case files without choosing, for lint
 * @bad: how many were refused, each reported on stdout
 *
 * Without arguments all cases. Returns false, after a line on stderr, if a path cannot be read.
 */
bool select_files(struct selection *s, int count, char *const *paths, size_t *bad);
void selection_free(struct selection *s);

/** select_folder() - the folder of the cases that belong to this program; quirks/ lies in it */
const char *select_folder(struct arena *a);

#endif
