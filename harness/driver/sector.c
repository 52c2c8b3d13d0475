/* SPDX-License-Identifier: GPL-2.0-only */
#include "sector.h"

#include <stdbool.h>
#include <string.h>

/*
 * A word before it is mixed: actor 4, file 4, seq 24, place 20, checksum 12 bits. The checksum is
 * never 0, and mixing is invertible, so only chance makes a stamp of zeroes or of strange bytes: 1
 * in 4096 for a word, nothing for a sector.
 */
#define CHECK_BITS 12
#define CHECK_MASK ((UINT64_C(1) << CHECK_BITS) - 1)

static uint64_t scramble(uint64_t x)
{
	x ^= x >> 30;
	x *= UINT64_C(0xbf58476d1ce4e5b9);
	x ^= x >> 27;
	x *= UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/*
 * Odd, so that it is never zero, and different for every word; and for every tag in another way, or
 * a checksum that fits another point by chance would fit for all words of a sector.
 */
static uint64_t mask_of(unsigned int word, uint32_t tag)
{
	return UINT64_C(0x9e3779b97f4a7c15) * (2 * word + 1) * (scramble(tag) | 1);
}

static uint64_t plain_word(const struct sector_stamp *s, uint32_t tag)
{
	const uint64_t body = (uint64_t)s->actor << 48 | (uint64_t)s->file << 44 |
			      (uint64_t)s->seq << 20 | s->place;
	uint64_t check = scramble(body ^ (uint64_t)tag << 40) & CHECK_MASK;

	return body << CHECK_BITS | (check ? check : 1);
}

static int decode(uint64_t word, unsigned int at, uint32_t tag, struct sector_stamp *out)
{
	const uint64_t plain = word ^ mask_of(at, tag), body = plain >> CHECK_BITS;

	*out = (struct sector_stamp){
		.actor = (uint32_t)(body >> 48) & 15,
		.file = (uint32_t)(body >> 44) & 15,
		.seq = (uint32_t)(body >> 20) & (SECTOR_SEQ_MAX - 1),
		.place = (uint32_t)body & (SECTOR_PLACE_MAX - 1),
	};
	return plain_word(out, tag) == plain;
}

void sector_fill(void *buf, size_t count, const struct sector_stamp *first, uint32_t tag)
{
	struct sector_stamp s = *first;
	uint64_t words[SECTOR_WORDS];

	for (size_t i = 0; i < count; i++, s.place++) {
		const uint64_t plain = plain_word(&s, tag);

		for (unsigned int k = 0; k < SECTOR_WORDS; k++)
			words[k] = plain ^ mask_of(k, tag);
		memcpy((uint8_t *)buf + i * SECTOR_SIZE, words, SECTOR_SIZE);
	}
}

void sector_store(volatile uint64_t *to, size_t count, const struct sector_stamp *first,
		  uint32_t tag)
{
	struct sector_stamp s = *first;

	for (size_t i = 0; i < count; i++, s.place++) {
		const uint64_t plain = plain_word(&s, tag);

		for (unsigned int k = 0; k < SECTOR_WORDS; k++)
			*to++ = plain ^ mask_of(k, tag);
	}
}

/* How many words from @at on are of one put, or zeroes; 0 if they are neither. */
static unsigned int part(const uint64_t *words, unsigned int at, uint32_t tag,
			 struct sector_stamp *stamp, int *zero)
{
	unsigned int end = at;
	uint64_t plain;

	*zero = !words[at];
	while (*zero && end < SECTOR_WORDS && !words[end])
		end++;
	if (*zero)
		return end - at;
	if (!decode(words[at], at, tag, stamp))
		return 0;
	plain = words[at] ^ mask_of(at, tag);
	while (end < SECTOR_WORDS && words[end] == (plain ^ mask_of(end, tag)))
		end++;
	return end - at;
}

/* Is what follows @at of puts or zeroes, in however many parts? */
static bool is_mixed(const uint64_t *words, unsigned int at, uint32_t tag)
{
	struct sector_stamp stamp;
	unsigned int count = 1;
	int zero;

	for (; at < SECTOR_WORDS && count; at += count)
		count = part(words, at, tag, &stamp, &zero);
	return count;
}

void sector_look(const void *bytes, uint32_t tag, struct sector *out)
{
	uint64_t words[SECTOR_WORDS];
	unsigned int first, second;

	memcpy(words, bytes, sizeof(words));
	memset(out, 0, sizeof(*out));
	out->kind = SECTOR_ALIEN;
	first = part(words, 0, tag, &out->stamp, &out->stamp_zero);
	if (first == SECTOR_WORDS) {
		out->kind = out->stamp_zero ? SECTOR_ZERO : SECTOR_STAMP;
		return;
	}
	if (!first)
		return;
	second = part(words, first, tag, &out->rest, &out->rest_zero);
	out->words = first;
	if (first + second == SECTOR_WORDS)
		out->kind = SECTOR_TORN;
	else if (second && is_mixed(words, first + second, tag))
		out->kind = SECTOR_MIXED;
}
