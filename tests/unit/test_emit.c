/* SPDX-License-Identifier: GPL-2.0-only */
/* Unit tests of emit.c, agenda.c and sha256.c: lines, quoting, exit codes, order, digests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agenda.h"
#include "emit.h"
#include "sha256.h"

static void test_emit_quote__is_read_back_by_a_shell(void **state)
{
	static const struct {
		const char *word, *quoted;
	} rows[] = {
		{ "clone/x", "clone/x" },
		{ "clone/x[len=1]", "'clone/x[len=1]'" },
		{ "", "''" },
		{ "it's", "'it'\\''s'" },
		{ "a b$(c)", "'a b$(c)'" },
		{ "''", "''\\'''\\'''" },
		{ "\xc3\xa4", "'\xc3\xa4'" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *quoted = emit_quote(rows[i].word);

		assert_string_equal(quoted, rows[i].quoted);
		free(quoted);
	}
}

static void test_emit_repeat__has_all_that_matters(void **state)
{
	static const char *const hooks[] = { "remount=umount x; mount x", NULL };
	static const char *const quirks[] = { "q.json", NULL };
	struct emit_command all = { "/mnt/x", "/mnt/y z", "/mnt/v", "samba", "clone", true,
				    9,	      2.5,	  hooks,    quirks,  true };
	struct emit_command least = { .dir = "/mnt/x" };
	char *line = emit_repeat(&all, 7, 12, "a/b[c=1]");

	(void)state;
	assert_string_equal(line, "cowbell run --dir /mnt/x --dir2 '/mnt/y z' --view /mnt/v "
				  "--server samba --require clone --dedicated --timeout 9 --budget "
				  "2.5 --round 12 --hook "
				  "'remount=umount x; mount x' "
				  "--quirks q.json --despite-quirks --seed 7 'a/b[c=1]'");
	free(line);
	line = emit_repeat(&least, 0, 0, "a/b");
	assert_string_equal(line, "cowbell run --dir /mnt/x --seed 0 a/b");
	free(line);
}

static void test_emit_text__takes_any_bytes(void **state)
{
	static const struct {
		const char *bytes, *clean;
	} rows[] = {
		{ "plain", "plain" },
		{ "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x84", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x84" },
		{ "a\xff"
		  "b",
		  "a?b" },
		{ "\xc0\x80", "??" },
		{ "\xed\xa0\x80", "???" },
		{ "cut \xe2\x82", "cut ??" },
		{ "\xf5\x80\x80\x80", "????" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *text = emit_text(rows[i].bytes, strlen(rows[i].bytes));

		assert_non_null(text);
		assert_string_equal(json_string_value(text), rows[i].clean);
		json_decref(text);
	}
}

static void test_emit_case__puts_the_childs_part_after_ours(void **state)
{
	struct emit_point p = { "a/b", STRENGTH_SHOULD, 2, 7 };
	json_t *child = json_pack("{s:s, s:s, s:i, s:{s:i}}", "verdict", "fail", "reason", "old",
				  "wall_ns", 5, "checked", "bytes", 3);
	json_t *line = emit_case(&p, VERDICT_XFAIL, "new", child);
	char *text = json_dumps(line, JSON_COMPACT);

	(void)state;
	assert_string_equal(text, "{\"kind\":\"case\",\"case\":\"a/b\",\"round\":2,"
				  "\"strength\":\"should\",\"verdict\":\"xfail\","
				  "\"reason\":\"new\",\"seed\":7,\"wall_ns\":5,"
				  "\"checked\":{\"bytes\":3}}");
	assert_string_equal(json_string_value(json_object_get(child, "verdict")), "fail");
	free(text);
	json_decref(line);
	json_decref(child);
}

static void test_emit_start__says_what_a_result_would_begin_with(void **state)
{
	struct emit_point p = { "a/b", STRENGTH_MUST, 0, 7 };
	json_t *line = emit_start(&p, 0, "cowbell run 'a/b'");
	char *text = json_dumps(line, JSON_COMPACT);

	(void)state;
	assert_string_equal(text, "{\"kind\":\"start\",\"case\":\"a/b\",\"strength\":\"must\","
				  "\"seed\":7,\"repeat\":\"cowbell run 'a/b'\"}");
	free(text);
	json_decref(line);
	p.round = 2;
	line = emit_start(&p, 900, "");
	assert_int_equal(json_integer_value(json_object_get(line, "round")), 2);
	assert_int_equal(json_integer_value(json_object_get(line, "timeout_s")), 900);
	json_decref(line);
}

static void test_tally_exit__gravest_first(void **state)
{
	static const struct {
		struct tally t;
		int code;
	} rows[] = {
		{ { { [VERDICT_PASS] = 3, [VERDICT_SKIP] = 2 } }, 0 },
		{ { { [VERDICT_FAIL] = 1, [VERDICT_ERROR] = 1, [VERDICT_PASS] = 1 } }, 1 },
		{ { { [VERDICT_ERROR] = 1, [VERDICT_PASS] = 1 } }, 99 },
		{ { { [VERDICT_MISS] = 1, [VERDICT_SKIP] = 1 } }, 99 },
		{ { { [VERDICT_SKIP] = 2 } }, 77 },
		{ { { [VERDICT_XPASS] = 1, [VERDICT_XFAIL] = 1 } }, 0 },
		{ { { [VERDICT_DONE] = 1 } }, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(tally_exit(&rows[i].t), rows[i].code);
}

static void test_verdict_find__knows_all_and_no_other(void **state)
{
	(void)state;
	for (enum verdict v = 0; v < VERDICT_COUNT; v++)
		assert_int_equal(verdict_find(verdict_name(v)), v);
	assert_int_equal(verdict_find("passed"), VERDICT_COUNT);
	assert_int_equal(verdict_find(NULL), VERDICT_COUNT);
}

static void test_emit_point_seed__differs_by_seed_and_name(void **state)
{
	(void)state;
	assert_int_equal(emit_point_seed(7, "a/b"), emit_point_seed(7, "a/b"));
	assert_int_not_equal(emit_point_seed(7, "a/b"), emit_point_seed(8, "a/b"));
	assert_int_not_equal(emit_point_seed(7, "a/b"), emit_point_seed(7, "b/a"));
	assert_int_not_equal(emit_point_seed(7, ""), emit_point_seed(8, ""));
}

static void test_agenda__leaves_the_lonely_to_the_end(void **state)
{
	struct agenda a;
	struct ticket t;
	char order[64] = "";

	(void)state;
	agenda_init(&a, 3, 2);
	while (agenda_draw(&a, false, &t)) {
		if (t.index == 1)
			agenda_defer(&a, &t);
		else
			snprintf(order + strlen(order), 8, "%zu.%u ", t.index, t.round);
	}
	while (agenda_draw(&a, true, &t))
		snprintf(order + strlen(order), 8, "%zu.%u ", t.index, t.round);
	assert_string_equal(order, "0.1 2.1 0.2 2.2 1.1 1.2 ");
	agenda_free(&a);
	agenda_init(&a, 0, 5);
	assert_false(agenda_draw(&a, false, &t));
	agenda_free(&a);
}

static void test_sha256_hex__has_the_published_digests(void **state)
{
	char hex[65], many[1000];

	(void)state;
	sha256_hex("abc", 3, hex);
	assert_string_equal(hex,
			    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	sha256_hex("", 0, hex);
	assert_string_equal(hex,
			    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, hex);
	assert_string_equal(hex,
			    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	memset(many, 'a', sizeof(many));
	sha256_hex(many, sizeof(many), hex);
	assert_string_equal(hex,
			    "41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_emit_quote__is_read_back_by_a_shell),
		cmocka_unit_test(test_emit_repeat__has_all_that_matters),
		cmocka_unit_test(test_emit_text__takes_any_bytes),
		cmocka_unit_test(test_emit_case__puts_the_childs_part_after_ours),
		cmocka_unit_test(test_emit_start__says_what_a_result_would_begin_with),
		cmocka_unit_test(test_tally_exit__gravest_first),
		cmocka_unit_test(test_verdict_find__knows_all_and_no_other),
		cmocka_unit_test(test_emit_point_seed__differs_by_seed_and_name),
		cmocka_unit_test(test_agenda__leaves_the_lonely_to_the_end),
		cmocka_unit_test(test_sha256_hex__has_the_published_digests),
	};

	return cmocka_run_group_tests_name("emit", tests, NULL, NULL);
}
