/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether a machine is still the one that it was when the ends of a bisection were measured: told
 * by the reference rows (a system call that does nothing, a clone that is refused), which cost the
 * same in good and bad. Makes no system calls.
 */
#ifndef COWBELL_DRIFT_H
#define COWBELL_DRIFT_H

#include <stdbool.h>
#include <stddef.h>

#include "results.h"

/** DRIFT_ROWS - so many are looked at; DRIFT_FILES - so many files of each end, and runs */
#define DRIFT_ROWS  8
#define DRIFT_FILES 200

/** struct drift_row - the logs of one reference row */
struct drift_row {
	/** @name: NULL if it cannot tell anything */
	const char *name;
	double end[2][DRIFT_FILES], now[DRIFT_FILES];
	size_t ends[2], nows;
	/** @low, @high: what it may be; @middle: what it is, the median of runs */
	double low, high, middle;
};

/** struct drift - all of them */
struct drift {
	struct drift_row row[DRIFT_ROWS];
	size_t rows;
	/** @step_ns: the least that the clock shows */
	double step_ns;
};

/** drift_start() - the reference rows of the first file of the ends, which must stay */
void drift_start(struct drift *d, const struct results *first);

/** drift_end() - one file of an end, 0 good and 1 bad; a row that it has not got is left out */
void drift_end(struct drift *d, int end, const struct results *r);

/**
 * drift_bound() - all files of both ends are there: what may each row be?
 * @apart: distance of the ends in what decides, in logs
 *
 * A row may move by three standard deviations of runs, by half of @apart, since a machine that
 * differs by less turns no answer round, and by a step and a half of the clock. One that differs by
 * more between the ends is itself under test, or they were measured on different machines: it is
 * left out, and its name returned; else NULL.
 */
const char *drift_bound(struct drift *d, double apart);

/** drift_step() - one run of what is to be judged */
void drift_step(struct drift *d, const struct results *r);

/** drift_found() - a row whose median of runs is not what it may be, or NULL; @seen: how many rows
 * were looked at */
const struct drift_row *drift_found(struct drift *d, size_t *seen);

#endif
