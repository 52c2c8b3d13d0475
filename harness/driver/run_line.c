/* SPDX-License-Identifier: GPL-2.0-only */
/* The first line of a result file. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "emit.h"
#include "machine.h"
#include "mutant.h"
#include "run_line.h"

static json_t *text(const char *s)
{
	return emit_text(s, strlen(s));
}

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *filesystem(const struct probe *p)
{
	json_t *o = json_object();

	json_object_set_new(o, "type", text(p->fs_type));
	json_object_set_new(o, "mount_options", text(p->mount_options));
	if (p->device[0])
		json_object_set_new(o, "device", text(p->device));
	if (p->device_kind[0])
		json_object_set_new(o, "device_kind", text(p->device_kind));
	json_object_set_new(o, "unit_bytes", number(p->units.block));
	if (p->unit_how)
		json_object_set_new(o, "unit_how", text(p->unit_how));
	json_object_set_new(o, "page_bytes", number(p->units.page));
	json_object_set_new(o, "free_bytes", number(p->free_bytes));
	return o;
}

json_t *run_line(const struct run_line *r)
{
	json_t *line = json_object(), *command = json_array();
	const char *vm = machine_vm();
	time_t now = time(NULL);
	char when[40] = "";
	struct tm utc;

	if (gmtime_r(&now, &utc))
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &utc);
	json_array_append_new(command, json_string("cowbell"));
	for (int i = 0; i < r->argc; i++)
		json_array_append_new(command, text(r->argv[i]));
	json_object_set_new(line, "kind", json_string("run"));
	json_object_set_new(line, "schema", json_integer(1));
	json_object_set_new(line, "cowbell", json_string(COWBELL_VERSION));
	json_object_set_new(line, "started", json_string(when));
	json_object_set_new(line, "command", command);
	json_object_set_new(line, "dir", text(r->dir));
	json_object_set_new(line, "kernel", machine_kernel());
	json_object_set_new(line, "filesystem", filesystem(r->probe));
	if (r->dir2) {
		json_object_set_new(line, "dir2", text(r->dir2));
		json_object_set_new(line, "second_filesystem", filesystem(r->probe2));
	}
	if (r->view)
		json_object_set_new(line, "view", text(r->view));
	if (r->server)
		json_object_set_new(line, "server", text(r->server));
	json_object_set_new(line, "machine", machine_hardware());
	json_object_set_new(line, "seed", number(r->seed));
	json_object_set_new(line, "jobs", number(r->jobs));
	json_object_set_new(line, "repeat", number(r->repeat));
	json_object_set_new(line, "points", number(r->points));
	if (vm)
		json_object_set_new(line, "vm", json_string(vm));
	if (mutant_name())
		json_object_set_new(line, "mutant", json_string(mutant_name()));
	if (r->resumed)
		json_object_set_new(line, "resumed", json_true());
	json_object_set_new(line, "needs", probe_json(r->probe));
	return line;
}
