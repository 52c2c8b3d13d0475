/* SPDX-License-Identifier: GPL-2.0-only */
/* Where results go: whole lines to the result file, and the same objects to a report. */
#ifndef COWBELL_SINK_H
#define COWBELL_SINK_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

struct report;

/** struct sink - start with SINK_NONE */
struct sink {
	/** @fd: the result file, -1 if there is none */
	int fd;
	/** @err: errno of a write that failed; from then on nothing is written */
	int err;
	const struct report *report;
	/** @human: where the report goes */
	FILE *human;
	/** @human_err: errno of a report that could not be written */
	int human_err;
};

#define SINK_NONE \
	{ \
		.fd = -1 \
	}

/** sink_report() - a format by name, NULL if there is no such */
const struct report *sink_report(const char *name);

/**
 * sink_open() - open the result file
 * @path: "-" is standard output, NULL is none
 * @append: go on after what is in it; otherwise it is emptied
 *
 * Returns 0 or a negative errno.
 */
int sink_open(struct sink *s, const char *path, bool append);

/** sink_begin(), sink_item(), sink_end() - one line each, by one write(2); they take the reference
 */
void sink_begin(struct sink *s, json_t *run);
void sink_item(struct sink *s, json_t *item);
void sink_end(struct sink *s, json_t *end);

/** sink_start() - the line that a point is about to be started; no report shows it */
void sink_start(struct sink *s, json_t *start);

/** sink_running() - a point was started */
void sink_running(struct sink *s, const char *name);

/** sink_lost() - does no one take the results any more? The errno, or 0 */
int sink_lost(const struct sink *s);

/** sink_close() - returns 0, or the errno of the first write that failed */
int sink_close(struct sink *s);

#endif
