/* SPDX-License-Identifier: GPL-2.0-only */
/* Bugs of FICLONE and FICLONERANGE. Each is there once for either call. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <linux/fiemap.h>
#include <linux/fs.h>

#include "hands.h"

#define CAPABILITIES	"security.capability"
#define CAPABILITY_SIZE 64
/* What "big" means to the mutant that gives up midway. */
#define MIDWAY_BLOCKS 4
#define EXTENTS	      64

static long drop_last_block(struct call *c)
{
	const uint64_t len = span(c), block = block_of(c->to), whole = len ? (len - 1) / block : 0;
	struct kept last = keep(c->to, c->to_off + whole * block, len - whole * block);
	const long ret = call_real(c);

	if (!ret && len && put_back(&last, last.off, last.len))
		acted();
	forget(&last);
	return ret;
}

static long take_wrong_block(struct call *c)
{
	const uint64_t block = block_of(c->to), len = span(c), size = size_of(c->from);
	const long ret = call_real(c);

	if (!ret && len >= 2 * block && c->from_off + 2 * block <= size &&
	    clone_piece(c->from, c->from_off + block, block, c->to, c->to_off))
		acted();
	return ret;
}

static long copy_instead(struct call *c)
{
	const uint64_t len = span(c);
	const long ret = call_real(c);

	if (!ret && len) {
		unshare(c->to, c->to_off, len);
		acted();
	}
	return ret;
}

/* The real call first: this kernel still refuses what is to be refused. */
static long do_nothing(struct call *c)
{
	const uint64_t size = size_of(c->to), len = span(c);
	struct kept old = keep(c->to, c->to_off, len);
	const long ret = call_real(c);

	if (!ret && put_back(&old, old.off, old.len)) {
		resize(c->to, size);
		acted();
	}
	forget(&old);
	return ret;
}

static long leave_tail_out(struct call *c)
{
	const uint64_t size = size_of(c->to), end = c->to_off + span(c);
	const uint64_t whole = round_down(end, block_of(c->to));
	const long ret = call_real(c);

	if (!ret && whole < end && end > size && whole >= size) {
		resize(c->to, whole);
		acted();
	}
	return ret;
}

static long show_stale_gap(struct call *c)
{
	const uint64_t size = size_of(c->to), block = block_of(c->to);
	const uint64_t gap = c->to_off > size ? smaller(c->to_off - size, 4 * block) : 0;
	const long ret = call_real(c);

	if (!ret && gap && poke_garbage(c->to, size, gap))
		acted();
	return ret;
}

static long take_zero_for_nothing(struct call *c)
{
	if (c->len || !span(c))
		return call_real(c);
	acted();
	return 0;
}

static long accept_overlap(struct call *c)
{
	const uint64_t len = span(c);
	const long ret = call_real(c);

	if (!ret || errno != EINVAL || !same_file(c->from, c->to) ||
	    c->from_off >= c->to_off + len || c->to_off >= c->from_off + len)
		return ret;
	acted();
	return 0;
}

static long accept_unaligned(struct call *c)
{
	const uint64_t block = block_of(c->to);
	const long ret = call_real(c);

	if (!ret || errno != EINVAL ||
	    (!(c->from_off % block) && !(c->to_off % block) && !(c->len % block)))
		return ret;
	acted();
	return 0;
}

static long accept_inner_tail(struct call *c)
{
	const uint64_t end = c->to_off + span(c);
	const long ret = call_real(c);

	if (!ret || errno != EINVAL || end >= size_of(c->to) || !(end % block_of(c->to)) ||
	    c->from_off + span(c) != size_of(c->from))
		return ret;
	acted();
	return 0;
}

static long shorten_at_source_end(struct call *c)
{
	const uint64_t size = size_of(c->from);
	long ret = call_real(c);

	if (ret && errno == EINVAL && c->from_off < size && c->len > size - c->from_off) {
		c->len = size - c->from_off;
		ret = call_real(c);
		acted();
	}
	return ret;
}

static long touch_source(struct call *c)
{
	const long ret = call_real(c);

	if (!ret) {
		move_mtime(c->from);
		acted();
	}
	return ret;
}

