/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Factors: what may differ from one cell of a suite to the next. Every result line records the
 * value of each factor that its experiment has. One row of the table adds one. Pure.
 */
#ifndef COWBELL_FACTOR_H
#define COWBELL_FACTOR_H

#include <stddef.h>
#include <stdint.h>

enum factor_kind {
	/* bytes, "4K" or a number */
	FACTOR_SIZE,
	/* a number */
	FACTOR_COUNT,
	/* one of a few words */
	FACTOR_WORD,
};

/* id, word, kind, default, words in the order of their numbers, what it says */
#define FACTOR_LIST(X) \
	X(SIZE, "size", SIZE, 1 << 20, "", "bytes of the file") \
	X(EXTENTS, "extents", COUNT, 0, "", \
	  "pieces of 4K, far apart, that the source has; 0: no holes") \
	X(FILES, "files", COUNT, 1, "", "how many sources are taken in turn") \
	X(DIRTY, "dirty", SIZE, 0, "", "bytes of the source rewritten just before the call") \
	X(CHATTR, "chattr", WORD, 0, "none nocow", \
	  "attribute of source and copies; nocow: chattr +C, written in place unless shared") \
	X(CACHE, "cache", WORD, 0, "warm cold", "is the source in the page cache?") \
	X(DESTINATION, "destination", WORD, 0, "fresh existing shared", \
	  "what the call writes over") \
	X(DURABLE, "durable", WORD, 0, "none fsync syncfs", \
	  "what is waited for, in the same time") \
	X(OPEN, "open", WORD, 0, "before inside", "is opening and closing in the time?") \
	X(WRITE, "write", SIZE, 4096, "", "bytes of one write") \
	X(PASS, "pass", WORD, 0, "first second", "the first or the second write of a block") \
	X(MATCH, "match", COUNT, 100, "", "chunks of 100 that are equal") \
	X(CHUNK, "chunk", SIZE, 128 << 10, "", "bytes of one request") \
	X(DESTINATIONS, "destinations", COUNT, 1, "", "ranges in one request") \
	X(CLONERS, "cloners", COUNT, 1, "", "threads at the same time") \
	X(SOURCES, "sources", WORD, 0, "same own", "do threads share the source?") \
	X(FOLDERS, "folders", WORD, 0, "same own", \
	  "do threads share a folder for what they make?") \
	X(FOREGROUND, "foreground", WORD, 0, "read write", "what is timed") \
	X(NEAR, "on", WORD, 0, "other source", "which file it is done on") \
	X(RATE, "rate", COUNT, 500, "", "operations a second, at intended times") \
	X(IO, "io", WORD, 0, "randwrite read", "what fio does")

#define FACTOR_ENUM(id, word, kind, def, words, doc) F_##id,
enum factor { FACTOR_LIST(FACTOR_ENUM) FACTORS };
#undef FACTOR_ENUM

#define FACTOR_BIT(id) (1U << F_##id)

/* of F_CHATTR, F_CACHE, F_DESTINATION, F_DURABLE, F_OPEN, F_PASS, F_SOURCES, F_FOLDERS,
 * F_FOREGROUND, F_NEAR, F_IO */
enum { CHATTR_NONE, CHATTR_NOCOW };
enum { CACHE_WARM, CACHE_COLD };
enum { DESTINATION_FRESH, DESTINATION_EXISTING, DESTINATION_SHARED };
enum { DURABLE_NONE, DURABLE_FSYNC, DURABLE_SYNCFS };
enum { OPEN_BEFORE, OPEN_INSIDE };
enum { PASS_FIRST, PASS_SECOND };
enum { SOURCES_SAME, SOURCES_OWN };
enum { FOLDERS_SAME, FOLDERS_OWN };
enum { FOREGROUND_READ, FOREGROUND_WRITE };
enum { NEAR_OTHER, NEAR_SOURCE };
enum { IO_RANDWRITE, IO_READ };

/** factor_find() - number of a word, -1 if there is no such factor */
int factor_find(const char *word);

const char *factor_word(enum factor f);
const char *factor_doc(enum factor f);
enum factor_kind factor_kind(enum factor f);
uint64_t factor_default(enum factor f);

/** factor_value_word() - word number @i of a factor of words, copied to @out; NULL past the end */
const char *factor_value_word(enum factor f, uint64_t i, char out[16]);

#endif
