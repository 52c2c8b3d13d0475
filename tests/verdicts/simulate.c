/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How often are the verdicts of `cowbell compare` true? Thousands of comparisons whose truth is
 * known, each by the same functions as a real one; see `make verdicts`.
 *
 *	simulate [COMPARISONS]
 *
 * Noise is of two kinds. Made up: runs drift and differ, blocks differ, samples have long tails,
 *now and then a whole run is disturbed. Taken from this machine as it is now: a loop that copies
 * memory is timed, run after run, and comparisons are cut out of what it saw. Prints a table; the
 * exit status is 1 if a verdict is wrong too often.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "stat.h"

#define PAIRS_MAX   20
#define BLOCKS	    3
#define SAMPLES	    15
#define METRICS_MAX 5
#define LOOP_RUNS   1500
#define LOOP_BYTES  262144
#define CONFIDENCE  0.99
#define THRESHOLD   0.02

/** struct noise - standard deviations of logs; shares of what is disturbed */
struct noise {
	const char *name;
	/** @drift: of the machine, from run to run; it remembers 95% of it */
	double drift;
	/** @run, @block, @sample: of each; @tail: share of samples that take much longer */
	double run, block, sample, tail;
	/** @stall: share of runs that take 1.3 times as long */
	double stall;
	/** @no_power: it takes more than PAIRS_MAX pairs to find 10% in it, so that is not promised
	 */
	bool no_power;
	/** @loop: none of these, but what the loop saw */
	bool loop;
};

static const struct noise noises[] = {
	{ .name = "quiet",
	  .drift = 0.002,
	  .run = 0.004,
	  .block = 0.002,
	  .sample = 0.02,
	  .tail = 0.01 },
	{ .name = "usual",
	  .drift = 0.01,
	  .run = 0.01,
	  .block = 0.01,
	  .sample = 0.05,
	  .tail = 0.05,
	  .stall = 0.01 },
	{ .name = "noisy",
	  .drift = 0.02,
	  .run = 0.03,
	  .block = 0.02,
	  .sample = 0.1,
	  .tail = 0.1,
	  .stall = 0.03,
	  .no_power = true },
	{ .name = "this machine", .loop = true },
};

/** struct run - the samples of one run of one metric */
struct run {
	double sample[BLOCKS][SAMPLES];
};

static struct run loop_runs[LOOP_RUNS];

/** struct sides - what a comparison is given */
struct sides {
	struct run run[2][PAIRS_MAX];
	struct stat_block block[2][PAIRS_MAX][BLOCKS];
	struct stat_unit unit[2][PAIRS_MAX];
};

static void time_the_loop(void)
{
	char *from = malloc(LOOP_BYTES), *to = malloc(LOOP_BYTES);

	if (!from || !to)
		abort();
	memset(from, 1, LOOP_BYTES);
	for (size_t r = 0; r < LOOP_RUNS; r++) {
		for (size_t i = 0; i < BLOCKS * SAMPLES; i++) {
			const uint64_t start = clock_ns();

			memcpy(to, from, LOOP_BYTES);
			__asm__ volatile("" : : "r"(to) : "memory");
			loop_runs[r].sample[i / SAMPLES][i % SAMPLES] =
				(double)(clock_ns() - start);
		}
	}
	free(from);
	free(to);
}

static void make_run(const struct noise *n, double middle, struct stat_rng *rng, struct run *out)
{
	middle += n->run * stat_rng_normal(rng) + (stat_rng_unit(rng) < n->stall ? log(1.3) : 0);
	for (size_t b = 0; b < BLOCKS; b++) {
		const double block = middle + n->block * stat_rng_normal(rng);

		for (size_t i = 0; i < SAMPLES; i++) {
			const bool far = stat_rng_unit(rng) < n->tail;
			/* Pareto: some take many times as long */
			const double tail = far ? -0.5 * log(1 - stat_rng_unit(rng)) : 0;

			out->sample[b][i] =
				10000 * exp(block + n->sample * stat_rng_normal(rng) + tail);
		}
	}
}

/* Runs in the order ABBA..., B's slower by a factor. */
static void play(const struct noise *n, size_t pairs, double factor, struct stat_rng *rng,
		 struct sides *s)
{
	const size_t first = stat_rng_below(rng, LOOP_RUNS - 2 * PAIRS_MAX);
	double drift = 0;

	for (size_t k = 0; k < 2 * pairs; k++) {
		const size_t pair = k / 2, side = (k + pair) % 2;
		struct run *r = &s->run[side][pair];

		drift = 0.95 * drift + n->drift * stat_rng_normal(rng);
		if (n->loop)
			*r = loop_runs[first + k];
		else
			make_run(n, drift, rng, r);
		for (size_t b = 0; b < BLOCKS; b++) {
			for (size_t i = 0; side && i < SAMPLES; i++)
				r->sample[b][i] *= factor;
			stat_sort(r->sample[b], SAMPLES);
			s->block[side][pair][b] = (struct stat_block){ r->sample[b], SAMPLES };
		}
		s->unit[side][pair] = (struct stat_unit){ s->block[side][pair], BLOCKS };
	}
}

