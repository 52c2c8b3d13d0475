/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The rope model: what every file must hold, and which of its blocks must be shared with which
 * other.
 *
 * A file's content is a row of segments. A segment says where its bytes come from (pattern and
 * place in it; pattern 0 is zeroes) and where its blocks come from (its origin). A write makes a
 * new origin, a clone copies the origin: two ranges with the same origin at the same place in it
 * are one set of blocks on a filesystem that shares. So the oracles `sharing` and `space` need no
 * expectations from the author.
 *
 * Content changes byte by byte; origins change by whole allocation units, as filesystems do.
 *
 * Pure: no system calls, no globals.
 */
#ifndef COWBELL_MODEL_H
#define COWBELL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PATTERN_ZERO 0
/* content that no promise covers, e.g. the range of a call that failed midway: never compared */
#define PATTERN_ANY UINT32_MAX

/* a hole: nothing is allocated */
#define ORIGIN_HOLE 0

enum origin_kind {
	/** @ORIGIN_SURE: the blocks are where the model says */
	ORIGIN_SURE,
	/** @ORIGIN_MAYBE: they may be those, or a private copy, or none; nothing is promised
	   (copy_file_range, preallocation) */
	ORIGIN_MAYBE,
};

/** struct seg - bytes that lie next to each other in a pattern and in an origin */
struct seg {
	/** @len: in bytes, never 0; @at: where it starts in its rope */
	uint64_t len, at;
	/** @pattern, @off: where the bytes come from */
	uint32_t pattern;
	uint64_t off;
	/** @origin, @origin_off: where the blocks come from */
	uint32_t origin;
	uint64_t origin_off;
	enum origin_kind kind;
};

/** struct rope - a file's content from 0 to its size */
struct rope {
	struct seg *seg;
	size_t count, room;
	/** @size: sum of the lengths, in bytes */
	uint64_t size;
};

/** struct data - bytes to be written: a pattern from a place in it on */
struct data {
	uint32_t pattern;
	uint64_t off;
	/** @at: an offset was given ("src@8K"); otherwise the bytes are those that lie at the same
	 * offset in the file */
	bool at;
};

/** enum touch - what a step may have done to a time stamp or a mode */
enum touch { TOUCH_NOT, TOUCH_MAY, TOUCH_MUST };

/** struct mfile - the model of one file */
struct mfile {
	struct rope rope;
	/** @mode: permission bits, suid, sgid and sticky included */
	uint32_t mode;
	uint32_t uid, gid;
	/** @mode_may_lose: bits whose loss the last step allows, but nobody promises */
	uint32_t mode_may_lose;
	/** @mtime, @ctime: what the last step may have done to them */
	enum touch mtime, ctime;
	/** @beyond: bytes that may have been allocated beyond the end (FALLOC_FL_KEEP_SIZE) */
	uint64_t beyond;
	/** @changed: the last step changed content or size */
	bool changed;
};

/** struct model - what all files of a point have in common */
struct model {
	/** @block: the allocation unit in bytes */
	uint64_t block;
	/** @next_origin: the number that the next write takes */
	uint32_t next_origin;
	/** @origin_bytes: how much each origin allocated, by number; @origin_room: how many fit */
	uint64_t *origin_bytes;
	uint32_t origin_room;
};

void model_init(struct model *m, uint64_t block);
void model_free(struct model *m);

/** rope_free() - give back what a rope holds; it is empty after */
void rope_free(struct rope *r);

/** rope_copy() - make @to equal to @from */
void rope_copy(struct rope *to, const struct rope *from);

/**
 * rope_at() - the segment that byte @off lies in, cut to start there
 *
 * Returns a segment whose .len reaches to the end of the stored one. @off must be below the size.
 */
struct seg rope_at(const struct rope *r, uint64_t off);

/** rope_slice() - a new rope of the bytes [off, off + len), zeroes (a hole) beyond the end */
struct rope rope_slice(const struct rope *r, uint64_t off, uint64_t len);

/**
 * rope_replace() - put @with in place of [off, off + with->size)
 *
 * A gap between the old end and @off becomes a hole; the rope grows as needed.
 */
void rope_replace(struct rope *r, uint64_t off, const struct rope *with);

/** enum bytes - how two ranges compare; BYTES_UNKNOWN if PATTERN_ANY is in it and nothing differs
 */
