/* SPDX-License-Identifier: GPL-2.0-only */
/* Randomness, order statistics and the distributions that the tests refer to. */
#include "stat.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

static uint64_t rotate(uint64_t x, int by)
{
	return (x << by) | (x >> (64 - by));
}

void stat_rng_seed(struct stat_rng *r, uint64_t seed)
{
	for (int i = 0; i < 4; i++) {
		uint64_t z = (seed += UINT64_C(0x9e3779b97f4a7c15));

		z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
		r->s[i] = z ^ (z >> 31);
	}
}

uint64_t stat_rng_next(struct stat_rng *r)
{
	const uint64_t result = rotate(r->s[1] * 5, 7) * 9, t = r->s[1] << 17;

	r->s[2] ^= r->s[0];
	r->s[3] ^= r->s[1];
	r->s[1] ^= r->s[2];
	r->s[0] ^= r->s[3];
	r->s[2] ^= t;
	r->s[3] = rotate(r->s[3], 45);
	return result;
}

uint64_t stat_rng_below(struct stat_rng *r, uint64_t n)
{
	/* what would make the first remainders likelier is drawn again */
	const uint64_t odd = (0 - n) % n;
	uint64_t x;

	assert(n > 0);
	do {
		x = stat_rng_next(r);
	} while (x < odd);
	return x % n;
}

double stat_rng_unit(struct stat_rng *r)
{
	return (double)(stat_rng_next(r) >> 11) * 0x1p-53;
}

double stat_rng_normal(struct stat_rng *r)
{
	/* Box and Muller 1958; 1 - u is never 0 */
	const double radius = sqrt(-2 * log(1 - stat_rng_unit(r)));

	return radius * cos(2 * M_PI * stat_rng_unit(r));
}

static int ascending(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void stat_sort(double *v, size_t n)
{
	if (n > 1)
		qsort(v, n, sizeof(*v), ascending);
}

double stat_quantile(const double *sorted, size_t n, double q)
{
	const double at = q * (double)(n - 1);
	const size_t below = (size_t)at;

	assert(n > 0 && q >= 0 && q <= 1);
	if (below + 1 >= n)
		return sorted[n - 1];
	return sorted[below] + (at - (double)below) * (sorted[below + 1] - sorted[below]);
}

static void swap(double *a, double *b)
{
	const double old = *a;

	*a = *b;
	*b = old;
}

/* Puts the k-th smallest where it belongs, nothing larger before it (Hoare 1961). */
static double select_kth(double *v, size_t n, size_t k)
{
	size_t low = 0, high = n - 1;

	while (low < high) {
		const double pivot = v[low + (high - low) / 2];
		size_t i = low, j = high;

		for (;;) {
			while (v[i] < pivot)
				i++;
			while (v[j] > pivot)
				j--;
			if (i >= j)
				break;
			swap(&v[i++], &v[j--]);
		}
		/* v[low..j] <= pivot <= v[j+1..high] */
		if (k <= j)
			high = j;
		else
			low = j + 1;
	}
	return v[k];
}

double stat_median(double *v, size_t n)
{
	double upper, lower;

	assert(n > 0);
	upper = select_kth(v, n, n / 2);
	if (n % 2)
		return upper;
	lower = v[0];
	for (size_t i = 1; i < n / 2; i++)
		if (v[i] > lower)
			lower = v[i];
	return lower + (upper - lower) / 2;
}

double stat_centre(double *v, size_t n)
{
	double walsh[STAT_WALSH_MAX * (STAT_WALSH_MAX + 1) / 2];
	size_t count = 0;

	if (n > STAT_WALSH_MAX)
		return stat_median(v, n);
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j <= i; j++)
			walsh[count++] = (v[i] + v[j]) / 2;
	return stat_median(walsh, count);
}

double stat_normal_cdf(double z)
{
	return erfc(-z / M_SQRT2) / 2;
}

/* The distributions here are continuous and strictly increasing, so halving finds every quantile.
 */
static double invert(double p, double (*cdf)(double, size_t), size_t df)
{
	double low = -1, high = 1;

	assert(p > 0 && p < 1);
	while (cdf(low, df) > p)
		low *= 2;
	while (cdf(high, df) < p)
		high *= 2;
	for (int i = 0; i < 100; i++) {
		const double middle = (low + high) / 2;

		if (cdf(middle, df) < p)
			low = middle;
		else
			high = middle;
	}
	return (low + high) / 2;
}

static double normal_without_df(double z, size_t df)
{
	(void)df;
	return stat_normal_cdf(z);
}

double stat_normal_quantile(double p)
{
	return invert(p, normal_without_df, 0);
}

double stat_t_cdf(double t, size_t df)
{
	const double theta = atan(t / sqrt((double)df));
	const double c = cos(theta), s = sin(theta);
	double term, sum = 0, between;

	assert(df > 0);
	if (df % 2) {
		term = c;
		for (size_t k = 1; k < df; k += 2) {
			sum += term;
			term *= c * c * (double)(k + 1) / (double)(k + 2);
		}
		between = M_2_PI * (theta + s * sum);
	} else {
		term = 1;
		for (size_t k = 0; k < df; k += 2) {
			sum += term;
			term *= c * c * (double)(k + 1) / (double)(k + 2);
		}
		between = s * sum;
	}
	return (1 + between) / 2;
}

double stat_t_quantile(double p, size_t df)
{
	/* the series is long there, and the normal right in four digits */
	if (df > 1000)
		return stat_normal_quantile(p);
	return invert(p, stat_t_cdf, df);
}

double stat_chi2_quantile(double p, size_t df)
{
	const double n = (double)df, step = 2 / (9 * n);
	const double root = 1 - step + stat_normal_quantile(p) * sqrt(step);

	assert(df > 0);
	return root > 0 ? n * root * root * root : 0;
}
