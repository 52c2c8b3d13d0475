/* SPDX-License-Identifier: GPL-2.0-only */
/* Bugs of fallocate and ftruncate. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/falloc.h>

#include "hands.h"

#define MODES \
	(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE | FALLOC_FL_COLLAPSE_RANGE | \
	 FALLOC_FL_INSERT_RANGE | FALLOC_FL_UNSHARE_RANGE)

/* Where 32 bits end, and where offsets begin that a filesystem may refuse. */
#define WRAP	      (UINT64_C(1) << 32)
#define NO_OFFSET     (UINT64_C(1) << 43)
#define MIDWAY_BLOCKS 2

static bool is_mode(const struct call *c, unsigned int mode)
{
	return (c->flags & MODES) == mode;
}

/* Where the range ends within the file. */
static uint64_t end_in_file(const struct call *c)
{
	return smaller(c->to_off + c->len, size_of(c->to));
}

static uint64_t len_in_file(const struct call *c)
{
	const uint64_t end = end_in_file(c);

	return end > c->to_off ? end - c->to_off : 0;
}

static long leave_data(struct call *c, unsigned int mode)
{
	struct kept old = keep(c->to, c->to_off, is_mode(c, mode) ? len_in_file(c) : 0);
	const long ret = call_real(c);

	if (!ret && put_back(&old, old.off, old.len))
		acted();
	forget(&old);
	return ret;
}

static long punch_leaves_data(struct call *c)
{
	return leave_data(c, FALLOC_FL_PUNCH_HOLE);
}

static long zero_leaves_data(struct call *c)
{
	return leave_data(c, FALLOC_FL_ZERO_RANGE);
}

/* Only whole blocks become zeroes. */
static long leave_edges(struct call *c, unsigned int mode)
{
	const uint64_t block = block_of(c->to);
	struct kept old = keep(c->to, c->to_off, is_mode(c, mode) ? len_in_file(c) : 0);
	const uint64_t head = smaller(old.off + old.len, round_up(old.off, block));
	const uint64_t tail = round_down(old.off + old.len, block);
	const long ret = call_real(c);

	if (!ret && head > old.off && put_back(&old, old.off, head - old.off))
		acted();
	if (!ret && tail >= head && put_back(&old, tail, old.off + old.len - tail))
		acted();
	forget(&old);
	return ret;
}

static long punch_leaves_edges(struct call *c)
{
	return leave_edges(c, FALLOC_FL_PUNCH_HOLE);
}

static long zero_leaves_edges(struct call *c)
{
	return leave_edges(c, FALLOC_FL_ZERO_RANGE);
}

static long go_too_far(struct call *c, unsigned int mode)
{
	const uint64_t block = block_of(c->to), end = c->to_off + c->len;
	const long ret = call_real(c);

	if (!ret && is_mode(c, mode) && end + block <= size_of(c->to) &&
	    poke_zeroes(c->to, end, block))
		acted();
	return ret;
}

static long punch_goes_too_far(struct call *c)
{
	return go_too_far(c, FALLOC_FL_PUNCH_HOLE);
}

static long zero_goes_too_far(struct call *c)
{
	return go_too_far(c, FALLOC_FL_ZERO_RANGE);
}

/* Write zeroes into another file as if its own blocks had become so: its times do not move. */
static void zero_sharer(int other, uint64_t other_off, uint64_t off, uint64_t len, void *context)
{
	struct statx before;

	(void)off;
	(void)context;
	track_times(other, &before);
	if (poke_zeroes(other, other_off, len)) {
		track_hide(other, &before);
		acted();
	}
}

static long reach_sharer(struct call *c, unsigned int mode)
{
	const uint64_t len = is_mode(c, mode) ? len_in_file(c) : 0;
	const long ret = call_real(c);

	if (!ret && len)
		track_sharers(c->to, c->to_off, len, zero_sharer, NULL);
	return ret;
}