/** struct row - one line of the table */
struct row {
	const struct noise *noise;
	double effect;
	size_t pairs, metrics, comparisons;
	/** @count: comparisons in which at least one metric was given this verdict */
	size_t count[STAT_INCONCLUSIVE + 1];
};

/* One comparison of all metrics; @quick leaves out intervals that cannot change what is counted. */
static void compare(struct row *row, struct stat_rng *rng, bool quick)
{
	static struct sides sides[METRICS_MAX];
	const struct stat_design design = { .paired = true,
					    .confidence = CONFIDENCE,
					    .threshold = THRESHOLD,
					    .seed = stat_rng_next(rng) };
	double p[METRICS_MAX], adjusted[METRICS_MAX];
	bool seen[STAT_INCONCLUSIVE + 1] = { false };

	for (size_t m = 0; m < row->metrics; m++) {
		play(row->noise, row->pairs, 1 + row->effect, rng, &sides[m]);
		p[m] = stat_difference_p(sides[m].unit[0], row->pairs, sides[m].unit[1], row->pairs,
					 &design);
	}
	stat_holm(p, adjusted, row->metrics);
	for (size_t m = 0; m < row->metrics; m++) {
		struct stat_interval ratio = { 1, 0, HUGE_VAL };

		if (!quick || adjusted[m] <= 1 - CONFIDENCE)
			stat_ratio(sides[m].unit[0], row->pairs, sides[m].unit[1], row->pairs,
				   &design, &ratio);
		seen[stat_decide(&ratio, adjusted[m], &design)] = true;
	}
	for (int v = 0; v <= STAT_INCONCLUSIVE; v++)
		row->count[v] += seen[v];
	row->comparisons++;
}

/* So many hits of n or more are no chance (1 in 1000) if each has a probability of p. */
static double too_many(double n, double p)
{
	return n * p + 3.1 * sqrt(n * p * (1 - p)) + 1;
}

/* What is promised of a row, and whether it holds. */
static bool judge(const struct row *r, char promise[64])
{
	const double n = (double)r->comparisons;
	const size_t alarms = r->count[STAT_BETTER] + r->count[STAT_WORSE];

	if (r->effect == 0) {
		snprintf(promise, 64, "better or worse <= 1%%");
		return (double)alarms <= too_many(n, 0.01);
	}
	if (r->effect < 0.05) {
		snprintf(promise, 64, "same never");
		return r->count[STAT_SAME] == 0;
	}
	if (r->noise->no_power) {
		snprintf(promise, 64, "none");
		return r->count[STAT_BETTER] == 0;
	}
	snprintf(promise, 64, "worse >= 95%%");
	return n - (double)r->count[STAT_WORSE] <= too_many(n, 0.05);
}

static bool simulate(const struct noise *noise, double effect, size_t pairs, size_t metrics,
		     size_t comparisons)
{
	struct row row = { noise, effect, pairs, metrics, 0, { 0 } };
	struct stat_rng rng;
	char promise[64], same[16] = "-";
	bool good;

	stat_rng_seed(&rng, pairs * 1000 + metrics * 100 + (size_t)(effect * 100));
	for (size_t i = 0; i < comparisons; i++)
		compare(&row, &rng, effect == 0 || effect > 0.05);
	good = judge(&row, promise);
	if (effect != 0 && effect < 0.05)
		snprintf(same, sizeof(same), "%zu", row.count[STAT_SAME]);
	printf("%-13s %5.0f%% %5zu %7zu %11zu %6zu %5zu %4s   %s%s\n", noise->name, effect * 100,
	       pairs, metrics, row.comparisons, row.count[STAT_BETTER], row.count[STAT_WORSE], same,
	       promise, good ? "" : "  WRONG");
	fflush(stdout);
	return good;
}

int main(int argc, char **argv)
{
	const size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000;
	bool good = n > 0;

	time_the_loop();
	printf("%-13s %6s %5s %7s %11s %6s %5s %4s   %s\n", "noise", "effect", "pairs", "metrics",
	       "comparisons", "better", "worse", "same", "promise");
	for (size_t i = 0; i < sizeof(noises) / sizeof(noises[0]); i++) {
		const struct noise *noise = &noises[i];
		/* what is promised is promised of 60 s, which are 20 pairs of 1.5 s each */
		const size_t pairs = i == 0 ? 8 : PAIRS_MAX;

		good = simulate(noise, 0, pairs, 1, 10 * n) && good;
		good = simulate(noise, 0, pairs, METRICS_MAX, 2 * n) && good;
		good = simulate(noise, 0.10, pairs, 1, n) && good;
		good = simulate(noise, 0.03, pairs, 1, n) && good;
	}
	return good ? 0 : 1;
}
