/* SPDX-License-Identifier: GPL-2.0-only */
#include "bench_suites.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "beside.h"

#define SUFFIX ".json"

/* Suites that are measured only by name. */
static const char *const by_name[] = { "quick", "self", "self-large", NULL };

static void folder(char out[PATH_MAX])
{
	beside("COWBELL_BENCH", "bench/suites", COWBELL_DATADIR "/bench/suites", out);
}

static bool complain(const char *path, const char *what)
{
	fprintf(stderr, "cowbell bench: %s: %s\n", path, what);
	return false;
}

/* "a/b/paths.json" is the suite "paths". */
static void suite_name(const char *path, char *out, size_t size)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	size_t len = strlen(base);

	if (len > strlen(SUFFIX) && !strcmp(base + len - strlen(SUFFIX), SUFFIX))
		len -= strlen(SUFFIX);
	snprintf(out, size, "%.*s", (int)len, base);
}

static bool load(struct bench_suites *s, const char *path)
{
	char *text = malloc(LOAD_TEXT_MAX + 1), name[NAME_MAX + 1];
	struct load_error err;
	struct suite *one = NULL;
	FILE *f = fopen(path, "re");
	size_t len;

	if (!text)
		abort();
	if (!f) {
		free(text);
		return complain(path, strerror(errno));
	}
	errno = 0;
	len = fread(text, 1, LOAD_TEXT_MAX + 1, f);
	suite_name(path, name, sizeof(name));
	if (ferror(f))
		complain(path, strerror(errno));
	else
		one = suite_load(path, name, text, len, &err);
	if (!one && !ferror(f))
		fprintf(stderr, "cowbell bench: %s\n", err.text);
	fclose(f);
	free(text);
	if (!one)
		return false;
	s->suite = reallocarray(s->suite, s->count + 1, sizeof(*s->suite));
	if (!s->suite)
		abort();
	s->suite[s->count++] = one;
	return true;
}

static int is_suite(const struct dirent *e)
{
	const size_t len = strlen(e->d_name);

	return e->d_name[0] != '.' && len > strlen(SUFFIX) &&
	       !strcmp(e->d_name + len - strlen(SUFFIX), SUFFIX);
}

static bool only_by_name(const char *file)
{
	char name[NAME_MAX + 1];

	suite_name(file, name, sizeof(name));
	for (size_t i = 0; by_name[i]; i++)
		if (!strcmp(by_name[i], name))
			return true;
	return false;
}

static bool load_all(struct bench_suites *s, bool really_all)
{
	char where[PATH_MAX], path[PATH_MAX + NAME_MAX + 2];
	struct dirent **entry = NULL;
	bool good = true;
	int n;

	folder(where);
	n = scandir(where, &entry, is_suite, alphasort);
	if (n < 0)
		return complain(where, strerror(errno));
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", where, entry[i]->d_name);
		if (really_all || !only_by_name(entry[i]->d_name))
			good = load(s, path) && good;
		free(entry[i]);
	}
	free(entry);
	if (!n)
		return complain(where, "holds no suites");
	return good;
}

bool bench_suites_load(struct bench_suites *s, size_t count, char *const *wanted)
{
	char where[PATH_MAX], path[PATH_MAX + NAME_MAX + 16];
	bool good = true;

	memset(s, 0, sizeof(*s));
	if (!count)
		return load_all(s, false);
	folder(where);
	for (size_t i = 0; i < count; i++) {
		const bool is_path = strchr(wanted[i], '/') || strstr(wanted[i], SUFFIX);

		snprintf(path, sizeof(path), "%s/%.200s%s", where, wanted[i], SUFFIX);
		if (!is_path && access(path, R_OK)) {
			fprintf(stderr,
				"cowbell bench: no suite '%s' (see: cowbell bench --list)\n",
				wanted[i]);
			good = false;
			continue;
		}
		good = load(s, is_path ? wanted[i] : path) && good;
		for (size_t k = 0; good && k + 1 < s->count; k++)
			if (!strcmp(s->suite[k]->name, s->suite[s->count - 1]->name))
				good = complain(wanted[i], "is named twice");
	}
	return good;
}

void bench_suites_free(struct bench_suites *s)
{
	for (size_t i = 0; i < s->count; i++)
		suite_free(s->suite[i]);
	free(s->suite);
	memset(s, 0, sizeof(*s));
}

bool bench_suites_list(void)
{
	const struct experiment *e;
	struct bench_suites all = { 0 };
	const struct method *m;
	const bool good = load_all(&all, true);

	puts("suites:");
	for (size_t i = 0; i < all.count; i++)
		printf("  %-24s %s\n", all.suite[i]->name, all.suite[i]->measures);
	puts("\nmethods:");
	for (size_t i = 0; (m = method_at(i)); i++)
		printf("  %-24s %s\n", m->name, m->doc);
	puts("\nexperiments, each with its factors:");
	for (size_t i = 0; (e = experiment_at(i)); i++) {
		printf("  %-24s %s:", e->name, e->doc);
		for (enum factor f = 0; f < FACTORS; f++)
			if (e->factors & 1U << f)
				printf(" %s", factor_word(f));
		putchar('\n');
	}
	puts("\nfactors:");
	for (enum factor f = 0; f < FACTORS; f++)
		printf("  %-24s %s\n", factor_word(f), factor_doc(f));
	bench_suites_free(&all);
	return good;
}
