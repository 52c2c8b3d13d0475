/* SPDX-License-Identifier: GPL-2.0-only */
/* Finds case files, reads them by the loader and chooses points by SELECT arguments (select.h). */
#include "select.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arena.h"
#include "beside.h"

#ifndef COWBELL_DATADIR
#define COWBELL_DATADIR "/usr/local/share/cowbell"
#endif

/* Folders deeper than this are no cases of ours. */
#define WALK_DEPTH_MAX 16

enum kind { KIND_PATH, KIND_NAME, KIND_TAG };

/** struct rule - one SELECT argument */
struct rule {
	/** @text: as it was given; @pattern: what is matched; @path: the path in it, if it is one
	 */
	const char *text, *pattern, *path;
	enum kind kind;
	bool negated, matched;
	/** @folder: a path of a folder */
	bool folder;
	/** @labels: of a path of one point, "[len=2B]", or NULL */
	const char *labels;
};

/** struct found - a case file */
struct found {
	/** @path: for messages; @real: without symbolic links */
	const char *path, *real;
	struct casefile *file;
};

/** struct finder - case files so far */
struct finder {
	struct arena *arena;
	struct found *found;
	size_t count, room;
	/** @seen: files that were come upon, again or not */
	size_t seen;
	/** @report: where bad files are reported */
	FILE *report;
	size_t bad;
};

static const char *real_path(struct arena *a, const char *path)
{
	char *real = realpath(path, NULL);
	const char *copy = real ? arena_dup(a, real) : NULL;

	free(real);
	return copy;
}

/* @real: without symbolic links; NULL if there is no such file any more. */
static void add_file(struct finder *f, const char *path, const char *real)
{
	f->seen++;
	for (size_t i = 0; real && i < f->count; i++)
		if (!strcmp(f->found[i].real, real))
			return;
	if (f->count == f->room) {
		const size_t room = f->room ? f->room * 2 : 64;
		struct found *grown = arena_alloc(f->arena, room * sizeof(*grown));

		if (f->count)
			memcpy(grown, f->found, f->count * sizeof(*grown));
		f->found = grown;
		f->room = room;
	}
	f->found[f->count++] = (struct found){
		.path = arena_dup(f->arena, path),
		.real = real ? real : arena_dup(f->arena, path),
	};
}

static bool ends_with(const char *text, const char *tail)
{
	const size_t len = strlen(text), tail_len = strlen(tail);

	return len >= tail_len && !strcmp(text + len - tail_len, tail);
}

/* What lies below a cases folder and is no case. */
static bool is_other(const char *name)
{
	static const char *const others[] = { "invalid", "quirks", "schema.json" };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (!strcmp(name, others[i]))
			return true;
	return *name == '.';
}

/*
 * All case files below a folder; symbolic links to folders are not followed. Each call for each
 * file costs a trip to the host where a guest reads a thousand of them.
 */
static int walk(struct finder *f, const char *folder, const char *real_folder, int depth)
{
	struct dirent **entries;
	const int count = scandir(folder, &entries, NULL, alphasort);
	int err = 0;

	if (count < 0)
		return -errno;
	for (int i = 0; i < count; i++) {
		const char *name = entries[i]->d_name;
		const char *path = arena_printf(f->arena, "%s/%s", folder, name);
		const char *real = arena_printf(f->arena, "%s/%s", real_folder, name);
		unsigned char type = entries[i]->d_type;
		struct stat st;

		if (is_other(name))
			continue;
		if (type == DT_UNKNOWN && !lstat(path, &st))
			type = IFTODT(st.st_mode);
		if (type == DT_DIR && depth < WALK_DEPTH_MAX && !err)
			err = walk(f, path, real, depth + 1);
		else if (type != DT_DIR && ends_with(name, ".json"))
			add_file(f, path, type == DT_LNK ? real_path(f->arena, path) : real);
	}
	for (int i = 0; i < count; i++)
		free(entries[i]);
	free(entries);
	return err;
}

