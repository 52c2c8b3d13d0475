/* SPDX-License-Identifier: GPL-2.0-only */
/* Statistics of one series. */
#include "series.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "must.h"

#define DRIFT_MIN 8
#define DRIFT_MAX 2000
#define HUMPS_MIN 10
#define MAD_SIGMA 1.4826
#define FAR	  10.0
/* z of p = 0.01, two-sided */
#define Z_99 2.5758

static int by_number(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static uint64_t *sorted(const uint64_t *sample, size_t n)
{
	uint64_t *copy = must(malloc((n ? n : 1) * sizeof(*copy)));

	memcpy(copy, sample, n * sizeof(*copy));
	qsort(copy, n, sizeof(*copy), by_number);
	return copy;
}

static double middle(const uint64_t *s, size_t n)
{
	const size_t half = n / 2;

	return n % 2 ? (double)s[half] : ((double)s[half - 1] + (double)s[half]) / 2;
}

static double middle_value(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), by_value);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

double series_median(const uint64_t *sample, size_t n)
{
	uint64_t *s = sorted(sample, n);
	const double m = middle(s, n);

	free(s);
	return m;
}

uint64_t series_quantile(const uint64_t *sample, size_t n, double quantile)
{
	uint64_t *s = sorted(sample, n), value;
	size_t rank = (size_t)ceil(quantile * (double)n);

	value = s[rank ? rank - 1 : 0];
	free(s);
	return value;
}

/* Largest k so that the k-th smallest and the k-th largest enclose the median in 95 of 100 cases;
 * 0 if even the extremes do not: the binomial distribution, from one side. */
static size_t interval_rank(size_t n)
{
	double below = 0, one = -(double)n * log(2.0);
	size_t k = 0;

	for (; k < n / 2; k++) {
		below += exp(one);
		if (2 * below > 0.05)
			break;
		one += log((double)(n - k)) - log((double)(k + 1));
	}
	return k;
}

bool series_median_range(const uint64_t *sample, size_t n, struct range *out)
{
	uint64_t *s = sorted(sample, n);
	const size_t k = interval_rank(n);

	out->value = middle(s, n);
	if (k) {
		out->low = (double)s[k - 1];
		out->high = (double)s[n - k];
	}
	free(s);
	return k > 0;
}

static double deviation(const uint64_t *sample, size_t n, double median)
{
	double *away = must(malloc((n ? n : 1) * sizeof(*away))), mad;

	for (size_t i = 0; i < n; i++)
		away[i] = fabs((double)sample[i] - median);
	mad = middle_value(away, n);
	free(away);
	return mad;
}

size_t series_outliers(const uint64_t *sample, size_t n, size_t *out)
{
	size_t found = 0;
	double median, mad;

	if (n < 3)
		return 0;
	median = series_median(sample, n);
	mad = deviation(sample, n, median);
	if (mad <= 0)
		mad = median / 100;
	for (size_t i = 0; i < n; i++)
		if (fabs((double)sample[i] - median) > FAR * MAD_SIGMA * mad)
			out[found++] = i;
	return found;
}

bool series_drifts(const uint64_t *sample, size_t n)
{
	double s = 0, nn, sigma;

	if (n < DRIFT_MIN)
		return false;
	if (n > DRIFT_MAX) {
		sample += n - DRIFT_MAX;
		n = DRIFT_MAX;
	}
	for (size_t i = 0; i < n; i++)
		for (size_t k = i + 1; k < n; k++)
			s += (sample[k] > sample[i]) - (sample[k] < sample[i]);
	nn = (double)n;
	sigma = sqrt(nn * (nn - 1) * (2 * nn + 5) / 18);
	return (fabs(s) - 1) / sigma > Z_99;
}

bool series_two_humps(const uint64_t *sample, size_t n)
{
	size_t fifth = n / 5, at = 0;
	uint64_t *s, gap = 0;
	double low, high, spread;
	bool humps;

	if (n < HUMPS_MIN)
		return false;
	s = sorted(sample, n);
	for (size_t i = fifth; i <= n - fifth; i++)
		if (s[i] - s[i - 1] > gap) {
			gap = s[i] - s[i - 1];
			at = i;
		}
	low = at ? deviation(s, at, middle(s, at)) : 0;
	high = at ? deviation(s + at, n - at, middle(s + at, n - at)) : 0;
	spread = (low + high) / 2;
	humps = at && (double)gap > 4 * spread && (double)gap > middle(s, n) / 10;
	free(s);
	return humps;
}
