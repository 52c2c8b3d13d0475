/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Statistics for timings: medians, tests without distributions, a bootstrap that knows that runs
 * differ more than samples do, and the decision between better, worse, same and unknown.
 *
 * Pure: no system calls, no clock, no global state; all randomness comes from a seed, so the same
 * samples give the same answer on every machine. Functions take what is documented and assert the
 * rest; they never return NaN.
 */
#ifndef COWBELL_STAT_H
#define COWBELL_STAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** struct stat_rng - xoshiro256** (Blackman and Vigna 2018), seeded by splitmix64 */
struct stat_rng {
	uint64_t s[4];
};

void stat_rng_seed(struct stat_rng *r, uint64_t seed);
uint64_t stat_rng_next(struct stat_rng *r);

/** stat_rng_below() - 0 .. n-1, each as likely; n > 0 */
uint64_t stat_rng_below(struct stat_rng *r, uint64_t n);

/** stat_rng_unit() - in [0, 1) */
double stat_rng_unit(struct stat_rng *r);

/** stat_rng_normal() - standard normal */
double stat_rng_normal(struct stat_rng *r);

/** stat_sort() - in ascending order */
void stat_sort(double *v, size_t n);

/** stat_quantile() - of sorted values, between two of them if need be (type 7 of Hyndman and Fan
 *  1996, the default of R); n > 0, 0 <= q <= 1
 */
double stat_quantile(const double *sorted, size_t n, double q);

/** stat_median() - of values in any order, which it puts into another; n > 0 */
double stat_median(double *v, size_t n);

/** STAT_WALSH_MAX - up to so many values stat_centre() looks at all pairs */
#define STAT_WALSH_MAX 40

/**
 * stat_centre() - where values lie: Hodges and Lehmann's estimate, the median of the means of all
 *		   pairs, a value with itself included; of more than STAT_WALSH_MAX the median
 *
 * Almost as sharp as the mean where noise is normal, and not moved by a run in which the machine
 * did something else. The values may be put into another order. n > 0
 */
double stat_centre(double *v, size_t n);

/** stat_normal_cdf(), stat_normal_quantile() - of the standard normal; 0 < p < 1 */
double stat_normal_cdf(double z);
double stat_normal_quantile(double p);

/** stat_t_cdf(), stat_t_quantile() - of Student's t, by the finite series for whole degrees of
 *  freedom (Abramowitz and Stegun 26.7.3 and 26.7.4); 0 < p < 1
 */
double stat_t_cdf(double t, size_t df);
double stat_t_quantile(double p, size_t df);

/** stat_chi2_quantile() - of chi-square by Wilson and Hilferty 1931, within 2% from df = 2 on */
double stat_chi2_quantile(double p, size_t df);

/** STAT_EXACT_PAIRS - up to so many pairs stat_sign_flip() enumerates */
#define STAT_EXACT_PAIRS 20
/** STAT_DRAWS - otherwise it draws so many */
#define STAT_DRAWS 100000

/**
 * stat_sign_flip() - permutation test of paired differences: two-sided p of a sum as far from 0 if
 *		      each difference could as well have had the other sign
 * @exact: set to whether all 2^n assignments were enumerated; may be NULL
 *
 * With n pairs p is 2^(1-n) at least. Source: Fisher 1935, The Design of Experiments, section 21.
 */
double stat_sign_flip(const double *d, size_t n, uint64_t seed, bool *exact);

/**
 * stat_signed_ranks() - the ranks of |d| with the signs of d, ties sharing the mean rank, 0 for 0
 *
 * Given to stat_sign_flip() they make Wilcoxon's signed-rank test, which one wild run cannot
 * blunt.
 */
void stat_signed_ranks(const double *d, size_t n, double *ranks);

/** STAT_EXACT_RANKS - up to so many values on each side stat_mann_whitney() counts exactly */
#define STAT_EXACT_RANKS 20

/**
 * stat_mann_whitney() - two-sided p of U for two samples that are not paired
 * @u: set to the number of pairs in which b is larger, ties counting half; may be NULL
 * @exact: set to whether the distribution was enumerated (ties included) rather than taken as
 *	   normal with continuity and tie correction; may be NULL
 *
 * Source: Mann and Whitney 1947; the distribution given the ties is that of the sums of mid-ranks.
 */
double stat_mann_whitney(const double *a, size_t na, const double *b, size_t nb, double *u,
			 bool *exact);

/** stat_smallest_p() - the least that the tests above can give */
double stat_smallest_p(bool paired, size_t na, size_t nb);

/** stat_holm() - p values corrected for their number by Holm's step-down (1979) */
void stat_holm(const double *p, double *adjusted, size_t n);

/** struct stat_block - samples that were taken one after the other, sorted; n > 0, all > 0 */
struct stat_block {
	const double *sorted;
	size_t n;
};

/** struct stat_unit - what counts as one observation: a run with its blocks, or one block; n > 0 */
struct stat_unit {
	const struct stat_block *blocks;
	size_t n;
};