static bool add_path(struct finder *f, const char *path)
{
	const char *real = real_path(f->arena, path);
	const size_t before = f->seen;
	struct stat st;
	int err;

	if (!real || stat(path, &st) < 0) {
		fprintf(stderr, "cowbell: %s: %s\n", path, strerror(errno));
		return false;
	}
	if (!S_ISDIR(st.st_mode)) {
		add_file(f, path, real);
		return true;
	}
	err = walk(f, path, real, 0);
	if (err)
		fprintf(stderr, "cowbell: %s: %s\n", path, strerror(-err));
	else if (f->seen == before)
		fprintf(stderr, "cowbell: %s: no case in this folder\n", path);
	return !err && f->seen > before;
}

/* The cases that belong to this program: beside the build folder, or installed. */
const char *select_folder(struct arena *a)
{
	char folder[PATH_MAX];
	const char *real;

	beside("COWBELL_CASES", "cases", COWBELL_DATADIR "/cases", folder);
	real = real_path(a, folder);
	return real ? real : arena_dup(a, folder);
}

/* "errno/overlap" of "/x/cases/errno/overlap.json": what follows the last folder called "cases". */
static const char *case_name(struct arena *a, const char *real)
{
	const char *start = strrchr(real, '/');
	const char *next = real;
	char *name;

	start = start ? start + 1 : real;
	while ((next = strstr(next, "/cases/"))) {
		next += strlen("/cases/");
		start = next--;
	}
	name = arena_dup(a, start);
	if (ends_with(name, ".json"))
		name[strlen(name) - strlen(".json")] = '\0';
	return name;
}

/* The whole text of a file, up to one byte more than a case may have; -1 with errno. */
static ssize_t read_text(const char *path, char *text, size_t size)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	size_t len = 0;
	ssize_t got = -1;

	if (fd < 0)
		return -1;
	while (len < size && (got = read(fd, text + len, size - len)) > 0)
		len += (size_t)got;
	close(fd);
	return got < 0 ? -1 : (ssize_t)len;
}

static bool read_file(struct finder *f, struct found *found, char *text)
{
	const ssize_t len = read_text(found->path, text, LOAD_TEXT_MAX + 1);
	struct load_error err;

	if (len < 0) {
		fprintf(f->report, "%s: %s\n", found->path, strerror(errno));
		return false;
	}
	found->file =
		load_case(found->path, case_name(f->arena, found->real), text, (size_t)len, &err);
	if (!found->file)
		fprintf(f->report, "%s\n", err.text);
	return found->file;
}

/* Files that were refused come last. */
static int by_name(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	if (!x->file || !y->file)
		return !x->file - !y->file;
	return strcmp(x->file->name, y->file->name);
}

/* Read all that was found; the selection owns what is good. */
static void read_found(struct finder *f, struct selection *s)
{
	char *text = arena_alloc(f->arena, LOAD_TEXT_MAX + 1);

	for (size_t i = 0; i < f->count; i++)
		if (!read_file(f, &f->found[i], text))
			f->bad++;
	if (f->count)
		qsort(f->found, f->count, sizeof(*f->found), by_name);
	f->count -= f->bad;
	s->files = arena_alloc(f->arena, f->count * sizeof(*s->files));
	for (size_t i = 0; i < f->count; i++) {
		s->files[s->files_count++] = f->found[i].file;
		if (!i || strcmp(s->files[i - 1]->name, s->files[i]->name))
			continue;
		fprintf(f->report, "%s: has the same name as %s\n", s->files[i]->path,
			s->files[i - 1]->path);
		f->bad++;
	}
}

/* The pattern with brackets, which are part of a point's name, as plain letters for fnmatch(3). */
static const char *escape(struct arena *a, const char *text)
{
	char *escaped = arena_alloc(a, strlen(text) * 2 + 1), *to = escaped;

	for (; *text; text++) {
		if (strchr("[]\\", *text))
			*to++ = '\\';
		*to++ = *text;
	}
	return escaped;
}

