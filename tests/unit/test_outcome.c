/* SPDX-License-Identifier: GPL-2.0-only */
/* Unit tests of outcome.c and resume.c: from a child's end to a line, and from lines to the rest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>

#include "outcome.h"
#include "resume.h"

#define EXITED(code) ((code) << 8)

static const char one_quirk[] = "{\"filesystem\":\"xfs\",\"quirks\":[{\"case\":\"a/"
				"known\",\"reason\":\"r\",\"link\":\"l\"}]}";

static bool emulated;

/* Judges and checks verdict and reason; returns the line. */
static json_t *judge(const struct outcome *o, const char *verdict, const char *reason)
{
	static const struct quirk_place place = { "xfs", NULL, "rw", NULL, "6.1.0", 4096 };
	static const struct emit_command again = { .dir = "/m" };
	struct outcome_rules rules = { json_array(), &place, &again, emulated };
	enum verdict v;
	char why[256];
	json_t *line;

	assert_true(quirk_load((json_t *)(uintptr_t)rules.quirks, "q", one_quirk, strlen(one_quirk),
			       why, sizeof(why)));
	line = outcome_line(o, &rules, &v);
	assert_string_equal(json_string_value(json_object_get(line, "verdict")), verdict);
	assert_int_equal(verdict_find(verdict), v);
	if (reason)
		assert_string_equal(json_string_value(json_object_get(line, "reason")), reason);
	else
		assert_null(json_object_get(line, "reason"));
	assert_int_equal(json_object_get(line, "repeat") != NULL, v <= VERDICT_XFAIL);
	json_decref((json_t *)(uintptr_t)rules.quirks);
	return line;
}

static struct outcome said(const char *name, const char *text)
{
	static const struct exec_now now = { "steps[1]", "clone from=a" };
	struct outcome o = {
		.point = { .name = name, .strength = STRENGTH_MUST, .seed = 7 },
		.again = name,
		.text = text,
		.len = strlen(text),
		.timeout_s = 60,
		.now = &now,
		.wall_ns = 9,
	};

	return o;
}

static void test_outcome__the_childs_word_stands(void **state)
{
	struct outcome o = said("a/b", "{\"verdict\":\"pass\",\"wall_ns\":3}");
	json_t *line = judge(&o, "pass", NULL);

	(void)state;
	assert_int_equal(json_integer_value(json_object_get(line, "wall_ns")), 3);
	json_decref(line);
	o = said("a/b", "{\"verdict\":\"fail\",\"reason\":\"bad\",\"seen\":\"x\"}");
	json_decref(judge(&o, "fail", "bad"));
	o = said("a/b", "{\"verdict\":\"perfect\"}");
	json_decref(judge(&o, "error", "no result: the child named no known verdict"));
}

static void test_outcome__a_hang_is_a_fail_even_with_a_result(void **state)
{
	struct outcome o = said("a/b", "{\"verdict\":\"pass\"}");
	json_t *line;

	(void)state;
	o.hang = true;
	o.status = SIGKILL;
	line = judge(&o, "fail", "hang");
	assert_string_equal(json_string_value(json_object_get(line, "done")), "clone from=a");
	assert_string_equal(json_string_value(json_object_get(line, "place")), "steps[1]");
	json_decref(line);
}

static void test_outcome__death_is_an_error(void **state)
{
	struct outcome o = said("a/b", "");

	(void)state;
	o.status = SIGSEGV;
	json_decref(judge(&o, "error", "crash: SIGSEGV at steps[1]"));
	o.status = SIGKILL;
	json_decref(judge(&o, "error", "killed: by SIGKILL from elsewhere (out of memory?)"));
	o.status = EXITED(7);
	json_decref(judge(&o, "error", "no result: the child ended with exit code 7"));
	o = said("a/b", "{\"verdict\":\"pa");
	json_decref(judge(&o, "error", "no result: the child ended with exit code 0"));
}

static void test_outcome__the_kernel_log_makes_a_fail(void **state)
{
	struct outcome o = said("a/b", "{\"verdict\":\"pass\"}");
	json_t *line;

	(void)state;
	o.kmsg = json_pack("[s]", "BUG: x");
	line = judge(&o, "fail", "kmsg");
	assert_string_equal(json_string_value(json_object_get(line, "seen")), "BUG: x");
	json_decref(line);
	o.text = "{\"verdict\":\"fail\",\"reason\":\"bad\"}";
	o.len = strlen(o.text);
	line = judge(&o, "fail", "bad");
	assert_int_equal(json_array_size(json_object_get(line, "kmsg")), 1);
	json_decref(line);
	/* a quirk for a wrong result hides no complaint of the kernel */
	o.point.name = "a/known";
	json_decref(judge(&o, "fail", "bad"));
	json_decref(o.kmsg);
}

static void test_outcome__an_emulation_that_fails_is_an_error(void **state)
{
	const char *oops = "Oops: int3: 0000 [#1] PREEMPT SMP NOPTI";
	struct outcome o = said("a/b", "{\"verdict\":\"fail\",\"reason\":\"bad\"}");
	json_t *line;

	(void)state;
	o.kmsg = json_pack("[s, s]", "BUG: x", oops);
	json_decref(judge(&o, "fail", "bad"));
	emulated = true;
	line = judge(&o, "error", "the emulation failed: Oops: int3: 0000 [#1] PREEMPT SMP NOPTI");
	assert_int_equal(json_array_size(json_object_get(line, "kmsg")), 2);
	json_decref(line);
	json_decref(o.kmsg);
	o.kmsg = json_pack("[s]", "BUG: x");
	json_decref(judge(&o, "fail", "bad"));
	json_decref(o.kmsg);
	emulated = false;
}

