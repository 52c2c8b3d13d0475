/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What can be said of one series of samples: its median, its outliers, whether it drifts, whether
 * it has two humps. Nothing is ever dropped. Pure.
 */
#ifndef COWBELL_SERIES_H
#define COWBELL_SERIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** struct range - an estimate with its confidence interval of 95 % */
struct range {
	double value, low, high;
};

/** series_median() - of @n > 0 samples; @quantile: 0.5, or another, nearest rank */
double series_median(const uint64_t *sample, size_t n);
uint64_t series_quantile(const uint64_t *sample, size_t n, double quantile);

/**
 * series_median_range() - the median with its order-statistic interval
 *
 * Fewer than 6 samples have none of 95 %: false, and only @out->value is set.
 */
bool series_median_range(const uint64_t *sample, size_t n, struct range *out);

/**
 * series_outliers() - which samples lie far from the median: |x - median| > 10 * 1.4826 * MAD
 * @out: room for @n indices
 *
 * The bound is that of hyperfine. Where the MAD is 0, 1 % of the median takes its place. Returns
 * how many there are.
 */
size_t series_outliers(const uint64_t *sample, size_t n, size_t *out);

/**
 * series_drifts() - do later samples tend to be larger, or smaller? Mann-Kendall, p < 0.01
 *
 * False below 8 samples, where the test has no power; only the last 2000 are looked at.
 */
bool series_drifts(const uint64_t *sample, size_t n);

/**
 * series_two_humps() - is the gap in the middle of the sorted samples wide?
 *
 * True if the samples fall in two groups, of at least a fifth each, and the gap between the groups
 * is wider than four times the mean of the groups' own median absolute deviations, and than 10 % of
 * the median. False below 10.
 */
bool series_two_humps(const uint64_t *sample, size_t n);

#endif
