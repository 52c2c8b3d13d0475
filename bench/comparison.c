/* SPDX-License-Identifier: GPL-2.0-only */
/* Compares two sides of result files, metric by metric. */
#include "comparison.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alike.h"

static const char *const verdict_names[COMPARED_COUNT] = {
	[COMPARED_BETTER] = "better",
	[COMPARED_WORSE] = "worse",
	[COMPARED_SAME] = "same",
	[COMPARED_INCONCLUSIVE] = "inconclusive",
	[COMPARED_INCOMPARABLE] = "incomparable",
};

const char *compared_verdict_name(enum compared_verdict v)
{
	return verdict_names[v];
}

static void *need(size_t count, size_t size)
{
	void *p = calloc(count ? count : 1, size);

	if (!p)
		abort();
	return p;
}

static void add_differences(json_t *all, const struct results *a, const struct results *b,
			    bool same_side)
{
	json_t *found = alike_differences(a->run, b->run, same_side), *one;
	size_t i;

	json_array_foreach (found, i, one) {
		json_object_set_new(one, "file_a", json_string(a->path));
		json_object_set_new(one, "file_b", json_string(b->path));
		json_array_append(all, one);
	}
	json_decref(found);
}

json_t *comparison_differences(const struct side *a, const struct side *b)
{
	json_t *all = json_array();

	for (size_t i = 1; i < a->count; i++)
		add_differences(all, &a->files[0], &a->files[i], true);
	for (size_t i = 1; i < b->count; i++)
		add_differences(all, &b->files[0], &b->files[i], true);
	add_differences(all, &a->files[0], &b->files[0], false);
	return all;
}

static const char *started(const struct results *r)
{
	const char *text = json_string_value(json_object_get(r->run, "started"));

	return text ? text : "";
}

bool comparison_interleaved(const struct side *a, const struct side *b)
{
	if (a->count != b->count || a->count < 2)
		return false;
	for (size_t i = 0; i + 1 < a->count; i++) {
		const char *x = started(&a->files[i]), *y = started(&b->files[i]);
		const char *next_x = started(&a->files[i + 1]), *next_y = started(&b->files[i + 1]);
		const char *last = strcmp(x, y) > 0 ? x : y;

		/* ISO 8601 in UTC sorts as text */
		if (!*x || !*y || strcmp(last, next_x) > 0 || strcmp(last, next_y) > 0)
			return false;
	}
	return strcmp(started(&a->files[0]), started(&a->files[a->count - 1])) < 0;
}

/* The skip of a cell that would have had this metric, NULL if there is none. */
static const struct metric *skipped(const struct results *r, const char *name)
{
	for (size_t i = 0; i < r->count; i++) {
		const size_t len = strlen(r->metrics[i].name);

		if (r->metrics[i].skip && !strncmp(r->metrics[i].name, name, len) &&
		    (name[len] == ' ' || !name[len]))
			return &r->metrics[i];
	}
	return NULL;
}

static void give_reason(struct compared *c, enum compared_verdict v, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void give_reason(struct compared *c, enum compared_verdict v, const char *fmt, ...)
{
	va_list args;

	c->verdict = v;
	va_start(args, fmt);
	if (vasprintf(&c->reason, fmt, args) < 0)
		abort();
	va_end(args);
}

/* The same cell in every file of a side; false with the reason if one has not got it. */
static bool gather(struct compared *c, const struct side *s, const struct metric **cells)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct results *file = &s->files[i];
		const struct metric *skip = skipped(file, c->name);

		cells[i] = results_find(file, c->name);
		if (skip)
			give_reason(c, COMPARED_INCOMPARABLE, "skipped in %s: %s", file->path,
				    skip->skip);
		else if (!cells[i])
			give_reason(c, COMPARED_INCOMPARABLE, "not in %s", file->path);
		if (c->reason)
			return false;
	}
	return true;
}

static bool equal_or_both_unknown(const json_t *a, const json_t *b)
{
	return a && b ? json_equal(a, b) : a == b;
}

/* Was the same thing measured in both cells? */
static bool is_same_work(struct compared *c, const struct metric *a, const struct metric *b)
{
	const char *x = a->mechanism ? a->mechanism : "unknown";
	const char *y = b->mechanism ? b->mechanism : "unknown";

	if (!equal_or_both_unknown(a->factors, b->factors) ||
	    !equal_or_both_unknown(a->work_bytes, b->work_bytes))
		give_reason(c, COMPARED_INCOMPARABLE, "other factors or sizes under one name");
	else if (strcmp(a->better, b->better) != 0)
		give_reason(c, COMPARED_INCOMPARABLE, "what is better differs");
	else if (strcmp(x, y) != 0)
		give_reason(c, COMPARED_INCOMPARABLE, "the data was %s in A and %s in B", x, y);
	return !c->reason;
}

