/* SPDX-License-Identifier: GPL-2.0-only */
/* Tests of whether two samples differ, which assume no distribution. */
#include "stat.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

/* Sums that are equal on paper differ by rounding. */
#define ROUNDING 1e-12

static void *need(size_t count, size_t size)
{
	void *p = calloc(count ? count : 1, size);

	if (!p)
		abort();
	return p;
}

/* All 2^(n-1) sums with the first sign fixed, which by symmetry is all; each differs from the one
 * before it in one sign (Gray code). */
static double flip_all(const double *d, size_t n, double far)
{
	const uint64_t count = UINT64_C(1) << (n - 1);
	uint64_t hits = 0, negative = 0;
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += d[i];
	for (uint64_t k = 1;; k++) {
		size_t which;

		hits += fabs(sum) >= far;
		if (k == count)
			break;
		which = (size_t)__builtin_ctzll(k);
		sum += (negative >> which & 1 ? 2 : -2) * d[which + 1];
		negative ^= UINT64_C(1) << which;
	}
	return (double)hits / (double)count;
}

static double flip_some(const double *d, size_t n, double far, uint64_t seed)
{
	struct stat_rng rng;
	size_t hits = 0;

	stat_rng_seed(&rng, seed);
	for (size_t draw = 0; draw < STAT_DRAWS; draw++) {
		uint64_t bits = 0;
		double sum = 0;

		for (size_t i = 0; i < n; i++, bits >>= 1) {
			if (i % 64 == 0)
				bits = stat_rng_next(&rng);
			sum += bits & 1 ? d[i] : -d[i];
		}
		hits += fabs(sum) >= far;
	}
	/* the assignment that was observed is one of them: so p is never 0 */
	return (double)(hits + 1) / (STAT_DRAWS + 1);
}

double stat_sign_flip(const double *d, size_t n, uint64_t seed, bool *exact)
{
	double sum = 0, size = 0, far;

	for (size_t i = 0; i < n; i++) {
		sum += d[i];
		size += fabs(d[i]);
	}
	far = fabs(sum) - size * ROUNDING;
	if (exact)
		*exact = n <= STAT_EXACT_PAIRS;
	if (n == 0 || size == 0)
		return 1;
	return n <= STAT_EXACT_PAIRS ? flip_all(d, n, far) : flip_some(d, n, far, seed);
}

/** struct ranked - a value, where it came from, and twice its rank: whole even for ties */
struct ranked {
	double value;
	size_t from;
	size_t twice_rank;
};

static int by_value(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	return (x->value > y->value) - (x->value < y->value);
}

/* Sorts, ranks, and returns the sum of t^3 - t over groups of t ties. */
static double rank(struct ranked *r, size_t n)
{
	double ties = 0;
	size_t end;

	qsort(r, n, sizeof(*r), by_value);
	for (size_t i = 0; i < n; i = end) {
		double t;

		for (end = i + 1; end < n && r[end].value == r[i].value; end++)
			;
		for (size_t k = i; k < end; k++)
			r[k].twice_rank = i + 1 + end;
		t = (double)(end - i);
		ties += t * t * t - t;
	}
	return ties;
}

void stat_signed_ranks(const double *d, size_t n, double *ranks)
{
	struct ranked *r = need(n, sizeof(*r));
	size_t zeros = 0;

	for (size_t i = 0; i < n; i++) {
		r[i].value = fabs(d[i]);
		r[i].from = i;
		zeros += d[i] == 0;
	}
	if (n > 0)
		rank(r, n);
	for (size_t i = 0; i < n; i++) {
		const double value = d[r[i].from];
		const double size = (double)r[i].twice_rank / 2 - (double)zeros;

		ranks[r[i].from] = value == 0 ? 0 : copysign(size, value);
	}
	free(r);
}

/*
 * Share of all choices of nb among the ranks whose sum is at least as far from the middle.
 * ways[k][s] is in how many ways k of the ranks seen so far sum up to s; below 2^53, thus exact.
 */
static double count_choices(const struct ranked *r, size_t n, size_t nb, double far)
{
	const size_t sums = n * (n + 1) + 1;
	const double middle = (double)(nb * (n + 1));
	double *ways = need((nb + 1) * sums, sizeof(*ways));
	double all = 0, hits = 0;

	ways[0] = 1;
	for (size_t i = 0; i < n; i++)
		for (size_t k = i < nb ? i + 1 : nb; k > 0; k--)
			for (size_t s = sums - 1; s + 1 > r[i].twice_rank; s--)
				ways[k * sums + s] += ways[(k - 1) * sums + s - r[i].twice_rank];
	for (size_t s = 0; s < sums; s++) {
		all += ways[nb * sums + s];
		if (fabs((double)s - middle) >= far)
			hits += ways[nb * sums + s];
	}
	free(ways);
	return hits / all;
}

double stat_mann_whitney(const double *a, size_t na, const double *b, size_t nb, double *u,
			 bool *exact)
{
	const size_t n = na + nb;
	struct ranked *r = need(n, sizeof(*r));
	double p = 1, ties, twice_sum = 0, far;

	assert(na > 0 && nb > 0);
	for (size_t i = 0; i < n; i++) {
		r[i].value = i < na ? a[i] : b[i - na];
		r[i].from = i;
	}
	ties = rank(r, n);
	for (size_t i = 0; i < n; i++)
		if (r[i].from >= na)
			twice_sum += (double)r[i].twice_rank;
	far = fabs(twice_sum - (double)(nb * (n + 1)));
	if (u)
		*u = twice_sum / 2 - (double)(nb * (nb + 1)) / 2;
	if (exact)
		*exact = na <= STAT_EXACT_RANKS && nb <= STAT_EXACT_RANKS;
	if (na <= STAT_EXACT_RANKS && nb <= STAT_EXACT_RANKS) {
		p = count_choices(r, n, nb, far);
	} else {
		const double size = (double)n;
		const double variance =
			(double)na * (double)nb / 12 * (size + 1 - ties / (size * (size - 1)));
		/* U moves by halves of twice_sum; half a step is the continuity correction */
		const double away = far / 2 - 0.5;

		if (variance > 0 && away > 0)
			p = 2 * stat_normal_cdf(-away / sqrt(variance));
	}
	free(r);
	return p < 1 ? p : 1;
}

double stat_smallest_p(bool paired, size_t na, size_t nb)
{
	double choices = 1;

	if (paired && na > STAT_EXACT_PAIRS)
		return 1.0 / (STAT_DRAWS + 1);
	if (paired)
		return na ? ldexp(1, 1 - (int)na) : 1;
	for (size_t k = 1; k <= nb; k++)
		choices *= (double)(na + k) / (double)k;
	return choices > 2 ? 2 / choices : 1;
}

void stat_holm(const double *p, double *adjusted, size_t n)
{
	struct ranked *r = need(n, sizeof(*r));
	double least = 0;

	for (size_t i = 0; i < n; i++) {
		r[i].value = p[i];
		r[i].from = i;
	}
	if (n > 0)
		qsort(r, n, sizeof(*r), by_value);
	for (size_t i = 0; i < n; i++) {
		const double now = r[i].value * (double)(n - i);

		if (now > least)
			least = now < 1 ? now : 1;
		adjusted[r[i].from] = least;
	}
	free(r);
}
