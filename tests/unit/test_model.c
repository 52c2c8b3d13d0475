/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Unit tests of model.c. The judge of the rope is the plainest model there is: an array that says
 * for each byte where it and its block came from.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model.h"

#define BLOCK	       16
#define SIZE_MAX_BYTES 400
#define FILES	       3
#define ROUNDS	       3000
#define OPS	       12

/** struct plain - one byte */
struct plain {
	uint32_t pattern;
	uint64_t off;
};

struct plain_file {
	struct plain byte[2 * SIZE_MAX_BYTES];
	size_t size;
};

static uint64_t random_state = 88172645463325252;

static uint64_t below(uint64_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % n;
}

static void compare(const struct plain_file *want, const struct rope *r)
{
	uint64_t sum = 0;

	assert_int_equal(r->size, want->size);
	for (size_t i = 0; i < want->size; i++) {
		const struct seg s = rope_at(r, i);

		assert_int_equal(s.pattern, want->byte[i].pattern);
		if (s.pattern)
			assert_int_equal(s.off, want->byte[i].off);
	}
	for (size_t i = 0; i < r->count; i++) {
		assert_true(r->seg[i].len > 0);
		sum += r->seg[i].len;
	}
	assert_int_equal(sum, r->size);
}

static void plain_resize(struct plain_file *f, size_t size)
{
	for (size_t i = f->size; i < size; i++)
		f->byte[i] = (struct plain){ 0 };
	f->size = size;
}

static void plain_write(struct plain_file *f, size_t off, size_t len, uint32_t pattern)
{
	if (off + len > f->size)
		plain_resize(f, off + len);
	for (size_t i = 0; i < len; i++)
		f->byte[off + i] =
			(struct plain){ .pattern = pattern, .off = pattern ? off + i : 0 };
}

static void plain_clone(struct plain_file *to, size_t to_off, const struct plain_file *from,
			size_t from_off, size_t len)
{
	struct plain copy[SIZE_MAX_BYTES];

	len = from_off >= from->size	    ? 0
	      : len < from->size - from_off ? len
					    : from->size - from_off;
	if (!len)
		return;
	memcpy(copy, from->byte + from_off, len * sizeof(*copy));
	if (to_off + len > to->size)
		plain_resize(to, to_off + len);
	memcpy(to->byte + to_off, copy, len * sizeof(*copy));
}

static void plain_zero(struct plain_file *f, size_t off, size_t len)
{
	if (off < f->size)
		plain_write(f, off, len < f->size - off ? len : f->size - off, 0);
}

static void plain_collapse(struct plain_file *f, size_t off, size_t len)
{
	memmove(f->byte + off, f->byte + off + len, (f->size - off - len) * sizeof(*f->byte));
	f->size -= len;
}

static void plain_insert(struct plain_file *f, size_t off, size_t len)
{
	memmove(f->byte + off + len, f->byte + off, (f->size - off) * sizeof(*f->byte));
	f->size += len;
	for (size_t i = 0; i < len; i++)
		f->byte[off + i] = (struct plain){ 0 };
}

static void one_op(struct model *m, struct mfile *f, struct plain_file *p, uint32_t pattern)
{
	const size_t to = below(FILES), from = below(FILES);
	const size_t off = below(SIZE_MAX_BYTES / 2), len = 1 + below(SIZE_MAX_BYTES / 2 - 1);
	const size_t other = below(SIZE_MAX_BYTES / 2);
	const size_t size = p[to].size;

	switch (below(9)) {
	case 0:
		model_write(m, &f[to], off, len, (struct data){ .pattern = pattern });
		plain_write(&p[to], off, len, pattern);
		break;
	case 1:
		model_clone(m, &f[to], off, &f[from], other, len, ORIGIN_SURE);
		plain_clone(&p[to], off, &p[from], other, len);
		break;
	case 2:
		model_punch(m, &f[to], off, len);
		plain_zero(&p[to], off, len);
		break;
	case 3:
		model_zero(m, &f[to], off, len);
		plain_zero(&p[to], off, len);
		break;
	case 4:
		model_truncate(m, &f[to], len);
		plain_resize(&p[to], len);
		break;
	case 5:
		if (off + len >= size)
			break;
		model_collapse(m, &f[to], off, len);
		plain_collapse(&p[to], off, len);
		break;
	case 6:
		if (off >= size || size + len > SIZE_MAX_BYTES)
			break;
		model_insert(m, &f[to], off, len);
		plain_insert(&p[to], off, len);
		break;
	case 7:
		model_private(m, &f[to], off, len);
		break;
	default:
		model_reserve(m, &f[to], off, len);
		break;
	}
}