static bool work_agrees(struct compared *c, const struct metric **a, size_t na,
			const struct metric **b, size_t nb)
{
	for (size_t i = 1; i < na; i++)
		if (!is_same_work(c, a[0], a[i]))
			return false;
	for (size_t i = 0; i < nb; i++)
		if (!is_same_work(c, a[0], b[i]))
			return false;
	return true;
}

/* Observations: the files, or the blocks of the only file. */
static struct stat_unit *units_of(const struct comparison *c, const struct metric **cells, size_t n,
				  size_t *count)
{
	struct stat_unit *units;

	*count = c->single ? cells[0]->count : n;
	units = need(*count, sizeof(*units));
	for (size_t i = 0; i < *count; i++)
		units[i] = c->single ? (struct stat_unit){ .blocks = &cells[0]->blocks[i], .n = 1 }
				     : (struct stat_unit){ cells[i]->blocks, cells[i]->count };
	return units;
}

/* Median of all; the extremes tell whether there is anything to take a ratio of. */
static double median_of(const struct stat_unit *units, size_t n, double *least, double *most)
{
	double *medians = need(n, sizeof(*medians)), median;

	for (size_t i = 0; i < n; i++) {
		medians[i] = stat_unit_median(&units[i]);
		for (size_t k = 0; k < units[i].n; k++) {
			const struct stat_block *b = &units[i].blocks[k];

			*least = fmin(*least, b->sorted[0]);
			*most = fmax(*most, b->sorted[b->n - 1]);
		}
	}
	median = stat_median(medians, n);
	free(medians);
	return median;
}

static void measure(const struct comparison *c, struct compared *item, const struct stat_unit *a,
		    const struct stat_unit *b)
{
	const size_t na = item->units[0], nb = item->units[1];
	double least = HUGE_VAL, most = 0;

	item->median[0] = median_of(a, na, &least, &most);
	item->median[1] = median_of(b, nb, &least, &most);
	if (most == 0) {
		give_reason(item, COMPARED_SAME, "all are 0");
		return;
	}
	if (least == 0) {
		give_reason(item, COMPARED_INCOMPARABLE, "0 has no ratio");
		return;
	}
	item->measured = true;
	item->interval = stat_ratio(a, na, b, nb, &c->design, &item->ratio);
	item->p = stat_difference_p(a, na, b, nb, &c->design);
}

static void compare_item(const struct comparison *c, struct compared *item, const struct side *a,
			 const struct side *b)
{
	const struct metric **of_a = need(a->count, sizeof(const struct metric *));
	const struct metric **of_b = need(b->count, sizeof(const struct metric *));
	struct stat_unit *x, *y;

	if (gather(item, a, of_a) && gather(item, b, of_b) &&
	    work_agrees(item, of_a, a->count, of_b, b->count)) {
		item->higher = !strcmp(of_a[0]->better, "higher");
		x = units_of(c, of_a, a->count, &item->units[0]);
		y = units_of(c, of_b, b->count, &item->units[1]);
		measure(c, item, x, y);
		free(x);
		free(y);
	}
	free(of_a);
	free(of_b);
}

/* How B's cost relates to A's, whichever way is better. */
static struct stat_interval cost_of(const struct compared *item)
{
	const struct stat_interval *r = &item->ratio;

	if (!item->higher)
		return *r;
	return (struct stat_interval){ 1 / r->value, 1 / r->high, 1 / r->low };
}

static void decide(const struct comparison *c, struct compared *item)
{
	const struct stat_interval cost = cost_of(item);
	const double limit = 1 + c->design.threshold;
	const bool proven = item->p_holm <= 1 - c->design.confidence;

	if (!item->interval) {
		give_reason(item, COMPARED_INCONCLUSIVE, "fewer than %d observations on a side",
			    STAT_UNITS_MIN);
		return;
	}
	item->verdict = (enum compared_verdict)stat_decide(&cost, item->p_holm, &c->design);
	item->not_worse = cost.high < limit;
	if (item->verdict != COMPARED_INCONCLUSIVE)
		return;
	if (item->not_worse)
		give_reason(item, item->verdict, "not worse; perhaps better");
	else if (cost.low > limit || cost.high < 1 / limit)
		give_reason(item, item->verdict, "looks %s; too few observations to prove it",
			    cost.low > limit ? "worse" : "better");
	else if (cost.low > 1 / limit)
		give_reason(item, item->verdict, "not better; perhaps worse%s",
			    proven && cost.low > 1 ? " by what matters" : "");
	else
		give_reason(item, item->verdict, "too noisy to tell");
}

