/* SPDX-License-Identifier: GPL-2.0-only */
/* cowbell alternate: runs two commands in turn, so that what the machine does hits both alike. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"
#include "compare.h"
#include "spawn.h"

#define BLOCKS_MAX	999
#define BLOCKS_DEFAULT	12
#define SIGNAL_BASE	128
#define TIMEOUT_DEFAULT 600

/** struct alternation - the command line, and what came of it */
struct alternation {
	struct compare_options compare;
	const char *command[2], *out;
	double blocks, time_s, timeout_s, seed;
	/** @made: the folder, if it is ours to remove */
	char *made;
	/** @file: results, blocks of them for each side */
	char *file[2][BLOCKS_MAX];
	size_t done;
};

static const char side_name[2] = { 'A', 'B' };

static char *file_name(const struct alternation *a, int side, size_t block, const char *suffix)
{
	char *name;

	if (asprintf(&name, "%s/%c-%03zu.%s", a->out, side ? 'b' : 'a', block + 1, suffix) < 0)
		abort();
	return name;
}

/* Is the folder that was given one in which we can write, and where nothing of ours lies? */
static bool is_fit(const struct alternation *a)
{
	char *json = file_name(a, 0, 0, "json"), *log = file_name(a, 0, 0, "log");
	const bool there = access(json, F_OK) == 0;
	/* the first run begins by emptying it */
	const int fd = there ? -1 : open(log, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);

	if (there)
		fprintf(stderr, "cowbell alternate: %s is there already; give another --out\n",
			json);
	else if (fd < 0)
		fprintf(stderr, "cowbell alternate: %s: %s\n", log, strerror(errno));
	if (fd >= 0)
		close(fd);
	free(json);
	free(log);
	return fd >= 0;
}

static bool make_folder(struct alternation *a)
{
	if (!a->out) {
		a->out = a->made = spawn_folder("alternate");
		return a->made != NULL;
	}
	if (mkdir(a->out, 0777) && errno != EEXIST) {
		fprintf(stderr, "cowbell alternate: %s: %s\n", a->out, strerror(errno));
		return false;
	}
	return is_fit(a);
}

