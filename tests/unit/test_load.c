/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Unit tests of the loader, with the real tables of ops, needs and oracles. Cases are written here
 * with apostrophes for quotes. What must be refused lies in cases/invalid, a folder for each rule,
 * with the message that it must get; run from the top of the sources.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "check.h"
#include "load.h"
#include "need.h"
#include "op.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define HEAD  "{'checks': 'x', 'why': ['contract:F8'], 'strength': "
#define MUST  HEAD "'must', "
#define AB    "'files': {'a': {'size': '4B'}, 'b': {}}, "
#define CLONE "{'op': 'clone', 'from': 'a', 'to': 'b'}"

static const struct units small = { .block = 1024, .page = 4096 };

static char *quoted(const char *text)
{
	char *copy = strdup(text);

	for (char *c = copy; *c; c++)
		if (*c == '\'')
			*c = '"';
	return copy;
}

/* Load a case, which must be good; the text is as long as its memory, so that ASan sees the end. */
static struct casefile *load(const char *text)
{
	char *copy = quoted(text);
	const size_t len = strlen(copy);
	char *exact = malloc(len);
	struct load_error err;
	struct casefile *c;

	memcpy(exact, copy, len);
	c = load_case("case.json", "area/case", exact, len, &err);
	if (!c)
		print_message("%s\n", err.text);
	free(exact);
	free(copy);
	assert_non_null(c);
	assert_string_equal(err.text, "");
	return c;
}

static struct point *point(const struct casefile *c, size_t i)
{
	struct load_error err;
	struct point *p = load_point(c, i, &small, &err);

	if (!p)
		print_message("%s\n", err.text);
	assert_non_null(p);
	return p;
}

/* Message that a bad case gets. */
static void assert_refused(const char *text, const char *message)
{
	char *copy = quoted(text);
	struct load_error err;

	assert_null(load_case("case.json", "area/case", copy, strlen(copy), &err));
	assert_string_equal(err.text, message);
	free(copy);
}

/* Value of an argument, by the op's own table. */
static const void *arg_at(const struct step *s, const char *name)
{
	for (const struct argspec *a = s->op->args; a->name; a++)
		if (!strcmp(a->name, name))
			return (const char *)s->args + a->offset;
	fail_msg("%s has no argument %s", s->op->name, name);
	return NULL;
}

static uint64_t num(const struct step *s, const char *name)
{
	return *(const uint64_t *)arg_at(s, name);
}

static int number(const struct step *s, const char *name)
{
	return *(const int *)arg_at(s, name);
}

static const struct opt_num *opt(const struct step *s, const char *name)
{
	return arg_at(s, name);
}

static const struct data *data(const struct step *s)
{
	return arg_at(s, "data");
}

/* "clone !dedupe hook:remount" */
static const char *needs(const struct point *p)
{
	static char text[256];

	text[0] = '\0';
	for (size_t i = 0; i < p->needs_count; i++) {
		const struct need_use *u = &p->needs[i];
		const size_t len = strlen(text);

		snprintf(text + len, sizeof(text) - len, "%s%s%s%s%s", i ? " " : "",
			 u->negated ? "!" : "", need_word(u->need), u->param ? ":" : "",
			 u->param ? u->param : "");
	}
	return text;
}

/* The texts of a row, joined by blanks. */
static const char *joined(const char *const *texts, size_t count)
{
	static char text[512];

	text[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		const size_t len = strlen(text);

		snprintf(text + len, sizeof(text) - len, "%s%s", i ? " " : "", texts[i]);
	}
	return text;
}

static char *read_all(const char *folder, const char *name, size_t *len)
{
	char path[512];
	char *text = malloc(LOAD_TEXT_MAX);
	FILE *f;

	snprintf(path, sizeof(path), "cases/invalid/%s/%s", folder, name);
	f = fopen(path, "r");
	assert_non_null(f);
	*len = fread(text, 1, LOAD_TEXT_MAX, f);
	fclose(f);
	return text;
}

static void test_load__refuses_what_is_invalid(void **state)
{
	DIR *folder = opendir("cases/invalid");
	const struct dirent *entry;
	size_t count = 0, wrong = 0;

	(void)state;
	assert_non_null(folder);
	while ((entry = readdir(folder))) {
		struct load_error err = { "" };
		struct casefile *c;
		char *text, *wanted;
		size_t len, wanted_len;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		text = read_all(entry->d_name, "case.json", &len);
		wanted = read_all(entry->d_name, "error", &wanted_len);
		c = load_case("case.json", entry->d_name, text, len, &err);
		if (c || wanted_len != strlen(err.text) + 1 ||
		    memcmp(wanted, err.text, wanted_len - 1)) {
			print_message("%s: \"%s\", wanted %.*s", entry->d_name, err.text,
				      (int)wanted_len, wanted);
			wrong++;
		}
		casefile_free(c);
		free(text);
		free(wanted);
		count++;
	}
	closedir(folder);
	assert_true(count >= 60);
	assert_int_equal(wrong, 0);
}

