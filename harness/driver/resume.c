/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads the result file of a run that was cut short. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resume.h"

static char *key_of(const char *name, unsigned int round)
{
	char *key;

	if (asprintf(&key, "%u %s", round, name) < 0)
		abort();
	return key;
}

static bool take_run(struct resume *r, const json_t *line)
{
	const json_t *fs = json_object_get(line, "filesystem");
	const char *type = json_string_value(json_object_get(fs, "type"));
	const json_t *seed = json_object_get(line, "seed");

	if (json_integer_value(json_object_get(line, "schema")) != 1 || !type ||
	    strlen(type) >= sizeof(r->fs_type) || !json_is_integer(seed))
		return false;
	memcpy(r->fs_type, type, strlen(type) + 1);
	r->seed = (uint64_t)json_integer_value(seed);
	return true;
}

static bool take_case(struct resume *r, const json_t *line)
{
	const char *name = json_string_value(json_object_get(line, "case"));
	enum verdict v = verdict_find(json_string_value(json_object_get(line, "verdict")));
	json_int_t round = json_integer_value(json_object_get(line, "round"));
	char *key;

	if (!name || v == VERDICT_COUNT || round < 0 || round > UINT32_MAX)
		return false;
	if (v == VERDICT_MISS)
		return true;
	key = key_of(name, round ? (unsigned int)round : 1);
	/* a point that was done twice counts once, as it was first found */
	if (!json_object_get(r->done, key)) {
		json_object_set_new(r->done, key, json_true());
		r->tally.count[v]++;
	}
	free(key);
	return true;
}

static bool take_line(struct resume *r, const char *text, size_t len, bool first)
{
	json_t *line = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	const char *kind = json_string_value(json_object_get(line, "kind"));
	bool good = false;

	if (!kind)
		good = false;
	else if (!strcmp(kind, "run"))
		good = take_run(r, line);
	else if (!strcmp(kind, "case"))
		good = !first && take_case(r, line);
	else
		good = !first && (!strcmp(kind, "start") || !strcmp(kind, "end"));
	json_decref(line);
	return good;
}

bool resume_parse(struct resume *r, const char *text, size_t len, char *why, size_t why_size)
{
	size_t number = 0;
	bool good = true;

	if (!r->done)
		r->done = json_object();
	r->whole = 0;
	while (good && r->whole < len) {
		const char *at = text + r->whole;
		const char *end = memchr(at, '\n', len - r->whole);

		if (!end)
			break;
		number++;
		good = take_line(r, at, (size_t)(end - at), number == 1);
		if (good)
			r->whole = (size_t)(end - text) + 1;
		else if (number > 1 && end == text + len - 1) {
			/* the last line, as a crash can leave it */
			good = true;
			break;
		}
	}
	if (number == 0)
		good = false;
	if (!good)
		snprintf(why, why_size, "line %zu is no result line; this is no result file",
			 number ? number : 1);
	return good;
}

bool resume_read(struct resume *r, const char *path, char *why, size_t why_size)
{
	FILE *f = fopen(path, "re");
	char *text = NULL, part[65536], reason[256] = "";
	size_t size = 0, got;
	bool whole, good = false;
	FILE *all;

	all = f ? open_memstream(&text, &size) : NULL;
	if (!all) {
		snprintf(why, why_size, "%s: %s", path, strerror(errno));
	} else {
		while ((got = fread(part, 1, sizeof(part), f)) > 0)
			if (fwrite(part, 1, got, all) != got)
				break;
		whole = !got && !ferror(f);
		whole = !fclose(all) && whole;
		good = whole && resume_parse(r, text, size, reason, sizeof(reason));
		if (!good)
			snprintf(why, why_size, "%s: %s", path, whole ? reason : "cannot be read");
	}
	if (f)
		fclose(f);
	free(text);
	return good;
}

bool resume_has(const struct resume *r, const char *name, unsigned int round)
{
	char *key = key_of(name, round);
	bool has = json_object_get(r->done, key) != NULL;

	free(key);
	return has;
}

void resume_free(struct resume *r)
{
	json_decref(r->done);
	r->done = NULL;
}