static void test_model__agrees_with_an_array_of_bytes(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct mfile f[FILES] = { 0 };
		static struct plain_file p[FILES];
		struct model m;

		memset(p, 0, sizeof(p));
		model_init(&m, BLOCK);
		for (uint32_t op = 1; op <= OPS; op++) {
			one_op(&m, f, p, op);
			for (int i = 0; i < FILES; i++)
				compare(&p[i], &f[i].rope);
		}
		for (int i = 0; i < FILES; i++)
			rope_free(&f[i].rope);
		model_free(&m);
	}
}

/* A source of four blocks and an empty destination. */
struct pair {
	struct model m;
	struct mfile src, dst;
};

static int make_pair(void **state)
{
	static struct pair pair;

	memset(&pair, 0, sizeof(pair));
	model_init(&pair.m, BLOCK);
	model_write(&pair.m, &pair.src, 0, 4 * BLOCK, (struct data){ .pattern = 1 });
	*state = &pair;
	return 0;
}

static int drop_pair(void **state)
{
	struct pair *pair = *state;

	rope_free(&pair->src.rope);
	rope_free(&pair->dst.rope);
	model_free(&pair->m);
	return 0;
}

static bool common(const struct pair *p, uint64_t src, uint64_t dst)
{
	const struct seg a = rope_at(&p->src.rope, src), b = rope_at(&p->dst.rope, dst);

	return a.origin != ORIGIN_HOLE && a.origin == b.origin && a.origin_off == b.origin_off;
}

static void test_model__a_clone_shares_and_a_write_parts(void **state)
{
	struct pair *p = *state;

	model_clone(&p->m, &p->dst, 0, &p->src, 0, 4 * BLOCK, ORIGIN_SURE);
	for (uint64_t at = 0; at < 4 * BLOCK; at++)
		assert_true(common(p, at, at));
	model_write(&p->m, &p->dst, BLOCK + 3, 1, (struct data){ .pattern = 2 });
	for (uint64_t at = 0; at < 4 * BLOCK; at++)
		assert_int_equal(common(p, at, at), at < BLOCK || at >= 2 * BLOCK);
	assert_int_equal(rope_at(&p->dst.rope, BLOCK + 3).pattern, 2);
	assert_int_equal(rope_at(&p->dst.rope, BLOCK + 4).pattern, 1);
}

static void test_model__an_unaligned_copy_shares_nothing(void **state)
{
	struct pair *p = *state;

	model_clone(&p->m, &p->dst, 1, &p->src, 0, 4 * BLOCK, ORIGIN_MAYBE);
	for (uint64_t at = 0; at < 4 * BLOCK; at++)
		assert_false(common(p, at, at + 1));
}

static void test_model__a_copy_may_share_whole_blocks_only(void **state)
{
	struct pair *p = *state;

	model_truncate(&p->m, &p->dst, 4 * BLOCK);
	model_clone(&p->m, &p->dst, 5, &p->src, 5, 2 * BLOCK, ORIGIN_MAYBE);
	assert_false(common(p, 5, 5));
	assert_true(common(p, BLOCK, BLOCK));
	assert_int_equal(rope_at(&p->dst.rope, BLOCK).kind, ORIGIN_MAYBE);
	assert_false(common(p, 2 * BLOCK, 2 * BLOCK));
}

static void test_model__dedupe_changes_blocks_but_no_byte(void **state)
{
	struct pair *p = *state;

	model_write(&p->m, &p->dst, 0, 4 * BLOCK, (struct data){ .pattern = 1 });
	p->dst.changed = false;
	model_share(&p->m, &p->dst, 0, &p->src, 0, 4 * BLOCK, ORIGIN_SURE);
	assert_true(common(p, 0, 0));
	assert_false(p->dst.changed);
	assert_int_equal(rope_compare(&p->src.rope, 0, &p->dst.rope, 0, 4 * BLOCK, 0), BYTES_EQUAL);
}