static void test_load__refuses_long_text(void **state)
{
	char *text = malloc(LOAD_TEXT_MAX + 1);
	struct load_error err;

	(void)state;
	memset(text, ' ', LOAD_TEXT_MAX + 1);
	assert_null(load_case("case.json", "x", text, LOAD_TEXT_MAX + 1, &err));
	assert_string_equal(err.text, "case.json: 262145 bytes is too long: at most 262144");
	assert_null(load_case("case.json", "x", text, LOAD_TEXT_MAX, &err));
	assert_non_null(strstr(err.text, "expected near end of file"));
	free(text);
}

static void test_load__message_is_one_line(void **state)
{
	(void)state;
	assert_refused("{'a\\u001b[31m\\nb': 1}",
		       "case.json: unknown key \"a?[31m?b\" (known: checks, why, strength, needs, "
		       "tags, vary, except, files, steps, actors, before, then, race, "
		       "interrupt, after, timeout_s, no_mutant)");
}

static void test_load__top_level(void **state)
{
	struct casefile *c =
		load("{'checks': 'a thing', 'why': ['contract:F8', 'property:158', 'gap:N38', "
		     "'bug:B-vfs-1', 'man:copy_file_range(2)', 'commit:831d2fa25ab8', 'seed:0', "
		     "'https://example.org/x'], 'strength': 'should', 'tags': ['long', 'slow'], "
		     "'timeout_s': 7, 'no_mutant': 'none can exist', " AB "'steps': [" CLONE
		     "], 'after': ['isolation']}");
	struct point *p = point(c, 0);

	(void)state;
	assert_string_equal(c->path, "case.json");
	assert_string_equal(c->name, "area/case");
	assert_string_equal(c->checks, "a thing");
	assert_int_equal(c->strength, STRENGTH_SHOULD);
	assert_int_equal(c->why_count, 8);
	assert_string_equal(c->why[5], "commit:831d2fa25ab8");
	assert_string_equal(joined(c->tags, c->tags_count), "long slow");
	assert_int_equal(c->points, 1);
	assert_string_equal(p->name, "area/case");
	assert_string_equal(load_point_name(c, 0), "area/case");
	assert_true(load_point_tagged(c, 0, "long"));
	assert_false(load_point_tagged(c, 0, "lon"));
	assert_int_equal(p->strength, STRENGTH_SHOULD);
	assert_int_equal(p->timeout_s, 7);
	assert_int_equal(p->after_count, 1);
	assert_string_equal(p->after[0]->name, "isolation");
	assert_false(p->alone);
	point_free(p);
	casefile_free(c);
}

static void test_load__units(void **state)
{
	static const struct units large = { .block = 65536, .page = 16384 };
	struct casefile *c = load(MUST AB "'steps': [{'op': 'clone_range', 'from': 'a', 'to': 'b', "
					  "'from_off': '2B-1', 'to_off': 'P', 'len': -1}]}");
	struct load_error err;
	struct point *p = point(c, 0);

	(void)state;
	assert_int_equal(p->files[0].size, 4096);
	assert_int_equal(num(&p->steps[0], "from_off"), 2047);
	assert_int_equal(num(&p->steps[0], "to_off"), 4096);
	assert_int_equal(num(&p->steps[0], "len"), UINT64_MAX);
	point_free(p);
	p = load_point(c, 0, &large, &err);
	assert_non_null(p);
	assert_int_equal(p->files[0].size, 4 * 65536);
	assert_int_equal(num(&p->steps[0], "from_off"), 2 * 65536 - 1);
	assert_int_equal(num(&p->steps[0], "to_off"), 16384);
	point_free(p);
	casefile_free(c);
}

/* A bound can be passed in units that nobody thought of. */
static void test_load__units_too_large(void **state)
{
	static const struct units huge = { .block = 1 << 25, .page = 4096 };
	struct casefile *c = load(MUST "'files': {'a': {}}, 'steps': "
				       "[{'op': 'write', 'fd': 'a', 'len': '1B'}]}");
	struct load_error err;

	(void)state;
	assert_null(load_point(c, 0, &huge, &err));
	assert_string_equal(err.text,
			    "case.json: steps[0].len: 33554432 is too much: at most 16777216");
	casefile_free(c);
}

