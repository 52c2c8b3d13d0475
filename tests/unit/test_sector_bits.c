/* SPDX-License-Identifier: GPL-2.0-only */
/* Sector stamps: each of their bits and words, the largest of them, and those of other points. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sector.h"

#define TAG	    0x5a17
#define WORD	    sizeof(uint64_t)
#define LAST_ACTOR  (SECTOR_ACTORS_MAX - 1)
#define LAST_FILE   (SECTOR_FILES_MAX - 1)
#define SEQ_LAST    (SECTOR_SEQ_MAX - 1)
#define PLACE_LAST  (SECTOR_PLACE_MAX - 1)
#define FEW_SECTORS 9

static const struct sector_stamp old_put = { .actor = 3, .file = 1, .seq = 41, .place = 7 };
static const struct sector_stamp new_put = { .actor = 3, .file = 1, .seq = 42, .place = 7 };

static void assert_stamp(const struct sector_stamp *s, const struct sector_stamp *want,
			 uint32_t further)
{
	assert_int_equal(s->actor, want->actor);
	assert_int_equal(s->file, want->file);
	assert_int_equal(s->seq, want->seq);
	assert_int_equal(s->place, want->place + further);
}

static enum sector_kind kind_of(const void *bytes, uint32_t tag)
{
	struct sector s;

	sector_look(bytes, tag, &s);
	return s.kind;
}

static void test_sector__every_sector_says_whose_it_is(void **state)
{
	static const struct sector_stamp stamps[] = {
		{ 0, 0, 0, 0 },
		{ 0, 0, 1, 0 },
		{ 1, 0, 0, 0 },
		{ 0, 1, 0, 0 },
		{ LAST_ACTOR, LAST_FILE, SEQ_LAST, PLACE_LAST - FEW_SECTORS },
		{ 5, 6, 0x123456, 0x54321 },
	};
	uint8_t bytes[FEW_SECTORS * SECTOR_SIZE];
	struct sector s;

	(void)state;
	for (size_t i = 0; i < sizeof(stamps) / sizeof(stamps[0]); i++) {
		sector_fill(bytes, FEW_SECTORS, &stamps[i], TAG);
		for (uint32_t k = 0; k < FEW_SECTORS; k++) {
			sector_look(bytes + k * SECTOR_SIZE, TAG, &s);
			assert_int_equal(s.kind, SECTOR_STAMP);
			assert_stamp(&s.stamp, &stamps[i], k);
		}
	}
}

/* Wherever a put was cut off, both parts are known, and so is the place. */
static void test_sector__torn_at_every_word(void **state)
{
	uint8_t bytes[SECTOR_SIZE], rest[SECTOR_SIZE];
	struct sector s;

	(void)state;
	for (unsigned int cut = 1; cut < SECTOR_WORDS; cut++) {
		sector_fill(bytes, 1, &new_put, TAG);
		sector_fill(rest, 1, &old_put, TAG);
		memcpy(bytes + cut * WORD, rest + cut * WORD, SECTOR_SIZE - cut * WORD);
		sector_look(bytes, TAG, &s);
		assert_int_equal(s.kind, SECTOR_TORN);
		assert_int_equal(s.words, cut);
		assert_false(s.stamp_zero || s.rest_zero);
		assert_stamp(&s.stamp, &new_put, 0);
		assert_stamp(&s.rest, &old_put, 0);
	}
}

static void test_sector__torn_against_zeroes(void **state)
{
	uint8_t bytes[SECTOR_SIZE];
	struct sector s;

	(void)state;
	for (unsigned int cut = 1; cut < SECTOR_WORDS; cut++) {
		sector_fill(bytes, 1, &new_put, TAG);
		memset(bytes + cut * WORD, 0, SECTOR_SIZE - cut * WORD);
		sector_look(bytes, TAG, &s);
		assert_int_equal(s.kind, SECTOR_TORN);
		assert_int_equal(s.words, cut);
		assert_true(!s.stamp_zero && s.rest_zero);
		assert_stamp(&s.stamp, &new_put, 0);

		sector_fill(bytes, 1, &new_put, TAG);
		memset(bytes, 0, cut * WORD);
		sector_look(bytes, TAG, &s);
		assert_int_equal(s.kind, SECTOR_TORN);
		assert_int_equal(s.words, cut);
		assert_true(s.stamp_zero && !s.rest_zero);
		assert_stamp(&s.rest, &new_put, 0);
	}
}

