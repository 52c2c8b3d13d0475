/* SPDX-License-Identifier: GPL-2.0-only */
/* Unit tests of units.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "units.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct units units = { .block = 65536, .page = 4096 };

static void test_units__values(void **state)
{
	static const struct {
		const char *text;
		uint64_t value;
	} rows[] = {
		{ "0", 0 },
		{ "512", 512 },
		{ "4K", 4096 },
		{ "1M", 1 << 20 },
		{ "3G", 3ULL << 30 },
		{ "2T", 2ULL << 40 },
		{ "7E", 7ULL << 60 },
		{ "B", 65536 },
		{ "8B", 8 * 65536 },
		{ "P", 4096 },
		{ "8B-1", 8 * 65536 - 1 },
		{ "P+512", 4608 },
		{ "B+P-1", 65536 + 4096 - 1 },
		{ "1-2+3", 2 },
		{ "0x7ffff000", 0x7ffff000 },
		{ "0xfK", 15 * 1024 },
		{ "0xAbC", 0xabc },
		/* B and E are digits here, not suffixes. */
		{ "0x1B", 0x1b },
		{ "0x1E", 0x1e },
		{ "0x10P", 16 * 4096 },
		{ "007", 7 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *why = NULL;
		uint64_t value = 99;

		assert_true(units_parse(rows[i].text, &units, &value, &why));
		assert_int_equal(value, rows[i].value);
	}
}

static void test_units__wraps(void **state)
{
	static const struct {
		const char *text;
		uint64_t value;
	} rows[] = {
		{ "-1", UINT64_MAX },
		{ "-B", 0 - UINT64_C(65536) },
		{ "0-1", UINT64_MAX },
		{ "18446744073709551615", UINT64_MAX },
		{ "18446744073709551615+1", 0 },
		{ "0xffffffffffffffff+2", 1 },
		{ "8E+8E", 0 },
		{ "15E+1E-1", UINT64_MAX },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *why = NULL;
		uint64_t value = 99;

		assert_true(units_parse(rows[i].text, &units, &value, &why));
		assert_int_equal(value, rows[i].value);
	}
}

static void test_units__refused(void **state)
{
	static const char *const texts[] = {
		"",
		"x",
		"-",
		"+1",
		"1+",
		"1-",
		"--1",
		"1++1",
		"1 + 1",
		" 1",
		"1 ",
		"K",
		"M",
		"4k",
		"4KB",
		"BB",
		"BP",
		"1B2",
		"0x",
		"0xg",
		"1.5",
		"$x",
		"1*2",
		"16E",
		"0x1ffffffffffffffff",
		"18446744073709551616",
		"999999999999999999999999",
		"18014398509481984K",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		const char *why = NULL;
		uint64_t value = 99;

		assert_false(units_parse(texts[i], &units, &value, &why));
		assert_non_null(why);
		assert_int_equal(value, 99);
	}
}

static void test_units__block_too_large(void **state)
{
	static const struct units large = { .block = UINT64_C(1) << 63, .page = 4096 };
	const char *why = NULL;
	uint64_t value;

	(void)state;
	assert_true(units_parse("B", &large, &value, &why));
	assert_int_equal(value, UINT64_C(1) << 63);
	assert_false(units_parse("2B", &large, &value, &why));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_units__values),
		cmocka_unit_test(test_units__wraps),
		cmocka_unit_test(test_units__refused),
		cmocka_unit_test(test_units__block_too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
