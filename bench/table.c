/* SPDX-License-Identifier: GPL-2.0-only */
/* Medians as a table for people. */
#include <stdlib.h>
#include <string.h>

#include "history.h"
#include "series.h"

#define COLUMNS	    7
#define COLUMN_WIDE 11
#define FIRST_WIDE  24

/** struct unit - from which number on it is used */
struct unit {
	double from;
	const char *word;
};

static const struct unit time_units[] = { { 1e9, "s" }, { 1e6, "ms" }, { 1e3, "us" }, { 1, "ns" } };
static const struct unit rate_units[] = {
	{ 1ULL << 30, "GiB/s" }, { 1 << 20, "MiB/s" }, { 1 << 10, "KiB/s" }, { 1, "B/s" }
};
static const struct unit count_units[] = { { 1e6, "M/s" }, { 1e3, "k/s" }, { 1, "/s" } };

static void number(char *out, size_t size, double v, const struct unit *u, size_t n)
{
	size_t i = 0;

	while (i < n - 1 && v < u[i].from)
		i++;
	v /= u[i].from;
	snprintf(out, size, "%.*f %s", v < 10 ? 2 : v < 100 ? 1 : 0, v, u[i].word);
}

#define NUMBER(out, size, v, units) number(out, size, v, units, sizeof(units) / sizeof((units)[0]))

static void cell_text(const struct track *t, char out[32])
{
	const double v = series_median(t->sample, t->samples);
	const size_t len = strlen(t->metric);

	if (!strcmp(t->metric, "bytes_per_s"))
		NUMBER(out, 30, v, rate_units);
	else if (!strcmp(t->metric, "ops_per_s"))
		NUMBER(out, 30, v, count_units);
	else if (len > 3 && !strcmp(t->metric + len - 3, "_ns"))
		NUMBER(out, 30, v, time_units);
	else
		snprintf(out, 30, "%.2f", v);
	/* what was shared is marked: it is another thing than a copy */
	if (t->shared && !t->copied)
		strcat(out, "="); /* NOLINT */
}

/* What stands in brackets behind the method. */
static const char *label(const struct cell *c)
{
	const char *bracket = strchr(c->name, '[');

	return bracket ? bracket : "";
}

static const struct cell *cell_at(const struct suite *s, const struct part *p,
				  const struct method *m, size_t point)
{
	for (size_t i = 0; i < s->cells; i++)
		if (s->cell[i].part == p && s->cell[i].method == m && s->cell[i].point == point)
			return &s->cell[i];
	return NULL;
}

/** struct page - one table: a metric of a part, some points */
struct page {
	const struct history *h;
	const struct suite *s;
	const struct part *p;
	const char *metric;
	/** @point: the columns; @named: a cell of each */
	size_t point[COLUMNS];
	const struct cell *named[COLUMNS];
	size_t columns;
};

static void print_row(const struct page *g, const struct method *m, FILE *out)
{
	bool any = false;

	for (size_t i = 0; i < g->columns && !any; i++) {
		const struct cell *c = cell_at(g->s, g->p, m, g->point[i]);

		any = c && history_find(g->h, c, g->metric);
	}
	if (!any)
		return;
	fprintf(out, "  %-*s", FIRST_WIDE, m->name);
	for (size_t i = 0; i < g->columns; i++) {
		const struct cell *c = cell_at(g->s, g->p, m, g->point[i]);
		const struct track *t = c ? history_find(g->h, c, g->metric) : NULL;
		char text[32] = "-";

		if (t)
			cell_text(t, text);
		fprintf(out, " %*s", COLUMN_WIDE, text);
	}
	fputc('\n', out);
}

/* "[size=1M,cache=cold]" as one line for each factor. */
static void print_heads(const struct page *g, FILE *out)
{
	for (unsigned int line = 0;; line++) {
		const char *part[COLUMNS];
		size_t len[COLUMNS];

		for (size_t i = 0; i < g->columns; i++) {
			part[i] = label(g->named[i]);
			part[i] += *part[i] == '[';
			for (unsigned int k = 0; k < line && *part[i]; k++) {
				part[i] += strcspn(part[i], ",]");
				part[i] += *part[i] != '\0';
			}
			len[i] = strcspn(part[i], ",]");
		}
		if (!len[0])
			break;
		fprintf(out, "  %-*.*s", FIRST_WIDE, (int)strcspn(part[0], "="), part[0]);
		for (size_t i = 0; i < g->columns; i++) {
			const char *value = memchr(part[i], '=', len[i]);
			const size_t key = value ? (size_t)(value - part[i]) + 1 : 0;

			fprintf(out, " %*.*s", COLUMN_WIDE, (int)(len[i] - key), part[i] + key);
		}
		fputc('\n', out);
	}
}

static void print_metric(struct page *g, FILE *out)
{
	const struct method *m;

	for (size_t next = 0; next < g->s->points;) {
		g->columns = 0;
		for (; next < g->s->points && g->columns < COLUMNS; next++) {
			for (size_t i = 0; i < g->s->cells; i++)
				if (g->s->cell[i].part == g->p && g->s->cell[i].point == next &&
				    history_find(g->h, &g->s->cell[i], g->metric)) {
					g->named[g->columns] = &g->s->cell[i];
					g->point[g->columns++] = next;
					break;
				}
		}
		if (!g->columns)
			continue;
		fprintf(out, "\n%s: %s, median of %s\n", g->s->name, g->p->experiment->doc,
			g->metric);
		print_heads(g, out);
		for (size_t i = 0; (m = method_at(i)); i++)
			print_row(g, m, out);
	}
}

void history_table(const struct history *h, const struct suite *s, FILE *out)
{
	for (size_t p = 0; p < s->parts; p++)
		for (size_t i = 0; i < h->count; i++) {
			struct page g = {
				.h = h, .s = s, .p = &s->part[p], .metric = h->track[i].metric
			};
			bool before = false;

			for (size_t k = 0; k < i && !before; k++)
				before = h->track[k].cell->part == g.p &&
					 !strcmp(h->track[k].metric, g.metric);
			if (!before && h->track[i].cell->part == g.p)
				print_metric(&g, out);
		}
	fflush(out);
}
