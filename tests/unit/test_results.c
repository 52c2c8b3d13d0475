/* SPDX-License-Identifier: GPL-2.0-only */
/* Unit tests of bench/results.c: whatever the bytes are, a whole file or one line that says what is
 * wrong, and where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "results.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define RUN "{'kind':'run','schema':1,'verb':'bench','seed':7}\n"
#define CELL \
	"'kind':'bench','name':'s/" \
	"x[size=4K]','role':'measure','metric':'time_ns','better':'lower'"
#define BLOCK "{" CELL ",'block':0,'samples':[5,1,3],'observed':{'mechanism':'shared'}}\n"
#define NEXT  "{" CELL ",'block':1,'samples':[9],'observed':{'mechanism':'copied'}}\n"
#define SKIP  "{'kind':'bench','name':'s/y','verdict':'skip','reason':'no room'}\n"
#define LINE  "'kind':'derived','name':'s/x','metric':'slope_ns'"
#define SLOPE "{" LINE ",'value':2.5,'better':'lower'}\n"
#define END   "{'kind':'end'}\n"

/* A copy of exactly that many bytes, with " for ', so that a read beyond it is noticed. */
static char *quoted(const char *shape, size_t len)
{
	char *text = malloc(len ? len : 1);

	assert_non_null(text);
	for (size_t i = 0; i < len; i++)
		text[i] = shape[i] == '\'' ? '"' : shape[i];
	return text;
}

static bool parse(struct results *r, const char *shape, size_t len, bool partial, char why[256])
{
	char *text = quoted(shape, len);
	bool good;

	memset(r, 0, sizeof(*r));
	memset(why, 0, 256);
	good = results_parse(r, "f", text, len, partial, why, 256);
	/* what is kept must not point into it */
	memset(text, 'x', len);
	free(text);
	if (!good && (strncmp(why, "f:", 2) != 0 || strpbrk(why, "\n\r")))
		fail_msg("\"%s\" is no line that names the file", why);
	return good;
}

static void test_results__whole(void **state)
{
	static const char shape[] = RUN BLOCK SKIP NEXT SLOPE END;
	const struct metric *m;
	struct results r;
	char why[256];
	double median;

	(void)state;
	if (!parse(&r, shape, strlen(shape), false, why))
		fail_msg("%s", why);
	assert_int_equal(r.count, 3);
	assert_false(r.cut_short);
	m = results_find(&r, "s/x[size=4K] time_ns");
	assert_non_null(m);
	assert_int_equal(m->count, 2);
	assert_string_equal(m->better, "lower");
	assert_string_equal(m->mechanism, "varies");
	assert_int_equal(m->blocks[0].n, 3);
	assert_true(m->blocks[0].sorted[0] == 1 && m->blocks[0].sorted[2] == 5);
	assert_true(results_median(&r, "s/x[size=4K] time_ns", &median));
	assert_true(median == 6);
	assert_true(results_median(&r, "s/x slope_ns", &median));
	assert_true(median == 2.5);
	assert_string_equal(results_find(&r, "s/y")->skip, "no room");
	assert_false(results_median(&r, "s/y", &median));
	assert_false(results_median(&r, "s/z", &median));
	assert_null(results_find(&r, "s/x[size=4K]"));
	results_free(&r);
}

/* Cut off after each of its bytes: only whole lines are read, and only if that is asked for. */
static void test_results__truncated(void **state)
{
	static const char shape[] = RUN BLOCK SKIP NEXT SLOPE END;
	const size_t whole = strlen(shape), first = strlen(RUN);

	(void)state;
	for (size_t len = 0; len < whole; len++) {
		struct results r;
		char why[256];
		size_t lines = 0;

		if (parse(&r, shape, len, false, why))
			fail_msg("%zu bytes of %zu are taken as whole", len, whole);
		if (len && shape[len - 1] != '\n' && !strstr(why, "the line is cut off"))
			fail_msg("%zu bytes: %s", len, why);
		results_free(&r);
		if (parse(&r, shape, len, true, why) != (len >= first))
			fail_msg("a part of %zu bytes: %s", len, why);
		for (size_t i = 0; i < len; i++)
			lines += shape[i] == '\n';
		if (len >= first && (json_array_size(r.lines) != lines || !r.cut_short))
			fail_msg("of %zu lines %zu", lines, json_array_size(r.lines));
		results_free(&r);
	}
}

