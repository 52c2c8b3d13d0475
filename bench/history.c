/* SPDX-License-Identifier: GPL-2.0-only */
/* Collects blocks and derives lines from them. */
#include "history.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "series.h"
#include "stat.h"

/* From so many blocks on the blocks' medians have an interval of 95 %. */
#define BLOCKS_ENOUGH 6
#define RESAMPLES     2000
#define CONFIDENCE    0.95

static void *grow(void *list, size_t room, size_t size)
{
	list = reallocarray(list, room, size);
	if (!list)
		abort();
	return list;
}

static struct track *find(const struct history *h, const struct cell *c, const char *metric)
{
	for (size_t i = 0; i < h->count; i++)
		if (h->track[i].cell == c && !strcmp(h->track[i].metric, metric))
			return &h->track[i];
	return NULL;
}

const struct track *history_find(const struct history *h, const struct cell *c, const char *metric)
{
	return find(h, c, metric);
}

void history_add(struct history *h, const struct measurement *m)
{
	struct track *t = find(h, m->cell, m->metric);

	if (!m->count)
		return;
	if (!t) {
		if (h->count == h->room) {
			h->room = h->room ? h->room * 2 : 64;
			h->track = grow(h->track, h->room, sizeof(*h->track));
		}
		t = &h->track[h->count++];
		*t = (struct track){ .cell = m->cell, .metric = m->metric, .better = m->better };
	}
	if (t->samples + m->count > t->samples_room) {
		t->samples_room = 2 * (t->samples + m->count);
		t->sample = grow(t->sample, t->samples_room, sizeof(*t->sample));
	}
	memcpy(t->sample + t->samples, m->sample, m->count * sizeof(*m->sample));
	t->samples += m->count;
	if (t->blocks == t->blocks_room) {
		t->blocks_room = t->blocks_room ? 2 * t->blocks_room : 16;
		t->median = grow(t->median, t->blocks_room, sizeof(*t->median));
		t->extents = grow(t->extents, t->blocks_room, sizeof(*t->extents));
	}
	t->median[t->blocks] = (uint64_t)series_median(m->sample, m->count);
	t->extents[t->blocks++] = m->source_extents;
	t->shared += m->shared;
	t->copied += m->copied;
	t->flags |= m->flags;
}

void history_free(struct history *h)
{
	for (size_t i = 0; i < h->count; i++) {
		free(h->track[i].sample);
		free(h->track[i].median);
		free(h->track[i].extents);
	}
	free(h->track);
	memset(h, 0, sizeof(*h));
}

/* A line that says anew what other lines say, unless it is given another role. */
static json_t *derived(const struct stand *stand, const char *name, const struct method *method,
		       const char *metric, const char *better, double value)
{
	json_t *line = json_object();

	json_object_set_new(line, "kind", json_string("derived"));
	json_object_set_new(line, "suite", json_string(stand->suite->name));
	json_object_set_new(line, "name", json_string(name));
	json_object_set_new(line, "method", json_string(method->name));
	json_object_set_new(line, "role", json_string("summary"));
	json_object_set_new(line, "metric", json_string(metric));
	json_object_set_new(line, "better", json_string(better));
	json_object_set_new(line, "value", json_real(value));
	return line;
}

static void put_interval(json_t *line, double low, double high)
{
	json_object_set_new(line, "low", json_real(low));
	json_object_set_new(line, "high", json_real(high));
	json_object_set_new(line, "confidence", json_real(CONFIDENCE));
}

static void derive_median(struct stand *stand, const struct track *t)
{
	const bool by_block = t->blocks >= BLOCKS_ENOUGH;
	const size_t n = by_block ? t->blocks : t->samples;
	json_t *line, *flags = json_array();
	char metric[64];
	struct range r;
	bool interval;

	interval = series_median_range(by_block ? t->median : t->sample, n, &r);
	snprintf(metric, sizeof(metric), "median_%s", t->metric);
	line = derived(stand, t->cell->name, t->cell->method, metric, t->better, r.value);
	if (interval)
		put_interval(line, r.low, r.high);
	json_object_set_new(line, "of", json_string(by_block ? "blocks" : "samples"));
	json_object_set_new(line, "n", json_integer((json_int_t)n));
	if (series_drifts(t->median, t->blocks))
		json_array_append_new(flags, json_string("drift"));
	if (series_two_humps(t->median, t->blocks))
		json_array_append_new(flags, json_string("bimodal"));
	json_object_set_new(line, "flags", flags);
	stand_line(stand, line);
}