static void test_load__vary_names(void **state)
{
	struct casefile *c =
		load(MUST "'vary': {'len': ['1', '1B-1', 7], 'how': ['call', 'mmap']}, "
			  "'except': [{'how': 'mmap', 'len': '1'}, {'len': 7, 'how': 'call'}], "
			  "'files': {'a': {}}, 'steps': [{'op': 'write', 'fd': 'a', 'len': '$len', "
			  "'off': '$len+1', 'how': '$how'}]}");
	static const char *const names[] = {
		"area/case[len=1,how=call]",
		"area/case[len=1B-1,how=call]",
		"area/case[len=1B-1,how=mmap]",
		"area/case[len=7,how=mmap]",
	};
	static const uint64_t lens[] = { 1, 1023, 1023, 7 };

	(void)state;
	assert_int_equal(c->points, COUNT(names));
	for (size_t i = 0; i < COUNT(names); i++) {
		struct point *p = point(c, i);

		assert_string_equal(p->name, names[i]);
		assert_string_equal(load_point_name(c, i), names[i]);
		assert_int_equal(num(&p->steps[0], "len"), lens[i]);
		assert_true(opt(&p->steps[0], "off")->set);
		assert_int_equal(opt(&p->steps[0], "off")->value, lens[i] + 1);
		assert_int_equal(number(&p->steps[0], "how") != 0, i >= 2);
		point_free(p);
	}
	casefile_free(c);
}

static void test_load__vary_members_and_null(void **state)
{
	struct casefile *c = load(
		MUST
		"'vary': {'size': ['3', '4'], 'kind': {"
		"'one': {'first': {'op': 'fsync', 'fd': 'a'}, 'off': '$size', 'need': 'direct', "
		"'tag': 'long', 'after': null}, "
		"'two': {'first': null, 'off': null, 'need': '!unshare', 'tag': null, "
		"'after': 'isolation'}}}, "
		"'needs': ['$kind.need'], 'tags': ['x$size', '$kind.tag'], "
		"'files': {'a': {'size': '$size'}}, "
		"'steps': ['$kind.first', {'op': 'write', 'fd': 'a', 'len': 1, "
		"'off': '$kind.off'}], 'after': ['$kind.after']}");
	struct point *one, *two;

	(void)state;
	assert_int_equal(c->points, 4);
	assert_string_equal(joined(c->tags, c->tags_count), "x3 long x4");
	one = point(c, 0);
	two = point(c, 3);
	assert_string_equal(one->name, "area/case[size=3,kind=one]");
	assert_int_equal(one->steps_count, 2);
	assert_string_equal(one->steps[0].op->name, "fsync");
	assert_int_equal(opt(&one->steps[1], "off")->value, 3);
	assert_string_equal(needs(one), "direct");
	assert_int_equal(one->after_count, 0);
	assert_true(load_point_tagged(c, 0, "long"));
	assert_string_equal(two->name, "area/case[size=4,kind=two]");
	assert_int_equal(two->files[0].size, 4);
	assert_int_equal(two->steps_count, 1);
	/* The place and the pattern are those of the file, not of what is left. */
	assert_string_equal(two->steps[0].path, "steps[1]");
	assert_string_equal(two->patterns[two->steps[0].pattern], "step1");
	assert_false(opt(&two->steps[0], "off")->set);
	assert_string_equal(needs(two), "!unshare");
	assert_int_equal(two->after_count, 1);
	assert_false(load_point_tagged(c, 3, "long"));
	assert_true(load_point_tagged(c, 3, "x4"));
	point_free(one);
	point_free(two);
	casefile_free(c);
}

static void test_load__dot_behind_plain_value(void **state)
{
	struct casefile *c =
		load(MUST "'vary': {'f': ['a']}, 'files': {'a': {'layout': 'shared:1B'}}, "
			  "'steps': [{'op': 'unlink', 'file': '$f.sharer'}, "
			  "{'op': 'fsync', 'fd': '$f'}]}");
	struct point *p = point(c, 0);

	(void)state;
	assert_int_equal(number(&p->steps[0], "file"), 1);
	point_free(p);
	casefile_free(c);
}