/* "x/case.json[len=2B]" is a path, and the labels of one point. */
static const char *split_labels(struct arena *a, const char *text, const char **labels)
{
	const char *bracket = strchr(text, '[');
	const char *path = bracket ? arena_printf(a, "%.*s", (int)(bracket - text), text) : text;
	struct stat st;

	*labels = NULL;
	if (!bracket || !stat(text, &st) || stat(path, &st) || !S_ISREG(st.st_mode))
		return text;
	*labels = bracket;
	return path;
}

static struct rule make_rule(struct arena *a, const char *text)
{
	struct rule r = { .text = text, .negated = *text == '!' };
	const char *rest = split_labels(a, text + r.negated, &r.labels);
	struct stat st;

	if (!strncmp(rest, "tag:", 4)) {
		r.kind = KIND_TAG;
		r.pattern = rest + 4;
	} else if (!stat(rest, &st)) {
		r.kind = KIND_PATH;
		r.folder = S_ISDIR(st.st_mode);
		r.path = rest;
		r.pattern = real_path(a, rest);
	} else {
		r.kind = KIND_NAME;
		r.pattern = escape(a, rest);
	}
	return r;
}

static bool name_matches(const struct rule *r, const char *name, const char *point)
{
	const char *given = r->text + r->negated;
	const size_t len = strlen(given);

	if (!fnmatch(r->pattern, name, 0) || !fnmatch(r->pattern, point, 0))
		return true;
	/* "errno" and "errno/" are the folder. */
	return len && !strncmp(name, given, len) && (name[len] == '/' || given[len - 1] == '/');
}

/* Is it this very case, and not one of many? Only so are long ones meant. */
static bool is_explicit(const struct rule *r, const char *name, const char *point)
{
	const char *given = r->text + r->negated;

	if (r->kind == KIND_NAME)
		return !strcmp(given, name) || !strcmp(given, point);
	return r->kind == KIND_TAG || !r->folder;
}

static bool path_matches(const struct rule *r, const char *real)
{
	const size_t len = r->pattern ? strlen(r->pattern) : 0;

	return len && !strncmp(real, r->pattern, len) &&
	       (!real[len] || real[len] == '/' || len == 1);
}

/* "[len=2B]" of "errno/overlap[len=2B]", "" if the case has but one point. */
static const char *labels_of(const struct casefile *file, size_t point)
{
	return load_point_name(file, point) + strlen(file->name);
}

/* Could it match a point of this file? That need not be read if not. */
static bool may_match(const struct rule *r, const struct found *f, const char *name)
{
	const char *given = r->text + r->negated;
	const size_t fixed = strcspn(given, "*?["), len = strlen(name);

	switch (r->kind) {
	case KIND_TAG:
		return true;
	case KIND_NAME:
		return !strncmp(given, name, fixed < len ? fixed : len);
	case KIND_PATH:
		break;
	}
	return path_matches(r, f->real);
}

/* Forget the files of which no argument means a point. */
static void drop_others(struct finder *f, const struct rule *rules, int count)
{
	size_t kept = 0;

	for (size_t i = 0; i < f->count; i++) {
		const char *name = case_name(f->arena, f->found[i].real);
		bool may = false;

		for (int k = 0; k < count; k++)
			may |= may_match(&rules[k], &f->found[i], name);
		if (may)
			f->found[kept++] = f->found[i];
	}
	f->count = kept;
}

static bool rule_matches(const struct rule *r, const struct found *f, size_t point)
{
	switch (r->kind) {
	case KIND_TAG:
		return load_point_tagged(f->file, point, r->pattern);
	case KIND_NAME:
		return name_matches(r, f->file->name, load_point_name(f->file, point));
	case KIND_PATH:
		break;
	}
	if (!path_matches(r, f->real))
		return false;
	return !r->labels || !strcmp(r->labels, labels_of(f->file, point));
}

