/* SPDX-License-Identifier: GPL-2.0-only */
/* cowbell compare: is B slower than A? */
#include "compare.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "comparison.h"

#define SIDE_FILES_MAX 1000

static bool read_side(struct side *s, const struct words *paths, const char *verb, bool partial)
{
	char why[1024];

	if (paths->count > SIDE_FILES_MAX) {
		fprintf(stderr, "cowbell %s: more than %d files\n", verb, SIDE_FILES_MAX);
		return false;
	}
	s->files = calloc(paths->count, sizeof(*s->files));
	if (!s->files)
		abort();
	for (size_t i = 0; i < paths->count; i++) {
		s->count++;
		if (!results_read(&s->files[i], paths->item[i], partial, why, sizeof(why))) {
			fprintf(stderr, "cowbell %s: %s\n", verb, why);
			return false;
		}
	}
	return true;
}

static void free_side(struct side *s)
{
	for (size_t i = 0; i < s->count; i++)
		results_free(&s->files[i]);
	free(s->files);
}

static void print_differences(FILE *out, const json_t *all)
{
	const json_t *one;
	size_t i;

	json_array_foreach (all, i, one) {
		char *a = json_dumps(json_object_get(one, "a"), JSON_ENCODE_ANY);
		char *b = json_dumps(json_object_get(one, "b"), JSON_ENCODE_ANY);

		fprintf(out, "  %s: %s (%s), %s (%s)\n",
			json_string_value(json_object_get(one, "what")), a ? a : "not known",
			json_string_value(json_object_get(one, "file_a")), b ? b : "not known",
			json_string_value(json_object_get(one, "file_b")));
		free(a);
		free(b);
	}
}

/* A value in the unit that its metric's name ends in, with three or four digits. */
static void print_value(char out[32], const char *metric, double value)
{
	static const char *const times[] = { "ns", "us", "ms", "s" };
	static const char *const sizes[] = { "", "k", "M", "G", "T" };
	const bool time = strstr(metric, "_ns") != NULL;
	size_t step = 0;

	while (value >= 9999.5 && step < (time ? 3 : 4)) {
		value /= 1000;
		step++;
	}
	snprintf(out, 32, "%.4g %s", value, time ? times[step] : sizes[step]);
}

static void print_item(const struct compared *item, int width)
{
	char a[32], b[32], p[16];

	printf("%-*s  ", width, item->name);
	if (item->measured) {
		print_value(a, item->metric, item->median[0]);
		print_value(b, item->metric, item->median[1]);
		snprintf(p, sizeof(p), item->p_holm < 0.001 ? "<0.001" : "%.3f", item->p_holm);
		printf("%9s %9s  %6.3f  ", a, b, item->ratio.value);
		if (item->interval)
			printf("%6.3f to %-6.3f ", item->ratio.low, item->ratio.high);
		else
			printf("%6s    %-6s ", "?", "?");
		printf(" %6s  ", p);
	} else {
		printf("%9s %9s  %6s  %16s  %6s  ", "", "", "", "", "");
	}
	printf("%s%s%s%s\n", compared_verdict_name(item->verdict), item->reason ? " (" : "",
	       item->reason ? item->reason : "", item->reason ? ")" : "");
}

static void print_seeds(const struct comparison *c)
{
	if (c->seeds != SEEDS_SAME)
		printf("note: A and B have not the same seeds, so they measured in other orders: "
		       "what order does\ncounts as %s here; give both the same --seed\n",
		       c->seeds == SEEDS_DIFFER ? "noise" : "a difference of A and B");
}

static void print_promise(const struct comparison *c, const struct side *a, const struct side *b)
{
	if (c->single)
		puts("note: one file per side: how two runs differ by themselves is unknown, and "
		     "counts as a\ndifference of A and B here; `cowbell alternate` takes several "
		     "of each in turn");
	else if (!c->design.paired && a->count + b->count > 2)
		puts("note: the runs were not taken in turn: what the machine did in between "
		     "counts as a\ndifference of A and B; see `cowbell alternate`");
	if (c->least_p > 1 - c->design.confidence)
		printf("note: with so few %s and so many metrics nothing can be proven better or "
		       "worse;\ntake %zu pairs of runs, or choose by --metric\n",
		       c->single ? "blocks" : "runs", comparison_pairs_needed(c));
}