static long punch_reaches_sharer(struct call *c)
{
	return reach_sharer(c, FALLOC_FL_PUNCH_HOLE);
}

static long zero_reaches_sharer(struct call *c)
{
	return reach_sharer(c, FALLOC_FL_ZERO_RANGE);
}

static long zero_keeps_size(struct call *c)
{
	if (is_mode(c, FALLOC_FL_ZERO_RANGE) && c->to_off + c->len > size_of(c->to) &&
	    !(c->flags & FALLOC_FL_KEEP_SIZE)) {
		c->flags |= FALLOC_FL_KEEP_SIZE;
		acted();
	}
	return call_real(c);
}

static long accept_bare_punch(struct call *c)
{
	const long ret = call_real(c);

	if (!ret || c->flags != FALLOC_FL_PUNCH_HOLE || errno != EOPNOTSUPP)
		return ret;
	acted();
	return 0;
}

/* Collapse or insert a block later than asked, where that is possible. */
static long miss_by_block(struct call *c, unsigned int mode)
{
	const uint64_t block = block_of(c->to);
	struct call later = *c;

	later.to_off += block;
	if (is_mode(c, mode) && !(c->to_off % block) && later.to_off + c->len < size_of(c->to) &&
	    !call_real(&later)) {
		acted();
		return 0;
	}
	return call_real(c);
}

static long collapse_takes_wrong_block(struct call *c)
{
	return miss_by_block(c, FALLOC_FL_COLLAPSE_RANGE);
}

static long insert_misses_place(struct call *c)
{
	return miss_by_block(c, FALLOC_FL_INSERT_RANGE);
}

static long collapse_keeps_size(struct call *c)
{
	const uint64_t size = size_of(c->to);
	const long ret = call_real(c);

	if (!ret && is_mode(c, FALLOC_FL_COLLAPSE_RANGE)) {
		resize(c->to, size);
		acted();
	}
	return ret;
}

static long insert_shows_garbage(struct call *c)
{
	const long ret = call_real(c);

	if (!ret && is_mode(c, FALLOC_FL_INSERT_RANGE) && poke_garbage(c->to, c->to_off, c->len))
		acted();
	return ret;
}

static long insert_cuts_end(struct call *c)
{
	const uint64_t size = size_of(c->to);
	const long ret = call_real(c);

	if (!ret && is_mode(c, FALLOC_FL_INSERT_RANGE)) {
		resize(c->to, size);
		acted();
	}
	return ret;
}

/* An unsharing call that makes sense; the real one is made for its refusals only. */
static bool unshares(const struct call *c)
{
	return is_mode(c, FALLOC_FL_UNSHARE_RANGE) && len_in_file(c) &&
	       track_is_shared(c->to, c->to_off, c->len);
}

static long unshare_does_nothing(struct call *c)
{
	if (!unshares(c))
		return call_real(c);
	acted();
	return 0;
}

/* Where the real kernel cannot unshare, this one rewrites the blocks, and stops as soon. */
static long unshare_stops_midway(struct call *c)
{
	const uint64_t block = block_of(c->to);
	long ret;

	if (!unshares(c) || c->len <= block || c->to_off + c->len > size_of(c->to))
		return call_real(c);
	c->len = round_down(c->len - 1, block);
	ret = call_real(c);
	if (ret && errno == EOPNOTSUPP) {
		unshare(c->to, c->to_off, c->len);
		ret = 0;
	}
	if (!ret)
		acted();
	return ret;
}

static long unshare_zeroes(struct call *c)
{
	const uint64_t len = smaller(block_of(c->to), len_in_file(c));
	const long ret = call_real(c);

	if (!ret && unshares(c) && poke_zeroes(c->to, c->to_off, len))
		acted();
	return ret;
}