static void test_outcome__quirks_turn_fail_and_pass(void **state)
{
	struct outcome o = said("a/known", "{\"verdict\":\"fail\",\"reason\":\"bad\"}");
	json_t *line = judge(&o, "xfail", "bad");

	(void)state;
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(line, "quirk"), "reason")), "r");
	json_decref(line);
	o = said("a/known", "{\"verdict\":\"pass\"}");
	json_decref(judge(&o, "xpass", "passed, although a quirk says that it fails"));
	o = said("a/known", "{\"verdict\":\"done\"}");
	json_decref(judge(&o, "done", NULL));
	o = said("a/known", "{\"verdict\":\"error\",\"reason\":\"e\"}");
	json_decref(judge(&o, "error", "e"));
	o.hang = true;
	json_decref(judge(&o, "fail", "hang"));
}

#define RUN  "{\"kind\":\"run\",\"schema\":1,\"filesystem\":{\"type\":\"xfs\"},\"seed\":7}\n"
#define ONE  "{\"kind\":\"case\",\"case\":\"a\",\"verdict\":\"pass\"}\n"
#define TWO  "{\"kind\":\"case\",\"case\":\"a\",\"round\":2,\"verdict\":\"fail\"}\n"
#define LOST "{\"kind\":\"case\",\"case\":\"b\",\"verdict\":\"miss\"}\n"
#define END  "{\"kind\":\"end\",\"counts\":{}}\n"

static bool parse(struct resume *r, const char *text)
{
	char why[256] = "";
	bool good;

	memset(r, 0, sizeof(*r));
	good = resume_parse(r, text, strlen(text), why, sizeof(why));
	assert_int_equal(good, why[0] == '\0');
	return good;
}

static void test_resume__knows_what_is_done(void **state)
{
	struct resume r;

	(void)state;
	assert_true(parse(&r, RUN ONE TWO LOST END));
	assert_true(resume_has(&r, "a", 1));
	assert_true(resume_has(&r, "a", 2));
	assert_false(resume_has(&r, "a", 3));
	assert_false(resume_has(&r, "b", 1));
	assert_int_equal(r.tally.count[VERDICT_PASS], 1);
	assert_int_equal(r.tally.count[VERDICT_FAIL], 1);
	assert_int_equal(r.tally.count[VERDICT_MISS], 0);
	assert_string_equal(r.fs_type, "xfs");
	assert_int_equal(r.seed, 7);
	assert_int_equal(r.whole, strlen(RUN ONE TWO LOST END));
	resume_free(&r);
}

#define STARTED "{\"kind\":\"start\",\"case\":\"b\"}\n"

static void test_resume__what_was_started_only_is_not_done(void **state)
{
	struct resume r;

	(void)state;
	assert_true(parse(&r, RUN STARTED ONE));
	assert_true(resume_has(&r, "a", 1));
	assert_false(resume_has(&r, "b", 1));
	assert_int_equal(r.whole, strlen(RUN STARTED ONE));
	resume_free(&r);
	assert_false(parse(&r, STARTED RUN));
	resume_free(&r);
}

static void test_resume__leaves_out_a_torn_last_line(void **state)
{
	static const char *const torn[] = { "{\"kind\":\"ca", "{\"kind\":\"ca\n", "\n", "{}\n" };
	char text[512];
	struct resume r;

	(void)state;
	for (size_t i = 0; i < sizeof(torn) / sizeof(torn[0]); i++) {
		snprintf(text, sizeof(text), "%s%s", RUN ONE, torn[i]);
		assert_true(parse(&r, text));
		assert_int_equal(r.whole, strlen(RUN ONE));
		assert_int_equal(json_object_size(r.done), 1);
		resume_free(&r);
	}
}

static void test_resume__refuses_what_is_no_result_file(void **state)
{
	static const char *const bad[] = { "",
					   "x",
					   "x\n",
					   "\n",
					   ONE,
					   ONE RUN,
					   RUN "x\n" ONE,
					   "{}\n",
					   "{\"kind\":\"run\",\"schema\":2,\"filesystem\":"
					   "{\"type\":\"xfs\"},\"seed\":7}\n" };
	struct resume r;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (parse(&r, bad[i]))
			fail_msg("taken for a result file: %s", bad[i]);
		resume_free(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_outcome__the_childs_word_stands),
		cmocka_unit_test(test_outcome__a_hang_is_a_fail_even_with_a_result),
		cmocka_unit_test(test_outcome__death_is_an_error),
		cmocka_unit_test(test_outcome__the_kernel_log_makes_a_fail),
		cmocka_unit_test(test_outcome__an_emulation_that_fails_is_an_error),
		cmocka_unit_test(test_outcome__quirks_turn_fail_and_pass),
		cmocka_unit_test(test_resume__knows_what_is_done),
		cmocka_unit_test(test_resume__what_was_started_only_is_not_done),
		cmocka_unit_test(test_resume__leaves_out_a_torn_last_line),
		cmocka_unit_test(test_resume__refuses_what_is_no_result_file),
	};

	return cmocka_run_group_tests_name("outcome", tests, NULL, NULL);
}
