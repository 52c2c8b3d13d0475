/* SPDX-License-Identifier: GPL-2.0-only */
/* Unit tests of left.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "left.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define BLOCK	 64
#define BLOCKS	 16
#define TAG	 7

/*
 * A file as a word: each letter is a block, o of the old pattern, n of the new one, z of zeroes, x
 * of neither. A letter of the upper case is half a block, at the end.
 */
static size_t write_out(const char *word, uint8_t *bytes)
{
	size_t at = 0;

	for (; *word; word++) {
		const size_t len = *word >= 'a' ? BLOCK : BLOCK / 2;
		struct seg s = { .len = len, .off = at };
		const struct rope r = { .seg = &s, .count = 1, .size = len };

		s.pattern = strchr("oO", *word) ? 1 : strchr("nN", *word) ? 2 : 0;
		rope_fill(&r, 0, bytes + at, len, TAG);
		if (strchr("xX", *word))
			memset(bytes + at, 0xee, len);
		at += len;
	}
	return at;
}

static void build(struct mfile *f, const char *word)
{
	struct model m;
	uint64_t at = 0;

	model_init(&m, BLOCK);
	for (; *word; word++) {
		const uint64_t len = *word >= 'a' ? BLOCK : BLOCK / 2;
		const uint32_t pattern = strchr("oO", *word) ? 1 : strchr("nN", *word) ? 2 : 0;

		model_write(&m, f, at, len, (struct data){ .pattern = pattern });
		at += len;
	}
	model_free(&m);
}

/* Judge the bytes in pieces of @step; the answer and what the struct says besides. */
static enum left judge(const char *before, const char *after, const char *now, size_t step,
		       struct leftover *l)
{
	uint8_t bytes[BLOCKS * BLOCK], scratch[BLOCKS * BLOCK];
	struct mfile old = { 0 }, new = { 0 };
	const size_t len = write_out(now, bytes);
	enum left left;

	build(&old, before);
	build(&new, after);
	left_begin(l, &old.rope, &new.rope, len, BLOCK, TAG);
	for (size_t at = 0; at < len; at += step)
		left_feed(l, bytes + at, len - at < step ? len - at : step, scratch);
	left = left_end(l);
	rope_free(&old.rope);
	rope_free(&new.rope);
	return left;
}

static const struct {
	const char *before, *after, *now;
	enum left left;
	/* bytes of a prefix, or where it goes wrong */
	uint64_t at;
} rows[] = {
	/* into an empty file */
	{ "", "nnnn", "", LEFT_NOTHING, 0 },
	{ "", "nnnn", "nnnn", LEFT_ALL, 0 },
	{ "", "nnnn", "nn", LEFT_PREFIX, 2 * BLOCK },
	{ "", "nnnn", "nnN", LEFT_PREFIX, 2 * BLOCK + BLOCK / 2 },
	{ "", "nnnN", "nnnN", LEFT_ALL, 0 },
	{ "", "nnnN", "nnn", LEFT_PREFIX, 3 * BLOCK },
	{ "", "nnnn", "nnzz", LEFT_OTHER, 4 * BLOCK },
	{ "", "nnnn", "z", LEFT_OTHER, BLOCK },
	{ "", "nnnn", "nxnn", LEFT_OTHER, BLOCK },
	{ "", "nnnn", "nzn", LEFT_OTHER, 2 * BLOCK },
	{ "", "nnnn", "nnnnz", LEFT_OTHER, 5 * BLOCK },
	/* holes of the source are equal to what is not there yet */
	{ "", "nzzn", "nz", LEFT_PREFIX, 2 * BLOCK },
	{ "", "nzzn", "nzzn", LEFT_ALL, 0 },
	{ "", "nzzn", "nzzz", LEFT_OTHER, 4 * BLOCK },
	{ "", "zzzz", "zz", LEFT_PREFIX, 2 * BLOCK },
	/* over what is there */
	{ "oooo", "nnnn", "oooo", LEFT_NOTHING, 0 },
	{ "oooo", "nnnn", "nnnn", LEFT_ALL, 0 },
	{ "oooo", "nnnn", "nnoo", LEFT_PREFIX, 2 * BLOCK },
	{ "oooo", "nnnn", "noon", LEFT_OTHER, 3 * BLOCK },
	{ "oooo", "nnnn", "ooon", LEFT_OTHER, 3 * BLOCK },
	{ "oooo", "nnnn", "noxo", LEFT_OTHER, 2 * BLOCK },
	{ "oooo", "nnnn", "nno", LEFT_OTHER, 3 * BLOCK },
	{ "oooo", "nnnn", "nzoo", LEFT_OTHER, BLOCK },
	/* a range in the middle */
	{ "oooooo", "oonnoo", "oonooo", LEFT_PREFIX, 3 * BLOCK },
	{ "oooooo", "oonnoo", "oooooo", LEFT_NOTHING, 0 },
	{ "oooooo", "oonnoo", "ooonoo", LEFT_OTHER, 3 * BLOCK },
	{ "oooooo", "oonnoo", "oonnon", LEFT_OTHER, 5 * BLOCK },
	/* over the end */
	{ "oo", "onnn", "on", LEFT_PREFIX, 2 * BLOCK },
	{ "oo", "onnn", "onn", LEFT_PREFIX, 3 * BLOCK },
	{ "oo", "onnn", "oon", LEFT_OTHER, 2 * BLOCK },
	{ "oo", "onnn", "oo", LEFT_NOTHING, 0 },
	/* nothing is to change */
	{ "oooo", "oooo", "oooo", LEFT_SAME, 0 },
	{ "oooo", "oooo", "ooxo", LEFT_OTHER, 2 * BLOCK },
	{ "oooo", "oooo", "ooo", LEFT_OTHER, 3 * BLOCK },
	{ "", "", "", LEFT_SAME, 0 },
};

