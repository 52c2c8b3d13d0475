/* SPDX-License-Identifier: GPL-2.0-only */
/* sector: what a sector says of itself, whole, torn in one place or in several, or foreign. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "sector.h"

#define TAG 7

static const struct sector_stamp old = { .actor = 1, .file = 2, .seq = 3, .place = 40 };
static const struct sector_stamp new = {
	.actor = 15, .file = 0, .seq = SECTOR_SEQ_MAX - 1, .place = SECTOR_PLACE_MAX - 1
};

static void assert_same_stamp(const struct sector_stamp *a, const struct sector_stamp *b)
{
	assert_int_equal(a->actor, b->actor);
	assert_int_equal(a->file, b->file);
	assert_int_equal(a->seq, b->seq);
	assert_int_equal(a->place, b->place);
}

static struct sector look(const uint8_t *bytes)
{
	struct sector s;

	sector_look(bytes, TAG, &s);
	return s;
}

static void a_whole_sector_names_its_put(void **state)
{
	uint8_t bytes[2 * SECTOR_SIZE];
	struct sector_stamp next = old;
	struct sector s;

	(void)state;
	sector_fill(bytes, 2, &old, TAG);
	s = look(bytes);
	assert_int_equal(s.kind, SECTOR_STAMP);
	assert_same_stamp(&s.stamp, &old);
	next.place++;
	s = look(bytes + SECTOR_SIZE);
	assert_same_stamp(&s.stamp, &next);
}

static void stores_make_the_same_bytes(void **state)
{
	uint8_t filled[SECTOR_SIZE];
	uint64_t stored[SECTOR_WORDS];

	(void)state;
	sector_fill(filled, 1, &new, TAG);
	sector_store(stored, 1, &new, TAG);
	assert_memory_equal(filled, stored, SECTOR_SIZE);
}

static void zeroes_are_zeroes(void **state)
{
	const uint8_t bytes[SECTOR_SIZE] = { 0 };

	(void)state;
	assert_int_equal(look(bytes).kind, SECTOR_ZERO);
}

/* At each word: the new put up to there, then the old one. */
static void a_torn_sector_shows_where(void **state)
{
	uint8_t bytes[SECTOR_SIZE], first[SECTOR_SIZE];
	struct sector s;

	(void)state;
	sector_fill(first, 1, &new, TAG);
	for (unsigned int words = 1; words < SECTOR_WORDS; words++) {
		sector_fill(bytes, 1, &old, TAG);
		memcpy(bytes, first, (size_t)words * 8);
		s = look(bytes);
		assert_int_equal(s.kind, SECTOR_TORN);
		assert_int_equal(s.words, words);
		assert_same_stamp(&s.stamp, &new);
		assert_same_stamp(&s.rest, &old);
	}
}

static void three_parts_are_mixed(void **state)
{
	uint8_t bytes[SECTOR_SIZE], other[SECTOR_SIZE];

	(void)state;
	sector_fill(bytes, 1, &old, TAG);
	sector_fill(other, 1, &new, TAG);
	memcpy(bytes + 128, other + 128, 64);
	assert_int_equal(look(bytes).kind, SECTOR_MIXED);
	memset(bytes + 256, 0, 64);
	assert_int_equal(look(bytes).kind, SECTOR_MIXED);
}

/* One wrong byte, wherever it is. */
static void foreign_bytes_are_alien(void **state)
{
	uint8_t bytes[SECTOR_SIZE];

	(void)state;
	for (size_t at = 0; at < SECTOR_SIZE; at++) {
		sector_fill(bytes, 1, &old, TAG);
		bytes[at] ^= 0x55;
		assert_int_equal(look(bytes).kind, SECTOR_ALIEN);
	}
}

static void what_another_point_left_is_alien(void **state)
{
	uint8_t bytes[SECTOR_SIZE];

	(void)state;
	sector_fill(bytes, 1, &old, TAG + 1);
	assert_int_equal(look(bytes).kind, SECTOR_ALIEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_sector_names_its_put),
		cmocka_unit_test(stores_make_the_same_bytes),
		cmocka_unit_test(zeroes_are_zeroes),
		cmocka_unit_test(a_torn_sector_shows_where),
		cmocka_unit_test(three_parts_are_mixed),
		cmocka_unit_test(foreign_bytes_are_alien),
		cmocka_unit_test(what_another_point_left_is_alien),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