enum bytes { BYTES_EQUAL, BYTES_DIFFER, BYTES_UNKNOWN };

/**
 * rope_compare() - the bytes of [off, off + len) of two ropes; the ranges must lie within
 * @tag: of this point: single bytes of different stamps may agree by chance, and that is equal
 */
enum bytes rope_compare(const struct rope *a, uint64_t a_off, const struct rope *b, uint64_t b_off,
			uint64_t len, uint32_t tag);

/** rope_zero() - are all bytes of [off, off + len) zeroes? The range must lie within */
bool rope_zero(const struct rope *r, uint64_t off, uint64_t len);

/**
 * rope_fill() - the bytes [off, off + len), as stamps
 * @tag: of this point
 */
void rope_fill(const struct rope *r, uint64_t off, void *buf, size_t len, uint32_t tag);

/*
 * What the calls do to a file. Each sets ->changed and the time stamps' touch; sizes and offsets in
 * bytes.
 */

/** model_write() - [off, off + len) now holds @data, in new blocks; extends the file (write(2)) */
void model_write(struct model *m, struct mfile *f, uint64_t off, uint64_t len, struct data data);

/**
 * model_punch() - [off, off + len), cut at the end of file, reads as zeroes; whole blocks are holes
 * (fallocate(2) FALLOC_FL_PUNCH_HOLE)
 */
void model_punch(struct model *m, struct mfile *f, uint64_t off, uint64_t len);

/** model_zero() - the same, but whole blocks may stay allocated (FALLOC_FL_ZERO_RANGE) */
void model_zero(struct model *m, struct mfile *f, uint64_t off, uint64_t len);

/** model_reserve() - holes in [off, off + len) may be allocated, shared blocks made private;
 * content stays */
void model_reserve(struct model *m, struct mfile *f, uint64_t off, uint64_t len);

/** model_truncate() - the file is @size bytes long; what is new is a hole (truncate(2)) */
void model_truncate(struct model *m, struct mfile *f, uint64_t size);

/** model_collapse() - [off, off + len) is gone and the rest moves down (fallocate(2)
 * FALLOC_FL_COLLAPSE_RANGE) */
void model_collapse(struct model *m, struct mfile *f, uint64_t off, uint64_t len);

/** model_insert() - a hole of @len is put in at @off and the rest moves up (FALLOC_FL_INSERT_RANGE)
 */
void model_insert(struct model *m, struct mfile *f, uint64_t off, uint64_t len);

/** model_private() - the blocks of [off, off + len) are nobody else's from now on (unshare);
 * content stays */
void model_private(struct model *m, struct mfile *f, uint64_t off, uint64_t len);

/** model_content() - the bytes from @off on are those of @bytes; blocks stay as they are */
void model_content(struct mfile *f, uint64_t off, const struct rope *bytes);

/**
 * model_fault() - a store into a mapping is about to come: blocks around it may be replaced, too
 *
 * The page cache holds large folios, and a write fault dirties a whole one (XFS, seen on 6.18).
 */
void model_fault(struct model *m, struct mfile *f);

/** model_unsure() - the blocks of [off, off + len) may have been replaced; content stays */
void model_unsure(struct model *m, struct mfile *f, uint64_t off, uint64_t len);

/**
 * model_clone() - [to_off, to_off + len) of @to is [from_off, from_off + len) of @from, cut at the
 * source's end
 * @kind: ORIGIN_SURE if the call promises to share, ORIGIN_MAYBE if it may copy
 *
 * @from and @to may be the same file.
 */
void model_clone(struct model *m, struct mfile *to, uint64_t to_off, const struct mfile *from,
		 uint64_t from_off, uint64_t len, enum origin_kind kind);

/** model_share() - content is equal already; only the blocks of @to become those of @from (dedupe)
 */
void model_share(struct model *m, struct mfile *to, uint64_t to_off, const struct mfile *from,
		 uint64_t from_off, uint64_t len, enum origin_kind kind);

/** model_any() - [off, off + len) may hold anything from now on; the size grows only by what is
 * sure */
void model_any(struct model *m, struct mfile *f, uint64_t off, uint64_t len);

/**
 * model_strip() - a write by this caller takes away set-user-ID and set-group-ID (write(2);
 * contract C26, F18)
 * @fsetid: the caller has CAP_FSETID, and nothing is taken
 */
void model_strip(struct mfile *f, bool fsetid);

#endif