/** stat_unit_median() - median of the medians of the blocks */
double stat_unit_median(const struct stat_unit *u);

/** stat_resampled_median() - the median of as many samples drawn from a block with replacement, one
 *  less if they are an even number
 */
double stat_resampled_median(const struct stat_block *b, struct stat_rng *rng);

/** struct stat_interval - an estimate and what else it might be */
struct stat_interval {
	double value, low, high;
};

/** struct stat_design - how a comparison was measured and is to be judged */
struct stat_design {
	/** @paired: unit i of A was measured next to unit i of B */
	bool paired;
	/** @confidence: of the interval, say 0.99; 1 - confidence is the level of the tests */
	double confidence;
	/** @threshold: smallest effect that matters, 0.02 is 2% */
	double threshold;
	uint64_t seed;
};

/** STAT_RESAMPLES - of a bootstrap; STAT_UNITS_MIN - with fewer units there is no interval */
#define STAT_RESAMPLES 10000
#define STAT_UNITS_MIN 6

/**
 * stat_ratio() - ratio of the medians, B to A, with its bootstrap interval
 *
 * Hierarchical: units (pairs of units) are drawn with replacement, then samples within each of
 * their blocks. The centre is stat_centre() of the logs of the paired ratios, or of the differences
 * of all logs without pairs. The interval is Hesterberg's expanded percentile (2015, "What Teachers
 * Should Know About the Bootstrap", 6.2): with few units the plain percentile is too narrow.
 * Returns false, and only the value, with fewer than STAT_UNITS_MIN units on a side.
 */
bool stat_ratio(const struct stat_unit *a, size_t na, const struct stat_unit *b, size_t nb,
		const struct stat_design *design, struct stat_interval *out);

/** stat_difference_p() - p of no difference: signed ranks if paired, else Mann-Whitney */
double stat_difference_p(const struct stat_unit *a, size_t na, const struct stat_unit *b, size_t nb,
			 const struct stat_design *design);

/** enum stat_verdict - what can be said of B */
enum stat_verdict {
	STAT_BETTER,
	STAT_WORSE,
	STAT_SAME,
	STAT_INCONCLUSIVE,
};

/**
 * stat_decide() - two-part verdict
 * @cost: interval of the ratio of cost, B to A: above 1 is worse
 * @p: of no difference, corrected for the number of comparisons
 *
 * Worse: a difference is proven, and the whole interval lies beyond the threshold. Better likewise.
 * Same: the whole interval lies within the threshold; that is, not inferior (nor superior) by what
 * matters. A difference that was not proven is not the same as none.
 */
enum stat_verdict stat_decide(const struct stat_interval *cost, double p,
			      const struct stat_design *design);

/** enum stat_end - which of two ends a series of values belongs to */
enum stat_end {
	STAT_UNDECIDED,
	STAT_GOOD,
	STAT_BAD,
};

/**
 * struct stat_gate - Wald's sequential test (1945) between two known ends, in logs
 *
 * It may be looked at after every value, and stops as soon as it can. A single value moves it at
 * most by a third of the way, so that a run in which the machine did something else does not
 * decide alone.
 */
struct stat_gate {
	/** @good, @bad: centres of the ends; @sigma: spread of values, rather too large */
	double good, bad, sigma;
	/** @bound: where to stop; @sum: where we are: bad is at +bound */
	double bound, sum;
	size_t count;
};

/** STAT_GATE_RUNS - at least so many values decide, and so many make an end */
#define STAT_GATE_RUNS 3

/**
 * stat_gate_start() - calibrate
 * @good, @bad: logs of the values of the ends, at least STAT_GATE_RUNS of each
 * @error: share of false answers of either kind, say 0.01
 *
 * The spread is the upper 90% bound of what the ends show, since a few runs show too little of it.
 * Returns false if the ends cannot be told from each other (Student's t at the level of @error).
 */
bool stat_gate_start(struct stat_gate *g, const double *good, size_t n_good, const double *bad,
		     size_t n_bad, double error);

/** stat_gate_step() - the log of another value */
enum stat_end stat_gate_step(struct stat_gate *g, double value);

/** struct stat_line - y = intercept + slope * x */
struct stat_line {
	struct stat_interval slope, intercept;
};

/** STAT_FIT_PAIRS - stat_fit() looks at no more pairs of points than this; all of 200 points */
#define STAT_FIT_PAIRS 19900

/**
 * stat_fit() - Theil and Sen's line: the slope is the median of the slopes of all pairs with
 *		different x, the intercept the median of what then remains; intervals by bootstrap
 *		of the points. For nanoseconds per extent.
 *
 * Of more than STAT_FIT_PAIRS pairs so many are drawn, so that time and memory are those of the
 * points.
 * Returns false if fewer than three points or only one x are given.
 */
bool stat_fit(const double *x, const double *y, size_t n, double confidence, uint64_t seed,
	      struct stat_line *out);

#endif
