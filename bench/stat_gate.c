/* SPDX-License-Identifier: GPL-2.0-only */
/* Decides, value by value, to which of two ends a revision belongs. */
#include "stat.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Runs never repeat themselves better than this, whatever a few of them seem to show. */
#define SIGMA_MIN 0.003

/* The values stay in their order: stat_centre() may change it. */
static double centre(const double *v, size_t n)
{
	double *copy = malloc(n * sizeof(*copy)), found;

	if (!copy)
		abort();
	memcpy(copy, v, n * sizeof(*copy));
	found = stat_centre(copy, n);
	free(copy);
	return found;
}

static double squares(const double *v, size_t n, double middle)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (v[i] - middle) * (v[i] - middle);
	return sum;
}

bool stat_gate_start(struct stat_gate *g, const double *good, size_t n_good, const double *bad,
		     size_t n_bad, double error)
{
	const size_t df = n_good + n_bad - 2;
	double all, apart;

	assert(n_good >= STAT_GATE_RUNS && n_bad >= STAT_GATE_RUNS);
	memset(g, 0, sizeof(*g));
	g->good = centre(good, n_good);
	g->bad = centre(bad, n_bad);
	all = squares(good, n_good, g->good) + squares(bad, n_bad, g->bad);
	g->sigma = fmax(sqrt(all / stat_chi2_quantile(0.1, df)), SIGMA_MIN);
	g->bound = log((1 - error) / error);
	apart = sqrt(all / (double)df * (1 / (double)n_good + 1 / (double)n_bad));
	return fabs(g->bad - g->good) > stat_t_quantile(1 - error / 2, df) * apart &&
	       g->bad != g->good;
}

enum stat_end stat_gate_step(struct stat_gate *g, double value)
{
	const double apart = g->bad - g->good, most = g->bound / STAT_GATE_RUNS;
	const double step = (value - (g->good + g->bad) / 2) * apart / (g->sigma * g->sigma);

	g->sum += fmax(-most, fmin(most, step));
	g->count++;
	/* the sum of thirds may be less than the whole by rounding */
	if (fabs(g->sum) < g->bound * (1 - 1e-9))
		return STAT_UNDECIDED;
	return g->sum > 0 ? STAT_BAD : STAT_GOOD;
}
