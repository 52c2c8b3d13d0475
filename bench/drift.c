/* SPDX-License-Identifier: GPL-2.0-only */
/* Holds reference rows against what they were. */
#include "drift.h"

#include <math.h>
#include <string.h>

#include "stat.h"

#define SIGMAS	   3
#define STEPS	   1.5
#define ERROR_RATE 0.01

static double clock_step(const json_t *run)
{
	const json_t *clock = json_object_get(json_object_get(run, "environment"), "clock");

	return json_number_value(json_object_get(clock, "least_step_ns"));
}

void drift_start(struct drift *d, const struct results *first)
{
	memset(d, 0, sizeof(*d));
	d->step_ns = clock_step(first->run);
	for (size_t i = 0; i < first->count && d->rows < DRIFT_ROWS; i++)
		if (!strcmp(first->metrics[i].role, "reference") && !first->metrics[i].skip)
			d->row[d->rows++].name = first->metrics[i].name;
}

void drift_end(struct drift *d, int end, const struct results *r)
{
	double median;

	for (size_t i = 0; i < d->rows; i++) {
		struct drift_row *row = &d->row[i];

		if (!row->name)
			continue;
		if (results_median(r, row->name, &median) && row->ends[end] < DRIFT_FILES)
			row->end[end][row->ends[end]++] = log(median);
		else
			row->name = NULL;
	}
}

const char *drift_bound(struct drift *d, double apart)
{
	const char *differs = NULL;

	for (size_t i = 0; i < d->rows; i++) {
		struct drift_row *row = &d->row[i];
		struct stat_gate g;
		double margin;

		if (!row->name)
			continue;
		/* centres, and a spread that is rather too large */
		stat_gate_start(&g, row->end[0], row->ends[0], row->end[1], row->ends[1],
				ERROR_RATE);
		margin = fmax(SIGMAS * g.sigma, fabs(apart) / 2);
		margin = fmax(margin, log1p(STEPS * d->step_ns / exp(g.good)));
		row->low = fmin(g.good, g.bad) - margin;
		row->high = fmax(g.good, g.bad) + margin;
		if (fabs(g.bad - g.good) <= margin)
			continue;
		differs = row->name;
		row->name = NULL;
	}
	return differs;
}

void drift_step(struct drift *d, const struct results *r)
{
	double median;

	for (size_t i = 0; i < d->rows; i++) {
		struct drift_row *row = &d->row[i];

		if (row->name && row->nows < DRIFT_FILES && results_median(r, row->name, &median))
			row->now[row->nows++] = log(median);
	}
}

const struct drift_row *drift_found(struct drift *d, size_t *seen)
{
	const struct drift_row *found = NULL;

	*seen = 0;
	for (size_t i = 0; i < d->rows; i++) {
		struct drift_row *row = &d->row[i];

		if (!row->name || !row->nows)
			continue;
		(*seen)++;
		row->middle = stat_median(row->now, row->nows);
		if (row->middle < row->low || row->middle > row->high)
			found = row;
	}
	return found;
}
