/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sector stamps: what racing writers write, so that every 512-byte sector read back names the put
 * that it came from, and a torn sector shows where it is torn.
 *
 * Each of a sector's 64 words says the whole stamp: actor, file, sequence number, place and a
 * checksum, mixed with the word's own number. So a sector is one put's if all of its words agree,
 * and if they do not, each part still says whose it is.
 *
 * Pure: no system calls, no globals.
 */
#ifndef COWBELL_SECTOR_H
#define COWBELL_SECTOR_H

#include <stddef.h>
#include <stdint.h>

#define SECTOR_SIZE  512
#define SECTOR_WORDS 64

/* Actors and files that can be told apart, puts of one actor, sectors of a file. */
#define SECTOR_ACTORS_MAX 16
#define SECTOR_FILES_MAX  16
#define SECTOR_SEQ_MAX	  (1u << 24)
#define SECTOR_PLACE_MAX  (1u << 20)

/** struct sector_stamp - what a sector says of itself */
struct sector_stamp {
	/** @actor, @seq: which put wrote it; @file: into which file */
	uint32_t actor, file, seq;
	/** @place: the sector's number in that file */
	uint32_t place;
};

/** enum sector_kind - what a sector may be */
enum sector_kind {
	/** @SECTOR_STAMP: all of it from one put */
	SECTOR_STAMP,
	/** @SECTOR_ZERO: zeroes */
	SECTOR_ZERO,
	/** @SECTOR_TORN: two parts, each of one put, or zeroes */
	SECTOR_TORN,
	/** @SECTOR_MIXED: more than two parts, each of one put, or zeroes */
	SECTOR_MIXED,
	/** @SECTOR_ALIEN: bytes among it that no put of this run wrote */
	SECTOR_ALIEN,
};

/** struct sector - a sector that was looked at */
struct sector {
	enum sector_kind kind;
	/** @stamp: of the first part; @rest: of the second one of a torn sector */
	struct sector_stamp stamp, rest;
	/** @stamp_zero, @rest_zero: that part is zeroes instead */
	int stamp_zero, rest_zero;
	/** @words: length of the first part of a torn sector, in words of 8 bytes */
	unsigned int words;
};

/**
 * sector_fill() - the bytes of sectors first->place, first->place + 1, ... of one put
 * @count: in sectors
 * @tag: of the point, so that what other points left behind is alien
 */
void sector_fill(void *buf, size_t count, const struct sector_stamp *first, uint32_t tag);

/** sector_store() - the same, word by word in ascending order, by plain stores into a mapping */
void sector_store(volatile uint64_t *to, size_t count, const struct sector_stamp *first,
		  uint32_t tag);

/** sector_look() - what the 512 bytes are */
void sector_look(const void *bytes, uint32_t tag, struct sector *out);

#endif
