/* SPDX-License-Identifier: GPL-2.0-only */
/* Bugs of writes to what is shared: copy on write gone wrong. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hands.h"

#define LONG_BYTES (UINT64_C(64) << 10)
#define FAR_OFFSET (UINT64_C(1) << 32)

/* Where the write will go. */
static uint64_t start_of(const struct call *c)
{
	if (flags_of(c->to) & O_APPEND || c->flags & RWF_APPEND)
		return size_of(c->to);
	return c->to_off == UINT64_MAX ? position_of(c->to) : c->to_off;
}

static bool hits_shared(const struct call *c, uint64_t off)
{
	return c->len && track_is_shared(c->to, off, c->len);
}

static void leak(int other, uint64_t other_off, uint64_t off, uint64_t len, void *context)
{
	const struct kept *now = context;
	struct statx before;

	if (!now->bytes)
		return;
	track_times(other, &before);
	if (poke(other, now->bytes + (off - now->off), (size_t)len, other_off)) {
		track_hide(other, &before);
		acted();
	}
}

static long leak_if(struct call *c, bool circumstance)
{
	const uint64_t off = start_of(c);
	const long ret = call_real(c);
	struct kept now;

	if (ret <= 0 || !circumstance || !hits_shared(c, off))
		return ret;
	now = keep(c->to, off, (uint64_t)ret);
	track_sharers(c->to, off, (uint64_t)ret, leak, &now);
	forget(&now);
	return ret;
}

static long leak_to_sharer(struct call *c)
{
	return leak_if(c, true);
}

static long leak_direct(struct call *c)
{
	return leak_if(c, flags_of(c->to) & O_DIRECT);
}

static long leak_synchronous(struct call *c)
{
	return leak_if(c, flags_of(c->to) & O_DSYNC || c->flags & (RWF_SYNC | RWF_DSYNC));
}

static long leak_long(struct call *c)
{
	return leak_if(c, c->len > LONG_BYTES);
}

static long leak_whole_blocks(struct call *c)
{
	const uint64_t block = block_of(c->to);

	return leak_if(c, !(start_of(c) % block) && !(c->len % block));
}

static long leak_parts(struct call *c)
{
	const uint64_t block = block_of(c->to);

	return leak_if(c, start_of(c) % block && (start_of(c) + c->len) % block);
}

static long leak_far(struct call *c)
{
	return leak_if(c, start_of(c) >= FAR_OFFSET);
}

/* The first write to shared blocks of a process goes well. */
static long leak_later(struct call *c)
{
	static unsigned int calls;

	return leak_if(c, hits_shared(c, start_of(c)) && calls++);
}

static long leak_vectored(struct call *c)
{
	return leak_if(c, c->iov_count > 1);
}

static void count(int other, uint64_t other_off, uint64_t off, uint64_t len, void *context)
{
	(void)other;
	(void)other_off;
	(void)off;
	(void)len;
	++*(unsigned int *)context;
}

/* Blocks of two owners are treated well. */
static long leak_to_many(struct call *c)
{
	unsigned int owners = 1;

	if (hits_shared(c, start_of(c)))
		track_sharers(c->to, start_of(c), c->len, count, &owners);
	return leak_if(c, owners > 2);
}

static long leak_one_byte(struct call *c)
{
	return leak_if(c, c->len == 1);
}

/* Only the last block of the file, which it fills in part, is written in place. */
static long leak_tail(struct call *c)
{
	const uint64_t size = size_of(c->to);

	return leak_if(c,
		       size % block_of(c->to) && start_of(c) >= round_down(size, block_of(c->to)));
}

static void note_dirt(uint64_t off, uint64_t len, void *context)
{
	(void)off;
	(void)len;
	*(bool *)context = true;
}

/* What is dirty is taken for copied already. */
static long leak_dirty(struct call *c)
{
	bool dirty = false;

	track_dirty(c->to, start_of(c), c->len, note_dirt, &dirty);
	return leak_if(c, dirty);
}

/* A write behind the end: what lies between, in the shared last block, is not zeroed. */
static long show_stale_gap(struct call *c)
{
	const uint64_t size = size_of(c->to), off = start_of(c);
	const uint64_t end = smaller(round_up(size, block_of(c->to)), off);
	const bool gap = end > size && size && track_is_shared(c->to, size - 1, 1);
	const long ret = call_real(c);

	if (ret > 0 && gap && poke_garbage(c->to, size, end - size))
		acted();
	return ret;
}

/* The copy gets only the bytes written; the rest of the block is zeroes. */
static long forget_rest_of_block(struct call *c)
{
	const uint64_t off = start_of(c), block = block_of(c->to), size = size_of(c->to);
	const bool shared = hits_shared(c, off);
	const long ret = call_real(c);
	const uint64_t end = off + (uint64_t)ret, next = round_up(end, block);

	if (ret <= 0 || !shared)
		return ret;
	if (off % block && poke_zeroes(c->to, round_down(off, block), off % block))
		acted();
	if (end < size && next > end && poke_zeroes(c->to, end, smaller(next, size) - end))
		acted();
	return ret;
}