/* One command once; an exit code, CMD_GOOD to go on. */
static int run_one(struct alternation *a, int side, size_t block, double *wall_s)
{
	char *const argv[] = { (char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c",
			       (char *)(uintptr_t)a->command[side], NULL };
	char *log = file_name(a, side, block, "log");
	struct spawn s = { .argv = argv,
			   .shell = true,
			   .json = a->file[side][block],
			   .log = log,
			   .timeout_s = a->timeout_s };
	int exit_code = CMD_GOOD;

	if (!spawn_run(&s, "alternate")) {
		exit_code = CMD_HARNESS;
	} else if (s.interrupted) {
		fprintf(stderr, "cowbell alternate: block %zu, %c: ended by %s\n", block + 1,
			side_name[side], strsignal(s.interrupted));
		exit_code = SIGNAL_BASE + s.interrupted;
	} else if (s.timed_out || s.status) {
		fprintf(stderr, "cowbell alternate: block %zu, %c: ", block + 1, side_name[side]);
		if (s.timed_out)
			fprintf(stderr, "no end after %g s\n", a->timeout_s);
		else
			fprintf(stderr, "exit status %d of: %s\n", s.status, a->command[side]);
		spawn_show_log(log);
		exit_code = s.status == CMD_SKIPPED ? CMD_SKIPPED : CMD_HARNESS;
	} else if (access(a->file[side][block], R_OK)) {
		fprintf(stderr,
			"cowbell alternate: block %zu, %c: no results in %s; does the "
			"command use {json} or $COWBELL_JSON?\n",
			block + 1, side_name[side], a->file[side][block]);
		exit_code = CMD_HARNESS;
	}
	*wall_s = s.wall_s;
	free(log);
	return exit_code;
}

/* ABBA..., or BAAB... if the seed is even. */
static int first_side(const struct alternation *a, size_t block)
{
	return (int)((block + 1 + (size_t)a->seed) & 1);
}

static int run_all(struct alternation *a)
{
	const double start = spawn_now();
	const size_t blocks = (size_t)a->blocks;

	for (size_t i = 0; i < blocks; i++) {
		const int first = first_side(a, i);
		double wall[2] = { 0, 0 };
		int exit_code;

		a->file[0][i] = file_name(a, 0, i, "json");
		a->file[1][i] = file_name(a, 1, i, "json");
		exit_code = run_one(a, first, i, &wall[first]);
		if (exit_code == CMD_GOOD)
			exit_code = run_one(a, !first, i, &wall[!first]);
		if (exit_code != CMD_GOOD)
			return exit_code;
		a->done++;
		fprintf(stderr, "block %zu/%zu: %s, A %.1f s, B %.1f s\n", i + 1, blocks,
			first ? "BA" : "AB", wall[0], wall[1]);
		if (a->time_s > 0 && spawn_now() - start + wall[0] + wall[1] > a->time_s)
			break;
	}
	return CMD_GOOD;
}

static void clean_up(struct alternation *a)
{
	static const char *const suffixes[] = { "json", "log" };

	for (size_t i = 0; a->made && i <= a->done; i++) {
		for (int side = 0; side < 2; side++) {
			for (int k = 0; k < 2; k++) {
				char *name = file_name(a, side, i, suffixes[k]);

				unlink(name);
				free(name);
			}
		}
	}
	if (a->made && rmdir(a->made))
		fprintf(stderr, "cowbell alternate: %s: %s\n", a->made, strerror(errno));
	free(a->made);
	for (size_t i = 0; i < BLOCKS_MAX; i++) {
		free(a->file[0][i]);
		free(a->file[1][i]);
	}
}

static void usage(const struct opt *opts)
{
	puts("usage: cowbell alternate --a CMD --b CMD [OPTION...]\n\n"
	     "Runs two commands of the shell in turn, ABBA..., each of which writes results of "
	     "`cowbell\nbench` to {json}, or $COWBELL_JSON; then compares them in pairs.\n");
	opts_help(opts);
	puts("\nExit codes: 0 nothing is worse, 1 something is, 2 usage or unfit file,\n"
	     "77 incomparable or a command that skipped everything, 99 a command failed, or nobody "
	     "takes the\nverdict. Signals end it with 129, 130 and 143.");
}

int cmd_alternate(int argc, char **argv)
{
	static struct alternation a;
	bool help = false;
	const struct opt opts[] = {
		{ OPT_TEXT, "a", "CMD", &a.command[0], 0, 0, "the command before: side A" },
		{ OPT_TEXT, "b", "CMD", &a.command[1], 0, 0, "the command after: side B" },
		{ OPT_WHOLE, "blocks", "N", &a.blocks, 1, BLOCKS_MAX,
		  "run each so many times (default: 12)" },
		{ OPT_NUMBER, "time", "S", &a.time_s, 0, 1e6,
		  "stop before the block that would end later (default: never)" },
		{ OPT_NUMBER, "timeout", "S", &a.timeout_s, 0, 1e6,
		  "end a command that takes longer (default: 600)" },
		{ OPT_TEXT, "out", "DIR", &a.out, 0, 0,
		  "keep results and logs there (default: remove them)" },
		COMPARE_OPTS(a.compare),
		{ OPT_WHOLE, "seed", "N", &a.seed, 0, 1e15,
		  "of the bootstrap; with an even one B is first (default: 1)" },
		{ OPT_FLAG, "help", NULL, &help, 0, 0, "show this" },
		{ .kind = OPT_END },
	};
	struct words files[2];
	int exit_code;

	a = (struct alternation){ .compare = COMPARE_DEFAULTS,
				  .blocks = BLOCKS_DEFAULT,
				  .timeout_s = TIMEOUT_DEFAULT,
				  .seed = 1 };
	if (!opts_parse(opts, argc, argv, NULL))
		return CMD_USAGE;
	if (help) {
		usage(opts);
		return CMD_GOOD;
	}
	if (!a.command[0] || !a.command[1]) {
		fputs("cowbell alternate: needs --a CMD and --b CMD "
		      "(see: cowbell alternate --help)\n",
		      stderr);
		return CMD_USAGE;
	}
	a.compare.seed = a.seed;
	spawn_guard();
	if (!make_folder(&a))
		return CMD_USAGE;
	exit_code = run_all(&a);
	if (exit_code == CMD_GOOD) {
		for (int side = 0; side < 2; side++)
			files[side] = (struct words){ a.file[side], a.done };
		exit_code = compare_files(argv[0], &a.compare, &files[0], &files[1], true);
	}
	clean_up(&a);
	spawn_unguard();
	return exit_code;
}