/* Holm over all that were tested, then the verdicts. */
static void judge(struct comparison *c)
{
	double *p = need(c->count, sizeof(*p)), *adjusted = need(c->count, sizeof(*p));
	size_t n = 0, k = 0;

	c->least_p = 1;
	for (size_t i = 0; i < c->count; i++)
		if (c->items[i].measured)
			p[n++] = c->items[i].p;
	stat_holm(p, adjusted, n);
	for (size_t i = 0; i < c->count; i++) {
		struct compared *item = &c->items[i];

		if (item->measured) {
			const double least =
				stat_smallest_p(c->design.paired, item->units[0], item->units[1]);

			item->p_holm = adjusted[k++];
			c->least_p = fmin(c->least_p, least * (double)n);
			decide(c, item);
		}
		c->counts[item->verdict]++;
	}
	free(p);
	free(adjusted);
}

static bool is_wanted(const struct comparison *c, const struct metric *cell)
{
	if (cell->skip)
		return false;
	if (c->glob)
		return results_named(cell->name, c->glob);
	return !*cell->role || !strcmp(cell->role, "measure");
}

static void list_items(struct comparison *c, const struct side *s, json_t *seen)
{
	for (size_t f = 0; f < s->count; f++) {
		for (size_t i = 0; i < s->files[f].count; i++) {
			const struct metric *cell = &s->files[f].metrics[i];

			if (!is_wanted(c, cell) || json_object_get(seen, cell->name))
				continue;
			json_object_set_new(seen, cell->name, json_true());
			c->items[c->count].name = cell->name;
			c->items[c->count++].metric = cell->metric;
		}
	}
}

static size_t all_cells(const struct side *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->count; i++)
		n += s->files[i].count;
	return n;
}

static bool is_on(const struct side *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++)
		if (results_find(&s->files[i], name))
			return true;
	return false;
}

static const json_t *seed_of(const struct results *r)
{
	return json_object_get(r->run, "seed");
}

/* One seed in all files; those that do not say are not known to have it. */
static bool have_seed(const struct side *s, const json_t *seed)
{
	for (size_t i = 0; i < s->count; i++)
		if (!json_equal(seed_of(&s->files[i]), seed))
			return false;
	return true;
}

static enum comparison_seeds compare_seeds(const struct side *a, const struct side *b)
{
	const json_t *x = seed_of(&a->files[0]), *y = seed_of(&b->files[0]);
	bool same = a->count == b->count;

	if (have_seed(a, x) && have_seed(b, y))
		return json_equal(x, y) ? SEEDS_SAME : SEEDS_BY_SIDE;
	for (size_t i = 0; i < a->count && same; i++)
		same = json_equal(seed_of(&a->files[i]), seed_of(&b->files[i]));
	return same ? SEEDS_SAME : SEEDS_DIFFER;
}

bool comparison_run(struct comparison *c, const struct side *a, const struct side *b)
{
	json_t *seen = json_object();
	bool common = false;

	c->single = a->count == 1 && b->count == 1;
	c->seeds = compare_seeds(a, b);
	c->items = need(all_cells(a) + all_cells(b), sizeof(*c->items));
	list_items(c, a, seen);
	list_items(c, b, seen);
	json_decref(seen);
	for (size_t i = 0; i < c->count; i++)
		common = common || (is_on(a, c->items[i].name) && is_on(b, c->items[i].name));
	if (!common)
		return false;
	for (size_t i = 0; i < c->count; i++)
		compare_item(c, &c->items[i], a, b);
	judge(c);
	return true;
}

size_t comparison_pairs_needed(const struct comparison *c)
{
	size_t tested = 0, pairs = STAT_UNITS_MIN;

	for (size_t i = 0; i < c->count; i++)
		tested += c->items[i].measured;
	while (pairs <= STAT_EXACT_PAIRS &&
	       stat_smallest_p(true, pairs, pairs) * (double)tested > 1 - c->design.confidence)
		pairs++;
	return pairs;
}

void comparison_free(struct comparison *c)
{
	for (size_t i = 0; i < c->count; i++)
		free(c->items[i].reason);
	free(c->items);
	c->items = NULL;
	c->count = 0;
}
