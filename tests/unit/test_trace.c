/* SPDX-License-Identifier: GPL-2.0-only */
/* What the sectors of a file are as values: runs, moves, words; and the numbers of a seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "case.h"
#include "mix.h"
#include "trace.h"

#define TAG	77
#define SECTORS 16

static uint8_t bytes[SECTORS * SECTOR_SIZE];
static struct sector_run runs[SECTORS];
static uint32_t strange;

static struct sector_stamp stamp_of(uint32_t actor, uint32_t file, uint32_t seq, uint32_t place)
{
	return (struct sector_stamp){ .actor = actor, .file = file, .seq = seq, .place = place };
}

/* Put @count sectors that were meant for @place at sector @at. */
static void put(uint32_t at, uint32_t count, uint32_t seq, uint32_t place)
{
	const struct sector_stamp s = stamp_of(1, 0, seq, place);

	sector_fill(bytes + at * SECTOR_SIZE, count, &s, TAG);
}

static size_t look(uint32_t first)
{
	strange = 0;
	return trace_look(bytes, SECTORS, first, TAG, &strange, runs);
}

static int clear(void **state)
{
	(void)state;
	memset(bytes, 0, sizeof(bytes));
	return 0;
}

static void assert_run(size_t i, uint32_t first, uint32_t count, uint64_t value)
{
	assert_int_equal(runs[i].first, first);
	assert_int_equal(runs[i].count, count);
	assert_true(runs[i].value == value);
}

static void test_trace__runs(void **state)
{
	const struct sector_stamp one = stamp_of(1, 0, 1, 0), two = stamp_of(1, 0, 2, 0);

	(void)state;
	put(0, 4, 1, 0);
	put(4, 3, 2, 4);
	assert_int_equal(look(0), 3);
	assert_run(0, 0, 4, trace_value(&one, 0));
	assert_run(1, 4, 3, trace_value(&two, 0));
	assert_run(2, 7, 9, VALUE_ZERO);
	assert_int_equal(strange, 0);
}

/* A read that starts at sector 100 sees the sectors of puts at 100 and on. */
static void test_trace__runs_of_a_part(void **state)
{
	const struct sector_stamp s = stamp_of(1, 0, 9, 0);

	(void)state;
	put(0, SECTORS, 9, 100);
	assert_int_equal(look(100), 1);
	assert_run(0, 100, SECTORS, trace_value(&s, 0));
}

/* Sectors of one put that were moved by the same distance are of one value, by another are not. */
static void test_trace__moves_show(void **state)
{
	const struct sector_stamp s = stamp_of(1, 0, 3, 0);
	uint64_t plain = trace_value(&s, 0);

	(void)state;
	put(0, 4, 3, 10);
	put(4, 4, 3, 14);
	put(8, 4, 3, 8);
	put(12, 4, 3, 2);
	assert_int_equal(look(0), 3);
	assert_run(0, 0, 8, trace_shift(plain, -10));
	assert_run(1, 8, 4, plain);
	assert_run(2, 12, 4, trace_shift(plain, 10));
}

static void test_trace__shifts_take_each_other_back(void **state)
{
	static const int64_t by[] = { 1, -1, 8, -8, 4095, -4095, 1 << 20, -(1 << 20) };
	const struct sector_stamp s = stamp_of(15, 15, SECTOR_SEQ_MAX - 1, 0);
	const uint64_t value = trace_value(&s, 0);

	(void)state;
	for (size_t i = 0; i < sizeof(by) / sizeof(by[0]); i++) {
		const uint64_t moved = trace_shift(value, by[i]);

		assert_true(moved != value);
		assert_true(trace_shift(moved, -by[i]) == value);
		/* nothing but the move has changed */
		assert_int_equal(value_actor(moved), 15);
		assert_int_equal(value_file(moved), 15);
		assert_int_equal(value_seq(moved), SECTOR_SEQ_MAX - 1);
	}
	assert_true(trace_shift(VALUE_ZERO, 5) == VALUE_ZERO);
	assert_true(trace_shift(VALUE_NOTHING, 5) == VALUE_NOTHING);
	assert_true(trace_shift(VALUE_STRANGE | 5, 5) == (VALUE_STRANGE | 5));
	/* a part of a put moves like all of it */
	assert_true(trace_shift(VALUE_PARTIAL | value, 5) ==
		    (VALUE_PARTIAL | trace_shift(value, 5)));
}

