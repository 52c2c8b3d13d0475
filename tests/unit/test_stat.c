/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Unit tests of bench/stat*.c: values from publications or counted by hand, with their source; and
 * how often the tests raise a false alarm and the intervals miss, by simulation from fixed seeds.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stat.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void near(double got, double wanted, double tolerance)
{
	if (!(fabs(got - wanted) <= tolerance))
		fail_msg("%.12g is not within %g of %.12g", got, tolerance, wanted);
}

/* The generators' authors and ports publish these. */
static void test_stat__random_numbers_are_those_published(void **state)
{
	/* xoshiro256starstar.c from the state 1 2 3 4, as in the tests of rand_xoshiro */
	static const uint64_t xoshiro[] = { 11520, 0, 1509978240, UINT64_C(1215971899390074240),
					    UINT64_C(1216172134540287360) };
	/* splitmix64 from 1234567, as at Rosetta Code */
	static const uint64_t splitmix[] = { UINT64_C(6457827717110365317),
					     UINT64_C(3203168211198807973),
					     UINT64_C(9817491932198370423),
					     UINT64_C(4593380528125082431) };
	struct stat_rng r = { { 1, 2, 3, 4 } };

	(void)state;
	for (size_t i = 0; i < COUNT(xoshiro); i++)
		assert_true(stat_rng_next(&r) == xoshiro[i]);
	stat_rng_seed(&r, 1234567);
	for (size_t i = 0; i < COUNT(splitmix); i++)
		assert_true(r.s[i] == splitmix[i]);
}

static void test_stat__random_numbers_are_spread_evenly(void **state)
{
	struct stat_rng r;
	size_t hits[6] = { 0 };
	double sum = 0, squares = 0;

	(void)state;
	stat_rng_seed(&r, 7);
	for (int i = 0; i < 60000; i++) {
		const double z = stat_rng_normal(&r), u = stat_rng_unit(&r);

		assert_true(u >= 0 && u < 1);
		hits[stat_rng_below(&r, 6)]++;
		sum += z;
		squares += z * z;
	}
	/* five standard deviations */
	for (int i = 0; i < 6; i++)
		near((double)hits[i], 10000, 5 * sqrt(10000 * 5 / 6.0));
	near(sum / 60000, 0, 5 / sqrt(60000));
	near(squares / 60000, 1, 5 * sqrt(2 / 60000.0));
}

static void test_stat__quantiles(void **state)
{
	static const double v[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 };
	double one[] = { 7 }, even[] = { 4, 1, 3, 2 }, odd[] = { 9, 1, 5 };

	(void)state;
	/* R: quantile(1:10, c(0, .25, .5, .9, 1)) */
	near(stat_quantile(v, 10, 0), 1, 0);
	near(stat_quantile(v, 10, 0.25), 3.25, 1e-12);
	near(stat_quantile(v, 10, 0.5), 5.5, 1e-12);
	near(stat_quantile(v, 10, 0.9), 9.1, 1e-12);
	near(stat_quantile(v, 10, 1), 10, 0);
	near(stat_median(one, 1), 7, 0);
	near(stat_median(even, 4), 2.5, 0);
	near(stat_median(odd, 3), 5, 0);
}

static void test_stat__median_is_that_of_sorting(void **state)
{
	double v[40], sorted[40];
	struct stat_rng r;

	(void)state;
	stat_rng_seed(&r, 3);
	for (int round = 0; round < 5000; round++) {
		const size_t n = 1 + stat_rng_below(&r, COUNT(v));
		/* few different values: many ties */
		const uint64_t kinds = 1 + stat_rng_below(&r, 50);

		for (size_t i = 0; i < n; i++)
			v[i] = sorted[i] = (double)stat_rng_below(&r, kinds);
		stat_sort(sorted, n);
		near(stat_median(v, n), stat_quantile(sorted, n, 0.5), 1e-12);
	}
}

