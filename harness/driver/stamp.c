/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A granule carries 112 bits: two words of 56, each spread over eight bytes as seven bits and a set
 * high bit. The words are mixed by steps that can be undone, so decoding is exact.
 */
#include "stamp.h"

#include <string.h>

#define WORD_BITS 56
#define WORD_MASK ((UINT64_C(1) << WORD_BITS) - 1)
#define HIGH_BITS UINT64_C(0x8080808080808080)

/* Odd factors and their inverses modulo 2^56 (checked by test_stamp__mix_is_undone). */
#define FACTOR_A UINT64_C(0x9e3779b97f4a7b)
#define FACTOR_B UINT64_C(0xbf58476d1ce4e5)

/* Sets a stamp apart from bytes that merely have their high bits set. */
#define MAGIC	   UINT64_C(0xc0be1)
#define MAGIC_BITS 20

/* Fields of the second word. The first holds the low 56 bits of off / STAMP_SIZE. */
#define OFF_HIGH_BITS 4
#define PATTERN_SHIFT OFF_HIGH_BITS
#define TAG_SHIFT     (PATTERN_SHIFT + 16)
#define MAGIC_SHIFT   (TAG_SHIFT + 16)

/* Newton's iteration doubles the number of right bits; five steps are enough for 56. */
static uint64_t inverse(uint64_t odd)
{
	uint64_t x = odd;

	for (int i = 0; i < 5; i++)
		x *= 2 - odd * x;
	return x & WORD_MASK;
}

/* Shifts of at least half the width undo themselves. */
static uint64_t mix(uint64_t x)
{
	x ^= x >> 28;
	x = x * FACTOR_A & WORD_MASK;
	x ^= x >> 29;
	x = x * FACTOR_B & WORD_MASK;
	return x ^ x >> 28;
}

static uint64_t unmix(uint64_t x)
{
	x ^= x >> 28;
	x = x * inverse(FACTOR_B) & WORD_MASK;
	x ^= x >> 29;
	x = x * inverse(FACTOR_A) & WORD_MASK;
	return x ^ x >> 28;
}

/* 56 bits to eight bytes of seven. */
static uint64_t spread(uint64_t x)
{
	x = (x & 0x0fffffff) | (x & UINT64_C(0xfffffff0000000)) << 4;
	x = (x & UINT64_C(0x00003fff00003fff)) | (x & UINT64_C(0x0fffc0000fffc000)) << 2;
	x = (x & UINT64_C(0x007f007f007f007f)) | (x & UINT64_C(0x3f803f803f803f80)) << 1;
	return x | HIGH_BITS;
}

static uint64_t gather(uint64_t x)
{
	x &= ~HIGH_BITS;
	x = (x & UINT64_C(0x007f007f007f007f)) | (x & UINT64_C(0x7f007f007f007f00)) >> 1;
	x = (x & UINT64_C(0x00003fff00003fff)) | (x & UINT64_C(0x3fff00003fff0000)) >> 2;
	return (x & 0x0fffffff) | (x & UINT64_C(0x0fffffff00000000)) >> 4;
}

void stamp_encode(const struct stamp *s, uint8_t out[STAMP_SIZE])
{
	const uint64_t granule = s->off / STAMP_SIZE;
	const uint64_t more = granule >> WORD_BITS |
			      (uint64_t)(s->pattern & 0xffff) << PATTERN_SHIFT |
			      (uint64_t)(s->tag & 0xffff) << TAG_SHIFT | MAGIC << MAGIC_SHIFT;
	uint64_t a = mix(granule & WORD_MASK);
	uint64_t b = mix(more ^ a);

	a = spread(mix(a ^ b));
	b = spread(b);
	memcpy(out, &a, sizeof(a));
	memcpy(out + sizeof(a), &b, sizeof(b));
}

bool stamp_decode(const uint8_t in[STAMP_SIZE], struct stamp *out)
{
	uint64_t a, b, more;

	memcpy(&a, in, sizeof(a));
	memcpy(&b, in + sizeof(a), sizeof(b));
	if ((a & b & HIGH_BITS) != HIGH_BITS)
		return false;
	b = gather(b);
	a = unmix(gather(a)) ^ b;
	more = unmix(b) ^ a;
	if (more >> MAGIC_SHIFT != MAGIC)
		return false;
	out->off = (unmix(a) | (more & ((1 << OFF_HIGH_BITS) - 1)) << WORD_BITS) * STAMP_SIZE;
	out->pattern = (uint32_t)(more >> PATTERN_SHIFT & 0xffff);
	out->tag = (uint32_t)(more >> TAG_SHIFT & 0xffff);
	return out->pattern != 0;
}

void stamp_fill(void *buf, size_t len, uint32_t pattern, uint64_t off, uint32_t tag)
{
	struct stamp s = { .off = off & ~(uint64_t)(STAMP_SIZE - 1),
			   .pattern = pattern,
			   .tag = tag };
	uint8_t granule[STAMP_SIZE];
	const size_t skip = (size_t)(off - s.off);
	uint8_t *to = buf;

	if (!pattern) {
		memset(buf, 0, len);
		return;
	}
	if (skip && len) {
		const size_t part = len < STAMP_SIZE - skip ? len : STAMP_SIZE - skip;

		stamp_encode(&s, granule);
		memcpy(to, granule + skip, part);
		to += part;
		len -= part;
		s.off += STAMP_SIZE;
	}
	for (; len >= STAMP_SIZE; len -= STAMP_SIZE, to += STAMP_SIZE, s.off += STAMP_SIZE)
		stamp_encode(&s, to);
	if (len) {
		stamp_encode(&s, granule);
		memcpy(to, granule, len);
	}
}

static size_t zero_run(const uint8_t *buf, size_t len)
{
	size_t n = 0;

	while (n < len && !buf[n])
		n++;
	return n;
}

/* How many bytes from the start of buf on are pattern bytes from s->off on. */
static size_t stamp_run(const uint8_t *buf, size_t len, const struct stamp *s)
{
	size_t n = 0;

	while (n < len) {
		uint8_t want[STAMP_SIZE];
		size_t part = STAMP_SIZE - (size_t)((s->off + n) % STAMP_SIZE);

		if (part > len - n)
			part = len - n;
		stamp_fill(want, part, s->pattern, s->off + n, s->tag);
		for (size_t i = 0; i < part; i++)
			if (buf[n + i] != want[i])
				return n + i;
		n += part;
	}
	return n;
}

size_t stamp_find(const uint8_t *buf, size_t len, bool *zero, struct stamp *found)
{
	size_t n = zero_run(buf, len);

	memset(found, 0, sizeof(*found));
	*zero = n > 0;
	if (n)
		return n;
	for (size_t phase = 0; phase < STAMP_SIZE && phase + STAMP_SIZE <= len; phase++) {
		if (!stamp_decode(buf + phase, found))
			continue;
		found->off -= phase;
		n = stamp_run(buf, len, found);
		if (n)
			return n;
	}
	memset(found, 0, sizeof(*found));
	for (n = 1; n + STAMP_SIZE <= len; n++) {
		struct stamp next;

		if (stamp_decode(buf + n, &next) || zero_run(buf + n, STAMP_SIZE) == STAMP_SIZE)
			return n;
	}
	return len;
}
