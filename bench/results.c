/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads the result files of `cowbell bench`. */
#include "results.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "must.h"

#define FILE_BYTES_MAX ((size_t)1 << 30)
#define NAME_MAX_BYTES 512

/** struct reader - where it is */
struct reader {
	struct results *out;
	size_t line;
	bool ended;
	char *why;
	size_t why_size;
};

static bool complain(struct reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static bool complain(struct reader *r, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	/* what came out of the file must not break the one line */
	for (char *c = text; *c; c++)
		if (*c == '\n' || *c == '\r')
			*c = ' ';
	if (r->line)
		snprintf(r->why, r->why_size, "%s:%zu: %s", r->out->path, r->line, text);
	else
		snprintf(r->why, r->why_size, "%s: %s", r->out->path, text);
	return false;
}

static void *grow(void *p, size_t count, size_t size)
{
	/* doubles at each power of two */
	if (count & (count - 1))
		return p;
	return must(realloc(p, (count ? 2 * count : 1) * size));
}

static const char *text_of(const json_t *line, const char *key)
{
	const char *text = json_string_value(json_object_get(line, key));

	return text ? text : "";
}

/* The cell of a line, new if need be; its name is that of the line, and of the metric if any. */
static struct metric *metric_of(struct reader *r, const json_t *line)
{
	struct results *out = r->out;
	const char *name = text_of(line, "name"), *metric = text_of(line, "metric");
	const json_t *index;
	struct metric *c;
	char *key;

	if (!*name || strlen(name) + strlen(metric) > NAME_MAX_BYTES) {
		complain(r, "\"name\" must be a name of %d bytes at most", NAME_MAX_BYTES);
		return NULL;
	}
	if (asprintf(&key, "%s%s%s", name, *metric ? " " : "", metric) < 0)
		abort();
	index = json_object_get(out->by_name, key);
	if (index) {
		free(key);
		return &out->metrics[json_integer_value(index)];
	}
	out->metrics = grow(out->metrics, out->count, sizeof(*out->metrics));
	c = &out->metrics[out->count];
	memset(c, 0, sizeof(*c));
	c->name = key;
	c->metric = metric;
	c->better = text_of(line, "better");
	c->role = text_of(line, "role");
	c->factors = json_object_get(line, "factors");
	c->work_bytes = json_object_get(line, "work_bytes");
	json_object_set_new(out->by_name, key, json_integer((json_int_t)out->count));
	out->count++;
	return c;
}

static bool add_block(struct reader *r, struct metric *c, json_int_t number, double *samples,
		      size_t n)
{
	for (size_t i = 0; i < c->count; i++) {
		if (c->number[i] == number) {
			free(samples);
			return complain(r, "block %lld of %s for the second time",
					(long long)number, c->name);
		}
	}
	stat_sort(samples, n);
	c->blocks = grow(c->blocks, c->count, sizeof(*c->blocks));
	c->number = grow(c->number, c->count, sizeof(*c->number));
	c->blocks[c->count] = (struct stat_block){ .sorted = samples, .n = n };
	c->number[c->count++] = number;
	return true;
}

static void take_mechanism(struct metric *c, const json_t *line)
{
	const json_t *observed = json_object_get(line, "observed");
	const char *seen = json_string_value(json_object_get(observed, "mechanism"));

	if (!seen)
		return;
	if (!c->mechanism)
		c->mechanism = seen;
	else if (strcmp(c->mechanism, seen) != 0)
		c->mechanism = "varies";
}

static bool take_samples(struct reader *r, struct metric *c, const json_t *line)
{
	const json_t *samples = json_object_get(line, "samples");
	const json_t *block = json_object_get(line, "block");
	const size_t n = json_array_size(samples);
	double *values;

	if (!json_is_array(samples) || n == 0 || n > RESULTS_SAMPLES_MAX)
		return complain(r, "\"samples\" must be 1 to %d numbers", RESULTS_SAMPLES_MAX);
	if (!json_is_integer(block) || json_integer_value(block) < 0)
		return complain(r, "\"block\" must be the number of the block");
	if (strcmp(c->better, "lower") != 0 && strcmp(c->better, "higher") != 0)
		return complain(r, "\"better\" must be \"lower\" or \"higher\"");
	if (c->skip)
		return complain(r, "samples of %s, which was skipped before", c->name);
	values = calloc(n, sizeof(*values));
	if (!values)
		abort();
	for (size_t i = 0; i < n; i++) {
		const json_t *value = json_array_get(samples, i);

		values[i] = json_number_value(value);
		if (!json_is_number(value) || !(values[i] >= 0) || isinf(values[i])) {
			free(values);
			return complain(r, "samples[%zu] is no number from 0 on", i);
		}
	}
	take_mechanism(c, line);
	return add_block(r, c, json_integer_value(block), values, n);
}

static bool take_bench(struct reader *r, const json_t *line)
{
	const char *verdict = text_of(line, "verdict");
	struct metric *c = metric_of(r, line);

	if (!c)
		return false;
	if (!*verdict) {
		if (!*c->metric)
			return complain(r, "\"metric\" is missing");
		return take_samples(r, c, line);
	}
	if (c->count)
		return complain(r, "%s is skipped after it was measured", c->name);
	c->skip = text_of(line, "reason");
	return true;
}

/* What was derived in a run is one value of that run, if the line says which way is better. A
 * median or quantile "of" samples is none: the samples are there. */
static bool take_derived(struct reader *r, const json_t *line)
{
	const json_t *value = json_object_get(line, "value");
	struct metric *c;
	double *sample;

	if (!json_is_number(value))
		return complain(r, "\"value\" must be a number");
	if (!*text_of(line, "metric"))
		return complain(r, "\"metric\" is missing");
	if (!*text_of(line, "better") || json_object_get(line, "of") ||
	    !(json_number_value(value) >= 0))
		return true;
	c = metric_of(r, line);
	if (!c)
		return false;
	sample = malloc(sizeof(*sample));
	if (!sample)
		abort();
	*sample = json_number_value(value);
	return add_block(r, c, 0, sample, 1);
}

static bool take_run(struct reader *r, const json_t *line)
{
	const json_t *schema = json_object_get(line, "schema");
	const char *verb = text_of(line, "verb");

	if (!json_is_integer(schema))
		return complain(r, "this is no result file: \"schema\" is missing");
	if (json_integer_value(schema) != RESULTS_SCHEMA)
		return complain(r, "schema %lld; this cowbell reads schema %d",
				(long long)json_integer_value(schema), RESULTS_SCHEMA);
	if (strcmp(verb, "bench") != 0)
		return complain(r, "these are results of `cowbell %s`, not of `cowbell bench`",
				*verb ? verb : "run");
	r->out->run = line;
	return true;
}

/* The line is kept: cells point into it. But its samples, the bulk of it, are not. */
static bool take_line(struct reader *r, const char *text, size_t len)
{
	json_error_t error;
	json_t *line = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	const char *kind = text_of(line, "kind");
	bool good;

	if (!line)
		return complain(r, "no JSON at column %d: %s", error.column, error.text);
	json_array_append_new(r->out->lines, line);
	if (!*kind)
		return complain(r, "this is no result line: \"kind\" is missing");
	if ((r->line == 1) != !strcmp(kind, "run"))
		return complain(r, r->line == 1 ? "the first line is no \"run\" line; this is no "
						  "result file"
						: "a second \"run\" line");
	if (r->ended)
		return complain(r, "a line after the \"end\" line");
	if (!strcmp(kind, "run"))
		return take_run(r, line);
	if (!strcmp(kind, "end")) {
		r->ended = true;
		r->out->cut_short = json_object_get(line, "interrupted") != NULL;
		return true;
	}
	if (!strcmp(kind, "derived"))
		return take_derived(r, line);
	if (strcmp(kind, "bench") != 0)
		return true;
	good = take_bench(r, line);
	json_object_del(line, "samples");
	return good;
}

bool results_parse(struct results *r, const char *path, const char *text, size_t len, bool partial,
		   char *why, size_t why_size)
{
	struct reader reader = { .out = r, .why = why, .why_size = why_size };
	size_t at = 0;

	r->path = path;
	r->lines = json_array();
	r->by_name = json_object();
	if (!len)
		return complain(&reader, "the file is empty");
	while (at < len) {
		const char *end = memchr(text + at, '\n', len - at);

		reader.line++;
		if (!end && partial && reader.line > 1)
			break;
		if (!end)
			return complain(&reader, "the line is cut off");
		if (!take_line(&reader, text + at, (size_t)(end - text) - at))
			return false;
		at = (size_t)(end - text) + 1;
	}
	if (!reader.ended && !partial)
		return complain(&reader, "the file ends here, without an \"end\" line: the run was "
					 "cut short");
	if (r->cut_short && !partial)
		return complain(&reader, "the run was interrupted");
	r->cut_short = r->cut_short || !reader.ended;
	return true;
}

/* The whole file, to be freed; NULL and errno if it cannot be had. */
static char *slurp(const char *path, size_t *len)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t room = 0, got = 1;

	*len = 0;
	while (f && got > 0 && *len < FILE_BYTES_MAX) {
		if (room - *len < 65536) {
			room = room ? 2 * room : 1 << 20;
			text = realloc(text, room);
			if (!text)
				abort();
		}
		got = fread(text + *len, 1, room - *len, f);
		*len += got;
	}
	if (f && *len >= FILE_BYTES_MAX)
		errno = EFBIG;
	if (f && (ferror(f) || *len >= FILE_BYTES_MAX)) {
		free(text);
		text = NULL;
	}
	if (f)
		fclose(f);
	return text;
}