/* The tail, where there are enough samples to have one: five beyond it. */
static void derive_tail(struct stand *stand, const struct track *t)
{
	static const struct {
		double quantile;
		size_t enough;
		const char *word;
	} tails[] = { { 0.99, 500, "p99" }, { 0.999, 5000, "p999" } };
	char metric[64];
	json_t *line;

	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		if (t->samples < tails[i].enough || strcmp(t->better, "lower"))
			continue;
		snprintf(metric, sizeof(metric), "%s_%s", tails[i].word, t->metric);
		line = derived(stand, t->cell->name, t->cell->method, metric, t->better,
			       (double)series_quantile(t->sample, t->samples, tails[i].quantile));
		json_object_set_new(line, "of", json_string("samples"));
		json_object_set_new(line, "n", json_integer((json_int_t)t->samples));
		stand_line(stand, line);
	}
}

/* One number of a line through @n points. */
static void put_fitted(struct stand *stand, const struct method *method, const char *role,
		       const char *metric, const struct stat_interval *fit, size_t n)
{
	char name[128];
	json_t *line;

	snprintf(name, sizeof(name), "%s/%s", stand->suite->name, method->name);
	line = derived(stand, name, method, metric, "lower", fit->value);
	json_object_set_new(line, "role", json_string(role));
	put_interval(line, fit->low, fit->high);
	json_object_set_new(line, "n", json_integer((json_int_t)n));
	stand_line(stand, line);
}

/* All blocks of a method in a part, over the observed extents of their sources. */
static void derive_slope(const struct history *h, struct stand *stand, const struct part *p,
			 const struct method *method)
{
	double *x = NULL, *y = NULL;
	size_t n = 0;
	struct stat_line fit;

	for (size_t i = 0; i < h->count; i++) {
		const struct track *t = &h->track[i];

		if (t->cell->part != p || t->cell->method != method || strcmp(t->metric, "time_ns"))
			continue;
		x = grow(x, n + t->blocks + 1, sizeof(*x));
		y = grow(y, n + t->blocks + 1, sizeof(*y));
		for (size_t b = 0; b < t->blocks; b++) {
			if (!t->extents[b])
				continue;
			x[n] = (double)t->extents[b];
			y[n++] = (double)t->median[b];
		}
	}
	if (stat_fit(x, y, n, CONFIDENCE, stand->seed, &fit)) {
		/* what a call costs without extents is told by the cells of few, and better */
		put_fitted(stand, method, method->role, "slope_ns_per_extent", &fit.slope, n);
		put_fitted(stand, method, "summary", "intercept_ns", &fit.intercept, n);
	}
	free(x);
	free(y);
}

/** struct duel - at one size: the one that shares, and those that copy */
struct duel {
	double size;
	const struct track *one, *other[32];
	size_t others;
};

/* Median of the blocks' medians, of all blocks or of as many picked at random. */
static double pick_median(const struct track *t, struct chance *c)
{
	uint64_t *some = grow(NULL, t->blocks, sizeof(*some));
	double m;

	for (size_t i = 0; i < t->blocks; i++)
		some[i] = t->median[c ? (size_t)chance_below(c, t->blocks) : i];
	m = series_median(some, t->blocks);
	free(some);
	return m;
}

/* Log of how many times as long the best copy takes; above 0 sharing wins. */
static double lead(const struct duel *d, struct chance *c)
{
	double best = INFINITY;

	for (size_t i = 0; i < d->others; i++)
		best = fmin(best, pick_median(d->other[i], c));
	return log(best / pick_median(d->one, c));
}

/* The size at which the lead crosses 0 for good, on a logarithmic scale; @d in order of size.
 * The smallest size if it leads there, infinity if it does not lead at the largest. */
static double crossing(const struct duel *d, size_t n, struct chance *c)
{
	double next = 0;

	for (size_t i = n; i-- > 0;) {
		const double here = lead(&d[i], c);

		if (here <= 0 && i == n - 1)
			return INFINITY;
		if (here <= 0) {
			const double part = -here / (next - here);

			return exp(log(d[i].size) + part * (log(d[i + 1].size) - log(d[i].size)));
		}
		next = here;
	}
	return d[0].size;
}

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static int by_size(const void *a, const void *b)
{
	const struct duel *x = a, *y = b;

	return x->size < y->size ? -1 : x->size > y->size;
}