/* Tables of any textbook. */
static void test_stat__distributions(void **state)
{
	static const struct {
		double p;
		size_t df;
		double t;
	} rows[] = {
		{ 0.975, 1, 12.706205 }, { 0.975, 2, 4.302653 },   { 0.975, 3, 3.182446 },
		{ 0.995, 5, 4.032143 },	 { 0.975, 10, 2.228139 },  { 0.995, 11, 3.105807 },
		{ 0.95, 30, 1.697261 },	 { 0.025, 10, -2.228139 }, { 0.975, 2000, 1.961 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		near(stat_t_quantile(rows[i].p, rows[i].df), rows[i].t,
		     rows[i].df > 1000 ? 2e-3 : 1e-5);
	near(stat_normal_quantile(0.975), 1.959964, 1e-6);
	near(stat_normal_quantile(0.01), -2.326348, 1e-6);
	near(stat_normal_cdf(1), 0.8413447, 1e-7);
	near(stat_t_cdf(0, 4), 0.5, 1e-12);
	near(stat_chi2_quantile(0.1, 4), 1.063623, 0.01);
	near(stat_chi2_quantile(0.1, 10), 4.865182, 0.01);
	near(stat_chi2_quantile(0.95, 10), 18.30704, 0.05);
}

/* Hollander and Wolfe 1973, 29f: depression before and after; also in R's ?wilcox.test. */
static const double depression[] = { 1.83 - 0.878, 0.50 - 0.647, 1.62 - 0.598,
				     2.48 - 2.05,  1.68 - 1.06,	 1.88 - 1.29,
				     1.55 - 1.06,  3.06 - 3.14,	 1.30 - 1.29 };

static void test_stat__centre(void **state)
{
	double v[COUNT(depression)], wild[] = { 1, 2, 3, 1000 }, many[101];

	(void)state;
	memcpy(v, depression, sizeof(v));
	/* Hollander and Wolfe give 0.46 */
	near(stat_centre(v, COUNT(v)), 0.46, 0.005);
	/* Walsh averages: 1 1.5 2 2 2.5 3 500.5 501 501.5 1000 */
	near(stat_centre(wild, 4), 2.75, 1e-12);
	for (size_t i = 0; i < COUNT(many); i++)
		many[i] = (double)(i * i);
	near(stat_centre(many, COUNT(many)), 2500, 0);
}

static void test_stat__sign_flip(void **state)
{
	/* Darwin's maize: Fisher 1935, section 21, counts 863 of 32768 on each side */
	static const double darwin[] = {
		49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48
	};
	static const double all_up[] = { 1, 2, 3, 4, 5 }, none[] = { 0, 0, 0 };
	static const double ties[] = { 1, 1, 1, -1 };
	double many[24], ranks[COUNT(depression)];
	bool exact;

	(void)state;
	near(stat_sign_flip(darwin, COUNT(darwin), 1, &exact), 1726.0 / 32768, 1e-12);
	assert_true(exact);
	near(stat_sign_flip(all_up, 5, 1, NULL), 2.0 / 32, 1e-12);
	near(stat_sign_flip(none, 3, 1, NULL), 1, 0);
	/* of 16 sums of four ones, 4 is reached twice and 2 eight times */
	near(stat_sign_flip(ties, 4, 1, NULL), 10.0 / 16, 1e-12);
	/* R's ?wilcox.test: V = 40, one-sided p = 0.01953 */
	stat_signed_ranks(depression, COUNT(depression), ranks);
	near(stat_sign_flip(ranks, COUNT(ranks), 1, NULL), 2 * 0.01953125, 1e-9);
	for (size_t i = 0; i < COUNT(many); i++)
		many[i] = i % 4 ? 1 : -1;
	/* 18 of 24 up: the binomial tail of 6 or fewer, twice: 2 * 190051 / 2^24 */
	near(stat_sign_flip(many, COUNT(many), 1, &exact), 2 * 190051.0 / 16777216, 0.0021);
	assert_false(exact);
	near(stat_sign_flip(many, COUNT(many), 1, NULL), stat_sign_flip(many, COUNT(many), 1, NULL),
	     0);
}

static void test_stat__signed_ranks(void **state)
{
	static const double d[] = { -3, 1, 0, 1, 5 };
	double ranks[5];

	(void)state;
	stat_signed_ranks(d, 5, ranks);
	near(ranks[0], -3, 0);
	near(ranks[1], 1.5, 0);
	near(ranks[2], 0, 0);
	near(ranks[3], 1.5, 0);
	near(ranks[4], 4, 0);
}

static void test_stat__mann_whitney(void **state)
{
	/* Hollander and Wolfe 1973, 69f, also in R's ?wilcox.test: W = 35, one-sided p = 0.1272 */
	static const double term[] = { 0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46 };
	static const double early[] = { 1.15, 0.88, 0.90, 0.74, 1.21 };
	static const double low[] = { 1, 2, 3, 4, 5 }, high[] = { 6, 7, 8, 9, 10 };
	static const double tied_a[] = { 1, 2 }, tied_b[] = { 2, 3 };
	double same[30], u;
	bool exact;

	(void)state;
	near(stat_mann_whitney(early, 5, term, 10, &u, &exact), 2 * 0.1272061, 1e-6);
	near(u, 35, 0);
	assert_true(exact);
	/* all below all: 2 of the choices; benchstat's table has .10, .029 and .0079 */
	near(stat_mann_whitney(low, 3, high, 3, NULL, NULL), 2.0 / 20, 1e-12);
	near(stat_mann_whitney(low, 4, high, 4, NULL, NULL), 2.0 / 70, 1e-12);
	near(stat_mann_whitney(high, 5, low, 5, &u, NULL), 2.0 / 252, 1e-12);
	near(u, 0, 0);
	/* ranks 1 2.5 | 2.5 4: sums of two of them: 3.5 3.5 5 5 6.5 6.5 */
	near(stat_mann_whitney(tied_a, 2, tied_b, 2, NULL, NULL), 4.0 / 6, 1e-12);
	for (size_t i = 0; i < COUNT(same); i++)
		same[i] = 4;
	near(stat_mann_whitney(same, 30, same, 30, NULL, &exact), 1, 0);
	assert_false(exact);
}

/* Counted by an independent program: of all choices of 25 of 50, or of 24 of 49 mid-ranks. */
static void test_stat__mann_whitney_of_many_is_nearly_exact(void **state)
{
	double a[25], b[25], u;

	(void)state;
	for (size_t i = 0; i < 25; i++) {
		a[i] = (double)(2 * i);
		b[i] = (double)(2 * i + 9);
	}
	near(stat_mann_whitney(a, 25, b, 25, &u, NULL), 0.0471617, 0.002);
	near(u, 415, 1e-9);
	for (size_t i = 0; i < 25; i++) {
		a[i] = floor(a[i] / 8);
		b[i] = floor(b[i] / 8);
	}
	near(stat_mann_whitney(a, 24, b, 25, NULL, NULL), 0.0426993, 0.002);
}

static void test_stat__smallest_p(void **state)
{
	(void)state;
	near(stat_smallest_p(true, 8, 8), 2.0 / 256, 1e-15);
	near(stat_smallest_p(false, 3, 3), 0.1, 1e-12);
	near(stat_smallest_p(false, 5, 5), 2.0 / 252, 1e-12);
	near(stat_smallest_p(true, 50, 50), 1.0 / 100001, 1e-15);
	near(stat_smallest_p(false, 1, 1), 1, 0);
}

static void test_stat__holm(void **state)
{
	/* the example of Wikipedia's page on the method; as R's p.adjust */
	static const double p[] = { 0.01, 0.04, 0.03, 0.005 };
	static const double wanted[] = { 0.03, 0.06, 0.06, 0.02 };
	static const double large[] = { 0.7, 0.9 };
	double got[4];

	(void)state;
	stat_holm(p, got, 4);
	for (size_t i = 0; i < 4; i++)
		near(got[i], wanted[i], 1e-12);
	stat_holm(large, got, 2);
	near(got[0], 1, 0);
	near(got[1], 1, 0);
}

static void test_stat__resampled_median_has_its_distribution(void **state)
{
	/* P(median of 5 draws from 0..4 <= k) = P(Bin(5, (k+1)/5) >= 3), by hand */
	static const double five[] = { 0, 1, 2, 3, 4 };
	static const double at_most[] = { 0.05792, 0.31744, 0.68256, 0.94208, 1 };
	static const struct stat_block block = { five, 5 }, one = { five, 1 };
	const int draws = 40000;
	size_t hits[5] = { 0 };
	struct stat_rng r;
	double sum = 0;

	(void)state;
	stat_rng_seed(&r, 11);
	for (int i = 0; i < draws; i++)
		hits[(size_t)stat_resampled_median(&block, &r)]++;
	for (size_t k = 0; k < 5; k++) {
		sum += (double)hits[k] / draws;
		near(sum, at_most[k], 5 * sqrt(at_most[k] * (1 - at_most[k]) / draws) + 1e-9);
	}
	near(stat_resampled_median(&one, &r), 0, 0);
}

static void test_stat__decisions(void **state)
{
	static const struct stat_design d = { .confidence = 0.99, .threshold = 0.02 };
	static const struct {
		struct stat_interval cost;
		double p;
		enum stat_verdict verdict;
	} rows[] = {
		{ { 1.10, 1.05, 1.15 }, 0.001, STAT_WORSE },
		/* not proven */
		{ { 1.10, 1.05, 1.15 }, 0.02, STAT_INCONCLUSIVE },
		/* proven, but perhaps smaller than what matters */
		{ { 1.10, 1.01, 1.15 }, 0.001, STAT_INCONCLUSIVE },
		{ { 0.90, 0.85, 0.95 }, 0.001, STAT_BETTER },
		{ { 0.90, 0.85, 0.99 }, 0.001, STAT_INCONCLUSIVE },
		{ { 1.00, 0.99, 1.01 }, 0.5, STAT_SAME },
		/* surely different, and surely by less than what matters */
		{ { 1.005, 1.004, 1.006 }, 0.0001, STAT_SAME },
		/* not better than 3%, whatever p says */
		{ { 1.03, 1.01, 1.05 }, 0.9, STAT_INCONCLUSIVE },
		{ { 1.00, 0.90, 1.10 }, 0.9, STAT_INCONCLUSIVE },
		{ { 1.00, 0, HUGE_VAL }, 0.9, STAT_INCONCLUSIVE },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_int_equal(stat_decide(&rows[i].cost, rows[i].p, &d), rows[i].verdict);
}

static void test_stat__fit(void **state)
{
	/* Sen 1968, section 6: the slope is 4 */
	static const double x[] = { 1, 2, 3, 4, 10, 12, 18 };
	static const double y[] = { 9, 15, 19, 20, 45, 55, 78 };
	static const double flat[] = { 5, 5, 5 };
	double wild[COUNT(y)];
	struct stat_line line;

	(void)state;
	assert_true(stat_fit(x, y, COUNT(x), 0.95, 1, &line));
	near(line.slope.value, 4, 1e-12);
	near(line.intercept.value, 6, 1e-12);
	assert_true(line.slope.low < 4 && line.slope.high > 4);
	assert_true(line.slope.low > 2 && line.slope.high < 6);
	/* one point in seven may lie anywhere */
	memcpy(wild, y, sizeof(y));
	wild[3] = 5000;
	assert_true(stat_fit(x, wild, COUNT(x), 0.95, 1, &line));
	near(line.slope.value, 4, 0.5);
	assert_false(stat_fit(flat, y, 3, 0.95, 1, &line));
	assert_false(stat_fit(x, y, 2, 0.95, 1, &line));
}

/* Each cell of a suite in many blocks: the time of a fit must not grow with the square of that. */
static void test_stat__fit_of_many(void **state)
{
	enum { POINTS = 5000 };
	double *x = calloc(POINTS, sizeof(*x)), *y = calloc(POINTS, sizeof(*y));
	struct stat_line line, again;
	struct stat_rng rng;

	(void)state;
	stat_rng_seed(&rng, 5);
	for (size_t i = 0; i < POINTS; i++) {
		x[i] = (double)(1 << (i % 10));
		y[i] = (500 + 7 * x[i]) * exp(0.02 * stat_rng_normal(&rng));
		/* one measurement in ten is wild */
		if (i % 10 == 9 && i % 3 == 0)
			y[i] *= 10;
	}
	assert_true(stat_fit(x, y, POINTS, 0.95, 1, &line));
	near(line.slope.value, 7, 0.1);
	near(line.intercept.value, 500, 10);
	assert_true(line.slope.low < line.slope.value && line.slope.value < line.slope.high);
	assert_true(line.slope.high - line.slope.low < 0.3);
	assert_true(stat_fit(x, y, POINTS, 0.95, 1, &again));
	assert_memory_equal(&line, &again, sizeof(line));
	free(x);
	free(y);
}

/** struct scene - simulated units: each a run of some blocks */
#define SCENE_UNITS   12
#define SCENE_BLOCKS  3
#define SCENE_SAMPLES 9
struct scene {
	double samples[SCENE_UNITS][SCENE_BLOCKS][SCENE_SAMPLES];
	struct stat_block blocks[SCENE_UNITS][SCENE_BLOCKS];
	struct stat_unit units[SCENE_UNITS];
};

/* Runs differ by 3%, blocks by 1%, samples by 5%; one sample in 20 takes twice as long. */
static void play(struct scene *s, struct stat_rng *r, double median)
{
	for (size_t u = 0; u < SCENE_UNITS; u++) {
		const double run = median * exp(0.03 * stat_rng_normal(r));

		for (size_t b = 0; b < SCENE_BLOCKS; b++) {
			const double block = run * exp(0.01 * stat_rng_normal(r));

			for (size_t i = 0; i < SCENE_SAMPLES; i++)
				s->samples[u][b][i] = block * exp(0.05 * stat_rng_normal(r)) *
						      (stat_rng_unit(r) < 0.05 ? 2 : 1);
			stat_sort(s->samples[u][b], SCENE_SAMPLES);
			s->blocks[u][b] = (struct stat_block){ s->samples[u][b], SCENE_SAMPLES };
		}
		s->units[u] = (struct stat_unit){ s->blocks[u], SCENE_BLOCKS };
	}
}

/* No more than this many hits of n at a rate of p, but once in a million. */
static double most_hits(double n, double p)
{
	return n * p + 4.8 * sqrt(n * p * (1 - p)) + 1;
}

static void test_stat__false_alarms_are_as_rare_as_said(void **state)
{
	static struct scene a, b;
	const struct stat_design paired = { .paired = true, .confidence = 0.99, .seed = 1 };
	const struct stat_design apart = { .paired = false, .confidence = 0.99, .seed = 1 };
	const int rounds = 1500;
	int hits[2][3] = { 0 };
	struct stat_rng r;

	(void)state;
	stat_rng_seed(&r, 5);
	for (int i = 0; i < rounds; i++) {
		static const double levels[] = { 0.05, 0.01, 0.2 };
		double p[2];

		play(&a, &r, 10);
		play(&b, &r, 10);
		p[0] = stat_difference_p(a.units, 10, b.units, 10, &paired);
		p[1] = stat_difference_p(a.units, 10, b.units, 11, &apart);
		for (int k = 0; k < 2; k++)
			for (int l = 0; l < 3; l++)
				hits[k][l] += p[k] <= levels[l];
	}
	for (int k = 0; k < 2; k++) {
		assert_true(hits[k][0] <= most_hits(rounds, 0.05));
		assert_true(hits[k][1] <= most_hits(rounds, 0.01));
		assert_true(hits[k][2] <= most_hits(rounds, 0.2));
		/* nor is it blind: at 20% it must speak up about as often as that */
		assert_true(hits[k][2] >= 0.13 * rounds);
	}
}

/* The interval holds the truth as often as it says, and not by being endless. */
static void check_coverage(bool paired, size_t units)
{
	static struct scene a, b;
	const struct stat_design d = { .paired = paired, .confidence = 0.95, .seed = 1 };
	const int rounds = 80;
	double width = 0;
	struct stat_rng r;
	int missed = 0;

	stat_rng_seed(&r, units);
	for (int i = 0; i < rounds; i++) {
		struct stat_interval ratio;

		play(&a, &r, 10);
		play(&b, &r, 11);
		assert_true(stat_ratio(a.units, units, b.units, units, &d, &ratio));
		missed += ratio.low > 1.1 || ratio.high < 1.1;
		width += log(ratio.high / ratio.low) / rounds;
	}
	assert_true(missed <= most_hits(rounds, 0.05));
	/* Student's t of normal runs: 2 t sqrt(2) 3.4% / sqrt(n), and a quarter for the medians */
	assert_true(width <
		    1.35 * 2 * stat_t_quantile(0.975, units - 1) * 0.048 / sqrt((double)units));
}

static void test_stat__intervals_cover(void **state)
{
	(void)state;
	check_coverage(true, STAT_UNITS_MIN);
	check_coverage(true, SCENE_UNITS);
	check_coverage(false, 8);
}

static void test_stat__few_units_make_no_interval(void **state)
{
	static struct scene a, b;
	const struct stat_design d = { .paired = true, .confidence = 0.95, .seed = 1 };
	struct stat_interval ratio;
	struct stat_rng r;

	(void)state;
	stat_rng_seed(&r, 1);
	play(&a, &r, 10);
	play(&b, &r, 20);
	assert_false(stat_ratio(a.units, 5, b.units, 5, &d, &ratio));
	near(ratio.value, 2, 0.2);
	assert_true(ratio.low == 0 && isinf(ratio.high));
}

static void test_stat__gate_knows_the_ends(void **state)
{
	const double apart = log(1.1), sigma = 0.03;
	int wrong[2] = { 0 }, rounds = 2000, runs = 0, refused = 0;
	struct stat_rng r;

	(void)state;
	stat_rng_seed(&r, 9);
	for (int i = 0; i < rounds; i++) {
		double good[6], bad[6];
		enum stat_end end = STAT_UNDECIDED;
		struct stat_gate g;

		for (size_t k = 0; k < 6; k++) {
			good[k] = sigma * stat_rng_normal(&r);
			bad[k] = apart + sigma * stat_rng_normal(&r);
		}
		if (!stat_gate_start(&g, good, 6, bad, 6, 0.01)) {
			refused++;
			continue;
		}
		while (end == STAT_UNDECIDED) {
			/* one run in 30 is disturbed */
			const double wild = stat_rng_unit(&r) < 1.0 / 30 ? 0.7 : 0;

			end = stat_gate_step(&g, (i & 1 ? apart : 0) + wild +
							 sigma * stat_rng_normal(&r));
		}
		assert_true(g.count >= STAT_GATE_RUNS);
		runs += (int)g.count;
		wrong[i & 1] += end != (i & 1 ? STAT_BAD : STAT_GOOD);
	}
	assert_true(wrong[0] <= most_hits(rounds / 2.0, 0.01));
	assert_true(wrong[1] <= most_hits(rounds / 2.0, 0.01));
	assert_true(refused < rounds / 20);
	/* and it does not take long */
	assert_true(runs < 7 * rounds);
}

static void test_stat__gate_refuses_ends_that_overlap(void **state)
{
	static const double good[] = { 0.00, 0.05, 0.10 }, bad[] = { 0.04, 0.08, 0.14 };
	static const double one[] = { 1, 1, 1 };
	struct stat_gate g;

	(void)state;
	assert_false(stat_gate_start(&g, good, 3, bad, 3, 0.01));
	assert_false(stat_gate_start(&g, one, 3, one, 3, 0.01));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stat__random_numbers_are_those_published),
		cmocka_unit_test(test_stat__random_numbers_are_spread_evenly),
		cmocka_unit_test(test_stat__quantiles),
		cmocka_unit_test(test_stat__median_is_that_of_sorting),
		cmocka_unit_test(test_stat__distributions),
		cmocka_unit_test(test_stat__centre),
		cmocka_unit_test(test_stat__sign_flip),
		cmocka_unit_test(test_stat__signed_ranks),
		cmocka_unit_test(test_stat__mann_whitney),
		cmocka_unit_test(test_stat__mann_whitney_of_many_is_nearly_exact),
		cmocka_unit_test(test_stat__smallest_p),
		cmocka_unit_test(test_stat__holm),
		cmocka_unit_test(test_stat__resampled_median_has_its_distribution),
		cmocka_unit_test(test_stat__decisions),
		cmocka_unit_test(test_stat__fit),
		cmocka_unit_test(test_stat__fit_of_many),
		cmocka_unit_test(test_stat__false_alarms_are_as_rare_as_said),
		cmocka_unit_test(test_stat__intervals_cover),
		cmocka_unit_test(test_stat__few_units_make_no_interval),
		cmocka_unit_test(test_stat__gate_knows_the_ends),
		cmocka_unit_test(test_stat__gate_refuses_ends_that_overlap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
