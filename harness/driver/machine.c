/* SPDX-License-Identifier: GPL-2.0-only */
/* Describes kernel and machine for the result file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "emit.h"
#include "machine.h"
#include "sha256.h"

#define CONFIG_MAX (4 * 1024 * 1024)

static void put(json_t *o, const char *key, const char *value)
{
	if (*value)
		json_object_set_new(o, key, emit_text(value, strlen(value)));
}

/* First line of a small file, empty if there is none. */
static void first_line(const char *path, char *out, size_t size)
{
	FILE *f = fopen(path, "re");

	out[0] = '\0';
	if (!f)
		return;
	if (!fgets(out, (int)size, f))
		out[0] = '\0';
	out[strcspn(out, "\n")] = '\0';
	fclose(f);
}

/* The digest is of the file as it is, compressed or not; config_from says which file. */
static void put_config(json_t *o, const char *release)
{
	char boot[256], hex[65];
	const char *paths[] = { boot, "/proc/config.gz" };
	char *text = malloc(CONFIG_MAX);

	snprintf(boot, sizeof(boot), "/boot/config-%s", release);
	for (size_t i = 0; text && i < sizeof(paths) / sizeof(paths[0]); i++) {
		FILE *f = fopen(paths[i], "re");
		size_t got;

		if (!f)
			continue;
		got = fread(text, 1, CONFIG_MAX, f);
		fclose(f);
		if (got == 0 || got == CONFIG_MAX)
			continue;
		sha256_hex(text, got, hex);
		put(o, "config_sha256", hex);
		put(o, "config_from", paths[i]);
		break;
	}
	free(text);
}

const char *machine_vm(void)
{
	const char *vm = getenv("COWBELL_VM");

	return vm && (!strcmp(vm, "tcg") || !strcmp(vm, "kvm")) ? vm : NULL;
}

bool machine_emulated(void)
{
	const char *vm = machine_vm();

	return vm && !strcmp(vm, "tcg");
}

json_t *machine_kernel(void)
{
	json_t *o = json_object();
	struct utsname u;
	char taint[64];

	if (uname(&u) == 0) {
		put(o, "release", u.release);
		put(o, "version", u.version);
		put(o, "machine", u.machine);
		put_config(o, u.release);
	}
	first_line("/proc/sys/kernel/tainted", taint, sizeof(taint));
	if (*taint)
		json_object_set_new(o, "taint", json_integer(strtoll(taint, NULL, 10)));
	return o;
}

static void put_cpu(json_t *o)
{
	char line[256] = "";
	FILE *f = fopen("/proc/cpuinfo", "re");

	while (f && fgets(line, sizeof(line), f)) {
		char *colon = strchr(line, ':');

		if (strncmp(line, "model name", 10) != 0 || !colon)
			continue;
		line[strcspn(line, "\n")] = '\0';
		put(o, "cpu", colon + 1 + strspn(colon + 1, " "));
		break;
	}
	if (f)
		fclose(f);
}

json_t *machine_hardware(void)
{
	json_t *o = json_object();
	struct sysinfo s;
	char text[128];

	put_cpu(o);
	json_object_set_new(o, "cpus", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
	if (sysinfo(&s) == 0)
		json_object_set_new(o, "memory_bytes",
				    json_integer((json_int_t)s.totalram * s.mem_unit));
	first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", text, sizeof(text));
	put(o, "governor", text);
	first_line("/sys/devices/system/clocksource/clocksource0/current_clocksource", text,
		   sizeof(text));
	put(o, "clock", text);
	return o;
}
