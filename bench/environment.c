/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads what /proc and /sys say of the machine. */
#include "environment.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cost.h"
#include "emit.h"
#include "tick.h"
#include "tool.h"

#define CLOCK_ROUNDS 1000

static bool first_line(const char *path, char *out, size_t size)
{
	FILE *f = fopen(path, "re");

	out[0] = '\0';
	if (f && !fgets(out, (int)size, f))
		out[0] = '\0';
	if (f)
		fclose(f);
	out[strcspn(out, "\n")] = '\0';
	return *out != '\0';
}

static void put_text(json_t *o, const char *key, const char *text)
{
	if (*text)
		json_object_set_new(o, key, emit_text(text, strlen(text)));
}

/* A file with a number gives a number, any other its text. */
static void put_file(json_t *o, const char *key, const char *path)
{
	char text[1024], *end;
	long long n;

	if (!first_line(path, text, sizeof(text)))
		return;
	errno = 0;
	n = strtoll(text, &end, 10);
	if (end != text && !*end && !errno)
		json_object_set_new(o, key, json_integer(n));
	else
		put_text(o, key, text);
}

/* "always [madvise] never": the word that is chosen. */
static void put_choice(json_t *o, const char *key, const char *path)
{
	char text[256], *open, *shut;

	if (!first_line(path, text, sizeof(text)))
		return;
	open = strchr(text, '[');
	shut = open ? strchr(open, ']') : NULL;
	if (shut)
		*shut = '\0';
	put_text(o, key, shut ? open + 1 : text);
}

static json_t *cpu(void)
{
	json_t *o = json_object();
	char line[4096];
	FILE *f;

	put_file(o, "smt", "/sys/devices/system/cpu/smt/active");
	put_file(o, "no_turbo", "/sys/devices/system/cpu/intel_pstate/no_turbo");
	put_file(o, "boost", "/sys/devices/system/cpu/cpufreq/boost");
	put_file(o, "max_khz", "/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq");
	put_file(o, "online", "/sys/devices/system/cpu/online");
	put_file(o, "nodes", "/sys/devices/system/node/online");
	f = fopen("/proc/cpuinfo", "re");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "flags", 5)) {
			put_text(o, "virtual", strstr(line, " hypervisor") ? "yes" : "no");
			break;
		}
	if (f)
		fclose(f);
	return o;
}

static json_t *memory(void)
{
	static const char *const names[] = { "dirty_ratio",
					     "dirty_background_ratio",
					     "dirty_bytes",
					     "dirty_background_bytes",
					     "dirty_expire_centisecs",
					     "dirty_writeback_centisecs",
					     "swappiness",
					     NULL };
	json_t *o = json_object();
	char path[128];

	for (size_t i = 0; names[i]; i++) {
		snprintf(path, sizeof(path), "/proc/sys/vm/%s", names[i]);
		put_file(o, names[i], path);
	}
	put_choice(o, "huge_pages", "/sys/kernel/mm/transparent_hugepage/enabled");
	return o;
}

static json_t *device(const char *source)
{
	static const char *const files[][2] = {
		{ "rotational", "queue/rotational" },
		{ "logical_block_bytes", "queue/logical_block_size" },
		{ "write_cache", "queue/write_cache" },
		{ "discard_max_bytes", "queue/discard_max_bytes" },
		{ "sectors", "size" },
		{ "model", "device/model" },
		{ "loop_direct", "loop/dio" },
	};
	char real[PATH_MAX], path[PATH_MAX + 64];
	const char *name;
	json_t *o;

	if (strncmp(source, "/dev/", 5) != 0 || !realpath(source, real))
		return NULL;
	name = strrchr(real, '/') + 1;
	o = json_object();
	put_text(o, "name", name);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "/sys/class/block/%s/%s", name, files[i][1]);
		put_file(o, files[i][0], path);
	}
	snprintf(path, sizeof(path), "/sys/class/block/%s/queue/scheduler", name);
	put_choice(o, "scheduler", path);
	return o;
}

/* Least time between two looks at the clock, and the least step that is not 0. */
static json_t *clock_facts(void)
{
	uint64_t least = UINT64_MAX, step = UINT64_MAX, start = tick_ns();
	json_t *o = json_object();

	for (int i = 0; i < CLOCK_ROUNDS; i++) {
		const uint64_t a = tick_ns(), b = tick_ns();

		if (b - a < least)
			least = b - a;
		if (b > a && b - a < step)
			step = b - a;
	}
	json_object_set_new(o, "id", json_string("CLOCK_MONOTONIC_RAW"));
	json_object_set_new(o, "overhead_ns",
			    json_integer((json_int_t)((tick_ns() - start) / (2 * CLOCK_ROUNDS))));
	if (step < UINT64_MAX)
		json_object_set_new(o, "least_step_ns", json_integer((json_int_t)step));
	put_file(o, "source", "/sys/devices/system/clocksource/clocksource0/current_clocksource");
	return o;
}

bool environment_clock_is_tsc(void)
{
	char text[64];

	return first_line("/sys/devices/system/clocksource/clocksource0/current_clocksource", text,
			  sizeof(text)) &&
	       !strcmp(text, "tsc");
}

static json_t *tools(void)
{
	static const char *const names[] = { "cp", "dd", "fio" };
	json_t *o = json_object();
	char text[256];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (tool_version(names[i], text, sizeof(text)))
			put_text(o, names[i], text);
	return o;
}

static void put_kernel_time(json_t *o)
{
	struct cost_watch w;
	const char *from;

	cost_open(&w, "");
	from = cost_kernel_from(&w);
	if (from)
		put_text(o, "kernel_thread_time", from);
	cost_close(&w);
}

json_t *environment_json(const struct probe *p, bool dedicated)
{
	json_t *o = json_object(), *d = device(p->device);
	char text[PATH_MAX];

	json_object_set_new(o, "dedicated", json_boolean(dedicated));
	json_object_set_new(o, "cpu", cpu());
	json_object_set_new(o, "memory", memory());
	if (d)
		json_object_set_new(o, "device", d);
	json_object_set_new(o, "clock", clock_facts());
	json_object_set_new(o, "tools", tools());
	if (first_line("/proc/cmdline", text, sizeof(text)))
		put_text(o, "kernel_command_line", text);
	put_file(o, "load", "/proc/loadavg");
	put_kernel_time(o);
	return o;
}
