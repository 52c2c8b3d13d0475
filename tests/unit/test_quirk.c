/* SPDX-License-Identifier: GPL-2.0-only */
/* Unit tests of quirk.c: kernel ranges, patterns, what a quirk must have, what it covers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "quirk.h"

static void test_quirk_kernel__compares_as_many_numbers_as_the_range_has(void **state)
{
	static const struct {
		const char *range, *release;
		bool inside;
	} rows[] = {
		{ ">=5.18", "5.18.0", true },	      { ">=5.18", "5.17.99", false },
		{ ">=5.18", "6.1.0-13-amd64", true }, { "<6.20", "6.19.7", true },
		{ "<6.20", "6.20.0-rc1", false },     { "<6.20", "6.3.0", true },
		{ ">6.1", "6.1.5", false },	      { ">6.1", "6.2.0", true },
		{ ">6.1.4", "6.1.5", true },	      { "<=6.1", "6.1.99", true },
		{ "<=6.1.9", "6.1.10", false },	      { "=6.1", "6.1.99", true },
		{ "=6.1.9", "6.1.99", false },	      { ">=5.18 <6.20", "6.18.44-x", true },
		{ ">=5.18 <6.20", "5.4.0", false },   { ">=5.18 <6.20", "6.20", false },
		{ " >=5.18  <6.20 ", "6.1", true },   { "=6", "6.18.1", true },
	};
	bool valid;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (quirk_kernel(rows[i].range, rows[i].release, &valid) != rows[i].inside)
			fail_msg("%s in '%s'", rows[i].release, rows[i].range);
		assert_true(valid);
	}
}

static void test_quirk_kernel__refuses_what_is_no_range(void **state)
{
	static const char *const bad[] = { "",	   " ",	    "5.18",  ">=",     ">=x",
					   ">=5.", "=>5.1", "<5.1,", ">5.1<6", "!=5" };
	bool valid;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(quirk_kernel(bad[i], "6.1.0", &valid));
		if (valid)
			fail_msg("'%s' was taken for a range", bad[i]);
	}
}

static void test_quirk_names__brackets_are_plain_and_stars_are_not(void **state)
{
	(void)state;
	assert_true(quirk_names("errno/x", "errno/x"));
	assert_true(quirk_names("errno/x", "errno/x[len=1]"));
	assert_true(quirk_names("errno/x[*]", "errno/x[len=1,k=2]"));
	assert_true(quirk_names("errno/x[*k=2*]", "errno/x[len=1,k=2]"));
	assert_true(quirk_names("*", "errno/x"));
	assert_true(quirk_names("errno/*", "errno/x[len=1]"));
	assert_true(quirk_names("a*b*c", "aXbbYc"));
	assert_false(quirk_names("errno/x[*]", "errno/x"));
	assert_false(quirk_names("errno/x[len=1]", "errno/x[len=11]"));
	assert_false(quirk_names("errno/x", "errno/xy"));
	assert_false(quirk_names("errno/x", "errno/x/y"));
	assert_false(quirk_names("a*b", "aXbY"));
	assert_false(quirk_names("", "x"));
}

static bool load(json_t *list, const char *text, char why[256])
{
	why[0] = '\0';
	return quirk_load(list, "q.json", text, strlen(text), why, 256);
}

static void test_quirk_load__says_what_is_wrong(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "[", "q.json:1: " },
		{ "{\"filesystem\":\"xfs\"}", "q.json: must have" },
		{ "{\"filesystem\":\"xfs\",\"quirks\":[],\"x\":1}", "q.json: must have" },
		{ "{\"filesystem\":\"xfs\",\"quirks\":[1]}", "quirks[0]: must be an object" },
		{ "{\"filesystem\":\"xfs\",\"quirks\":[{\"case\":\"a\",\"link\":\"l\"}]}",
		  "quirks[0]: has no \"reason\"" },
		{ "{\"filesystem\":\"xfs\",\"quirks\":[{\"case\":\"a\",\"reason\":\"r\"}]}",
		  "quirks[0]: has no \"link\"" },
		{ "{\"filesystem\":\"xfs\",\"quirks\":[{\"case\":\"a\",\"reason\":\"\","
		  "\"link\":\"l\"}]}",
		  "quirks[0].reason: must be some text" },
		{ "{\"filesystem\":\"xfs\",\"quirks\":[{\"case\":\"a\",\"reason\":\"r\","
		  "\"link\":\"l\",\"kernl\":\"x\"}]}",
		  "quirks[0].kernl: unknown key" },
		{ "{\"filesystem\":\"xfs\",\"quirks\":[{\"case\":\"a\",\"reason\":\"r\","
		  "\"link\":\"l\",\"kernel\":\"5\"}]}",
		  "quirks[0].kernel: must be like" },
		{ "{\"filesystem\":\"xfs\",\"quirks\":[{\"case\":\"a\",\"reason\":\"r\","
		  "\"link\":\"l\",\"covers\":[\"x\"]}]}",
		  "quirks[0].covers: must be a list" },
		{ "{\"filesystem\":\"xfs\",\"quirks\":[{\"case\":\"a\",\"reason\":\"r\","
		  "\"link\":\"l\",\"mount\":\"!\"}]}",
		  "quirks[0].mount: must say which" },
		{ "{\"filesystem\":\"xfs\",\"quirks\":[{\"case\":\"a\",\"reason\":\"r\","
		  "\"link\":\"l\",\"unit\":\"64K\"}]}",
		  "quirks[0].unit: must be a number of bytes" },
		{ "{\"filesystem\":\"xfs\",\"quirks\":[{\"case\":\"a\",\"reason\":\"r\","
		  "\"link\":\"l\",\"sometimes\":\"no\"}]}",
		  "quirks[0].sometimes: must be true" },
		{ "{\"filesystem\":\"xfs\",\"quirks\":[{\"case\":\"a\",\"reason\":\"r\","
		  "\"link\":\"l\",\"skip\":false}]}",
		  "quirks[0].skip: must be true" },
		{ "{\"filesystem\":\"xfs\",\"quirks\":[{\"case\":\"a\",\"reason\":\"r\","
		  "\"link\":\"l\",\"seen\":\"\"}]}",
		  "quirks[0].seen: must be some text, or a list of several" },
		{ "{\"filesystem\":\"xfs\",\"quirks\":[{\"case\":\"a\",\"reason\":\"r\","
		  "\"link\":\"l\",\"seen\":[\"EIO\"]}]}",
		  "quirks[0].seen: must be some text, or a list of several" },
		{ "{\"filesystem\":\"xfs\",\"quirks\":[{\"case\":[\"a\"],\"reason\":\"r\","
		  "\"link\":\"l\"}]}",
		  "quirks[0].case: must be some text, or a list of several" },
		{ "{\"filesystem\":\"xfs\",\"quirks\":[{\"case\":[\"a\",\"\"],\"reason\":\"r\","
		  "\"link\":\"l\"}]}",
		  "quirks[0].case: must be some text, or a list of several" },
		{ "{\"filesystem\":\"xfs\",\"filesystem\":\"x\",\"quirks\":[]}", "q.json:1: " },
	};
	char why[256];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *list = json_array();

		assert_false(load(list, rows[i].text, why));
		if (!strstr(why, rows[i].why))
			fail_msg("'%s' is not in '%s'", rows[i].why, why);
		assert_int_equal(json_array_size(list), 0);
		json_decref(list);
	}
}

static const char some_quirks[] =
	"{\"filesystem\":\"btrfs\",\"quirks\":["
	"{\"case\":\"a/"
	"b[*]\",\"kernel\":\">=5.18\",\"mount\":\"compress\",\"server\":\"s\",\"second\":\"xfs\","
	"\"unit\":\"65536\",\"reason\":\"first\",\"link\":\"contract:F1\"},"
	"{\"case\":\"a/c\",\"covers\":[\"hang\"],\"reason\":\"second\",\"link\":\"l\"},"
	"{\"case\":\"a/d\",\"sometimes\":true,\"reason\":\"third\",\"link\":\"l\"},"
	"{\"case\":\"a/"
	"e\",\"seen\":\"E*\",\"covers\":[\"kmsg\"],\"reason\":\"fourth\",\"link\":\"l\"},"
	"{\"case\":\"a/f[*]\",\"skip\":true,\"reason\":\"fifth\",\"link\":\"l\"},"
	"{\"case\":[\"a/g\",\"a/h[*k=1]\"],\"reason\":\"sixth\",\"link\":\"l\"},"
	"{\"case\":\"a/i\",\"mount\":\"!compress\",\"reason\":\"seventh\",\"link\":\"l\"},"
	"{\"case\":\"a/k\",\"seen\":[\"E*\",\"* bytes\"],\"reason\":\"eighth\",\"link\":\"l\"}]}";

static void check_seen(const json_t *list, const struct quirk_place *place, const char *name,
		       const char *kind, const char *seen, const char *want)
{
	json_t *found = quirk_find(list, place, name, kind, seen);
	const char *reason = json_string_value(json_object_get(found, "reason"));

	if (want)
		assert_string_equal(reason, want);
	else
		assert_null(reason);
	json_decref(found);
}

static void check(const json_t *list, const struct quirk_place *place, const char *name,
		  const char *kind, const char *want)
{
	check_seen(list, place, name, kind, NULL, want);
}

static void test_quirk_find__holds_every_condition(void **state)
{
	struct quirk_place good = { "btrfs", "xfs", "rw,compress=zstd", "s", "6.1.0", 65536 },
			   place;
	json_t *list = json_array();
	char why[256];

	(void)state;
	assert_true(load(list, some_quirks, why));
	check(list, &good, "a/b[x=1]", NULL, "first");
	check(list, &good, "a/b", NULL, NULL);
	check(list, &good, "a/b[x=1]", "kmsg", NULL);
	check(list, &good, "a/i", NULL, NULL);
	place = good;
	place.fs_type = "xfs";
	check(list, &place, "a/b[x=1]", NULL, NULL);
	place = good;
	place.second = NULL;
	check(list, &place, "a/b[x=1]", NULL, NULL);
	place = good;
	place.mount_options = "rw";
	check(list, &place, "a/b[x=1]", NULL, NULL);
	check(list, &place, "a/i", NULL, "seventh");
	place = good;
	place.server = "t";
	check(list, &place, "a/b[x=1]", NULL, NULL);
	place.server = NULL;
	check(list, &place, "a/b[x=1]", NULL, NULL);
	place = good;
	place.release = "5.17.0";
	check(list, &place, "a/b[x=1]", NULL, NULL);
	place = good;
	place.unit_bytes = 4096;
	check(list, &place, "a/b[x=1]", NULL, NULL);
	json_decref(list);
}

static void test_quirk_find__covers_a_hang_only_if_it_says_so(void **state)
{
	struct quirk_place place = { "btrfs", NULL, "rw", NULL, "6.1.0", 4096 };
	json_t *list = json_array();
	char why[256];

	(void)state;
	assert_true(load(list, some_quirks, why));
	check(list, &place, "a/c[x=1]", NULL, "second");
	check(list, &place, "a/c", "hang", "second");
	check(list, &place, "a/c", "kmsg", NULL);
	check(list, &place, "a/c", "crash", NULL);
	json_decref(list);
}

static void test_quirk_find__a_pass_is_none_of_what_fails_sometimes(void **state)
{
	struct quirk_place place = { "btrfs", NULL, "rw", NULL, "6.1.0", 4096 };
	json_t *list = json_array();
	char why[256];

	(void)state;
	assert_true(load(list, some_quirks, why));
	check(list, &place, "a/c", QUIRK_PASS, "second");
	check(list, &place, "a/d", NULL, "third");
	check(list, &place, "a/d", QUIRK_PASS, NULL);
	check(list, &place, "a/d", "hang", NULL);
	json_decref(list);
}

static void test_quirk_find__covers_only_what_it_has_seen(void **state)
{
	struct quirk_place place = { "btrfs", NULL, "rw", NULL, "6.1.0", 4096 };
	json_t *list = json_array();
	char why[256];

	(void)state;
	assert_true(load(list, some_quirks, why));
	check_seen(list, &place, "a/e[x=1]", NULL, "EINVAL", "fourth");
	check_seen(list, &place, "a/e", "kmsg", "EINVAL", "fourth");
	check_seen(list, &place, "a/e", NULL, "not EINVAL", NULL);
	check_seen(list, &place, "a/e", "kmsg", "BUG", NULL);
	check_seen(list, &place, "a/e", "hang", "EINVAL", NULL);
	check_seen(list, &place, "a/e", NULL, NULL, NULL);
	check_seen(list, &place, "a/e", QUIRK_PASS, NULL, "fourth");
	check_seen(list, &place, "a/k", NULL, "EIO", "eighth");
	check_seen(list, &place, "a/k", NULL, "b has 3 bytes", "eighth");
	check_seen(list, &place, "a/k", NULL, "b has 3 holes", NULL);
	check_seen(list, &place, "a/k", NULL, NULL, NULL);
	json_decref(list);
}

static void test_quirk_find__what_is_skipped_excuses_nothing(void **state)
{
	struct quirk_place place = { "btrfs", NULL, "rw", NULL, "6.1.0", 4096 };
	json_t *list = json_array();
	char why[256];

	(void)state;
	assert_true(load(list, some_quirks, why));
	check(list, &place, "a/f[x=1]", QUIRK_SKIP, "fifth");
	check(list, &place, "a/f[x=1]", NULL, NULL);
	check(list, &place, "a/f[x=1]", "hang", NULL);
	check(list, &place, "a/f[x=1]", QUIRK_PASS, NULL);
	check(list, &place, "a/d", QUIRK_SKIP, NULL);
	place.fs_type = "xfs";
	check(list, &place, "a/f[x=1]", QUIRK_SKIP, NULL);
	json_decref(list);
}

static void test_quirk_find__names_each_case_of_a_list(void **state)
{
	struct quirk_place place = { "btrfs", NULL, "rw", NULL, "6.1.0", 4096 };
	json_t *list = json_array();
	char why[256];

	(void)state;
	assert_true(load(list, some_quirks, why));
	check(list, &place, "a/g[x=1]", NULL, "sixth");
	check(list, &place, "a/h[k=1]", NULL, "sixth");
	check(list, &place, "a/h[k=2]", NULL, NULL);
	json_decref(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quirk_find__names_each_case_of_a_list),
		cmocka_unit_test(test_quirk_kernel__compares_as_many_numbers_as_the_range_has),
		cmocka_unit_test(test_quirk_kernel__refuses_what_is_no_range),
		cmocka_unit_test(test_quirk_names__brackets_are_plain_and_stars_are_not),
		cmocka_unit_test(test_quirk_load__says_what_is_wrong),
		cmocka_unit_test(test_quirk_find__holds_every_condition),
		cmocka_unit_test(test_quirk_find__covers_a_hang_only_if_it_says_so),
		cmocka_unit_test(test_quirk_find__a_pass_is_none_of_what_fails_sometimes),
		cmocka_unit_test(test_quirk_find__covers_only_what_it_has_seen),
		cmocka_unit_test(test_quirk_find__what_is_skipped_excuses_nothing),
	};

	return cmocka_run_group_tests_name("quirk", tests, NULL, NULL);
}