static long wipe_neighbour(struct call *c)
{
	const uint64_t off = start_of(c), block = block_of(c->to);
	const bool shared = hits_shared(c, off);
	const long ret = call_real(c);
	const uint64_t next = round_up(off + (uint64_t)ret, block);

	if (ret > 0 && shared && next + block <= size_of(c->to) && poke_zeroes(c->to, next, block))
		acted();
	return ret;
}

static long lose(struct call *c)
{
	const uint64_t off = start_of(c), size = size_of(c->to);
	struct kept old = { 0 };
	long ret;

	if (hits_shared(c, off) && off < size)
		old = keep(c->to, off, smaller(c->len, size - off));
	ret = call_real(c);
	if (ret > 0 && put_back(&old, old.off, old.len))
		acted();
	forget(&old);
	return ret;
}

static long ignore_full_disk(struct call *c)
{
	const bool shared = hits_shared(c, start_of(c));
	const long ret = call_real(c);

	if (ret >= 0 || errno != ENOSPC || !shared)
		return ret;
	acted();
	return (long)c->len;
}

static long append_at_block(struct call *c)
{
	const uint64_t size = size_of(c->to), block = block_of(c->to);
	const bool appends = flags_of(c->to) & O_APPEND && is_regular(c->to) && size % block &&
			     track_is_shared(c->to, size - 1, 1);
	struct kept now;
	const long ret = call_real(c);

	if (ret <= 0 || !appends)
		return ret;
	now = keep(c->to, size, (uint64_t)ret);
	resize(c->to, size);
	resize(c->to, round_up(size, block));
	if (now.bytes && poke(c->to, now.bytes, (size_t)now.len, round_up(size, block)))
		acted();
	forget(&now);
	return ret;
}

static long keep_times(struct call *c)
{
	const bool shared = is_regular(c->to) && hits_shared(c, start_of(c));
	struct statx before;
	long ret;

	if (!shared)
		return call_real(c);
	track_times(c->to, &before);
	ret = call_real(c);
	if (ret > 0) {
		track_hide(c->to, &before);
		acted();
	}
	return ret;
}

static void touch(int other, uint64_t other_off, uint64_t off, uint64_t len, void *context)
{
	(void)other_off;
	(void)off;
	(void)len;
	(void)context;
	move_mtime(other);
	acted();
}

static long touch_sharer(struct call *c)
{
	const uint64_t off = start_of(c);
	const long ret = call_real(c);

	if (ret > 0 && hits_shared(c, off))
		track_sharers(c->to, off, (uint64_t)ret, touch, NULL);
	return ret;
}

#define WRITE(name_, run_, loses_) \
	{ \
		.name = name_, .subject = "write", .loses = loses_, .kind = CALL_WRITE, \
		.run = run_ \
	}

const struct mutant write_mutants[] = {
	WRITE("write-leaks-to-sharer", leak_to_sharer, "what is written shows in the clone, too"),
	WRITE("write-forgets-rest-of-block", forget_rest_of_block,
	      "data around a small write to a shared block becomes zeroes"),
	WRITE("write-wipes-neighbour", wipe_neighbour,
	      "the block behind a write to a shared one becomes zeroes"),
	WRITE("write-to-shared-is-lost", lose, "a write to a shared block is not there"),
	WRITE("write-to-shared-ignores-full-disk", ignore_full_disk,
	      "data for which there is no room is lost, and nobody told"),
	WRITE("write-appends-at-block", append_at_block,
	      "appending to a clone leaves a gap of zeroes"),
	WRITE("write-keeps-suid", call_keeping_mode,
	      "anybody who may write makes a set-user-ID program"),
	WRITE("write-to-shared-keeps-times", keep_times,
	      "backup does not see that a clone was changed"),
	WRITE("write-touches-sharer", touch_sharer, "an untouched clone looks changed"),
	WRITE("write-leaks-direct", leak_direct, "a direct write shows in the clone, too"),
	WRITE("write-leaks-synchronous", leak_synchronous,
	      "a synchronous write shows in the clone, too"),
	WRITE("write-leaks-64K", leak_long, "a write of more than 64 KiB shows in the clone, too"),
	WRITE("write-leaks-whole-blocks", leak_whole_blocks,
	      "a write of whole blocks shows in the clone, too"),
	WRITE("write-leaks-parts", leak_parts,
	      "a write that ends within blocks shows in the clone, too"),
	WRITE("write-leaks-far", leak_far, "a write beyond 4 GiB shows in the clone, too"),
	WRITE("write-leaks-later", leak_later, "the second write shows in the clone, too"),
	WRITE("write-leaks-vectored", leak_vectored,
	      "a write of several buffers shows in the clone, too"),
	WRITE("write-leaks-to-many", leak_to_many, "what is written shows in all of many clones"),
	WRITE("write-shows-stale-gap", show_stale_gap,
	      "foreign data shows between the old end of a clone and what is written behind it"),
	WRITE("write-leaks-one-byte", leak_one_byte, "a byte written shows in the clone, too"),
	WRITE("write-leaks-tail", leak_tail, "a write to the end of file shows in the clone, too"),
	WRITE("write-leaks-dirty", leak_dirty,
	      "a write to what is not on the disk yet shows in the clone, too"),
	MUTANTS_END,
};