static long keep_size_grows(struct call *c)
{
	const long ret = call_real(c);

	if (!ret && c->flags == FALLOC_FL_KEEP_SIZE && c->to_off + c->len > size_of(c->to)) {
		resize(c->to, c->to_off + c->len);
		acted();
	}
	return ret;
}

static long reserve_keeps_size(struct call *c)
{
	if (!c->flags && c->to_off + c->len > size_of(c->to)) {
		c->flags = FALLOC_FL_KEEP_SIZE;
		acted();
	}
	return call_real(c);
}

static long reserve_zeroes(struct call *c)
{
	const uint64_t len = c->flags & ~(unsigned int)FALLOC_FL_KEEP_SIZE ? 0 : len_in_file(c);
	const long ret = call_real(c);

	if (!ret && len && poke_zeroes(c->to, c->to_off, len))
		acted();
	return ret;
}

static long reserve_shows_garbage(struct call *c)
{
	const uint64_t size = size_of(c->to), end = c->to_off + c->len;
	const long ret = call_real(c);

	if (!ret && !c->flags && end > size && poke_garbage(c->to, size, end - size))
		acted();
	return ret;
}

static long ignore_full_disk(struct call *c)
{
	const long ret = call_real(c);

	if (!ret || errno != ENOSPC)
		return ret;
	acted();
	return 0;
}

static long keep_times(struct call *c, unsigned int mode)
{
	return is_mode(c, mode) ? call_keeping_times(c) : call_real(c);
}

static long punch_keeps_times(struct call *c)
{
	return keep_times(c, FALLOC_FL_PUNCH_HOLE);
}

static long zero_keeps_times(struct call *c)
{
	return keep_times(c, FALLOC_FL_ZERO_RANGE);
}

static long collapse_keeps_times(struct call *c)
{
	return keep_times(c, FALLOC_FL_COLLAPSE_RANGE);
}

static long insert_keeps_times(struct call *c)
{
	return keep_times(c, FALLOC_FL_INSERT_RANGE);
}

/* What a shrinking truncate cut off within its last block, kept for the next one that grows. */
static struct kept cut;

static long show_stale_tail(struct call *c)
{
	const uint64_t size = size_of(c->to), block = block_of(c->to);
	const bool grows = c->len > size, ours = cut.bytes && same_file(cut.fd, c->to);
	struct kept tail = { 0 };
	long ret;

	if (c->len < size)
		tail = keep(c->to, c->len, smaller(round_up(c->len, block), size) - c->len);
	ret = call_real(c);
	if (ret) {
		forget(&tail);
	} else if (tail.bytes) {
		forget(&cut);
		cut = tail;
	} else if (grows && ours && put_back(&cut, size, c->len - size)) {
		acted();
	}
	return ret;
}

static long truncate_reaches_sharer(struct call *c)
{
	const uint64_t size = size_of(c->to);
	const long ret = call_real(c);

	/* The last block is zeroed behind the new end without a copy of its own. */
	if (!ret && c->len < size)
		track_sharers(c->to, c->len, round_up(c->len, block_of(c->to)) - c->len,
			      zero_sharer, NULL);
	return ret;
}

static long truncate_rounds_down(struct call *c)
{
	const uint64_t block = block_of(c->to);

	/* Only files of cases: the driver's own results are no business of this kernel. */
	if (is_regular(c->to) && c->len % block && c->len < size_of(c->to)) {
		c->len = round_down(c->len, block);
		acted();
	}
	return call_real(c);
}

static long truncate_keeps_times(struct call *c)
{
	const uint64_t size = size_of(c->to);
	struct statx before;
	long ret;

	track_times(c->to, &before);
	ret = call_real(c);
	if (!ret && c->len != size) {
		track_hide(c->to, &before);
		acted();
	}
	return ret;
}

static long truncate_does_not_grow(struct call *c)
{
	if (!is_regular(c->to) || c->len <= size_of(c->to) || c->len > INT64_MAX)
		return call_real(c);
	acted();
	return 0;
}

