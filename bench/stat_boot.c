/* SPDX-License-Identifier: GPL-2.0-only */
/* Intervals by resampling, and what they allow to say. */
#include "stat.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#define PAIRS_MAX (STAT_WALSH_MAX * STAT_WALSH_MAX)

static double *need(size_t count)
{
	double *p = calloc(count ? count : 1, sizeof(*p));

	if (!p)
		abort();
	return p;
}

/*
 * The median of n values drawn from a block is one of its values, and which one follows a
 * distribution that is known: that of the middle of n uniform numbers, which is Beta(m, m) with
 * m = (n+1)/2. So it is drawn at once (Ulrich 1984), and not by drawing n values and sorting them.
 */
double stat_resampled_median(const struct stat_block *b, struct stat_rng *rng)
{
	const size_t half = (b->n + 1) / 2;
	const double m = (double)half;
	double u, middle;
	size_t which;

	if (b->n < 2)
		return b->sorted[0];
	u = stat_rng_unit(rng);
	middle = m == 1 ? u
			: 0.5 + cos(2 * M_PI * u) / 2 *
					  sqrt(1 - pow(stat_rng_unit(rng), 2 / (2 * m - 1)));
	which = (size_t)(middle * (double)b->n);
	return b->sorted[which < b->n ? which : b->n - 1];
}

static double block_median(const struct stat_block *b)
{
	return stat_quantile(b->sorted, b->n, 0.5);
}

/* All blocks of a run stay: to draw among a few of them would count their differences twice, once
 * here and once in how runs differ (Davison and Hinkley 1997, 3.8). */
static double resampled_unit(const struct stat_unit *u, struct stat_rng *rng, double *scratch)
{
	for (size_t i = 0; i < u->n; i++)
		scratch[i] = stat_resampled_median(&u->blocks[i], rng);
	return stat_median(scratch, u->n);
}

double stat_unit_median(const struct stat_unit *u)
{
	double *medians = need(u->n), median;

	for (size_t i = 0; i < u->n; i++)
		medians[i] = block_median(&u->blocks[i]);
	median = stat_median(medians, u->n);
	free(medians);
	return median;
}

static size_t most_blocks(const struct stat_unit *u, size_t n)
{
	size_t most = 1;

	for (size_t i = 0; i < n; i++)
		if (u[i].n > most)
			most = u[i].n;
	return most;
}

/* The centre of log b - log a: of pairs, or of each a with each b; of very many, of the medians. */
static double log_ratio(double *a, size_t na, double *b, size_t nb, bool paired, double *scratch)
{
	size_t n = 0;

	if (paired) {
		for (; n < na; n++)
			scratch[n] = b[n] - a[n];
		return stat_centre(scratch, n);
	}
	if (na * nb > PAIRS_MAX)
		return stat_median(b, nb) - stat_median(a, na);
	for (size_t i = 0; i < na; i++)
		for (size_t j = 0; j < nb; j++)
			scratch[n++] = b[j] - a[i];
	return stat_median(scratch, n);
}

/* Where to cut resamples, so that few units give an interval as wide as Student's t would. */
static double tail(double confidence, size_t units)
{
	const double t = stat_t_quantile((1 + confidence) / 2, units - 1);

	return stat_normal_cdf(-t * sqrt((double)units / (double)(units - 1)));
}

static void cut(double *resamples, size_t n, double share, struct stat_interval *out)
{
	stat_sort(resamples, n);
	out->low = stat_quantile(resamples, n, share);
	out->high = stat_quantile(resamples, n, 1 - share);
}

/** struct work - memory of a bootstrap */
struct work {
	double *a, *b, *blocks, *pairs, *resamples;
};

static void resample(const struct stat_unit *a, size_t na, const struct stat_unit *b, size_t nb,
		     const struct stat_design *design, struct work *w)
{
	struct stat_rng rng;

	stat_rng_seed(&rng, design->seed);
	for (size_t k = 0; k < STAT_RESAMPLES; k++) {
		for (size_t i = 0; i < na; i++) {
			const size_t which = stat_rng_below(&rng, na);

			w->a[i] = log(resampled_unit(&a[which], &rng, w->blocks));
			if (design->paired)
				w->b[i] = log(resampled_unit(&b[which], &rng, w->blocks));
		}
		for (size_t i = 0; !design->paired && i < nb; i++)
			w->b[i] =
				log(resampled_unit(&b[stat_rng_below(&rng, nb)], &rng, w->blocks));
		w->resamples[k] = log_ratio(w->a, na, w->b, nb, design->paired, w->pairs);
	}
}

