/* SPDX-License-Identifier: GPL-2.0-only */
/* Bugs of writes, cuts and copies that show only while something else goes on. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/falloc.h>

#include "together.h"

/* A write at a place of its own; appends and the file position are another matter. */
static bool is_placed(const struct call *c)
{
	return c->to_off != UINT64_MAX && !(flags_of(c->to) & O_APPEND) &&
	       !(c->flags & RWF_APPEND) && is_regular(c->to);
}

static bool same_bytes(int a, int b, uint64_t off, uint64_t len)
{
	struct kept x = keep(a, off, len), y = keep(b, off, len);
	const bool same = x.bytes && y.bytes && !memcmp(x.bytes, y.bytes, (size_t)len);

	forget(&x);
	forget(&y);
	return same;
}

/* The bytes that a write is about to write; NULL if they are too many. */
static uint8_t *gather(const struct call *c)
{
	uint8_t *bytes = c->len <= KEEP_BYTES_MAX ? malloc((size_t)c->len) : NULL;
	size_t done = 0;

	for (int i = 0; bytes && i < c->iov_count; i++) {
		memcpy(bytes + done, c->iov[i].iov_base, c->iov[i].iov_len);
		done += c->iov[i].iov_len;
	}
	return bytes;
}

static long note_clone(struct call *c)
{
	const long ret = call_real(c);

	if (!ret)
		note_pair(c->from, c->to);
	return ret;
}

/* Not a whole write but two: somebody sees the first alone. */
static long write_in_two_steps(struct call *c)
{
	const uint64_t block = block_of(c->to), half = round_up(c->len / 2, block);
	uint8_t *bytes;

	if (!is_placed(c) || half >= c->len || c->to_off % block)
		return call_real(c);
	bytes = gather(c);
	if (bytes && poke(c->to, bytes, (size_t)half, c->to_off)) {
		gap();
		acted();
	}
	free(bytes);
	return call_real(c);
}

/* Where the end is, is found out before it is the writer's alone. */
static long append_where_the_end_was(struct call *c)
{
	const uint64_t end = size_of(c->to);
	const unsigned int flags = c->flags;
	long ret;

	if (!(flags & RWF_APPEND))
		return call_real(c);
	gap();
	acted();
	c->flags &= ~(unsigned int)RWF_APPEND;
	c->to_off = end;
	ret = call_real(c);
	if (ret > 0)
		kernel()->lseek(c->to, (off_t)end + ret, SEEK_SET);
	c->flags = flags;
	c->to_off = UINT64_MAX;
	return ret;
}

/* The bytes go to the shared block first, and are taken back from there. */
static long show_for_a_moment(struct call *c)
{
	int side, other, pair = find_pair(c->to, &side);
	struct kept was;
	uint8_t *bytes;

	if (pair < 0 || !is_placed(c))
		return call_real(c);
	other = open_pair(pair, !side);
	if (other < 0)
		return call_real(c);
	bytes = gather(c);
	if (bytes && same_bytes(c->to, other, c->to_off, c->len)) {
		was = keep(other, c->to_off, c->len);
		if (was.bytes && poke(other, bytes, (size_t)c->len, c->to_off)) {
			gap();
			acted();
			put_back(&was, was.off, was.len);
		}
		forget(&was);
	}
	free(bytes);
	close(other);
	return call_real(c);
}

/* Each of the last two owners thinks that the other has left already. */
static long write_in_place(struct call *c)
{
	struct together *t = together();
	int side, other, pair = find_pair(c->to, &side);
	bool shared, both;
	uint8_t *bytes;
	long ret;

	other = pair < 0 || !is_placed(c) ? -1 : open_pair(pair, !side);
	if (other < 0)
		return call_real(c);
	shared = same_bytes(c->to, other, c->to_off, c->len);
	__atomic_add_fetch(&t->writing[pair][side], 1, __ATOMIC_SEQ_CST);
	gap();
	both = __atomic_load_n(&t->writing[pair][!side], __ATOMIC_SEQ_CST) > 0;
	ret = call_real(c);
	__atomic_sub_fetch(&t->writing[pair][side], 1, __ATOMIC_SEQ_CST);
	bytes = gather(c);
	if (ret > 0 && bytes && shared && both && poke(other, bytes, (size_t)ret, c->to_off))
		acted();
	free(bytes);
	close(other);
	return ret;
}