static void test_left__table(void **state)
{
	static const size_t steps[] = { BLOCK, 3 * BLOCK, BLOCKS * BLOCK };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		for (size_t k = 0; k < COUNT(steps); k++) {
			struct leftover l;
			const enum left left =
				judge(rows[i].before, rows[i].after, rows[i].now, steps[k], &l);

			if (left != rows[i].left)
				fail_msg("%s -> %s, now %s: %s, wanted %s", rows[i].before,
					 rows[i].after, rows[i].now, left_name(left),
					 left_name(rows[i].left));
			if (left == LEFT_PREFIX)
				assert_int_equal(l.prefix, rows[i].at);
			if (left == LEFT_OTHER && l.wrong != rows[i].at)
				fail_msg("%s -> %s, now %s: wrong at %d", rows[i].before,
					 rows[i].after, rows[i].now, (int)l.wrong);
		}
}

static void test_left__tells_garbage_from_old_and_new(void **state)
{
	struct leftover l;

	(void)state;
	assert_int_equal(judge("oooo", "nnnn", "nnxo", BLOCK, &l), LEFT_OTHER);
	assert_true(l.garbage);
	assert_int_equal(judge("oooo", "nnnn", "noon", BLOCK, &l), LEFT_OTHER);
	assert_false(l.garbage);
}

/* Two files of random blocks: the answer for each mix of them is known by how it was made. */
static void test_left__random_mixes(void **state)
{
	(void)state;
	srand(TAG);
	for (int i = 0; i < 2000; i++) {
		char now[BLOCKS + 1] = "", before[BLOCKS + 1] = "", after[BLOCKS + 1] = "";
		const size_t len = 1 + (size_t)rand() % (BLOCKS - 1),
			     cut = (size_t)rand() % (len + 1);
		size_t last = 0;
		struct leftover l;
		enum left left, want;

		for (size_t k = 0; k < len; k++) {
			before[k] = "oz"[rand() % 2];
			after[k] = "nzo"[rand() % 3];
			now[k] = k < cut ? after[k] : before[k];
			last = k < cut && after[k] != before[k] ? k + 1 : last;
		}
		want = !strcmp(before, after) ? LEFT_SAME
		       : !strcmp(now, before) ? LEFT_NOTHING
		       : !strcmp(now, after)  ? LEFT_ALL
					      : LEFT_PREFIX;
		left = judge(before, after, now, BLOCK, &l);
		if (left != want)
			fail_msg("%s -> %s, now %s: %s", before, after, now, left_name(left));
		if (left == LEFT_PREFIX)
			assert_int_equal(l.prefix, last * BLOCK);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_left__table),
		cmocka_unit_test(test_left__tells_garbage_from_old_and_new),
		cmocka_unit_test(test_left__random_mixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