bool stat_ratio(const struct stat_unit *a, size_t na, const struct stat_unit *b, size_t nb,
		const struct stat_design *design, struct stat_interval *out)
{
	const size_t least = na < nb ? na : nb, blocks_a = most_blocks(a, na),
		     blocks_b = most_blocks(b, nb);
	struct work w = {
		.a = need(na),
		.b = need(nb),
		.blocks = need(blocks_a > blocks_b ? blocks_a : blocks_b),
		.pairs = need(design->paired ? na : na * nb),
		.resamples = need(STAT_RESAMPLES),
	};
	bool enough = least >= STAT_UNITS_MIN;

	assert(na > 0 && nb > 0 && (na == nb || !design->paired));
	for (size_t i = 0; i < na; i++)
		w.a[i] = log(stat_unit_median(&a[i]));
	for (size_t i = 0; i < nb; i++)
		w.b[i] = log(stat_unit_median(&b[i]));
	out->value = exp(log_ratio(w.a, na, w.b, nb, design->paired, w.pairs));
	out->low = 0;
	out->high = HUGE_VAL;
	if (enough) {
		resample(a, na, b, nb, design, &w);
		cut(w.resamples, STAT_RESAMPLES, tail(design->confidence, least), out);
		out->low = exp(out->low);
		out->high = exp(out->high);
	}
	free(w.a);
	free(w.b);
	free(w.blocks);
	free(w.pairs);
	free(w.resamples);
	return enough;
}

double stat_difference_p(const struct stat_unit *a, size_t na, const struct stat_unit *b, size_t nb,
			 const struct stat_design *design)
{
	double *x = need(na), *y = need(nb), p;

	for (size_t i = 0; i < na; i++)
		x[i] = log(stat_unit_median(&a[i]));
	for (size_t i = 0; i < nb; i++)
		y[i] = log(stat_unit_median(&b[i]));
	if (design->paired) {
		for (size_t i = 0; i < na; i++)
			y[i] -= x[i];
		stat_signed_ranks(y, na, x);
		p = stat_sign_flip(x, na, design->seed, NULL);
	} else {
		p = stat_mann_whitney(x, na, y, nb, NULL, NULL);
	}
	free(x);
	free(y);
	return p;
}

enum stat_verdict stat_decide(const struct stat_interval *cost, double p,
			      const struct stat_design *design)
{
	const double high = 1 + design->threshold, low = 1 / high;
	const bool proven = p <= 1 - design->confidence;

	if (proven && cost->low > high)
		return STAT_WORSE;
	if (proven && cost->high < low)
		return STAT_BETTER;
	if (cost->low > low && cost->high < high)
		return STAT_SAME;
	return STAT_INCONCLUSIVE;
}

/** struct points - of a line to be fitted */
struct points {
	double *x, *y;
	size_t n;
};

/* The slopes of all pairs with different x, or of drawn ones where there are too many. */
static size_t pair_slopes(const struct points *p, struct stat_rng *rng, double *slopes)
{
	size_t count = 0;

	if (p->n * (p->n - 1) / 2 > STAT_FIT_PAIRS) {
		for (size_t k = 0; k < STAT_FIT_PAIRS; k++) {
			const size_t i = stat_rng_below(rng, p->n), j = stat_rng_below(rng, p->n);

			if (p->x[i] != p->x[j])
				slopes[count++] = (p->y[i] - p->y[j]) / (p->x[i] - p->x[j]);
		}
		return count;
	}
	for (size_t i = 0; i < p->n; i++)
		for (size_t j = 0; j < i; j++)
			if (p->x[i] != p->x[j])
				slopes[count++] = (p->y[i] - p->y[j]) / (p->x[i] - p->x[j]);
	return count;
}

/* Theil and Sen's line through points, some of them perhaps several times; false if all have one
 * x. */
static bool line(const struct points *p, struct stat_rng *rng, double *scratch, double *slope,
		 double *intercept)
{
	const size_t count = pair_slopes(p, rng, scratch);

	if (!count)
		return false;
	*slope = stat_median(scratch, count);
	for (size_t i = 0; i < p->n; i++)
		scratch[i] = p->y[i] - *slope * p->x[i];
	*intercept = stat_median(scratch, p->n);
	return true;
}

/* As many points, drawn with replacement. */
static void draw(const double *x, const double *y, struct points *out, struct stat_rng *rng)
{
	for (size_t i = 0; i < out->n; i++) {
		const size_t which = stat_rng_below(rng, out->n);

		out->x[i] = x[which];
		out->y[i] = y[which];
	}
}

#define FIT_RESAMPLES 2000

bool stat_fit(const double *x, const double *y, size_t n, double confidence, uint64_t seed,
	      struct stat_line *out)
{
	double *scratch = need(n > STAT_FIT_PAIRS ? n : STAT_FIT_PAIRS);
	double *slopes = need(FIT_RESAMPLES), *intercepts = need(FIT_RESAMPLES);
	struct points p = { need(n), need(n), n };
	struct stat_rng rng;
	size_t done = 0;
	bool good;

	stat_rng_seed(&rng, seed);
	for (size_t i = 0; i < n; i++) {
		p.x[i] = x[i];
		p.y[i] = y[i];
	}
	good = n >= 3 && line(&p, &rng, scratch, &out->slope.value, &out->intercept.value);
	while (good && done < FIT_RESAMPLES) {
		draw(x, y, &p, &rng);
		/* a draw of one x alone says nothing of the slope, and is drawn again */
		done += line(&p, &rng, scratch, &slopes[done], &intercepts[done]);
	}
	if (good) {
		cut(slopes, done, tail(confidence, n), &out->slope);
		cut(intercepts, done, tail(confidence, n), &out->intercept);
	}
	free(scratch);
	free(p.x);
	free(p.y);
	free(slopes);
	free(intercepts);
	return good;
}
