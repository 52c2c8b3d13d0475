/* SPDX-License-Identifier: GPL-2.0-only */
/* Result lines as JSON objects, verdicts, and the command that does a point again. Pure. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "emit.h"

static const char *const verdicts[VERDICT_COUNT] = {
	[VERDICT_FAIL] = "fail",   [VERDICT_ERROR] = "error", [VERDICT_MISS] = "miss",
	[VERDICT_XPASS] = "xpass", [VERDICT_XFAIL] = "xfail", [VERDICT_PASS] = "pass",
	[VERDICT_DONE] = "done",   [VERDICT_SKIP] = "skip",
};

static const char *const strengths[] = {
	[STRENGTH_MUST] = "must",
	[STRENGTH_SHOULD] = "should",
	[STRENGTH_OBSERVE] = "observe",
};

const char *verdict_name(enum verdict v)
{
	return verdicts[v];
}

enum verdict verdict_find(const char *name)
{
	enum verdict v = 0;

	while (v < VERDICT_COUNT && (!name || strcmp(name, verdicts[v]) != 0))
		v++;
	return v;
}

int tally_exit(const struct tally *t)
{
	uint64_t all = 0;

	for (int i = 0; i < VERDICT_COUNT; i++)
		all += t->count[i];
	if (t->count[VERDICT_FAIL])
		return CMD_FAILED;
	if (t->count[VERDICT_ERROR] || t->count[VERDICT_MISS])
		return CMD_HARNESS;
	return t->count[VERDICT_SKIP] == all ? CMD_SKIPPED : CMD_GOOD;
}

/* Length of the UTF-8 character at text as JSON may hold it (RFC 3629), 0 if there is none. */
static size_t utf8_len(const unsigned char *text, size_t len)
{
	static const struct {
		unsigned char lo, hi, next_lo, next_hi;
		size_t len;
	} rows[] = {
		{ 0x01, 0x7f, 0x00, 0xff, 1 }, { 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (text[0] < rows[i].lo || text[0] > rows[i].hi)
			continue;
		if (rows[i].len > len)
			return 0;
		if (rows[i].len > 1 && (text[1] < rows[i].next_lo || text[1] > rows[i].next_hi))
			return 0;
		for (size_t k = 2; k < rows[i].len; k++)
			if ((text[k] & 0xc0) != 0x80)
				return 0;
		return rows[i].len;
	}
	return 0;
}

json_t *emit_text(const char *text, size_t len)
{
	char *clean = malloc(len + 1);
	json_t *string;

	if (!clean)
		abort();
	memcpy(clean, text, len);
	clean[len] = '\0';
	for (size_t i = 0; i < len;) {
		size_t step = utf8_len((const unsigned char *)clean + i, len - i);

		if (step == 0)
			clean[i] = '?';
		i += step ? step : 1;
	}
	string = json_stringn(clean, len);
	free(clean);
	return string;
}

static json_t *text(const char *s)
{
	return emit_text(s, strlen(s));
}

/* What every line about a point begins with. */
static json_t *point_line(const char *kind, const struct emit_point *p)
{
	json_t *line = json_object();

	json_object_set_new(line, "kind", json_string(kind));
	json_object_set_new(line, "case", text(p->name));
	if (p->round)
		json_object_set_new(line, "round", json_integer(p->round));
	json_object_set_new(line, "strength", json_string(strengths[p->strength]));
	return line;
}

json_t *emit_start(const struct emit_point *p, unsigned int timeout_s, const char *repeat)
{
	json_t *line = point_line("start", p);

	if (timeout_s)
		json_object_set_new(line, "timeout_s", json_integer(timeout_s));
	json_object_set_new(line, "seed", json_integer((json_int_t)p->seed));
	json_object_set_new(line, "repeat", text(repeat));
	return line;
}

json_t *emit_case(const struct emit_point *p, enum verdict v, const char *reason,
		  const json_t *child)
{
	json_t *line = point_line("case", p);
	json_t *copy = child ? json_copy((json_t *)(uintptr_t)child) : NULL;
	json_t *wall = json_object_get(copy, "wall_ns");

	json_object_set_new(line, "verdict", json_string(verdicts[v]));
	if (reason)
		json_object_set_new(line, "reason", text(reason));
	json_object_set_new(line, "seed", json_integer((json_int_t)p->seed));
	if (wall)
		json_object_set(line, "wall_ns", wall);
	if (copy) {
		json_object_del(copy, "verdict");
		json_object_del(copy, "reason");
		json_object_update_missing(line, copy);
		json_decref(copy);
	}
	return line;
}

json_t *emit_end(const struct tally *t, uint64_t wall_ns, const char *key, const char *why)
{
	json_t *line = json_object();
	json_t *counts = json_object();

	for (enum verdict v = 0; v < VERDICT_COUNT; v++)
		json_object_set_new(counts, verdicts[v], json_integer((json_int_t)t->count[v]));
	json_object_set_new(line, "kind", json_string("end"));
	json_object_set_new(line, "counts", counts);
	json_object_set_new(line, "wall_ns", json_integer((json_int_t)wall_ns));
	if (key)
		json_object_set_new(line, key, text(why));
	return line;
}

char *emit_quote(const char *word)
{
	static const char plain[] = "-_./:=,+@%";
	size_t extra = 3;
	bool bare = *word != '\0';
	char *out, *o;

	for (const char *c = word; *c; c++) {
		if (!isalnum((unsigned char)*c) && !strchr(plain, *c))
			bare = false;
		if (*c == '\'')
			extra += 3;
	}
	out = o = calloc(1, strlen(word) + extra);
	if (!out)
		abort();
	if (bare)
		return memcpy(out, word, strlen(word) + 1);
	*o++ = '\'';
	for (const char *c = word; *c; c++) {
		if (*c == '\'')
			o = stpcpy(o, "'\\''");
		else
			*o++ = *c;
	}
	*o++ = '\'';
	*o = '\0';
	return out;
}

static void put_option(FILE *f, const char *option, const char *value)
{
	char *quoted;

	if (!value)
		return;
	quoted = emit_quote(value);
	fprintf(f, " %s %s", option, quoted);
	free(quoted);
}

char *emit_repeat(const struct emit_command *c, uint64_t seed, uint64_t round, const char *name)
{
	char *line = NULL, *quoted = emit_quote(name);
	size_t size;
	FILE *f = open_memstream(&line, &size);

	if (!f)
		abort();
	fputs("cowbell run", f);
	put_option(f, "--dir", c->dir);
	put_option(f, "--dir2", c->dir2);
	put_option(f, "--view", c->view);
	put_option(f, "--server", c->server);
	put_option(f, "--require", c->require);
	if (c->dedicated)
		fputs(" --dedicated", f);
	if (c->timeout_s)
		fprintf(f, " --timeout %u", c->timeout_s);
	if (c->budget > 0)
		fprintf(f, " --budget %g", c->budget);
	if (round)
		fprintf(f, " --round %" PRIu64, round);
	for (const char *const *h = c->hooks; h && *h; h++)
		put_option(f, "--hook", *h);
	for (const char *const *q = c->quirks; q && *q; q++)
		put_option(f, "--quirks", *q);
	if (c->despite_quirks)
		fputs(" --despite-quirks", f);
	fprintf(f, " --seed %" PRIu64 " %s", seed, quoted);
	fclose(f);
	free(quoted);
	return line;
}

uint64_t emit_point_seed(uint64_t seed, const char *name)
{
	uint64_t x = seed + 0x9e3779b97f4a7c15;

	/* each byte is mixed in by a multiplication with an odd number and a shift, so that near
	 * names and near seeds have nothing in common */
	for (; *name; name++) {
		x = (x ^ (unsigned char)*name) * 0xbf58476d1ce4e5b9;
		x ^= x >> 29;
	}
	x = (x ^ (x >> 30)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}
