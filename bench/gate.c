/* SPDX-License-Identifier: GPL-2.0-only */
/* cowbell gate: a step of `git bisect run` that measures. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alike.h"
#include "cmd.h"
#include "drift.h"
#include "opts.h"
#include "results.h"
#include "spawn.h"
#include "stat.h"

/** enum gate_exit - what git bisect run understands; 126 and 127 would count as bad */
enum gate_exit {
	GATE_GOOD = 0,
	GATE_BAD = 1,
	GATE_SKIP = 125,
	GATE_ABORT = 200,
};

#define SIGNAL_BASE 128
#define FILES_MAX   DRIFT_FILES
#define ERROR_RATE  0.01

/** struct gate - the command line, and what the ends showed */
struct gate {
	struct words good, bad, command;
	const char *pattern;
	double threshold, budget_s, timeout_s;
	bool force, help;

	/** @first: the first file of the good end; @metric: what is measured, within it */
	struct results first;
	const char *metric;
	/** @higher: more is better, so logs are negated */
	bool higher;
	struct stat_gate test;
	/** @drift: is the machine the one that it was? */
	struct drift drift;
	/** @folder: for results of the command; @json, @log: in it */
	char *folder, *json, *log;
	/** @spent_s: in runs so far; @longest_s: of them; @sum: of the logs of the values */
	double spent_s, longest_s, sum;
};