bool results_read(struct results *r, const char *path, bool partial, char *why, size_t why_size)
{
	size_t len;
	char *text;
	bool good;

	errno = 0;
	text = slurp(path, &len);
	if (!text) {
		snprintf(why, why_size, "%s: %s", path, strerror(errno ? errno : EIO));
		return false;
	}
	good = results_parse(r, path, text, len, partial, why, why_size);
	free(text);
	return good;
}

const struct metric *results_find(const struct results *r, const char *name)
{
	const json_t *index = json_object_get(r->by_name, name);

	return index ? &r->metrics[json_integer_value(index)] : NULL;
}

bool results_median(const struct results *r, const char *name, double *out)
{
	const struct metric *m = results_find(r, name);
	const struct stat_unit unit = { m ? m->blocks : NULL, m ? m->count : 0 };

	if (!unit.n)
		return false;
	*out = stat_unit_median(&unit);
	return *out > 0;
}

bool results_named(const char *name, const char *pattern)
{
	const char *p = pattern, *n = name, *star = NULL, *resume = NULL;

	/* where it goes wrong, the last * takes one letter more */
	while (*n) {
		if (*p == '*') {
			star = p++;
			resume = n;
		} else if (*p == '?' || *p == *n) {
			p++;
			n++;
		} else if (!*p && *n == ' ') {
			return true;
		} else if (star) {
			p = star + 1;
			n = ++resume;
		} else {
			return false;
		}
	}
	return !p[strspn(p, "*")];
}

void results_free(struct results *r)
{
	for (size_t i = 0; i < r->count; i++) {
		for (size_t k = 0; k < r->metrics[i].count; k++)
			free((void *)(uintptr_t)r->metrics[i].blocks[k].sorted);
		free(r->metrics[i].blocks);
		free(r->metrics[i].number);
		free(r->metrics[i].name);
	}
	free(r->metrics);
	json_decref(r->lines);
	json_decref(r->by_name);
	memset(r, 0, sizeof(*r));
}
