/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A way of showing results to people or other programs. One format = one const struct; a format
 * sees nothing but the JSON objects of the result lines (docs/results.md), and knows no other.
 */
#ifndef COWBELL_REPORT_H
#define COWBELL_REPORT_H

#include <stdio.h>

#include <jansson.h>

/** struct report - one format; members other than .name may be NULL */
struct report {
	const char *name;
	/** @begin: with the line of kind "run" */
	void (*begin)(FILE *out, const json_t *run);
	/** @running: a point has been started; for those who show something live */
	void (*running)(FILE *out, const char *name);
	/** @item: with each line of kind "case" */
	void (*item)(FILE *out, const json_t *item);
	/** @end: with the line of kind "end" */
	void (*end)(FILE *out, const json_t *end);
};

extern const struct report report_pretty;
extern const struct report report_tap;
extern const struct report report_ktap;
extern const struct report report_junit;

/** report_text() - a member that is a string, "" if it is absent */
static inline const char *report_text(const json_t *line, const char *key)
{
	const char *text = json_string_value(json_object_get(line, key));

	return text ? text : "";
}

/** report_number() - a member that is a number, 0 if it is absent */
static inline long long report_number(const json_t *line, const char *key)
{
	return json_integer_value(json_object_get(line, key));
}

/** report_detail() - all that a line says about what went wrong, for people */
void report_detail(FILE *out, const json_t *item);

#endif