static void print_all(const struct comparison *c, const struct side *a, const struct side *b)
{
	int width = 6;

	for (size_t i = 0; i < c->count; i++)
		if ((int)strlen(c->items[i].name) > width)
			width = (int)strlen(c->items[i].name);
	printf("%-*s  %9s %9s  %6s  %4g%% interval   %6s  %s\n", width, "metric", "A", "B", "B/A",
	       c->design.confidence * 100, "p", "B is");
	for (size_t i = 0; i < c->count; i++)
		print_item(&c->items[i], width);
	putchar('\n');
	for (int v = 0; v < COMPARED_COUNT; v++)
		printf("%s%zu %s", v ? ", " : "", c->counts[v],
		       compared_verdict_name((enum compared_verdict)v));
	printf("; %zu and %zu files%s; what matters: %g%%\n", a->count, b->count,
	       c->design.paired ? " in pairs" : "", c->design.threshold * 100);
	print_promise(c, a, b);
	print_seeds(c);
}

static json_t *paths_json(const struct side *s)
{
	json_t *all = json_array();

	for (size_t i = 0; i < s->count; i++) {
		json_t *path = json_string(s->files[i].path);

		/* a name that is no UTF-8 */
		json_array_append_new(all, path ? path : json_string("?"));
	}
	return all;
}

static void put_real(json_t *o, const char *key, double value)
{
	/* json_real() takes nothing else */
	if (isfinite(value))
		json_object_set_new(o, key, json_real(value));
}

static json_t *item_json(const struct compared *item)
{
	json_t *o = json_object();

	json_object_set_new(o, "name", json_string(item->name));
	json_object_set_new(o, "metric", json_string(item->metric));
	json_object_set_new(o, "verdict", json_string(compared_verdict_name(item->verdict)));
	if (item->reason)
		json_object_set_new(o, "reason", json_string(item->reason));
	if (!item->measured)
		return o;
	json_object_set_new(o, "better", json_string(item->higher ? "higher" : "lower"));
	json_object_set_new(
		o, "n", json_pack("[I,I]", (json_int_t)item->units[0], (json_int_t)item->units[1]));
	json_object_set_new(o, "median", json_pack("[f,f]", item->median[0], item->median[1]));
	put_real(o, "ratio", item->ratio.value);
	if (item->interval) {
		put_real(o, "ratio_low", item->ratio.low);
		put_real(o, "ratio_high", item->ratio.high);
		json_object_set_new(o, "not_worse", json_boolean(item->not_worse));
	}
	put_real(o, "p", item->p);
	put_real(o, "p_holm", item->p_holm);
	return o;
}

static json_t *comparison_json(const struct comparison *c, const struct side *a,
			       const struct side *b, const json_t *differences)
{
	static const char *const seeds[] = { "same", "differ", "by-side" };
	json_t *o = json_object(), *metrics = json_array(), *counts = json_object();

	for (size_t i = 0; i < c->count; i++)
		json_array_append_new(metrics, item_json(&c->items[i]));
	for (int v = 0; v < COMPARED_COUNT; v++)
		json_object_set_new(counts, compared_verdict_name((enum compared_verdict)v),
				    json_integer((json_int_t)c->counts[v]));
	json_object_set_new(o, "kind", json_string("comparison"));
	json_object_set_new(o, "schema", json_integer(RESULTS_SCHEMA));
	json_object_set_new(o, "a", paths_json(a));
	json_object_set_new(o, "b", paths_json(b));
	json_object_set_new(o, "seeds", json_string(seeds[c->seeds]));
	json_object_set_new(o, "paired", json_boolean(c->design.paired));
	json_object_set_new(o, "unit", json_string(c->single ? "block" : "run"));
	put_real(o, "threshold", c->design.threshold);
	put_real(o, "confidence", c->design.confidence);
	json_object_set_new(o, "seed", json_integer((json_int_t)c->design.seed));
	json_object_set_new(o, "differs", json_deep_copy(differences));
	json_object_set_new(o, "metrics", metrics);
	json_object_set_new(o, "counts", counts);
	return o;
}

static bool write_json(const char *verb, const char *path, json_t *o)
{
	const bool standard = !strcmp(path, "-");
	FILE *to = standard ? stdout : fopen(path, "we");
	bool good = to && !json_dumpf(o, to, JSON_COMPACT | JSON_REAL_PRECISION(9)) &&
		    fputc('\n', to) != EOF;

	if (to)
		good = (standard ? fflush(to) : fclose(to)) == 0 && good;
	if (!good)
		fprintf(stderr, "cowbell %s: %s: %s\n", verb, path, strerror(errno));
	json_decref(o);
	return good;
}