static void test_model__punch_frees_whole_blocks(void **state)
{
	struct pair *p = *state;

	model_punch(&p->m, &p->src, 3, 2 * BLOCK);
	assert_int_not_equal(rope_at(&p->src.rope, 0).origin, ORIGIN_HOLE);
	assert_int_equal(rope_at(&p->src.rope, BLOCK).origin, ORIGIN_HOLE);
	assert_int_not_equal(rope_at(&p->src.rope, 2 * BLOCK).origin, ORIGIN_HOLE);
	assert_true(rope_zero(&p->src.rope, 3, 2 * BLOCK));
	assert_false(rope_zero(&p->src.rope, 2, 2 * BLOCK));
}

static void test_model__unshare_parts_without_a_change(void **state)
{
	struct pair *p = *state;

	model_clone(&p->m, &p->dst, 0, &p->src, 0, 4 * BLOCK, ORIGIN_SURE);
	model_private(&p->m, &p->dst, BLOCK, BLOCK);
	assert_true(common(p, 0, 0));
	assert_false(common(p, BLOCK, BLOCK));
	assert_true(common(p, 2 * BLOCK, 2 * BLOCK));
	assert_int_equal(rope_compare(&p->src.rope, 0, &p->dst.rope, 0, 4 * BLOCK, 0), BYTES_EQUAL);
}

static void test_model__strip_follows_write(void **state)
{
	struct mfile f = { .mode = 06777 };

	(void)state;
	model_strip(&f, true);
	assert_int_equal(f.mode, 06777);
	model_strip(&f, false);
	assert_int_equal(f.mode, 0777);
	f.mode = 02666;
	model_strip(&f, false);
	assert_int_equal(f.mode & 0777, 0666);
	assert_int_equal(f.mode_may_lose, 02000);
}

static void test_model__unknown_content_equals_nothing(void **state)
{
	struct pair *p = *state;

	model_any(&p->m, &p->src, 0, BLOCK);
	assert_int_not_equal(rope_compare(&p->src.rope, 0, &p->src.rope, 0, 1, 0), BYTES_EQUAL);
	assert_int_equal(rope_compare(&p->src.rope, BLOCK, &p->src.rope, BLOCK, BLOCK, 0),
			 BYTES_EQUAL);
}

static void test_model__bytes_that_agree_by_chance_are_equal(void **state)
{
	struct pair *p = *state;
	int equal = 0;

	model_write(&p->m, &p->dst, 0, 4 * BLOCK, (struct data){ .pattern = 2 });
	for (uint64_t at = 0; at < 4 * BLOCK; at++) {
		uint8_t x, y;

		rope_fill(&p->src.rope, at, &x, 1, 3);
		rope_fill(&p->dst.rope, at, &y, 1, 3);
		assert_int_equal(rope_compare(&p->src.rope, at, &p->dst.rope, at, 1, 3),
				 x == y ? BYTES_EQUAL : BYTES_DIFFER);
		equal += x == y;
	}
	assert_true(equal < 4 * BLOCK);
	assert_int_equal(rope_compare(&p->src.rope, 0, &p->dst.rope, 0, 4 * BLOCK, 3),
			 BYTES_DIFFER);
}

#define WITH_PAIR(test) cmocka_unit_test_setup_teardown(test, make_pair, drop_pair)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model__agrees_with_an_array_of_bytes),
		WITH_PAIR(test_model__a_clone_shares_and_a_write_parts),
		WITH_PAIR(test_model__an_unaligned_copy_shares_nothing),
		WITH_PAIR(test_model__a_copy_may_share_whole_blocks_only),
		WITH_PAIR(test_model__dedupe_changes_blocks_but_no_byte),
		WITH_PAIR(test_model__punch_frees_whole_blocks),
		WITH_PAIR(test_model__unshare_parts_without_a_change),
		cmocka_unit_test(test_model__strip_follows_write),
		WITH_PAIR(test_model__unknown_content_equals_nothing),
		WITH_PAIR(test_model__bytes_that_agree_by_chance_are_equal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
