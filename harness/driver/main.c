/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The command line: `cowbell VERB`. Verbs that are not in the table are programs cowbell-VERB in
 * the libexec folder, so that there is one command line for everything.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "beside.h"
#include "cmd.h"

#define VERB_MAX 64

static int cmd_help(int argc, char **argv);
static int cmd_version(int argc, char **argv);

static const struct verb {
	const char *name, *doc;
	int (*main)(int argc, char **argv);
} verbs[] = {
	{ "run", "run cases in a directory and say what failed", cmd_run },
	{ "list", "show cases, ops, needs", cmd_list },
	{ "lint", "check case files", cmd_lint },
	{ "probe", "show what the filesystem of a directory can do", cmd_probe },
	{ "bench", "time clone, copy and dedupe in a directory", cmd_bench },
	{ "compare", "hold benchmark results against each other", cmd_compare },
	{ "alternate", "run two commands in turn and compare their results", cmd_alternate },
	{ "gate", "tell good from bad by a benchmark, for git bisect run", cmd_gate },
	{ "help", "show this", cmd_help },
	{ "version", "show the version", cmd_version },
};

#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

/* The folder of cowbell-VERB programs. */
static void libexec(char out[PATH_MAX])
{
	beside("COWBELL_LIBEXEC", "harness/runner", COWBELL_LIBEXECDIR, out);
}

/* For programs that call us back. */
static void export_self(void)
{
	char self[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (len > 0) {
		self[len] = '\0';
		setenv("COWBELL", self, 1);
	}
}

/* How many letters must be put in, left out or replaced to make one word of the other. */
static size_t distance(const char *a, const char *b)
{
	size_t row[VERB_MAX + 1], n = strlen(b);

	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t corner = row[0];

		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t best = corner + (a[i - 1] != b[j - 1]);

			corner = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[n];
}

/* The next verb of the libexec folder, NULL if there is none. */
static const char *external_verb(DIR *d)
{
	static const char prefix[] = "cowbell-";
	struct dirent *e;

	while (d && (e = readdir(d))) {
		const char *name = e->d_name + strlen(prefix);

		if (!strncmp(e->d_name, prefix, strlen(prefix)) && strlen(name) <= VERB_MAX &&
		    *name && !strpbrk(name, ".~"))
			return name;
	}
	return NULL;
}

static int unknown(const char *verb)
{
	char folder[PATH_MAX], nearest[VERB_MAX + 1] = "";
	const char *name;
	size_t best = 3;
	DIR *d;

	libexec(folder);
	d = opendir(folder);
	for (size_t i = 0; i < VERBS; i++) {
		if (distance(verb, verbs[i].name) < best) {
			best = distance(verb, verbs[i].name);
			snprintf(nearest, sizeof(nearest), "%s", verbs[i].name);
		}
	}
	while ((name = external_verb(d))) {
		if (distance(verb, name) < best) {
			best = distance(verb, name);
			snprintf(nearest, sizeof(nearest), "%s", name);
		}
	}
	if (d)
		closedir(d);
	if (*nearest)
		fprintf(stderr, "cowbell: no verb '%s'; did you mean '%s'?\n", verb, nearest);
	else
		fprintf(stderr, "cowbell: no verb '%s' (see: cowbell help)\n", verb);
	return CMD_USAGE;
}

static int run_external(char **argv)
{
	char folder[PATH_MAX], path[PATH_MAX + VERB_MAX + 16];
	const char *verb = argv[0];

	if (strchr(verb, '/') || strlen(verb) > VERB_MAX)
		return unknown(verb);
	libexec(folder);
	snprintf(path, sizeof(path), "%s/cowbell-%s", folder, verb);
	export_self();
	execv(path, argv);
	if (errno == ENOENT)
		return unknown(verb);
	fprintf(stderr, "cowbell: %s: %s\n", path, strerror(errno));
	return CMD_USAGE;
}

static void show_help(FILE *out)
{
	char folder[PATH_MAX];
	const char *name;
	DIR *d;

	fprintf(out, "usage: cowbell VERB [ARGUMENT...]\n\n");
	for (size_t i = 0; i < VERBS; i++)
		fprintf(out, "  %-12s %s\n", verbs[i].name, verbs[i].doc);
	libexec(folder);
	d = opendir(folder);
	while ((name = external_verb(d)))
		fprintf(out, "  %-12s `cowbell %s --help` says\n", name, name);
	if (d)
		closedir(d);
}

static int cmd_help(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	show_help(stdout);
	return CMD_GOOD;
}

static int cmd_version(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	printf("cowbell %s\n", COWBELL_VERSION);
	return CMD_GOOD;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : NULL;

	if (!verb) {
		show_help(stderr);
		return CMD_USAGE;
	}
	if (!strcmp(verb, "--help") || !strcmp(verb, "-h"))
		verb = "help";
	if (!strcmp(verb, "--version"))
		verb = "version";
	for (size_t i = 0; i < VERBS; i++)
		if (!strcmp(verbs[i].name, verb))
			return verbs[i].main(argc - 1, argv + 1);
	if (verb[0] == '-') {
		fprintf(stderr, "cowbell: bad option '%s' (see: cowbell help)\n", verb);
		return CMD_USAGE;
	}
	return run_external(argv + 1);
}