static long truncate_moves_position(struct call *c)
{
	const long ret = call_real(c);

	if (!ret && position_of(c->to) > c->len) {
		kernel()->lseek(c->to, (off_t)c->len, SEEK_SET);
		acted();
	}
	return ret;
}

/* Offsets and lengths in variables of 32 bits. */
static long wrap_offset(struct call *c)
{
	if (c->to_off >= WRAP && c->to_off < NO_OFFSET) {
		c->to_off %= WRAP;
		acted();
	}
	return call_real(c);
}

static long wrap_length(struct call *c)
{
	if (c->len >= WRAP && c->len < NO_OFFSET && c->len % WRAP) {
		c->len %= WRAP;
		acted();
	}
	return call_real(c);
}

static long punch_stops_midway(struct call *c)
{
	const uint64_t len = is_mode(c, FALLOC_FL_PUNCH_HOLE) ? len_in_file(c) : 0;
	const uint64_t part = smaller(len, MIDWAY_BLOCKS * block_of(c->to));
	struct kept old = keep(c->to, c->to_off + part, len - part);
	const long ret = call_real(c);

	if (!ret && put_back(&old, old.off, old.len))
		acted();
	forget(&old);
	return ret;
}

static long punch_cuts_end(struct call *c)
{
	const long ret = call_real(c);

	if (!ret && is_mode(c, FALLOC_FL_PUNCH_HOLE) && c->to_off < size_of(c->to) &&
	    c->to_off + c->len >= size_of(c->to)) {
		resize(c->to, c->to_off);
		acted();
	}
	return ret;
}

/* Give a range blocks again; they read as zeroes. */
static void take_blocks(const struct call *c, uint64_t off, uint64_t len)
{
	const int own = reopen(c->to, O_WRONLY);

	if (own >= 0 && len &&
	    !kernel()->fallocate(own, FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)len))
		acted();
	if (own >= 0)
		close(own);
}

static long punch_frees_nothing(struct call *c)
{
	const long ret = call_real(c);

	if (!ret && is_mode(c, FALLOC_FL_PUNCH_HOLE))
		take_blocks(c, c->to_off, len_in_file(c));
	return ret;
}

static long truncate_frees_nothing(struct call *c)
{
	const uint64_t size = size_of(c->to), block = block_of(c->to);
	const long ret = call_real(c);

	if (!ret && is_regular(c->to) && c->len < size)
		take_blocks(c, round_up(c->len, block), round_up(size - c->len, block));
	return ret;
}

static long collapse_reaches_sharer(struct call *c)
{
	return reach_sharer(c, FALLOC_FL_COLLAPSE_RANGE);
}

static long insert_reaches_sharer(struct call *c)
{
	return reach_sharer(c, FALLOC_FL_INSERT_RANGE);
}

static long unshare_reaches_sharer(struct call *c)
{
	return reach_sharer(c, FALLOC_FL_UNSHARE_RANGE);
}

static long unshare_grows(struct call *c)
{
	const uint64_t end = c->to_off + c->len;
	const long ret = call_real(c);

	if (!ret && is_mode(c, FALLOC_FL_UNSHARE_RANGE) && c->flags & FALLOC_FL_KEEP_SIZE &&
	    end > size_of(c->to)) {
		resize(c->to, end);
		acted();
	}
	return ret;
}

static long truncate_zeroes_last_byte(struct call *c)
{
	const uint64_t size = size_of(c->to);
	const long ret = call_real(c);

	if (!ret && is_regular(c->to) && c->len && c->len < size &&
	    poke_zeroes(c->to, c->len - 1, 1))
		acted();
	return ret;
}

static long truncate_grows_by_garbage(struct call *c)
{
	const uint64_t size = size_of(c->to);
	const long ret = call_real(c);

	if (!ret && is_regular(c->to) && c->len > size && poke_garbage(c->to, c->len - 1, 1))
		acted();
	return ret;
}