static void test_sector__three_parts_are_mixed(void **state)
{
	uint8_t bytes[SECTOR_SIZE], rest[SECTOR_SIZE];

	(void)state;
	sector_fill(bytes, 1, &new_put, TAG);
	sector_fill(rest, 1, &old_put, TAG);
	memcpy(bytes + 10 * WORD, rest + 10 * WORD, 20 * WORD);
	assert_int_equal(kind_of(bytes, TAG), SECTOR_MIXED);
	memset(bytes + 10 * WORD, 0, 20 * WORD);
	assert_int_equal(kind_of(bytes, TAG), SECTOR_MIXED);
	/* a byte of nobody in the third part, or in the last word */
	bytes[40 * WORD]++;
	assert_int_equal(kind_of(bytes, TAG), SECTOR_ALIEN);
	bytes[40 * WORD]--;
	bytes[SECTOR_SIZE - 1]++;
	assert_int_equal(kind_of(bytes, TAG), SECTOR_ALIEN);
}

/* One wrong bit anywhere: no part of the sector may pass for the put's own whole. */
static void test_sector__every_bit_counts(void **state)
{
	uint8_t bytes[SECTOR_SIZE];
	unsigned int known = 0;

	(void)state;
	sector_fill(bytes, 1, &new_put, TAG);
	for (size_t bit = 0; bit < 8 * SECTOR_SIZE; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_not_equal(kind_of(bytes, TAG), SECTOR_STAMP);
		known += kind_of(bytes, TAG) != SECTOR_ALIEN;
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	/* a word with a wrong bit passes for another put's by a chance of 1 in 4096 */
	assert_true(known < 8 * SECTOR_SIZE / 256);
}

static void test_sector__words_do_not_pass_for_each_other(void **state)
{
	uint8_t bytes[SECTOR_SIZE], swapped[SECTOR_SIZE];

	(void)state;
	sector_fill(bytes, 1, &new_put, TAG);
	memcpy(swapped, bytes, SECTOR_SIZE);
	memcpy(swapped, bytes + WORD, WORD);
	memcpy(swapped + WORD, bytes, WORD);
	assert_int_equal(kind_of(swapped, TAG), SECTOR_ALIEN);
	memcpy(swapped, bytes + SECTOR_SIZE / 2, SECTOR_SIZE / 2);
	assert_int_equal(kind_of(swapped, TAG), SECTOR_ALIEN);
}

static void test_sector__other_points_are_alien(void **state)
{
	uint8_t bytes[SECTOR_SIZE], text[SECTOR_SIZE];

	(void)state;
	sector_fill(bytes, 1, &new_put, TAG);
	for (uint32_t tag = 0; tag < 0x10000; tag++)
		if (tag != TAG)
			assert_int_not_equal(kind_of(bytes, tag), SECTOR_STAMP);
	memset(text, 'x', sizeof(text));
	assert_int_equal(kind_of(text, TAG), SECTOR_ALIEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sector__every_sector_says_whose_it_is),
		cmocka_unit_test(test_sector__torn_at_every_word),
		cmocka_unit_test(test_sector__torn_against_zeroes),
		cmocka_unit_test(test_sector__three_parts_are_mixed),
		cmocka_unit_test(test_sector__every_bit_counts),
		cmocka_unit_test(test_sector__words_do_not_pass_for_each_other),
		cmocka_unit_test(test_sector__other_points_are_alien),
	};

	return cmocka_run_group_tests_name("sector bits", tests, NULL, NULL);
}