/* Each byte replaced: a message or a file, and nothing read that is not there. */
static void test_results__garbled(void **state)
{
	static const char shape[] = RUN BLOCK SKIP NEXT SLOPE END;
	static const char other[] = { '\0', '\xff', '\n', '\'', '{', ']', '9', '-', 'e', '\\' };
	const size_t len = strlen(shape);
	size_t refused = 0;

	(void)state;
	for (size_t i = 0; i < len; i++) {
		for (size_t k = 0; k < sizeof(other); k++) {
			char bad[sizeof(shape)], why[256];
			struct results r;

			memcpy(bad, shape, sizeof(bad));
			bad[i] = other[k];
			refused += !parse(&r, bad, len, k % 2, why);
			results_free(&r);
		}
	}
	/* most of it matters */
	assert_true(refused > len * sizeof(other) / 2);
}

static const struct {
	const char *shape, *message;
} refused[] = {
	{ "", "f: the file is empty" },
	{ "\n", "f:1: no JSON" },
	{ "garbage\n", "f:1: no JSON" },
	{ "\xff\xfe\n", "f:1: no JSON" },
	{ "null\n", "f:1: " },
	{ "7\n", "f:1: " },
	{ "[]\n", "f:1: this is no result line: \"kind\" is missing" },
	{ "{}\n", "f:1: this is no result line: \"kind\" is missing" },
	{ "{'kind':7}\n", "f:1: this is no result line: \"kind\" is missing" },
	{ END, "f:1: the first line is no \"run\" line; this is no result file" },
	{ RUN RUN END, "f:2: a second \"run\" line" },
	{ RUN, "f:1: the file ends here, without an \"end\" line" },
	{ RUN END END, "f:3: a line after the \"end\" line" },
	{ RUN END BLOCK, "f:3: a line after the \"end\" line" },
	{ RUN "{'kind':'end','interrupted':'SIGINT'}\n", "f:2: the run was interrupted" },
	/* another schema */
	{ "{'kind':'run','schema':2,'verb':'bench'}\n",
	  "f:1: schema 2; this cowbell reads schema 1" },
	{ "{'kind':'run','schema':-1,'verb':'bench'}\n", "f:1: schema -1; " },
	{ "{'kind':'run','schema':'1','verb':'bench'}\n", "\"schema\" is missing" },
	{ "{'kind':'run','schema':1.0,'verb':'bench'}\n", "\"schema\" is missing" },
	{ "{'kind':'run','verb':'bench'}\n", "\"schema\" is missing" },
	{ "{'kind':'run','schema':1}\n", "f:1: these are results of `cowbell run`" },
	{ "{'kind':'run','schema':1,'verb':'a\\nb'}\n", "results of `cowbell a b`" },
	/* names */
	{ RUN BLOCK BLOCK END, "f:3: block 0 of s/x[size=4K] time_ns for the second time" },
	{ RUN BLOCK NEXT NEXT END, "f:4: block 1 of s/x[size=4K] time_ns for the second" },
	{ RUN SLOPE SLOPE END, "f:3: block 0 of s/x slope_ns for the second time" },
	{ RUN "{'kind':'bench','kind':'bench'}\n" END, "f:2: no JSON at column" },
	{ RUN "{'kind':'bench','metric':'t','block':0,'samples':[1]}\n" END,
	  "f:2: \"name\" must be a name of 512 bytes at most" },
	{ RUN "{'kind':'bench','name':7,'metric':'t'}\n" END, "f:2: \"name\" must be" },
	{ RUN "{'kind':'bench','name':'x','better':'lower','block':0,'samples':[1]}\n" END,
	  "f:2: \"metric\" is missing" },
	{ RUN "{'kind':'derived','name':'x','value':1}\n" END, "\"metric\" is missing" },
	{ RUN "{" LINE ",'value':'1'}\n" END, "f:2: \"value\" must be a number" },
	/* the same cell measured and skipped */
	{ RUN "{" CELL ",'verdict':'skip'}\n" BLOCK END, "which was skipped before" },
	{ RUN BLOCK "{" CELL ",'verdict':'skip'}\n" END, "is skipped after it was measured" },
	/* numbers */
	{ RUN "{" CELL ",'block':0,'samples':[]}\n" END, "\"samples\" must be 1 to 1000000" },
	{ RUN "{" CELL ",'block':0,'samples':5}\n" END, "\"samples\" must be 1 to 1000000" },
	{ RUN "{" CELL ",'block':0}\n" END, "\"samples\" must be 1 to 1000000" },
	{ RUN "{" CELL ",'block':0,'samples':[1,'2']}\n" END, "samples[1] is no number" },
	{ RUN "{" CELL ",'block':0,'samples':[1,null]}\n" END, "samples[1] is no number" },
	{ RUN "{" CELL ",'block':0,'samples':[1,2,-3]}\n" END, "samples[2] is no number" },
	{ RUN "{" CELL ",'block':0,'samples':[1e309]}\n" END, "f:2: no JSON at column" },
	{ RUN "{" CELL ",'block':0,'samples':[NaN]}\n" END, "f:2: no JSON at column" },
	{ RUN "{" CELL ",'block':0,'samples':[Infinity]}\n" END, "f:2: no JSON at" },
	{ RUN "{" CELL ",'block':0,'samples':[9223372036854775808]}\n" END,
	  "f:2: no JSON at column" },
	{ RUN "{" CELL ",'block':-1,'samples':[1]}\n" END, "\"block\" must be the number" },
	{ RUN "{" CELL ",'block':1.5,'samples':[1]}\n" END, "\"block\" must be the number" },
	{ RUN "{" CELL ",'samples':[1]}\n" END, "\"block\" must be the number" },
	{ RUN "{'kind':'bench','name':'x','metric':'t','block':0,'samples':[1]}\n" END,
	  "\"better\" must be \"lower\" or \"higher\"" },
};