static void test_trace__parts_are_of_the_put_that_came_first(void **state)
{
	const struct sector_stamp s = stamp_of(1, 0, 2, 0);

	(void)state;
	put(0, 1, 1, 0);
	put(1, 1, 2, 0);
	memcpy(bytes, bytes + SECTOR_SIZE, 64);
	memset(bytes + SECTOR_SIZE, 0, SECTOR_SIZE);
	assert_int_equal(look(0), 2);
	assert_run(0, 0, 1, VALUE_PARTIAL | trace_value(&s, 0));
	assert_int_equal(strange, 1);
}

/* No two strange sectors are equal, so that none can be explained by another. */
static void test_trace__strange_sectors_are_each_their_own(void **state)
{
	(void)state;
	memset(bytes, 'x', 3 * SECTOR_SIZE);
	put(4, 1, 1, 4);
	memset(bytes + 4 * SECTOR_SIZE, 0, 64);
	assert_int_equal(look(0), 6);
	assert_int_equal(strange, 4);
	for (size_t i = 0; i < 3; i++) {
		assert_true(runs[i].value & VALUE_STRANGE && runs[i].value & VALUE_FOREIGN);
		for (size_t k = 0; k < i; k++)
			assert_true(runs[i].value != runs[k].value);
	}
	/* zeroes and then a put: strange, but not foreign */
	assert_true(runs[4].value & VALUE_STRANGE && !(runs[4].value & VALUE_FOREIGN));
}

static void test_trace__texts(void **state)
{
	struct actorspec actors[] = { { .name = "writer" } };
	struct race race = { .actors = actors, .actors_count = 1 };
	struct filespec files[] = { { .name = "a" } };
	const struct point p = { .race = &race, .files = files, .files_count = 1 };
	const struct sector_stamp of_writer = stamp_of(1, 0, 7, 8), of_setup = stamp_of(0, 0, 1, 0);
	const uint64_t value = trace_value(&of_writer, 8);
	const struct {
		uint64_t value;
		const char *text;
	} texts[] = {
		{ VALUE_ZERO, "zeroes" },
		{ VALUE_NOTHING, "nothing (beyond the end)" },
		{ value, "put 7 of writer into a" },
		{ VALUE_PARTIAL | value, "a part of put 7 of writer into a" },
		{ trace_value(&of_setup, 0), "put 1 of set-up into a" },
		{ trace_shift(value, 3), "put 7 of writer into a, moved by 3 sectors" },
		{ trace_shift(value, -3), "put 7 of writer into a, moved by -3 sectors" },
		{ VALUE_STRANGE | 1, "bytes of no one put" },
		{ VALUE_FOREIGN | VALUE_STRANGE | 1, "bytes of no one put" },
	};
	char text[96], brief[8];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		trace_value_text(&p, texts[i].value, text, sizeof(text));
		assert_string_equal(text, texts[i].text);
	}
	trace_value_text(&p, value, brief, sizeof(brief));
	assert_string_equal(brief, "put 7 o");
}

static void test_mix__the_same_seed_gives_the_same_numbers(void **state)
{
	uint64_t a = 42, b = 42, c = 43;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		const uint64_t x = mix_next(&a);

		assert_true(x == mix_next(&b));
		assert_true(x != mix_next(&c));
	}
}

/* Every bit is as often 1 as 0, and seeds that differ in one bit have nothing in common. */
static void test_mix__is_spread(void **state)
{
	unsigned int ones[64] = { 0 }, changed = 0;

	(void)state;
	for (uint64_t i = 0; i < 4096; i++) {
		const uint64_t x = mix(i);

		for (int bit = 0; bit < 64; bit++)
			ones[bit] += (unsigned int)(x >> bit & 1);
		changed += (unsigned int)__builtin_popcountll(x ^ mix(i ^ 1));
	}
	for (int bit = 0; bit < 64; bit++)
		assert_in_range(ones[bit], 2048 - 200, 2048 + 200);
	assert_in_range(changed / 4096, 30, 34);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_trace__runs, clear),
		cmocka_unit_test_setup(test_trace__runs_of_a_part, clear),
		cmocka_unit_test_setup(test_trace__moves_show, clear),
		cmocka_unit_test(test_trace__shifts_take_each_other_back),
		cmocka_unit_test_setup(test_trace__parts_are_of_the_put_that_came_first, clear),
		cmocka_unit_test_setup(test_trace__strange_sectors_are_each_their_own, clear),
		cmocka_unit_test(test_trace__texts),
		cmocka_unit_test(test_mix__the_same_seed_gives_the_same_numbers),
		cmocka_unit_test(test_mix__is_spread),
	};

	return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