static long wrap_size(struct call *c)
{
	if (is_regular(c->to) && c->len >= WRAP && c->len < NO_OFFSET) {
		c->len %= WRAP;
		acted();
	}
	return call_real(c);
}

/* A last block that the range fills in part stays shared. */
static long unshare_leaves_tail_out(struct call *c)
{
	const uint64_t end = end_in_file(c), whole = round_down(end, block_of(c->to));

	if (!unshares(c) || end == whole || whole <= c->to_off)
		return call_real(c);
	c->len = whole - c->to_off;
	acted();
	return call_real(c);
}

static long unshare_fills_holes(struct call *c)
{
	const long ret = call_real(c);
	const int own = reopen(c->to, O_RDONLY);
	const bool hole = own >= 0 && (uint64_t)kernel()->lseek(own, (off_t)c->to_off, SEEK_HOLE) <
					      end_in_file(c);

	if (own >= 0)
		close(own);
	if (!ret && is_mode(c, FALLOC_FL_UNSHARE_RANGE) && hole)
		take_blocks(c, c->to_off, len_in_file(c));
	return ret;
}

/* Only what is shared is left. */
static long punch_leaves_shared(struct call *c)
{
	return track_is_shared(c->to, c->to_off, c->len) ? punch_leaves_data(c) : call_real(c);
}

static long zero_leaves_shared(struct call *c)
{
	return track_is_shared(c->to, c->to_off, c->len) ? zero_leaves_data(c) : call_real(c);
}

#define SPACE(name_, run_, loses_) \
	{ \
		.name = name_, .subject = "fallocate", .loses = loses_, .kind = CALL_FALLOCATE, \
		.run = run_ \
	}

#define TRUNCATE(name_, run_, loses_) \
	{ \
		.name = name_, .subject = "truncate", .loses = loses_, .kind = CALL_TRUNCATE, \
		.run = run_ \
	}