static int give_up(enum gate_exit code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int give_up(enum gate_exit code, const char *fmt, ...)
{
	va_list args;

	fputs("cowbell gate: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fprintf(stderr, ": %s\n", code == GATE_SKIP ? "skip" : "abort");
	return code;
}

/* The one metric that the user means; an exit code. */
static int choose_metric(struct gate *g)
{
	size_t matches = 0;

	for (size_t i = 0; i < g->first.count; i++) {
		const struct metric *m = &g->first.metrics[i];

		if (m->skip || (g->pattern ? !results_named(m->name, g->pattern)
					   : strcmp(m->role, "measure") != 0))
			continue;
		g->metric = m->name;
		g->higher = !strcmp(m->better, "higher");
		matches++;
	}
	if (matches == 1)
		return GATE_GOOD;
	return give_up(GATE_ABORT, "%zu metrics%s%s in %s; choose one by --metric", matches,
		       g->pattern ? " like " : "", g->pattern ? g->pattern : "", g->first.path);
}

/* The log of what a file says of the metric, as cost; false if it says nothing. */
static bool value_of(const struct gate *g, const struct results *r, double *out)
{
	double median;

	if (!results_median(r, g->metric, &median))
		return false;
	*out = g->higher ? -log(median) : log(median);
	return true;
}

/* Is a run of the same kind as the first of the good ones? An exit code. */
static int check_alike(const struct gate *g, const struct results *r)
{
	json_t *all = alike_differences(g->first.run, r->run, false);
	const json_t *one;
	size_t i, count = json_array_size(all);

	json_array_foreach (all, i, one) {
		char *a = json_dumps(json_object_get(one, "a"), JSON_ENCODE_ANY);
		char *b = json_dumps(json_object_get(one, "b"), JSON_ENCODE_ANY);

		fprintf(stderr, "  %s: %s (%s), %s (%s)\n",
			json_string_value(json_object_get(one, "what")), a ? a : "not known",
			g->first.path, b ? b : "not known", r->path);
		free(a);
		free(b);
	}
	json_decref(all);
	if (!count || g->force)
		return GATE_GOOD;
	return give_up(GATE_ABORT, "what differs makes this incomparable (see --force)");
}

/* The values of the files of an end; an exit code. */
static int read_end(struct gate *g, const struct words *paths, int end, double *values)
{
	const char *which = end ? "bad" : "good";
	char why[1024];
	int exit_code = GATE_GOOD;

	if (paths->count < STAT_GATE_RUNS || paths->count > FILES_MAX)
		return give_up(GATE_ABORT, "--%s needs results of %d to %d runs, not %zu", which,
			       STAT_GATE_RUNS, FILES_MAX, paths->count);
	for (size_t i = 0; i < paths->count && exit_code == GATE_GOOD; i++) {
		struct results r = { 0 };

		if (!results_read(&r, paths->item[i], false, why, sizeof(why)))
			exit_code = give_up(GATE_ABORT, "%s", why);
		else if (!value_of(g, &r, &values[i]))
			exit_code = give_up(GATE_ABORT, "%s has no %s", paths->item[i], g->metric);
		else
			exit_code = check_alike(g, &r);
		if (exit_code == GATE_GOOD)
			drift_end(&g->drift, end, &r);
		results_free(&r);
	}
	return exit_code;
}

/* Says which reference row is of no use, and why. */
static void calibrate_drift(struct gate *g)
{
	const char *differs = drift_bound(&g->drift, g->test.bad - g->test.good);

	if (differs)
		fprintf(stderr,
			"cowbell gate: note: %s differs between the ends, by the kernel or as the "
			"machine changed; it is not looked at\n",
			differs);
}

static int calibrate(struct gate *g)
{
	double good[FILES_MAX], bad[FILES_MAX], apart;
	char why[1024];
	int exit_code;
	bool told;

	if (!results_read(&g->first, g->good.item[0], false, why, sizeof(why)))
		return give_up(GATE_ABORT, "%s", why);
	exit_code = choose_metric(g);
	drift_start(&g->drift, &g->first);
	if (exit_code == GATE_GOOD)
		exit_code = read_end(g, &g->good, 0, good);
	if (exit_code == GATE_GOOD)
		exit_code = read_end(g, &g->bad, 1, bad);
	if (exit_code != GATE_GOOD)
		return exit_code;
	told = stat_gate_start(&g->test, good, g->good.count, bad, g->bad.count, ERROR_RATE);
	apart = exp(g->test.bad - g->test.good) - 1;
	if (!told)
		return give_up(GATE_ABORT,
			       "the ends cannot be told apart in %s (%+.1f%%): take more or longer "
			       "runs of each",
			       g->metric, apart * 100);
	if (apart < 0)
		return give_up(GATE_ABORT,
			       "%s is better in the bad end by %.1f%%; are --good and --bad "
			       "swapped?",
			       g->metric, -apart * 100);
	if (apart < g->threshold / 100)
		return give_up(GATE_ABORT, "the bad end is worse by %.1f%%, less than --threshold",
			       apart * 100);
	calibrate_drift(g);
	return GATE_GOOD;
}

/* What a command that did not succeed means for a bisection. */
static int judge_failure(const struct gate *g, const struct spawn *s)
{
	int exit_code;

	if (s->interrupted) {
		fprintf(stderr, "cowbell gate: ended by %s\n", strsignal(s->interrupted));
		return SIGNAL_BASE + s->interrupted;
	}
	if (s->timed_out)
		exit_code = give_up(GATE_SKIP, "no end after %g s", g->timeout_s);
	else if (s->status == CMD_HARNESS || s->status >= GATE_ABORT)
		exit_code = give_up(GATE_ABORT, "exit status %d", s->status);
	else
		exit_code = give_up(GATE_SKIP, "exit status %d", s->status);
	spawn_show_log(s->log);
	return exit_code;
}

/* The results of a command that succeeded. */
static int take_results(struct gate *g, double *value)
{
	struct results r = { 0 };
	char why[1024];
	int exit_code;

	if (access(g->json, F_OK))
		return give_up(GATE_ABORT, "the command wrote no results; does it use {json} or "
					   "$COWBELL_JSON?");
	if (!results_read(&r, g->json, false, why, sizeof(why)))
		exit_code = give_up(GATE_ABORT, "%s", why);
	else
		exit_code = check_alike(g, &r);
	if (exit_code == GATE_GOOD && !value_of(g, &r, value))
		exit_code = give_up(GATE_SKIP, "this revision has no %s", g->metric);
	if (exit_code == GATE_GOOD)
		drift_step(&g->drift, &r);
	results_free(&r);
	return exit_code;
}

static int run_once(struct gate *g, double *value)
{
	struct spawn s = {
		.argv = g->command.item, .json = g->json, .log = g->log, .timeout_s = g->timeout_s
	};
	int exit_code;

	unlink(g->json);
	if (!spawn_run(&s, "gate"))
		return GATE_ABORT;
	exit_code = s.status || s.interrupted || s.timed_out ? judge_failure(g, &s)
							     : take_results(g, value);
	g->spent_s += s.wall_s;
	g->longest_s = fmax(g->longest_s, s.wall_s);
	return exit_code;
}

static double shown(const struct gate *g, double cost)
{
	return exp(g->higher ? -cost : cost);
}

/* Is what was measured that of the machine of the ends? An exit code. */
static int check_drift(struct gate *g, size_t *rows)
{
	const struct drift_row *row = drift_found(&g->drift, rows);
	char text[512];

	if (!row)
		return GATE_GOOD;
	snprintf(text, sizeof(text),
		 "the machine is not as it was when the ends were measured: %s is %.6g, and "
		 "may be from %.6g to %.6g",
		 row->name, exp(row->middle), exp(row->low), exp(row->high));
	if (!g->force)
		return give_up(GATE_SKIP, "%s (see --force)", text);
	fprintf(stderr, "cowbell gate: note: %s\n", text);
	return GATE_GOOD;
}

static int answer(struct gate *g, enum stat_end end)
{
	size_t rows;
	const int exit_code = check_drift(g, &rows);

	if (exit_code != GATE_GOOD)
		return exit_code;
	printf("%s: %s is %.6g (good %.6g, bad %.6g); %zu runs, %.1f s, %zu reference rows looked "
	       "at\n",
	       end == STAT_BAD ? "bad" : "good", g->metric,
	       shown(g, g->sum / (double)g->test.count), shown(g, g->test.good),
	       shown(g, g->test.bad), g->test.count, g->spent_s, rows);
	return end == STAT_BAD ? GATE_BAD : GATE_GOOD;
}

static int measure(struct gate *g)
{
	enum stat_end end = STAT_UNDECIDED;
	double value = 0;

	while (end == STAT_UNDECIDED) {
		int exit_code;

		if (g->spent_s + g->longest_s > g->budget_s)
			return give_up(GATE_SKIP, "undecided after %zu runs and %.1f s",
				       g->test.count, g->spent_s);
		exit_code = run_once(g, &value);
		if (exit_code != GATE_GOOD)
			return exit_code;
		g->sum += value;
		end = stat_gate_step(&g->test, value);
	}
	return answer(g, end);
}

static bool make_folder(struct gate *g)
{
	g->folder = spawn_folder("gate");
	if (!g->folder)
		return false;
	if (asprintf(&g->json, "%s/run.json", g->folder) < 0 ||
	    asprintf(&g->log, "%s/run.log", g->folder) < 0)
		abort();
	return true;
}

static void remove_folder(struct gate *g)
{
	unlink(g->json);
	unlink(g->log);
	rmdir(g->folder);
	free(g->json);
	free(g->log);
	free(g->folder);
}

static void usage(const struct opt *opts)
{
	puts("usage: cowbell gate --good FILE... --bad FILE... [OPTION...] -- CMD [ARGUMENT...]\n\n"
	     "Runs CMD, which writes results of `cowbell bench` to {json}, or $COWBELL_JSON, again "
	     "and\nagain until it is clear to which end it belongs.\n");
	opts_help(opts);
	puts("\nExit codes, for git bisect run: 0 good, 1 bad, 125 cannot tell, CMD failed,\n"
	     "or the machine has changed; 200 abort: unfit files, another machine, a harness "
	     "error.");
}

int cmd_gate(int argc, char **argv)
{
	struct gate g = { .threshold = 2, .budget_s = 30, .timeout_s = 600 };
	const struct opt opts[] = {
		{ OPT_WORDS, "good", "FILE...", &g.good, 0, 0,
		  "results of the good end, 3 or more" },
		{ OPT_WORDS, "bad", "FILE...", &g.bad, 0, 0, "results of the bad end, 3 or more" },
		{ OPT_TEXT, "metric", "NAME", &g.pattern, 0, 0,
		  "which metric, if there are several" },
		{ OPT_NUMBER, "threshold", "PCT", &g.threshold, 0, 1000,
		  "the ends must differ by that (default: 2)" },
		{ OPT_NUMBER, "budget", "S", &g.budget_s, 0.1, 1e6,
		  "answer 125 if it is not clear by then (default: 30)" },
		{ OPT_NUMBER, "timeout", "S", &g.timeout_s, 0, 1e6,
		  "answer 125 if CMD takes longer (default: 600)" },
		{ OPT_FLAG, "force", NULL, &g.force, 0, 0,
		  "go on although the circumstances differ" },
		{ OPT_FLAG, "help", NULL, &g.help, 0, 0, "show this" },
		{ .kind = OPT_END },
	};
	int exit_code;

	if (!opts_parse(opts, argc, argv, &g.command))
		return GATE_ABORT;
	if (g.help) {
		usage(opts);
		return GATE_GOOD;
	}
	if (!g.good.count || !g.bad.count || !g.command.count)
		return give_up(GATE_ABORT, "needs --good FILE... --bad FILE... -- CMD");
	spawn_guard();
	if (!make_folder(&g))
		return GATE_ABORT;
	exit_code = calibrate(&g);
	if (exit_code == GATE_GOOD)
		exit_code = measure(&g);
	if (fflush(stdout) && exit_code < GATE_SKIP)
		exit_code = GATE_ABORT;
	remove_folder(&g);
	results_free(&g.first);
	spawn_unguard();
	return exit_code;
}