static bool is_meant(struct rule *rules, int count, bool all, const struct found *f, size_t i)
{
	const bool is_long = load_point_tagged(f->file, i, "long");
	bool meant = all && !is_long, away = false;

	for (int k = 0; k < count; k++) {
		struct rule *r = &rules[k];

		if (!rule_matches(r, f, i))
			continue;
		r->matched = true;
		if (r->negated)
			away = true;
		else if (!is_long || is_explicit(r, f->file->name, load_point_name(f->file, i)))
			meant = true;
	}
	return meant && !away;
}

/* What selects this point again: its name, if it is one of this program's cases, or its path. */
static const char *again(struct selection *s, const struct found *f, const char *folder, size_t i)
{
	const size_t len = folder ? strlen(folder) : 0;

	if (len && !strncmp(f->real, folder, len) && f->real[len] == '/')
		return load_point_name(f->file, i);
	return arena_printf(s->arena, "%s%s", f->path, labels_of(f->file, i));
}

static void choose(const struct finder *f, struct selection *s, struct rule *rules, int count,
		   bool all)
{
	const char *folder = real_path(s->arena, select_folder(s->arena));
	size_t points = 0;

	for (size_t i = 0; i < f->count; i++)
		points += f->found[i].file->points;
	s->points = arena_alloc(s->arena, points * sizeof(*s->points));
	for (size_t i = 0; i < f->count; i++)
		for (size_t k = 0; k < f->found[i].file->points; k++)
			if (is_meant(rules, count, all, &f->found[i], k))
				s->points[s->points_count++] = (struct selected){
					.file = f->found[i].file,
					.point = k,
					.again = again(s, &f->found[i], folder, k),
				};
}

/* Say what matched nothing. */
static bool all_matched(const struct selection *s, const struct rule *rules, int count)
{
	bool good = true;

	for (int k = 0; k < count; k++) {
		if (rules[k].matched)
			continue;
		fprintf(stderr, "cowbell: \"%s\" matches no case\n", rules[k].text);
		good = false;
	}
	if (good && !s->points_count) {
		fprintf(stderr, "cowbell: no case is left (long ones must be named in full)\n");
		good = false;
	}
	return good;
}

bool select_points(struct selection *s, int count, char *const *args)
{
	struct finder f = { .arena = arena_new(), .report = stderr };
	struct rule *rules = arena_alloc(f.arena, (size_t)count * sizeof(*rules));
	bool all = true, defaults = true, good = true;

	*s = (struct selection){ .arena = f.arena };
	for (int i = 0; i < count; i++) {
		rules[i] = make_rule(f.arena, args[i]);
		all &= rules[i].negated;
	}
	/* The cases of this program are not looked at if all that is meant is given by path. */
	for (int i = 0; i < count; i++) {
		if (rules[i].kind != KIND_PATH || rules[i].negated)
			continue;
		good &= add_path(&f, rules[i].path);
		defaults = false;
	}
	for (int i = 0; i < count; i++)
		if (rules[i].kind != KIND_PATH && !rules[i].negated)
			defaults = true;
	if (defaults)
		good &= add_path(&f, select_folder(f.arena));
	if (!good)
		return false;
	if (!all)
		drop_others(&f, rules, count);
	read_found(&f, s);
	if (f.bad)
		return false;
	choose(&f, s, rules, count, all);
	return all_matched(s, rules, count);
}

bool select_files(struct selection *s, int count, char *const *paths, size_t *bad)
{
	struct finder f = { .arena = arena_new(), .report = stdout };
	bool good = true;

	*s = (struct selection){ .arena = f.arena };
	for (int i = 0; i < count; i++)
		good &= add_path(&f, paths[i]);
	if (!count)
		good = add_path(&f, select_folder(f.arena));
	if (good)
		read_found(&f, s);
	*bad = f.bad;
	return good;
}

void selection_free(struct selection *s)
{
	for (size_t i = 0; i < s->files_count; i++)
		casefile_free(s->files[i]);
	arena_free(s->arena);
	*s = (struct selection){ 0 };
}
