/* SPDX-License-Identifier: GPL-2.0-only */
/* Arenas: what is taken back, what lies in given memory, what no longer fits there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arena.h"

#define ROOM 4096

/* All of it must be zeroes when it comes, and somebody else's afterwards. */
static uint8_t *take(struct arena *a, size_t size)
{
	uint8_t *p = arena_alloc(a, size);

	for (size_t i = 0; i < size; i++)
		assert_int_equal(p[i], 0);
	memset(p, 0xa5, size);
	return p;
}

static bool is_within(const void *memory, const void *p)
{
	return (const uint8_t *)p >= (const uint8_t *)memory &&
	       (const uint8_t *)p < (const uint8_t *)memory + ROOM;
}

static void test_arena__given_memory_comes_first(void **state)
{
	uint8_t *memory = calloc(1, ROOM);
	struct arena *a = arena_within(memory, ROOM);

	(void)state;
	assert_true(is_within(memory, take(a, 100)));
	assert_true(is_within(memory, take(a, ROOM / 2)));
	assert_int_equal(arena_spilled(a), 0);
	arena_free(a);
	free(memory);
}

static void test_arena__what_does_not_fit_is_counted(void **state)
{
	uint8_t *memory = calloc(1, ROOM);
	struct arena *a = arena_within(memory, ROOM);

	(void)state;
	take(a, 16);
	assert_false(is_within(memory, take(a, ROOM)));
	assert_int_equal(arena_spilled(a), ROOM);
	take(a, 1);
	assert_true(arena_spilled(a) >= ROOM);
	arena_free(a);
	free(memory);
}

static void test_arena__a_reset_starts_anew(void **state)
{
	uint8_t *memory = calloc(1, ROOM);
	struct arena *a = arena_within(memory, ROOM);
	const uint8_t *first = take(a, 48);

	(void)state;
	take(a, 2 * ROOM);
	take(a, 100000);
	arena_reset(a);
	assert_int_equal(arena_spilled(a), 0);
	assert_ptr_equal(take(a, 48), first);
	assert_int_equal(arena_spilled(a), 0);
	arena_free(a);
	free(memory);
}

static void test_arena__a_reset_without_given_memory(void **state)
{
	struct arena *a = arena_new();

	(void)state;
	arena_reset(a);
	take(a, 100);
	take(a, 100000);
	arena_reset(a);
	take(a, 100);
	assert_int_equal(arena_spilled(a), 0);
	arena_free(a);
}

/* As races do after each round: the same memory serves them all. */
static void test_arena__a_release_takes_back_what_came_since(void **state)
{
	struct arena *a = arena_new();
	uint8_t *kept = take(a, 32);
	const struct arena_mark mark = arena_mark(a);
	const uint8_t *next = take(a, 64);

	(void)state;
	for (int round = 0; round < 1000; round++) {
		take(a, 1000);
		take(a, 20000);
		arena_release(a, mark);
		assert_ptr_equal(take(a, 64), next);
	}
	for (size_t i = 0; i < 32; i++)
		assert_int_equal(kept[i], 0xa5);
	arena_free(a);
}

static void test_arena__a_release_of_everything(void **state)
{
	struct arena *a = arena_new();
	const struct arena_mark mark = arena_mark(a);

	(void)state;
	take(a, 64);
	take(a, 40000);
	arena_release(a, mark);
	assert_null(arena_mark(a).chunk);
	take(a, 64);
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arena__given_memory_comes_first),
		cmocka_unit_test(test_arena__what_does_not_fit_is_counted),
		cmocka_unit_test(test_arena__a_reset_starts_anew),
		cmocka_unit_test(test_arena__a_reset_without_given_memory),
		cmocka_unit_test(test_arena__a_release_takes_back_what_came_since),
		cmocka_unit_test(test_arena__a_release_of_everything),
	};

	return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
