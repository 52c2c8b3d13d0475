/* SPDX-License-Identifier: GPL-2.0-only */
/* All that a result line says about what went wrong, for people. */
#include "report.h"

/* Text of several lines, all below each other. */
static void field(FILE *out, const char *label, const char *text)
{
	if (!*text)
		return;
	fprintf(out, "      %-8s ", label);
	for (; *text; text++) {
		/* a control character would do what it likes to a terminal */
		fputc((unsigned char)*text < ' ' && *text != '\n' && *text != '\t' ? '?' : *text,
		      out);
		if (*text == '\n')
			fprintf(out, "%15s", "");
	}
	fputc('\n', out);
}

void report_detail(FILE *out, const json_t *item)
{
	static const struct {
		const char *key, *label;
	} fields[] = {
		{ "reason", "reason" }, { "place", "at" },	  { "done", "did" },
		{ "seen", "saw" },	{ "allowed", "allowed" }, { "kept", "kept" },
	};
	const json_t *trace = json_object_get(item, "trace"), *kmsg = json_object_get(item, "kmsg");
	json_t *stacks = json_object_get(item, "stacks"), *value;
	const char *key;
	size_t i;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		/* the reason only repeats what was done, seen and allowed */
		if (i || !json_object_get(item, "seen"))
			field(out, fields[i].label, report_text(item, fields[i].key));
	field(out, "quirk", report_text(json_object_get(item, "quirk"), "reason"));
	json_array_foreach (trace, i, value)
		field(out, i ? "" : "trace", json_string_value(value));
	json_array_foreach (kmsg, i, value)
		field(out, i ? "" : "kernel", json_string_value(value));
	json_object_foreach (stacks, key, value) {
		field(out, "task", key);
		field(out, "", json_string_value(value));
	}
	field(out, "again", report_text(item, "repeat"));
}