/* Only in one point is there something wrong, or in all the same, or in each another. */
static void test_load__message_names_point(void **state)
{
	static const char shape[] = MUST "'vary': {'n': ['%s', '%s', '%s']}, 'files': {'a': {}}, "
					 "'steps': [{'op': 'write', 'fd': 'a', 'len': '$n'}, "
					 "{'op': 'write', 'fd': 'a', 'len': '%s'}]}";
	static const struct {
		const char *a, *b, *c, *d, *message;
	} rows[] = {
		{ "1", "1M", "1G", "1",
		  "case.json: steps[0].len: 1073741824 is too much: at most 16777216 (in [n=1G])" },
		{ "1G", "1M", "1", "1",
		  "case.json: steps[0].len: 1073741824 is too much: at most 16777216 (in [n=1G])" },
		{ "1G", "2G", "3G", "1",
		  "case.json: steps[0].len: 1073741824 is too much: at most 16777216 (in [n=1G])" },
		{ "1", "2", "3", "1G",
		  "case.json: steps[1].len: 1073741824 is too much: at most 16777216" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char text[1024];

		snprintf(text, sizeof(text), shape, rows[i].a, rows[i].b, rows[i].c, rows[i].d);
		assert_refused(text, rows[i].message);
	}
}

static void test_load__files(void **state)
{
	struct casefile *c =
		load(MUST "'files': {"
			  "'a': {'layout': 'written:2B hole:1B shared:B unwritten:1 dirty:1B'}, "
			  "'b': {'size': '8', 'data': 'a@4K', 'sync': true, 'mode': '04755', "
			  "'owner': '65534:7', 'open': 'rdonly+direct'}, "
			  "'d': {'type': 'dir'}, 's': {'type': 'symlink', 'path': 'gone'}, "
			  "'h': {'type': 'host', 'path': '/proc/self/stat'}, "
			  "'n': {'type': 'chrdev', 'on': 'second', 'open': 'none'}}, "
			  "'steps': [{'op': 'fsync', 'fd': 'a'}, {'op': 'fsync', 'fd': 'b'}, "
			  "{'op': 'fsync', 'fd': 'd'}, {'op': 'unlink', 'file': 's'}, "
			  "{'op': 'unlink', 'file': 'n'}, {'op': 'read', 'fd': 'h', 'len': 1}]}");
	struct point *p = point(c, 0);
	const struct filespec *a = &p->files[0], *b = &p->files[1];

	(void)state;
	assert_string_equal(joined(p->fds, p->fds_count), "a b d s h n a.sharer");
	assert_string_equal(needs(p), "clone fallocate modes direct chown mknod second_fs");
	assert_int_equal(a->kind, FILE_REGULAR);
	assert_int_equal(a->open, O_RDWR);
	assert_int_equal(a->layout_count, 5);
	assert_int_equal(a->layout[0].kind, LAYOUT_WRITTEN);
	assert_int_equal(a->layout[0].len, 2048);
	assert_int_equal(a->layout[2].kind, LAYOUT_SHARED);
	assert_int_equal(a->layout[2].len, 1024);
	assert_int_equal(a->layout[4].kind, LAYOUT_DIRTY);
	assert_int_equal(a->sharer, 6);
	assert_true(p->files[6].open_none);
	assert_int_equal(p->files[6].kind, FILE_REGULAR);
	assert_string_equal(p->patterns[a->data.pattern], "a");
	assert_false(a->data.at);
	assert_int_equal(b->size, 8);
	assert_int_equal(b->data.pattern, a->data.pattern);
	assert_true(b->data.at);
	assert_int_equal(b->data.off, 4096);
	assert_true(b->sync);
	assert_true(b->mode_set);
	assert_int_equal(b->mode, 04755);
	assert_true(b->owner_set);
	assert_int_equal(b->uid, 65534);
	assert_int_equal(b->gid, 7);
	assert_int_equal(b->open, O_RDONLY | O_DIRECT);
	assert_int_equal(b->sharer, -1);
	assert_int_equal(p->files[2].kind, FILE_DIR);
	assert_int_equal(p->files[2].open, O_RDONLY);
	assert_true(p->files[3].open_none);
	assert_string_equal(p->files[3].path, "gone");
	assert_string_equal(p->files[4].path, "/proc/self/stat");
	assert_true(p->files[5].second);
	assert_true(p->files[5].open_none);
	point_free(p);
	casefile_free(c);
}

/* Descriptors stand behind all files, also those that later steps make. */
static void test_load__names_made_by_steps(void **state)
{
	struct casefile *c =
		load(MUST AB "'steps': [{'op': 'dup', 'fd': 'a', 'as': 'x'}, "
			     "{'op': 'link', 'file': 'a', 'as': 'l'}, "
			     "{'op': 'open', 'file': 'l', 'as': 'y', 'flags': 'rdwr'}, "
			     "{'op': 'clone', 'from': 'x', 'to': 'b'}, "
			     "{'op': 'map', 'fd': 'y', 'len': 'P', 'as': 'm'}, "
			     "{'op': 'store', 'map': 'm', 'len': 16, 'data': 'new@0'}, "
			     "{'op': 'clone', 'from': 'closed', 'to': 'negative', "
			     "'expect': {'err': 'EBADF'}, 'twin': {'from': 'x', 'to': 'b'}}]}");
	struct point *p = point(c, 0);

	(void)state;
	assert_string_equal(joined(p->fds, p->fds_count), "a b l x y");
	assert_string_equal(joined(p->maps, p->maps_count), "m");
	assert_int_equal(p->files_count, 3);
	assert_int_equal(p->files[2].kind, FILE_LATER);
	assert_string_equal(p->files[2].name, "l");
	assert_int_equal(number(&p->steps[0], "fd"), 0);
	assert_int_equal(number(&p->steps[0], "as"), 3);
	assert_int_equal(number(&p->steps[1], "as"), 2);
	assert_int_equal(number(&p->steps[2], "file"), 2);
	assert_int_equal(number(&p->steps[2], "as"), 4);
	assert_int_equal(number(&p->steps[3], "from"), 3);
	assert_int_equal(number(&p->steps[3], "to"), 1);
	assert_int_equal(number(&p->steps[5], "map"), 0);
	assert_string_equal(p->patterns[data(&p->steps[5])->pattern], "new");
	assert_int_equal(number(&p->steps[6], "from"), FD_CLOSED);
	assert_int_equal(number(&p->steps[6], "to"), FD_NEGATIVE);
	assert_int_equal(number(p->steps[6].twin, "from"), 3);
	point_free(p);
	casefile_free(c);
}

static void test_load__data_patterns(void **state)
{
	struct casefile *c =
		load(MUST "'files': {'a': {'data': 'zero'}, 'b': {}, 'c': {'data': 'b'}}, "
			  "'steps': [{'op': 'write', 'fd': 'a', 'len': 1}, "
			  "{'op': 'write', 'fd': 'b', 'len': 1, 'data': 'zero'}, "
			  "{'op': 'write', 'fd': 'c', 'len': 1, 'data': 'c'}, "
			  "{'op': 'write', 'fd': 'c', 'len': 1, 'data': 'step0@16'}]}");
	struct point *p = point(c, 0);

	(void)state;
	assert_string_equal(joined(p->patterns, p->patterns_count),
			    "zero b step0 step1 step2 c step3");
	assert_int_equal(p->files[0].data.pattern, PATTERN_ZERO);
	assert_int_equal(p->files[2].data.pattern, p->files[1].data.pattern);
	assert_int_equal(data(&p->steps[0])->pattern, p->steps[0].pattern);
	assert_false(data(&p->steps[0])->at);
	assert_int_equal(data(&p->steps[1])->pattern, PATTERN_ZERO);
	assert_int_equal(data(&p->steps[3])->pattern, p->steps[0].pattern);
	assert_int_equal(data(&p->steps[3])->off, 16);
	point_free(p);
	casefile_free(c);
}

static void test_load__arguments(void **state)
{
	struct casefile *c = load(
		MUST AB
		"'steps': ["
		"{'op': 'fallocate', 'fd': 'a', 'mode': 'keep_size+0x1000', 'off': 0, 'len': 1},"
		"{'op': 'chmod', 'fd': 'a', 'mode': '7'}, "
		"{'op': 'chmod', 'file': 'b', 'mode': '02755'}, "
		"{'op': 'copy_range', 'from': 'a', 'to': 'b', 'len': 1, 'loop': true}, "
		"{'op': 'dedupe', 'from': 'a', 'len': 'B', 'to': [{'fd': 'b'}, "
		"{'fd': 'b', 'off': '1B'}], 'count': 0, "
		"'expect': {'info': [{'status': 'SAME', 'bytes': '1B'}]}}]}");
	struct point *p = point(c, 0);
	const struct list *to = arg_at(&p->steps[4], "to");
	const struct argspec *nested;
	size_t at = 0;

	(void)state;
	assert_int_equal(num(&p->steps[0], "mode"), 0x1001);
	assert_int_equal(*(const uint32_t *)arg_at(&p->steps[1], "mode"), 07);
	assert_int_equal(*(const uint32_t *)arg_at(&p->steps[2], "mode"), 02755);
	assert_true(*(const bool *)arg_at(&p->steps[3], "loop"));
	assert_false(opt(&p->steps[3], "from_off")->set);
	for (size_t i = 0; p->steps[4].op->args[i].name; i++) {
		const bool set = p->steps[4].args_set >> i & 1;
		const struct argspec *a = &p->steps[4].op->args[i];

		if (!strcmp(a->name, "to"))
			at = i;
		if (!strcmp(a->name, "count"))
			assert_true(set);
		if (!strcmp(a->name, "reserved1"))
			assert_false(set);
		/* A default counts as if it had been written. */
		if (a->fallback)
			assert_true(set);
	}
	nested = &p->steps[4].op->args[at];
	assert_string_equal(nested->name, "to");
	assert_int_equal(to->count, 2);
	assert_int_equal(*(const uint64_t *)((const char *)to->items + nested->item_size +
					     nested->nested[1].offset),
			 1024);
	assert_int_equal(p->steps[4].expect.kind, EXPECT_OK);
	assert_int_equal(p->steps[4].expect.more_set, 1);
	assert_non_null(p->steps[4].expect.more);
	point_free(p);
	casefile_free(c);
}

static void test_load__expect(void **state)
{
	struct casefile *c =
		load(HEAD "'observe', " AB "'steps': [" CLONE
			  ", {'op': 'clone', 'from': 'b', 'to': 'b', 'observe': 'k'}, "
			  "{'op': 'fsync', 'fd': 'a', 'expect': 'any'}, "
			  "{'op': 'fsync', 'fd': 'a', 'expect': {'err': ['EIO', 'EOPNOTSUPP']}}, "
			  "{'op': 'write', 'fd': 'a', 'len': 4, 'expect': {'ret': 3}}, "
			  "{'op': 'write', 'fd': 'a', 'len': 4, "
			  "'expect': {'err': 'EFBIG', 'signal': 'SIGXFSZ'}}, "
			  "{'op': 'write', 'fd': 'a', 'len': 4, 'expect': {'signal': 'SIGBUS'}}]}");
	struct point *p = point(c, 0);
	const struct step *s = p->steps;

	(void)state;
	assert_int_equal(s[0].expect.kind, EXPECT_OK);
	assert_string_equal(s[0].expect.text, "ok");
	assert_null(s[0].expect.more);
	assert_int_equal(s[1].expect.kind, EXPECT_ANY);
	assert_string_equal(s[1].observe, "k");
	assert_int_equal(s[2].expect.kind, EXPECT_ANY);
	assert_null(s[2].observe);
	assert_int_equal(s[3].expect.kind, EXPECT_ERR);
	assert_int_equal(s[3].expect.errs[0], EIO);
	assert_int_equal(s[3].expect.errs[1], EOPNOTSUPP);
	assert_int_equal(s[3].expect.errs[2], 0);
	assert_null(s[3].twin);
	assert_string_equal(s[3].expect.text, "{\"err\":[\"EIO\",\"EOPNOTSUPP\"]}");
	assert_true(s[4].expect.ret.set);
	assert_int_equal(s[4].expect.ret.value, 3);
	assert_int_equal(s[5].expect.kind, EXPECT_ERR);
	assert_int_equal(s[5].expect.sig, SIGXFSZ);
	assert_int_equal(s[6].expect.kind, EXPECT_SIGNAL);
	assert_int_equal(s[6].expect.sig, SIGBUS);
	point_free(p);
	casefile_free(c);
}

static void test_load__twin(void **state)
{
	struct casefile *c = load(
		MUST AB "'steps': [{'op': 'clone_range', 'from': 'a', 'to': 'a', 'to_off': '1B', "
			"'len': '2B', 'expect': {'err': 'EINVAL'}, "
			"'twin': {'to_off': null, 'to': 'b', "
			"'first': [{'op': 'fsync', 'fd': 'a'}], 'expect': {'ret': 0}}}, "
			"{'op': 'clone_range', 'from': 'a', 'to': 'a', 'len': 1, "
			"'expect': {'err': 'EINVAL'}, 'twin': {'op': 'clone', 'to': 'b'}}, "
			"{'op': 'fsync', 'fd': 'closed', 'expect': {'err': 'EBADF'}, "
			"'twin': 'none', 'reason': 'nothing else differs'}]}");
	struct point *p = point(c, 0);
	const struct step *twin = p->steps[0].twin;

	(void)state;
	assert_int_equal(num(&p->steps[0], "to_off"), 1024);
	assert_int_equal(num(twin, "to_off"), 0);
	assert_int_equal(num(twin, "len"), 2048);
	assert_int_equal(number(twin, "from"), 0);
	assert_int_equal(number(twin, "to"), 1);
	assert_int_equal(twin->expect.kind, EXPECT_OK);
	assert_true(twin->expect.ret.set);
	assert_string_equal(twin->path, "steps[0].twin");
	assert_string_equal(p->patterns[twin->pattern], "step0.twin");
	assert_int_equal(twin->first_count, 1);
	assert_string_equal(twin->first[0].path, "steps[0].twin.first[0]");
	assert_null(twin->twin);
	/* What the other op does not know is left behind. */
	assert_string_equal(p->steps[1].twin->op->name, "clone");
	assert_int_equal(number(p->steps[1].twin, "to"), 1);
	assert_null(p->steps[2].twin);
	assert_string_equal(p->steps[2].no_twin, "nothing else differs");
	assert_string_equal(needs(p), "clone");
	point_free(p);
	casefile_free(c);
}

/* A step that fails declares nothing, so its twin may declare the same name. */
static void test_load__twin_declares(void **state)
{
	struct casefile *c =
		load(MUST "'files': {'a': {}}, 'steps': [{'op': 'open', 'file': 'a', 'as': 'x', "
			  "'flags': 'rdonly+directory', 'expect': {'err': 'ENOTDIR'}, "
			  "'twin': {'flags': 'rdonly'}}, {'op': 'fsync', 'fd': 'x'}, "
			  "{'op': 'link', 'file': 'a', 'as': 'l', 'expect': {'err': 'EPERM'}, "
			  "'twin': {'first': [{'op': 'fsync', 'fd': 'a'}]}}]}");
	struct point *p = point(c, 0);

	(void)state;
	assert_string_equal(joined(p->fds, p->fds_count), "a l x");
	assert_int_equal(number(&p->steps[0], "as"), 2);
	assert_int_equal(number(p->steps[0].twin, "as"), 2);
	assert_int_equal(number(&p->steps[1], "fd"), 2);
	assert_int_equal(number(p->steps[2].twin, "as"), 1);
	point_free(p);
	casefile_free(c);
}

static void test_load__needs_implied(void **state)
{
	static const struct {
		const char *text, *needs;
		bool alone;
	} rows[] = {
		{ "'needs': ['clone', 'hook:x'], " AB "'steps': [" CLONE "]}", "clone hook:x",
		  false },
		/* What must fail needs nothing, but what its twin does. */
		{ AB "'steps': [{'op': 'fsync', 'fd': 'a'}, {'op': 'clone', 'from': 'closed', "
		     "'to': 'b', "
		     "'expect': {'err': 'EBADF'}, 'twin': 'none', 'reason': 'x'}]}",
		  "", false },
		{ AB "'steps': [{'op': 'clone', 'from': 'closed', 'to': 'b', "
		     "'expect': {'err': 'EBADF'}, 'twin': {'from': 'a'}}]}",
		  "clone", false },
		{ "'needs': ['!clone'], " AB "'steps': [{'op': 'clone', 'from': 'a', 'to': 'b', "
		  "'expect': {'err': 'EOPNOTSUPP'}, 'twin': 'none', 'reason': 'x'}]}",
		  "!clone", false },
		{ "'needs': ['!dedupe'], " AB "'steps': [{'op': 'dedupe', 'from': 'a', 'len': '1', "
		  "'to': [{'fd': 'b'}], 'expect': {'info': [{'status': 'EOPNOTSUPP'}]}}]}",
		  "!dedupe", false },
		{ "'files': {'t': {'type': 'tmpfile'}}, 'steps': [{'op': 'fsync', 'fd': 't'}], "
		  "'after': ['sharing', 'space']}",
		  "tmpfile fiemap dedicated free_told", true },
		{ "'files': {'a': {}}, 'steps': [{'op': 'remount'}, {'op': 'unlink', 'file': "
		  "'a'}]}",
		  "hook:remount", true },
		{ "'files': {'a': {}}, 'steps': [{'op': 'fsync', 'fd': 'a'}, "
		  "{'op': 'freeze', 'fd': 'a'}, {'op': 'thaw', 'fd': 'a'}]}",
		  "dedicated freeze", true },
		{ "'files': {'a': {}}, 'actors': {'x': [{'op': 'fsync', 'fd': 'a'}], "
		  "'y': [{'op': 'unlink', 'file': 'a'}]}, 'race': {'restore': true}, "
		  "'after': ['no-hang']}",
		  "name_free", true },
		{ "'files': {'a': {}}, 'actors': {'x': [{'op': 'fsync', 'fd': 'a'}], "
		  "'y': [{'op': 'unlink', 'file': 'a'}]}, 'after': ['no-hang']}",
		  "", true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char text[1024];
		struct casefile *c;
		struct point *p;

		snprintf(text, sizeof(text), MUST "%s", rows[i].text);
		c = load(text);
		p = point(c, 0);
		assert_string_equal(needs(p), rows[i].needs);
		assert_int_equal(p->alone, rows[i].alone);
		point_free(p);
		casefile_free(c);
	}
}

/* What the loader takes for granted of the tables that it reads by. */
static void test_load__tables_are_sound(void **state)
{
	static const char *const own_keys[] = {
		"op", "expect", "twin", "reason", "observe", "first"
	};

	(void)state;
	for (size_t i = 0; op_at(i); i++) {
		const struct op *op = op_at(i);
		size_t count = 0;

		assert_ptr_equal(op_find(op->name), op);
		assert_non_null(op->doc);
		assert_non_null(op->run);
		assert_true(!op->expects == !op->check);
		for (const struct argspec *a = op->args; a && a->name; a++, count++) {
			assert_false(a->required && a->fallback);
			assert_true(a->offset < op->args_size);
			if (a->type == ARG_WORD || a->type == ARG_FLAGS)
				assert_non_null(a->words);
			if (a->type == ARG_LIST)
				assert_true(a->nested && a->item_size && !a->fallback);
			for (size_t k = 0; k < COUNT(own_keys); k++)
				assert_string_not_equal(a->name, own_keys[k]);
		}
		assert_true(count < 64);
		for (const struct argspec *a = op->expects; a && a->name; a++) {
			assert_false(a->required || a->fallback);
			assert_true(a->offset < op->expects_size);
			assert_string_not_equal(a->name, "err");
			assert_string_not_equal(a->name, "signal");
			assert_string_not_equal(a->name, "ret");
		}
	}
	for (size_t i = 0; oracle_at(i); i++)
		assert_ptr_equal(oracle_find(oracle_at(i)->name), oracle_at(i));
	for (int i = 0; i < NEED_COUNT; i++) {
		assert_int_equal(need_find(need_word(i)), i);
		assert_true(*need_doc(i));
	}
	assert_int_equal(need_find("klone"), -1);
	assert_string_equal(need_word(NEED_COUNT), "?");
}

static void test_need_list__says_where_it_is_wrong(void **state)
{
	static const char *const bad[] = {
		"",	",",	      "clone,",	      ",clone",	     "klone", "clone,dedup",
		"clon", "clone,hook", "hook:remount", "clone dedupe"
	};
	bool listed[NEED_COUNT] = { false };

	(void)state;
	assert_null(need_list("clone,zero_keep_size", listed));
	for (int i = 0; i < NEED_COUNT; i++)
		assert_int_equal(listed[i], i == NEED_CLONE || i == NEED_ZERO_KEEP_SIZE);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_non_null(need_list(bad[i], listed));
	assert_string_equal(need_list("clone,dedup,x", listed), "dedup,x");
}

static void test_load__schema(void **state)
{
	json_t *schema = load_schema();
	json_t *defs = json_object_get(schema, "$defs");

	(void)state;
	assert_true(json_is_object(defs));
	for (size_t i = 0; op_at(i); i++) {
		char key[64];

		snprintf(key, sizeof(key), "step.%s", op_at(i)->name);
		assert_true(json_is_object(json_object_get(defs, key)));
	}
	json_decref(schema);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_load__refuses_what_is_invalid),
		cmocka_unit_test(test_load__refuses_long_text),
		cmocka_unit_test(test_load__message_is_one_line),
		cmocka_unit_test(test_load__top_level),
		cmocka_unit_test(test_load__units),
		cmocka_unit_test(test_load__units_too_large),
		cmocka_unit_test(test_load__vary_names),
		cmocka_unit_test(test_load__vary_members_and_null),
		cmocka_unit_test(test_load__dot_behind_plain_value),
		cmocka_unit_test(test_load__message_names_point),
		cmocka_unit_test(test_load__files),
		cmocka_unit_test(test_load__names_made_by_steps),
		cmocka_unit_test(test_load__data_patterns),
		cmocka_unit_test(test_load__arguments),
		cmocka_unit_test(test_load__expect),
		cmocka_unit_test(test_load__twin),
		cmocka_unit_test(test_load__twin_declares),
		cmocka_unit_test(test_load__needs_implied),
		cmocka_unit_test(test_load__tables_are_sound),
		cmocka_unit_test(test_need_list__says_where_it_is_wrong),
		cmocka_unit_test(test_load__schema),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