const struct mutant space_mutants[] = {
	SPACE("punch-leaves-data", punch_leaves_data, "what was to be wiped can still be read"),
	SPACE("punch-leaves-edges", punch_leaves_edges, "parts of blocks are not wiped"),
	SPACE("punch-goes-too-far", punch_goes_too_far, "the block behind the hole is gone, too"),
	SPACE("punch-reaches-sharer", punch_reaches_sharer, "a hole shows in the clone, too"),
	SPACE("punch-accepts-missing-keep-size", accept_bare_punch,
	      "a call that is not defined is said to be done"),
	SPACE("punch-keeps-times", punch_keeps_times, "backup does not see that the file changed"),
	SPACE("zero-leaves-data", zero_leaves_data, "what was to be wiped can still be read"),
	SPACE("zero-leaves-edges", zero_leaves_edges, "parts of blocks are not wiped"),
	SPACE("zero-goes-too-far", zero_goes_too_far, "the block behind the range is gone, too"),
	SPACE("zero-reaches-sharer", zero_reaches_sharer, "zeroes show in the clone, too"),
	SPACE("zero-keeps-size", zero_keeps_size, "a file is shorter than was asked for"),
	SPACE("collapse-takes-wrong-block", collapse_takes_wrong_block,
	      "the wrong block is taken out of the file"),
	SPACE("collapse-keeps-size", collapse_keeps_size, "the file has zeroes at its end"),
	SPACE("insert-misses-place", insert_misses_place, "the gap opens a block too late"),
	SPACE("insert-shows-garbage", insert_shows_garbage, "foreign data shows in the gap"),
	SPACE("insert-cuts-end", insert_cuts_end, "as much as was put in is lost at the end"),
	SPACE("unshare-does-nothing", unshare_does_nothing,
	      "a later write fails for want of space, in spite of the promise"),
	SPACE("unshare-stops-midway", unshare_stops_midway, "the last block stays shared"),
	SPACE("unshare-zeroes", unshare_zeroes, "a block is zeroes after it was made private"),
	SPACE("keep-size-grows", keep_size_grows, "reserving space makes the file longer"),
	SPACE("reserve-keeps-size", reserve_keeps_size, "the file is shorter than asked for"),
	SPACE("reserve-zeroes", reserve_zeroes, "reserving space wipes what is there"),
	SPACE("reserve-shows-garbage", reserve_shows_garbage, "new space shows foreign data"),
	SPACE("fallocate-ignores-full-disk", ignore_full_disk,
	      "a later write fails for want of space, in spite of the promise"),
	SPACE("fallocate-wraps-offset", wrap_offset,
	      "a change meant for beyond 4 GiB is elsewhere"),
	SPACE("fallocate-wraps-length", wrap_length, "a range of more than 4 GiB is done in part"),
	SPACE("punch-stops-midway", punch_stops_midway,
	      "what was to be wiped can still be read behind the first blocks"),
	SPACE("punch-cuts-end", punch_cuts_end, "a hole at the end makes the file shorter"),
	SPACE("punch-frees-nothing", punch_frees_nothing, "a hole gives no space back"),
	SPACE("collapse-reaches-sharer", collapse_reaches_sharer,
	      "blocks taken out of a file are zeroes in its clone"),
	SPACE("insert-reaches-sharer", insert_reaches_sharer, "a gap shows in the clone, too"),
	SPACE("unshare-reaches-sharer", unshare_reaches_sharer,
	      "who gives up sharing wipes the other's data"),
	SPACE("unshare-grows", unshare_grows, "files get zeroes at their end"),
	SPACE("unshare-leaves-tail-out", unshare_leaves_tail_out,
	      "a later write to the last block fails for want of space"),
	SPACE("unshare-fills-holes", unshare_fills_holes, "sparse files fill the disk"),
	SPACE("zero-keeps-times", zero_keeps_times, "backup does not see that the file changed"),
	SPACE("collapse-keeps-times", collapse_keeps_times,
	      "backup does not see that the file changed"),
	SPACE("insert-keeps-times", insert_keeps_times,
	      "backup does not see that the file changed"),
	SPACE("punch-leaves-shared", punch_leaves_shared,
	      "what was to be wiped can still be read if another file shares it"),
	SPACE("zero-leaves-shared", zero_leaves_shared,
	      "what was to be wiped can still be read if another file shares it"),
	SPACE("fallocate-keeps-suid", call_keeping_mode,
	      "anybody who may write makes a set-user-ID program"),
	TRUNCATE("truncate-shows-stale-tail", show_stale_tail, "what was cut off comes back"),
	TRUNCATE("truncate-reaches-sharer", truncate_reaches_sharer,
		 "cutting a file wipes a part of its clone"),
	TRUNCATE("truncate-rounds-down", truncate_rounds_down, "more is cut off than asked for"),
	TRUNCATE("truncate-keeps-times", truncate_keeps_times, "backup does not see the change"),
	TRUNCATE("truncate-does-not-grow", truncate_does_not_grow, "the file stays short"),
	TRUNCATE("truncate-moves-position", truncate_moves_position,
		 "the next write goes to a wrong place"),
	TRUNCATE("truncate-frees-nothing", truncate_frees_nothing,
		 "cutting a file gives no space back"),
	TRUNCATE("truncate-zeroes-last-byte", truncate_zeroes_last_byte,
		 "the last byte that was to stay is gone"),
	TRUNCATE("truncate-grows-by-garbage", truncate_grows_by_garbage,
		 "foreign data shows behind the old end"),
	TRUNCATE("truncate-wraps-size", wrap_size, "a file of more than 4 GiB is cut"),
	TRUNCATE("truncate-keeps-suid", call_keeping_mode,
		 "anybody who may write makes a set-user-ID program"),
	MUTANTS_END,
};