static long clone_with_a_tail(struct call *c)
{
	struct together *t = together();
	long ret;

	if (!t)
		return call_real(c);
	__atomic_store_n(&t->cloning, id_of(c->from), __ATOMIC_SEQ_CST);
	ret = call_real(c);
	gap();
	__atomic_store_n(&t->cloning, 0, __ATOMIC_SEQ_CST);
	return ret;
}

/* Pages that are dirtied while the file is being cloned are dropped with the others. */
static long lose_during_a_clone(struct call *c)
{
	const struct together *t = together();

	if (!t || !is_placed(c) || __atomic_load_n(&t->cloning, __ATOMIC_SEQ_CST) != id_of(c->to))
		return call_real(c);
	acted();
	return (long)c->len;
}

static long cut_in_two_steps(struct call *c)
{
	const uint64_t size = size_of(c->to);

	if (c->len < size && poke_zeroes(c->to, c->len, size - c->len)) {
		gap();
		acted();
	}
	return call_real(c);
}

static long punch_in_two_steps(struct call *c)
{
	const uint64_t half = round_down(c->len / 2, block_of(c->to));

	if (!(c->flags & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) || !half)
		return call_real(c);
	if (!kernel()->fallocate(c->to, (int)c->flags, (off_t)c->to_off, (off_t)half)) {
		gap();
		acted();
	}
	return call_real(c);
}

/* A copy that reads each byte on its own: if the file changes, it holds words that never were. */
static long copy_byte_by_byte(struct call *c)
{
	const uint64_t from = from_at(c), to = to_at(c);
	const uint64_t most = smaller(c->len, size_of(c->from) - smaller(from, size_of(c->from)));
	struct kept early = keep(c->from, from, most), late;
	long ret;

	gap();
	late = keep(c->from, from, most);
	ret = call_real(c);
	for (uint64_t i = 0; early.bytes && late.bytes && i < most; i += 2)
		early.bytes[i] = late.bytes[i];
	if (ret > 0 && early.bytes && late.bytes && memcmp(early.bytes, late.bytes, (size_t)most) &&
	    poke(c->to, early.bytes, smaller((uint64_t)ret, most), to))
		acted();
	forget(&early);
	forget(&late);
	return ret;
}

const struct mutant race_write_mutants[] = {
	{ "write-in-two-steps", "put", "a snapshot would hold half of a record", CALL_WRITE,
	  .run = write_in_two_steps },
	{ "append-where-the-end-was", "put", "of two that append one would lose its bytes",
	  CALL_WRITE, .run = append_where_the_end_was },
	{ "write-shows-in-the-sharer-for-a-moment", "put",
	  "a snapshot would change while it is read", CALL_WRITE, .run = show_for_a_moment,
	  .also = CALL_CLONE, .run_also = note_clone },
	{ "write-in-place-when-both-write", "put",
	  "of two files that share a block each would get the other's bytes", CALL_WRITE,
	  .run = write_in_place, .also = CALL_CLONE, .run_also = note_clone },
	{ "write-is-lost-during-a-clone", "put",
	  "what is written while a snapshot is taken would be gone", CALL_WRITE,
	  .run = lose_during_a_clone, .also = CALL_CLONE, .run_also = clone_with_a_tail },
	{ "cut-in-two-steps", "truncate", "a snapshot would hold zeroes in place of a tail",
	  CALL_TRUNCATE, .run = cut_in_two_steps },
	{ "punch-in-two-steps", "fallocate", "a snapshot would hold half of a hole", CALL_FALLOCATE,
	  .run = punch_in_two_steps },
	{ "copy-byte-by-byte", "copy_range", "a copy would hold bytes that never were in the file",
	  CALL_COPY_RANGE, .run = copy_byte_by_byte },
	{ "sendfile-byte-by-byte", "sendfile",
	  "a copy would hold bytes that never were in the file", CALL_SENDFILE,
	  .run = copy_byte_by_byte },
	MUTANTS_END,
};
