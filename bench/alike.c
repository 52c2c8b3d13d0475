/* SPDX-License-Identifier: GPL-2.0-only */
/* What makes two runs incomparable. */
#include "alike.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** enum likeness - how values are compared */
enum likeness {
	EXACT,
	/** @CLOSE: numbers within 5%: a kernel keeps a little memory for itself */
	CLOSE,
	/** @RELEASED: versions, without the commit after '+' */
	RELEASED,
	/** @OPTIONS: mount options, without folders */
	OPTIONS,
	/** @KIND: the words of a kernel's version that say what kind it is */
	KIND,
	/** @IF_ONE_RELEASE: exact, but only if both kernels are of one release */
	IF_ONE_RELEASE,
	/** @ON_ONE_SIDE: exact, but only between files of one side */
	ON_ONE_SIDE,
};

static const struct rule {
	const char *path;
	enum likeness how;
} rules[] = {
	{ "cowbell", RELEASED },
	{ "filesystem.type", EXACT },
	{ "filesystem.mount_options", OPTIONS },
	{ "filesystem.device_kind", EXACT },
	{ "filesystem.unit_bytes", EXACT },
	{ "filesystem.page_bytes", EXACT },
	{ "second_filesystem.type", EXACT },
	{ "second_filesystem.mount_options", OPTIONS },
	{ "kernel.release", ON_ONE_SIDE },
	{ "kernel.machine", EXACT },
	{ "kernel.version", KIND },
	{ "kernel.config_sha256", IF_ONE_RELEASE },
	{ "machine.cpu", EXACT },
	{ "machine.cpus", EXACT },
	{ "machine.memory_bytes", CLOSE },
	{ "machine.governor", EXACT },
	{ "machine.clock", EXACT },
	{ "mutant", ON_ONE_SIDE },
	{ "environment.dedicated", EXACT },
	{ "environment.cpu.smt", EXACT },
	{ "environment.cpu.no_turbo", EXACT },
	{ "environment.cpu.boost", EXACT },
	{ "environment.cpu.max_khz", EXACT },
	{ "environment.cpu.online", EXACT },
	{ "environment.cpu.virtual", EXACT },
	{ "environment.memory.huge_pages", EXACT },
	{ "environment.memory.dirty_ratio", EXACT },
	{ "environment.memory.dirty_bytes", EXACT },
	{ "environment.device.rotational", EXACT },
	{ "environment.device.logical_block_bytes", EXACT },
	{ "environment.device.write_cache", EXACT },
	{ "environment.device.model", EXACT },
	{ "environment.device.loop_direct", EXACT },
	{ "environment.device.scheduler", EXACT },
	{ "environment.clock.id", EXACT },
};

static const json_t *at(const json_t *line, const char *path)
{
	char key[64];
	size_t len;

	while (line && *path) {
		len = strcspn(path, ".");
		snprintf(key, sizeof(key), "%.*s", (int)len, path);
		line = json_object_get(line, key);
		path += len + (path[len] == '.');
	}
	return line;
}

static bool close_to(const json_t *a, const json_t *b)
{
	const double x = json_number_value(a), y = json_number_value(b);

	return fabs(x - y) <= 0.05 * fmax(fabs(x), fabs(y));
}

static bool same_release(const char *a, const char *b)
{
	const size_t len = strcspn(a, "+");

	return len == strcspn(b, "+") && !strncmp(a, b, len);
}

/* The next option of a list, without the folder that may be its value: that of a test is another
 * each time. */
static const char *option(const char *list, char *out, size_t size)
{
	const size_t len = strcspn(list, ",");
	char *value;

	snprintf(out, size, "%.*s", (int)len, list);
	value = strstr(out, "=/");
	if (value)
		value[1] = '\0';
	return list[len] ? list + len + 1 : list + len;
}

static bool same_options(const char *a, const char *b)
{
	char x[512], y[512];

	while (*a && *b) {
		a = option(a, x, sizeof(x));
		b = option(b, y, sizeof(y));
		if (strcmp(x, y) != 0)
			return false;
	}
	return !*a && !*b;
}

static bool same_kind(const char *a, const char *b)
{
	static const char *const words[] = { "SMP", "PREEMPT_RT", "PREEMPT_DYNAMIC", "PREEMPT",
					     "KASAN" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strstr(a, words[i]) != !strstr(b, words[i]))
			return false;
	return true;
}

static bool same_text(enum likeness how, const char *a, const char *b)
{
	if (how == RELEASED)
		return same_release(a, b);
	if (how == OPTIONS)
		return same_options(a, b);
	if (how == KIND)
		return same_kind(a, b);
	return !strcmp(a, b);
}

static bool same(enum likeness how, const json_t *a, const json_t *b)
{
	if (!a || !b)
		return a == b;
	if (json_is_string(a) && json_is_string(b))
		return same_text(how, json_string_value(a), json_string_value(b));
	if (how == CLOSE && json_is_number(a) && json_is_number(b))
		return close_to(a, b);
	return json_equal(a, b);
}

json_t *alike_differences(const json_t *a, const json_t *b, bool same_side)
{
	const bool one_release = json_equal(at(a, "kernel.release"), at(b, "kernel.release"));
	json_t *all = json_array();

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		const json_t *x = at(a, rules[i].path), *y = at(b, rules[i].path);
		json_t *one;

		if ((rules[i].how == ON_ONE_SIDE && !same_side) ||
		    (rules[i].how == IF_ONE_RELEASE && !one_release) || same(rules[i].how, x, y))
			continue;
		one = json_object();
		json_object_set_new(one, "what", json_string(rules[i].path));
		if (x)
			json_object_set_new(one, "a", json_deep_copy(x));
		if (y)
			json_object_set_new(one, "b", json_deep_copy(y));
		json_array_append_new(all, one);
	}
	return all;
}
