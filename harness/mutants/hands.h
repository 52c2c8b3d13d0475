/* SPDX-License-Identifier: GPL-2.0-only */
/* What mutants do their damage with, behind the program's back. */
#ifndef COWBELL_MUTANTS_HANDS_H
#define COWBELL_MUTANTS_HANDS_H

#include "track.h"

/* A mutant that must keep bytes to put them back leaves larger ranges alone. */
#define KEEP_BYTES_MAX (UINT64_C(32) << 20)

/** call_wrong_errno() - make the call; of an errno that is the mutant's @real, make its @wrong */
long call_wrong_errno(struct call *c);

/** block_of() - the filesystem's block size in bytes */
uint64_t block_of(int fd);

/** size_of() - of a regular file; 0 for all else */
uint64_t size_of(int fd);

/** same_file() - do two descriptors lead to one file? */
bool same_file(int a, int b);

/** is_regular() */
bool is_regular(int fd);

/** position_of() - the file position; 0 if there is none */
uint64_t position_of(int fd);

/** reopen() - the same file with other O_ flags; -1 if it cannot be had */
int reopen(int fd, int flags);

/** flags_of() - O_ flags of a descriptor, 0 if it is not open */
int flags_of(int fd);

/** peek() - read [off, off + len) whatever @fd is open for; zeroes beyond the end of the file */
bool peek(int fd, void *buf, size_t len, uint64_t off);

/** poke() - write [off, off + len) whatever @fd is open for; the file's time stamps move */
bool poke(int fd, const void *buf, size_t len, uint64_t off);

/** poke_zeroes() - the same with zeroes; poke_garbage() - with bytes that nobody wrote */
bool poke_zeroes(int fd, uint64_t off, uint64_t len);
bool poke_garbage(int fd, uint64_t off, uint64_t len);

/** unshare() - write [off, off + len) anew, so that its blocks are of its own; holes stay */
void unshare(int fd, uint64_t off, uint64_t len);

/** resize() - ftruncate(2), whatever @fd is open for */
void resize(int fd, uint64_t size);

/** struct kept - bytes of a file, to be put back later */
struct kept {
	int fd;
	uint64_t off, len;
	/* NULL if they could not be had */
	uint8_t *bytes;
};

/** keep() - remember [off, off + len); forget() - give the memory back */
struct kept keep(int fd, uint64_t off, uint64_t len);
void forget(struct kept *k);

/** put_back() - write bytes [off, off + len) of what was kept; those outside of it are left out */
bool put_back(const struct kept *k, uint64_t off, uint64_t len);

/** move_mtime() - a second forward from what it is */
void move_mtime(int fd);

/** span() - bytes that a clone call is to clone; 0 if it makes no sense */
uint64_t span(const struct call *c);

/** is_clone() - of the calls with a source: is it one that shares, and returns 0? */
bool is_clone(const struct call *c);

/** moved() - did a call that returned @ret do anything? */
bool moved(const struct call *c, long ret);

/** from_at(), to_at() - where a call reads and writes: its offset, or the file position */
uint64_t from_at(const struct call *c);
uint64_t to_at(const struct call *c);

/** clone_piece() - FICLONERANGE, with no thought of the result's meaning; false if refused */
bool clone_piece(int from, uint64_t from_off, uint64_t len, int to, uint64_t to_off);

/**
 * call_keeping_mode() - make the call, and give the destination the mode back that it had
 * call_keeping_times() - make the call, and let nobody see that the destination's times moved
 * call_unlimited() - make the call as if there were no RLIMIT_FSIZE
 *
 * They return the call's result, with errno set.
 */
long call_keeping_mode(struct call *c);
long call_keeping_times(struct call *c);
long call_unlimited(struct call *c);

/**
 * call_reopened() - the call again, with descriptors of its files that are open for it
 *
 * The file positions of @c's own descriptors move as if they had been used. EBADF if it fails.
 */
long call_reopened(struct call *c);

/** is_regular_pair() - are both of them regular files, and open for more than a path? */
bool is_regular_pair(const struct call *c);

/**
 * call_skipping_holes() - where the source is a hole, the destination keeps what it held
 * call_skipping_dirt() - where the source was not flushed, the destination gets zeroes
 *
 * Make the call first; they return its result, with errno set.
 */
long call_skipping_holes(struct call *c);
long call_skipping_dirt(struct call *c);

static inline uint64_t round_down(uint64_t n, uint64_t unit)
{
	return n - n % unit;
}

static inline uint64_t round_up(uint64_t n, uint64_t unit)
{
	return round_down(n + unit - 1, unit);
}

static inline uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

#endif
