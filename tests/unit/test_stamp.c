/* SPDX-License-Identifier: GPL-2.0-only */
/* Unit tests of stamp.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stamp.h"

static uint64_t random_state = 88172645463325252;

static uint64_t random64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static void test_stamp__decode_undoes_encode(void **state)
{
	(void)state;
	for (int i = 0; i < 200000; i++) {
		const struct stamp in = {
			.off = random64() & ~UINT64_C(15),
			.pattern = 1 + (uint32_t)(random64() % 65535),
			.tag = (uint32_t)(random64() & 0xffff),
		};
		uint8_t granule[STAMP_SIZE];
		struct stamp out;

		stamp_encode(&in, granule);
		for (int k = 0; k < STAMP_SIZE; k++)
			assert_true(granule[k] & 0x80);
		assert_true(stamp_decode(granule, &out));
		assert_int_equal(out.off, in.off);
		assert_int_equal(out.pattern, in.pattern);
		assert_int_equal(out.tag, in.tag);
	}
}

static void test_stamp__other_bytes_are_no_stamp(void **state)
{
	int stamps = 0;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		uint64_t words[2] = { random64(), random64() };
		uint8_t granule[STAMP_SIZE];
		struct stamp out;

		memcpy(granule, words, sizeof(granule));
		for (int k = 0; k < STAMP_SIZE; k++)
			granule[k] |= 0x80;
		stamps += stamp_decode(granule, &out);
	}
	/* 20 bits of magic: one in a million. */
	assert_true(stamps <= 3);
}

static void test_stamp__fill_is_the_same_from_any_start(void **state)
{
	uint8_t whole[512];

	(void)state;
	stamp_fill(whole, sizeof(whole), 5, 4096, 9);
	for (size_t off = 0; off < 64; off++)
		for (size_t len = 0; len + off < 200; len += 7) {
			uint8_t part[256];

			stamp_fill(part, len, 5, 4096 + off, 9);
			assert_memory_equal(part, whole + off, len);
		}
}

static void test_stamp__find_names_what_is_there(void **state)
{
	uint8_t buf[400];
	struct stamp found;
	bool zero;

	(void)state;
	memset(buf, 0, sizeof(buf));
	stamp_fill(buf + 100, 200, 7, 1003, 2);
	memset(buf + 300, 0x11, 50);
	assert_int_equal(stamp_find(buf, sizeof(buf), &zero, &found), 100);
	assert_true(zero);
	assert_int_equal(stamp_find(buf + 100, 300, &zero, &found), 200);
	assert_false(zero);
	assert_int_equal(found.pattern, 7);
	assert_int_equal(found.off, 1003);
	assert_int_equal(found.tag, 2);
	assert_int_equal(stamp_find(buf + 300, 100, &zero, &found), 50);
	assert_false(zero);
	assert_int_equal(found.pattern, 0);
}

static void test_stamp__a_shift_changes_every_block(void **state)
{
	uint8_t here[64], there[64];
	int equal = 0;

	(void)state;
	stamp_fill(here, sizeof(here), 1, 0, 0);
	stamp_fill(there, sizeof(there), 1, 4096, 0);
	for (size_t i = 0; i < sizeof(here); i++)
		equal += here[i] == there[i];
	assert_true(equal < 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stamp__decode_undoes_encode),
		cmocka_unit_test(test_stamp__other_bytes_are_no_stamp),
		cmocka_unit_test(test_stamp__fill_is_the_same_from_any_start),
		cmocka_unit_test(test_stamp__find_names_what_is_there),
		cmocka_unit_test(test_stamp__a_shift_changes_every_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