static long keep_capabilities(struct call *c)
{
	char value[CAPABILITY_SIZE];
	const ssize_t size = fgetxattr(c->to, CAPABILITIES, value, sizeof(value));
	const long ret = call_real(c);

	if (!ret && size > 0 && !fsetxattr(c->to, CAPABILITIES, value, (size_t)size, 0))
		acted();
	return ret;
}

static long cut_destination(struct call *c)
{
	const uint64_t end = c->to_off + span(c), size = size_of(c->to);
	const long ret = call_real(c);

	if (!ret && size > end) {
		resize(c->to, end);
		acted();
	}
	return ret;
}

static long grow_to_block(struct call *c)
{
	const uint64_t end = c->to_off + span(c), block = block_of(c->to);
	const long ret = call_real(c);

	if (!ret && end % block && size_of(c->to) == end) {
		resize(c->to, round_up(end, block));
		acted();
	}
	return ret;
}

static long forget_to_grow(struct call *c)
{
	const uint64_t size = size_of(c->to);
	const long ret = call_real(c);

	if (!ret && size_of(c->to) > size) {
		resize(c->to, size);
		acted();
	}
	return ret;
}

static long give_up_midway(struct call *c)
{
	const uint64_t len = span(c), part = MIDWAY_BLOCKS * block_of(c->to);
	struct kept old = keep(c->to, c->to_off + part, len > part ? len - part : 0);
	const long ret = call_real(c);

	if (!ret && put_back(&old, old.off, old.len))
		acted();
	forget(&old);
	return ret;
}

static long write_by_reader(struct call *c)
{
	const long ret = call_real(c);

	if (!ret || errno != EBADF || !is_regular_pair(c) ||
	    (flags_of(c->to) & O_ACCMODE) != O_RDONLY)
		return ret;
	return call_reopened(c);
}

static long read_by_writer(struct call *c)
{
	const long ret = call_real(c);

	if (!ret || errno != EBADF || !is_regular_pair(c) ||
	    (flags_of(c->from) & O_ACCMODE) != O_WRONLY)
		return ret;
	return call_reopened(c);
}

static long ignore_append(struct call *c)
{
	const long ret = call_real(c);

	if (!ret || errno != EBADF || !is_regular_pair(c) || !(flags_of(c->to) & O_APPEND))
		return ret;
	return call_reopened(c);
}

static long ignore_errno(struct call *c, int err)
{
	const long ret = call_real(c);

	if (!ret || errno != err)
		return ret;
	acted();
	return 0;
}

static long ignore_immutable(struct call *c)
{
	return ignore_errno(c, EPERM);
}

static long ignore_swap(struct call *c)
{
	return ignore_errno(c, ETXTBSY);
}

static long ignore_full_disk(struct call *c)
{
	return ignore_errno(c, ENOSPC);
}

static long move_position(struct call *c)
{
	const uint64_t len = span(c);
	const long ret = call_real(c);

	if (!ret && kernel()->lseek(c->to, (off_t)len, SEEK_CUR) > 0)
		acted();
	return ret;
}

static long end_a_byte_early(struct call *c)
{
	const uint64_t size = size_of(c->to), end = c->to_off + span(c);
	const long ret = call_real(c);

	if (!ret && end > size + 1) {
		resize(c->to, end - 1);
		acted();
	}
	return ret;
}

/* Blocks that were never written hold what the disk held. */
static long show_unwritten(struct call *c)
{
	union {
		struct fiemap map;
		uint8_t room[sizeof(struct fiemap) + EXTENTS * sizeof(struct fiemap_extent)];
	} all = {
		.map = { .fm_start = c->from_off, .fm_length = span(c), .fm_extent_count = EXTENTS }
	};
	const uint64_t end = c->from_off + span(c);
	const bool known = !kernel()->ioctl(c->from, FS_IOC_FIEMAP, &all.map);
	const long ret = call_real(c);

	for (unsigned int i = 0; !ret && known && i < all.map.fm_mapped_extents; i++) {
		const struct fiemap_extent *e = &all.map.fm_extents[i];
		const uint64_t at = e->fe_logical > c->from_off ? e->fe_logical : c->from_off;
		const uint64_t stop = smaller(e->fe_logical + e->fe_length, end);

		if (e->fe_flags & FIEMAP_EXTENT_UNWRITTEN && at < stop &&
		    poke_garbage(c->to, c->to_off + (at - c->from_off), stop - at))
			acted();
	}
	return ret;
}