/* One duel for each size at which @method was measured and something that copies, too. */
static size_t find_duels(const struct history *h, const struct part *p, const struct method *method,
			 struct duel *duel, size_t room)
{
	size_t n = 0;

	for (size_t i = 0; i < h->count && n < room; i++) {
		const struct track *t = &h->track[i];
		struct duel d = { .size = (double)t->cell->value[F_SIZE], .one = t };

		if (t->cell->part != p || t->cell->method != method)
			continue;
		for (size_t k = 0; k < h->count && d.others < 32; k++) {
			const struct track *o = &h->track[k];

			if (o->cell->point == t->cell->point && !o->shared &&
			    o->cell->method->kind == METHOD_COPY &&
			    !(o->cell->method->flags & METHOD_SHARES))
				d.other[d.others++] = o;
		}
		if (d.others)
			duel[n++] = d;
	}
	qsort(duel, n, sizeof(*duel), by_size);
	return n;
}

static void derive_crossover(const struct history *h, struct stand *stand, const struct part *p,
			     const struct method *method)
{
	struct chance c = { stand->seed };
	double *again;
	struct duel duel[64] = { { 0 } };
	const size_t n = find_duels(h, p, method, duel, 64);
	const double value = n ? crossing(duel, n, NULL) : INFINITY;
	char name[128];
	json_t *line;

	if (!(method->flags & METHOD_SHARES) || !n || isinf(value))
		return;
	again = grow(NULL, RESAMPLES, sizeof(*again));
	for (size_t i = 0; i < RESAMPLES; i++)
		again[i] = crossing(duel, n, &c);
	qsort(again, RESAMPLES, sizeof(*again), by_value);
	snprintf(name, sizeof(name), "%s/%s", stand->suite->name, method->name);
	line = derived(stand, name, method, "crossover_bytes", "lower", value);
	/* an end that lies beyond the largest size is unknown */
	if (!isinf(again[RESAMPLES * 39 / 40]))
		put_interval(line, again[RESAMPLES / 40], again[RESAMPLES * 39 / 40]);
	json_object_set_new(line, "n", json_integer((json_int_t)n));
	if (value <= duel[0].size)
		json_object_set_new(line, "flags", json_pack("[s]", "at-smallest-size"));
	stand_line(stand, line);
	free(again);
}

/* Is it the cell of one thread, and the other's in everything else? */
static bool is_alone(const struct cell *c, const struct cell *other)
{
	for (enum factor f = 0; f < FACTORS; f++)
		if (c->value[f] != (f == F_CLONERS ? 1 : other->value[f]))
			return false;
	return true;
}

/* What N threads do, as a part of N times what one does. */
static void derive_scaling(const struct history *h, struct stand *stand, const struct part *p,
			   const struct method *method)
{
	for (size_t i = 0; i < h->count; i++) {
		const struct track *t = &h->track[i], *one = NULL;
		const uint64_t threads = t->cell->value[F_CLONERS];

		if (t->cell->part != p || t->cell->method != method ||
		    strcmp(t->metric, "ops_per_s"))
			continue;
		for (size_t k = 0; k < h->count; k++) {
			const struct track *o = &h->track[k];

			if (o->cell->part == p && o->cell->method == method &&
			    !strcmp(o->metric, "ops_per_s") && is_alone(o->cell, t->cell))
				one = o;
		}
		if (one)
			stand_line(stand, derived(stand, t->cell->name, method, "efficiency_ratio",
						  "higher",
						  pick_median(t, NULL) / pick_median(one, NULL) /
							  (double)threads));
	}
}

static void derive_part(const struct history *h, struct stand *stand, const struct part *p,
			const struct method *m)
{
	switch (p->derived) {
	case DERIVED_SLOPE:
		derive_slope(h, stand, p, m);
		break;
	case DERIVED_CROSSOVER:
		derive_crossover(h, stand, p, m);
		break;
	case DERIVED_SCALING:
		derive_scaling(h, stand, p, m);
		break;
	case DERIVED_NONE:
		break;
	}
}

void history_derive(const struct history *h, struct stand *stand)
{
	const struct method *m;

	for (size_t i = 0; i < h->count; i++) {
		derive_median(stand, &h->track[i]);
		derive_tail(stand, &h->track[i]);
	}
	for (size_t p = 0; p < stand->suite->parts; p++)
		for (size_t i = 0; (m = method_at(i)); i++)
			derive_part(h, stand, &stand->suite->part[p], m);
}
