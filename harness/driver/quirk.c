/* SPDX-License-Identifier: GPL-2.0-only */
/* Quirks: loads them, and finds the one that speaks of a case. Pure. */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quirk.h"

#define VERSION_PARTS 3

static const char *const covers_words[] = { "hang", "crash", "kmsg" };

static const struct key {
	const char *name;
	bool required;
} keys[] = {
	{ "case", true },   { "reason", true },	 { "link", true },    { "kernel", false },
	{ "mount", false }, { "server", false }, { "second", false }, { "unit", false },
	{ "seen", false },  { "covers", false }, { "skip", false },   { "sometimes", false },
};

static bool glob(const char *pattern, const char *text)
{
	const char *star = NULL, *resume = NULL;

	while (*text) {
		if (*pattern == '*') {
			star = ++pattern;
			resume = text;
		} else if (*pattern == *text) {
			pattern++;
			text++;
		} else if (star) {
			pattern = star;
			text = ++resume;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

bool quirk_names(const char *pattern, const char *name)
{
	char plain[512];
	size_t len = strcspn(name, "[");

	if (glob(pattern, name))
		return true;
	if (!name[len] || len >= sizeof(plain))
		return false;
	memcpy(plain, name, len);
	plain[len] = '\0';
	return glob(pattern, plain);
}

/* Reads "6.18.44" up to the first thing that is no number; returns how many parts there were. */
static int parse_version(const char *text, unsigned long part[VERSION_PARTS], const char **end)
{
	int n = 0;

	*end = text;
	while (n < VERSION_PARTS && isdigit((unsigned char)**end)) {
		char *after;

		part[n++] = strtoul(*end, &after, 10);
		*end = after;
		if (*after != '.' || !isdigit((unsigned char)after[1]))
			break;
		*end = after + 1;
	}
	return n;
}

static int compare(const unsigned long *a, const unsigned long *b, int parts)
{
	for (int i = 0; i < parts; i++)
		if (a[i] != b[i])
			return a[i] < b[i] ? -1 : 1;
	return 0;
}

static const struct relation {
	const char *sign;
	bool less, equal, greater;
} relations[] = {
	{ ">=", false, true, true }, { "<=", true, true, false }, { ">", false, false, true },
	{ "<", true, false, false }, { "=", false, true, false },
};

bool quirk_kernel(const char *range, const char *release, bool *valid)
{
	unsigned long have[VERSION_PARTS] = { 0 }, want[VERSION_PARTS] = { 0 };
	bool inside = true;
	const char *end;

	parse_version(release, have, &end);
	*valid = true;
	range += strspn(range, " ");
	if (!*range)
		*valid = false;
	while (*valid && *range) {
		const struct relation *r = NULL;
		int parts, order;

		for (size_t i = 0; i < sizeof(relations) / sizeof(relations[0]) && !r; i++)
			if (!strncmp(range, relations[i].sign, strlen(relations[i].sign)))
				r = &relations[i];
		parts = r ? parse_version(range + strlen(r->sign), want, &end) : 0;
		*valid = parts > 0 && (!*end || *end == ' ');
		if (!*valid)
			break;
		order = compare(have, want, parts);
		if (!(order < 0 ? r->less : order > 0 ? r->greater : r->equal))
			inside = false;
		range = end + strspn(end, " ");
	}
	return inside && *valid;
}

static bool complain(char *why, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static bool complain(char *why, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, size, fmt, ap);
	va_end(ap);
	return false;
}

static bool good_covers(const json_t *covers)
{
	size_t i;
	json_t *word;

	if (!json_is_array(covers) || json_array_size(covers) == 0)
		return false;
	json_array_foreach (covers, i, word) {
		bool known = false;

		for (size_t k = 0; k < sizeof(covers_words) / sizeof(covers_words[0]); k++)
			if (json_is_string(word) &&
			    !strcmp(json_string_value(word), covers_words[k]))
				known = true;
		if (!known)
			return false;
	}
	return true;
}

static bool is_text(const json_t *value)
{
	return json_is_string(value) && *json_string_value(value);
}

static bool good_patterns(const json_t *patterns)
{
	size_t i;
	json_t *pattern;

	json_array_foreach (patterns, i, pattern)
		if (!is_text(pattern))
			return false;
	return is_text(patterns) || json_array_size(patterns) > 1;
}

/* What a key's value must be; NULL if it is that. */
static const char *wanted(const char *key, const json_t *value)
{
	if (!strcmp(key, "case") || !strcmp(key, "seen"))
		return good_patterns(value) ? NULL : "some text, or a list of several";
	if (!strcmp(key, "covers"))
		return good_covers(value) ? NULL : "a list of hang, crash, kmsg";
	if (!strcmp(key, "sometimes") || !strcmp(key, "skip"))
		return json_is_true(value) ? NULL : "true";
	return is_text(value) ? NULL : "some text";
}

static const struct key *find_key(const char *name)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (!strcmp(keys[i].name, name))
			return &keys[i];
	return NULL;
}

static bool check_quirk(json_t *quirk, const char *path, size_t number, char *why, size_t size)
{
	const char *name, *must;
	json_t *value;
	bool valid = true;

	if (!json_is_object(quirk))
		return complain(why, size, "%s: quirks[%zu]: must be an object", path, number);
	json_object_foreach (quirk, name, value) {
		if (!find_key(name))
			return complain(why, size, "%s: quirks[%zu].%s: unknown key", path, number,
					name);
		must = wanted(name, value);
		if (must)
			return complain(why, size, "%s: quirks[%zu].%s: must be %s", path, number,
					name, must);
	}
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (keys[i].required && !json_object_get(quirk, keys[i].name))
			return complain(why, size, "%s: quirks[%zu]: has no \"%s\"", path, number,
					keys[i].name);
	value = json_object_get(quirk, "kernel");
	if (value)
		quirk_kernel(json_string_value(value), "1.0", &valid);
	if (!valid)
		return complain(why, size, "%s: quirks[%zu].kernel: must be like \">=5.18 <6.20\"",
				path, number);
	value = json_object_get(quirk, "mount");
	if (value && !strcmp(json_string_value(value), "!"))
		return complain(why, size,
				"%s: quirks[%zu].mount: must say which, behind the \"!\"", path,
				number);
	value = json_object_get(quirk, "unit");
	if (value && strspn(json_string_value(value), "0123456789") != json_string_length(value))
		return complain(why, size, "%s: quirks[%zu].unit: must be a number of bytes", path,
				number);
	return true;
}

bool quirk_load(json_t *list, const char *path, const char *text, size_t len, char *why,
		size_t why_size)
{
	json_error_t err;
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &err);
	json_t *type = json_object_get(root, "filesystem");
	json_t *quirks = json_object_get(root, "quirks");
	bool good = true;
	json_t *quirk;
	size_t i;

	if (!root)
		return complain(why, why_size, "%s:%d: %s", path, err.line, err.text);
	if (!json_is_string(type) || !json_is_array(quirks) || json_object_size(root) != 2)
		good = complain(why, why_size, "%s: must have \"filesystem\" and \"quirks\" only",
				path);
	for (i = 0; good && i < json_array_size(quirks); i++) {
		quirk = json_array_get(quirks, i);
		good = check_quirk(quirk, path, i, why, why_size);
		if (good) {
			json_object_set(quirk, "filesystem", type);
			json_array_append(list, quirk);
		}
	}
	json_decref(root);
	return good;
}

static const char *text_of(const json_t *quirk, const char *key)
{
	return json_string_value(json_object_get(quirk, key));
}

/* Does a text match a pattern, or one of a list of them? */
static bool one_matches(bool (*match)(const char *pattern, const char *text),
			const json_t *patterns, const char *text)
{
	json_t *pattern;
	size_t i;

	json_array_foreach (patterns, i, pattern)
		if (match(json_string_value(pattern), text))
			return true;
	return json_is_string(patterns) && match(json_string_value(patterns), text);
}

static bool covers(const json_t *quirk, const char *kind, const char *seen)
{
	const bool skip = json_object_get(quirk, "skip");
	json_t *list = json_object_get(quirk, "covers");
	json_t *only = json_object_get(quirk, "seen");
	json_t *word;
	size_t i;

	if (skip || (kind && !strcmp(kind, QUIRK_SKIP)))
		return skip && kind && !strcmp(kind, QUIRK_SKIP);
	if (kind && !strcmp(kind, QUIRK_PASS))
		return !json_object_get(quirk, "sometimes");
	if (only && (!seen || !one_matches(glob, only, seen)))
		return false;
	if (!kind)
		return true;
	json_array_foreach (list, i, word)
		if (!strcmp(json_string_value(word), kind))
			return true;
	return false;
}

/* Are the mount's options those of the quirk: with the text in them, or with "!" without it? */
static bool mounted_so(const char *mount, const char *options)
{
	return *mount == '!' ? !strstr(options, mount + 1) : strstr(options, mount) != NULL;
}

static bool applies(const json_t *quirk, const struct quirk_place *place, const char *name,
		    const char *kind, const char *seen)
{
	const char *kernel = text_of(quirk, "kernel");
	const char *mount = text_of(quirk, "mount");
	const char *server = text_of(quirk, "server");
	const char *second = text_of(quirk, "second");
	const char *unit = text_of(quirk, "unit");
	bool valid;

	return !strcmp(text_of(quirk, "filesystem"), place->fs_type) &&
	       one_matches(quirk_names, json_object_get(quirk, "case"), name) &&
	       (!kernel || quirk_kernel(kernel, place->release, &valid)) &&
	       (!mount || mounted_so(mount, place->mount_options)) &&
	       (!server || (place->server && !strcmp(server, place->server))) &&
	       (!second || (place->second && !strcmp(second, place->second))) &&
	       (!unit || strtoull(unit, NULL, 10) == place->unit_bytes) &&
	       covers(quirk, kind, seen);
}

json_t *quirk_find(const json_t *list, const struct quirk_place *place, const char *name,
		   const char *kind, const char *seen)
{
	json_t *quirk;
	size_t i;

	json_array_foreach (list, i, quirk)
		if (applies(quirk, place, name, kind, seen))
			return json_pack("{s:O, s:O}", "reason", json_object_get(quirk, "reason"),
					 "link", json_object_get(quirk, "link"));
	return NULL;
}