#define BOTH(name_, run_, loses_) \
	{ .name = "clone-" name_, \
	  .subject = "clone", \
	  .loses = loses_, \
	  .kind = CALL_CLONE, \
	  .run = run_ }, \
	{ \
		.name = "clone-range-" name_, .subject = "clone_range", .loses = loses_, \
		.kind = CALL_CLONE_RANGE, .run = run_ \
	}

#define RANGE(name_, run_, loses_) \
	{ \
		.name = "clone-range-" name_, .subject = "clone_range", .loses = loses_, \
		.kind = CALL_CLONE_RANGE, .run = run_ \
	}

const struct mutant clone_mutants[] = {
	BOTH("drops-last-block", drop_last_block,
	     "the end of the copy holds what was there before"),
	BOTH("takes-wrong-block", take_wrong_block, "the copy begins with another block's data"),
	BOTH("copies-instead-of-sharing", copy_instead, "a clone takes as much space as a copy"),
	BOTH("does-nothing", do_nothing, "the copy is not there, although all is said to be well"),
	BOTH("leaves-tail-out", leave_tail_out, "a file that fills no whole block loses its end"),
	RANGE("shows-stale-gap", show_stale_gap, "foreign data shows between old end and clone"),
	RANGE("takes-length-0-for-nothing", take_zero_for_nothing,
	      "a clone up to the end of file copies nothing"),
	BOTH("accepts-overlap", accept_overlap, "a file is cloned onto itself, and nothing done"),
	RANGE("accepts-unaligned", accept_unaligned, "an impossible clone is said to be made"),
	BOTH("accepts-tail-in-the-middle", accept_inner_tail,
	     "a partial block is said to lie where no partial block can"),
	RANGE("shortens-at-source-end", shorten_at_source_end,
	      "less than was asked for is cloned, and nobody told"),
	BOTH("keeps-times", call_keeping_times, "backup and make do not see that the file changed"),
	BOTH("touches-source", touch_source, "reading a file makes it look changed"),
	BOTH("keeps-suid", call_keeping_mode, "anybody who may write makes a set-user-ID program"),
	BOTH("keeps-capabilities", keep_capabilities, "new content runs with old capabilities"),
	BOTH("cuts-longer-destination", cut_destination, "data behind the range is gone"),
	BOTH("grows-to-whole-block", grow_to_block, "files get zeroes at their end"),
	BOTH("forgets-to-grow", forget_to_grow, "data beyond the old end is not there"),
	BOTH("skips-flush-of-source", call_skipping_dirt,
	     "what was just written is zeroes in the copy"),
	BOTH("gives-up-midway", give_up_midway, "the rest of a long range is not cloned"),
	BOTH("skips-holes", call_skipping_holes, "old data shows where the source is a hole"),
	BOTH("writes-by-read-only-descriptor", write_by_reader, "who may only read can write"),
	BOTH("reads-by-write-only-descriptor", read_by_writer, "who may only write can read"),
	BOTH("ignores-o-append", ignore_append, "an append-only descriptor overwrites data"),
	BOTH("ignores-immutable", ignore_immutable, "a file that nobody may change is said to be"),
	BOTH("ignores-swap", ignore_swap, "active swap space is said to be cloned"),
	BOTH("ignores-full-disk", ignore_full_disk,
	     "a clone for which there is no room is not there"),
	BOTH("ignores-size-limit", call_unlimited, "RLIMIT_FSIZE does not hold"),
	BOTH("moves-position", move_position, "the next write goes to a wrong place"),
	BOTH("ends-a-byte-early", end_a_byte_early, "the last byte of a file is not cloned"),
	BOTH("shows-unwritten", show_unwritten,
	     "what others deleted shows where nothing was written"),
	MUTANTS_END,
};
