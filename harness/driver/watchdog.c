/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads from /proc what the tasks of a process group are waiting for. Only root sees the stacks. */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emit.h"
#include "watchdog.h"

#define TASKS_MAX 64

static size_t slurp(const char *path, char *out, size_t size)
{
	FILE *f = fopen(path, "re");
	size_t got = 0;

	if (f) {
		got = fread(out, 1, size - 1, f);
		fclose(f);
	}
	while (got > 0 && out[got - 1] == '\n')
		got--;
	out[got] = '\0';
	return got;
}

/* State letter and process group, from the fields after the name in brackets. */
static pid_t group_of(const char *pid, char *state)
{
	char path[300], text[1024];
	int group = -1;
	char *at;

	snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	slurp(path, text, sizeof(text));
	at = strrchr(text, ')');
	if (!at || sscanf(at + 1, " %c %*d %d", state, &group) != 2)
		return -1;
	return group;
}

static void add_task(json_t *stacks, const char *pid, const char *tid)
{
	static const char *const what[] = { "wchan", "syscall", "stack" };
	char path[600], name[64], key[400], text[4096], state = '?';
	char *all = NULL;
	size_t size;
	FILE *f;

	snprintf(path, sizeof(path), "%s/task/%s", pid, tid);
	if (group_of(path, &state) < 0)
		return;
	f = open_memstream(&all, &size);
	if (!f)
		return;
	fprintf(f, "state %c", state);
	for (size_t i = 0; i < sizeof(what) / sizeof(what[0]); i++) {
		snprintf(path, sizeof(path), "/proc/%s/task/%s/%s", pid, tid, what[i]);
		if (slurp(path, text, sizeof(text)))
			fprintf(f, "\n%s %s", what[i], text);
	}
	fclose(f);
	snprintf(path, sizeof(path), "/proc/%s/task/%s/comm", pid, tid);
	slurp(path, name, sizeof(name));
	snprintf(key, sizeof(key), "%s %s", tid, name);
	json_object_set_new(stacks, key, emit_text(all, size));
	free(all);
}

static void add_process(json_t *stacks, const char *pid)
{
	char path[300];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%s/task", pid);
	d = opendir(path);
	while (d && (e = readdir(d)) && json_object_size(stacks) < TASKS_MAX)
		if (isdigit((unsigned char)e->d_name[0]))
			add_task(stacks, pid, e->d_name);
	if (d)
		closedir(d);
}

json_t *watchdog_stacks(pid_t group)
{
	json_t *stacks = json_object();
	DIR *d = opendir("/proc");
	struct dirent *e;
	char state;

	while (d && (e = readdir(d)))
		if (isdigit((unsigned char)e->d_name[0]) && group_of(e->d_name, &state) == group)
			add_process(stacks, e->d_name);
	if (d)
		closedir(d);
	return stacks;
}