static int lost(const char *verb)
{
	fprintf(stderr, "cowbell %s: standard output: %s\n", verb, strerror(errno));
	return CMD_HARNESS;
}

static int compare_sides(const char *verb, const struct compare_options *o, const struct side *a,
			 const struct side *b, const json_t *differences, bool paired)
{
	struct comparison c = {
		.design = {
			.paired = a->count > 1 &&
				  (paired || comparison_interleaved(a, b)),
			.confidence = o->confidence / 100,
			.threshold = o->threshold / 100,
			.seed = (uint64_t)o->seed,
		},
		.glob = o->metric,
	};
	int exit_code = CMD_SKIPPED;

	if (!comparison_run(&c, a, b)) {
		fprintf(stderr, "cowbell %s: no metric%s%s is both in %s and in %s\n", verb,
			o->metric ? " like " : "", o->metric ? o->metric : "", a->files[0].path,
			b->files[0].path);
	} else {
		if (!o->json || strcmp(o->json, "-") != 0)
			print_all(&c, a, b);
		if (c.counts[COMPARED_WORSE])
			exit_code = CMD_FAILED;
		else if (c.counts[COMPARED_INCOMPARABLE] < c.count)
			exit_code = CMD_GOOD;
		if (o->json && !write_json(verb, o->json, comparison_json(&c, a, b, differences)))
			exit_code = CMD_HARNESS;
		else if (fflush(stdout) || ferror(stdout))
			exit_code = lost(verb);
	}
	comparison_free(&c);
	return exit_code;
}

int compare_files(const char *verb, const struct compare_options *o, const struct words *a,
		  const struct words *b, bool paired)
{
	struct side x = { NULL, 0 }, y = { NULL, 0 };
	json_t *differences = NULL;
	int exit_code = CMD_USAGE;

	if (!read_side(&x, a, verb, o->partial) || !read_side(&y, b, verb, o->partial))
		goto out;
	differences = comparison_differences(&x, &y);
	if (json_array_size(differences) > 0) {
		fprintf(stderr, "cowbell %s: %s:\n", verb,
			o->force ? "compared by force, although these differ"
				 : "incomparable (see --force), since these differ");
		print_differences(stderr, differences);
	}
	exit_code = CMD_SKIPPED;
	if (o->force || json_array_size(differences) == 0)
		exit_code = compare_sides(verb, o, &x, &y, differences, paired);
out:
	json_decref(differences);
	free_side(&x);
	free_side(&y);
	return exit_code;
}

static void usage(const struct opt *opts)
{
	puts("usage: cowbell compare [OPTION...] OLD NEW\n"
	     "       cowbell compare [OPTION...] --a OLD... --b NEW...\n\n"
	     "Holds results of `cowbell bench` against each other: is NEW (B) slower than OLD "
	     "(A)?\n");
	opts_help(opts);
	puts("\nExit codes: 0 nothing is worse, 1 something is, 2 usage or unfit file,\n"
	     "77 incomparable, 99 harness error.");
}

int cmd_compare(int argc, char **argv)
{
	struct compare_options o = COMPARE_DEFAULTS;
	struct words a = { NULL, 0 }, b = { NULL, 0 }, rest = { NULL, 0 };
	bool help = false;
	const struct opt opts[] = {
		{ OPT_WORDS, "a", "FILE...", &a, 0, 0, "results before: side A" },
		{ OPT_WORDS, "b", "FILE...", &b, 0, 0, "results after: side B" },
		COMPARE_OPTS(o),
		{ OPT_WHOLE, "seed", "N", &o.seed, 0, 1e15, "of the bootstrap (default: 1)" },
		{ OPT_FLAG, "help", NULL, &help, 0, 0, "show this" },
		{ .kind = OPT_END, .to = &rest },
	};

	if (!opts_parse(opts, argc, argv, NULL))
		return CMD_USAGE;
	if (help) {
		usage(opts);
		return CMD_GOOD;
	}
	if (rest.count == 2 && !a.count && !b.count) {
		a = (struct words){ rest.item, 1 };
		b = (struct words){ rest.item + 1, 1 };
	} else if (rest.count || !a.count || !b.count) {
		fputs("cowbell compare: two files, or --a FILE... and --b FILE... "
		      "(see: cowbell compare --help)\n",
		      stderr);
		return CMD_USAGE;
	}
	return compare_files(argv[0], &o, &a, &b, false);
}