static void test_results__refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++) {
		struct results r;
		char why[256];

		if (parse(&r, refused[i].shape, strlen(refused[i].shape), false, why))
			fail_msg("row %zu is not refused: %s", i, refused[i].shape);
		if (!strstr(why, refused[i].message))
			fail_msg("row %zu: \"%s\" is not \"%s\"", i, why, refused[i].message);
		results_free(&r);
	}
}

/* What is large or odd, and right all the same. */
static void test_results__takes(void **state)
{
	static const struct {
		const char *shape, *name;
		double median;
	} rows[] = {
		{ RUN "{" CELL ",'block':0,'samples':[1e308,1e308,1.7e308]}\n" END,
		  "s/x[size=4K] time_ns", 1e308 },
		{ RUN "{" CELL ",'block':0,'samples':[5e-324]}\n" END, "s/x[size=4K] time_ns",
		  5e-324 },
		{ RUN "{" CELL
		      ",'block':9223372036854775807,'samples':[9223372036854775807]}\n" END,
		  "s/x[size=4K] time_ns", 0x1p63 },
		/* a name of two metrics, and kinds and keys of a later cowbell */
		{ RUN BLOCK
		  "{'kind':'bench','name':'s/x[size=4K]','metric':'ops','better':'higher',"
		  "'block':0,'samples':[7],'new':{}}\n{'kind':'later'}\n" END,
		  "s/x[size=4K] ops", 7 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct results r;
		double median;
		char why[256];

		if (!parse(&r, rows[i].shape, strlen(rows[i].shape), false, why))
			fail_msg("row %zu: %s", i, why);
		assert_true(results_median(&r, rows[i].name, &median));
		assert_true(median == rows[i].median);
		results_free(&r);
	}
}

/* Values that a comparison must not see: no direction, no measurement of its own, or below 0. */
static void test_results__derived_that_is_not_taken(void **state)
{
	static const char shape[] = RUN "{" LINE ",'value':2.5}\n"
					"{" LINE ",'value':2.5,'better':'lower','of':'blocks'}\n"
					"{" LINE ",'value':-2.5,'better':'lower'}\n" END;
	struct results r;
	char why[256];

	(void)state;
	if (!parse(&r, shape, strlen(shape), false, why))
		fail_msg("%s", why);
	assert_int_equal(r.count, 0);
	results_free(&r);
}

/* A line is as long as it likes, but not its name, nor its samples. */
static void test_results__limits(void **state)
{
	static const char tail[] = "','metric':'t','better':'lower','block':0,'samples':[1";
	const size_t most = RESULTS_SAMPLES_MAX;

	(void)state;
	for (int over = 0; over < 2; over++) {
		for (int what = 0; what < 2; what++) {
			const size_t name = what == 0 ? 511 + (size_t)over : 4;
			const size_t samples = what == 1 ? most + (size_t)over : 1;
			char *text, why[256];
			struct results r;
			size_t len;
			FILE *f = open_memstream(&text, &len);

			assert_non_null(f);
			fputs(RUN "{'kind':'bench','name':'", f);
			for (size_t i = 0; i < name; i++)
				fputc('x', f);
			fputs(tail, f);
			for (size_t i = 1; i < samples; i++)
				fputs(",1", f);
			fputs("]}\n" END, f);
			assert_int_equal(fclose(f), 0);
			if (parse(&r, text, len, false, why) == over)
				fail_msg("%zu letters, %zu samples: %s", name, samples, why);
			results_free(&r);
			free(text);
		}
	}
}

static void test_results__deep(void **state)
{
	const size_t depth = 100000;
	char *text = malloc(depth + 2), why[256];
	struct results r;

	(void)state;
	assert_non_null(text);
	memset(text, '[', depth);
	memcpy(text + depth, "\n", 2);
	assert_false(parse(&r, text, depth + 1, true, why));
	results_free(&r);
	free(text);
}

/* A message is cut to its room. */
static void test_results__short_message(void **state)
{
	char why[8];
	struct results r = { 0 };

	(void)state;
	assert_false(results_parse(&r, "file.json", "", 0, false, why, sizeof(why)));
	assert_string_equal(why, "file.js");
	results_free(&r);
}

static void test_results__files(void **state)
{
	struct results r = { 0 };
	char why[256];

	(void)state;
	assert_false(results_read(&r, "/nowhere/x.json", false, why, sizeof(why)));
	assert_string_equal(why, "/nowhere/x.json: No such file or directory");
	results_free(&r);
	assert_false(results_read(&r, "/", false, why, sizeof(why)));
	assert_string_equal(why, "/: Is a directory");
	results_free(&r);
	assert_false(results_read(&r, "/dev/null", false, why, sizeof(why)));
	assert_string_equal(why, "/dev/null: the file is empty");
	results_free(&r);
}

static void test_results__patterns(void **state)
{
	static const struct {
		const char *name, *pattern;
		bool match;
	} rows[] = {
		{ "a/b[x=1] time_ns", "a/b[x=1]", true },
		{ "a/b[x=1] time_ns", "a/b[x=1] time_ns", true },
		{ "a/b[x=1] time_ns", "a/*", true },
		{ "a/b[x=1] time_ns", "*", true },
		{ "a/b[x=1] time_ns", "*ns", true },
		{ "a/b[x=1] time_ns", "a/?[x=?] *", true },
		{ "a/b[x=1] time_ns", "a/b", false },
		{ "a/b[x=1] time_ns", "a/b[x=1] time", false },
		{ "a/b[x=1] time_ns", "a/b*y", false },
		{ "a/b[x=1] time_ns", "", false },
		{ "a/b[x=1] time_ns", "**b**", true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (results_named(rows[i].name, rows[i].pattern) != rows[i].match)
			fail_msg("%s, %s", rows[i].name, rows[i].pattern);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_results__whole),
		cmocka_unit_test(test_results__truncated),
		cmocka_unit_test(test_results__garbled),
		cmocka_unit_test(test_results__refuses),
		cmocka_unit_test(test_results__takes),
		cmocka_unit_test(test_results__derived_that_is_not_taken),
		cmocka_unit_test(test_results__limits),
		cmocka_unit_test(test_results__deep),
		cmocka_unit_test(test_results__short_message),
		cmocka_unit_test(test_results__files),
		cmocka_unit_test(test_results__patterns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
