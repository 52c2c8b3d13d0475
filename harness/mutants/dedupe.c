/* SPDX-License-Identifier: GPL-2.0-only */
/* Bugs of FIDEDUPERANGE. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/fs.h>

#include "hands.h"

/* As many replies as fit the page that the kernel takes with 4K pages. */
#define REPLIES_MAX 127
/* What "long" and "far" mean to mutants that do not compare there. */
#define LONG_BYTES (UINT64_C(1) << 20)
#define FAR_OFFSET (UINT64_C(1) << 32)

typedef void reply_bug(const struct call *c, struct file_dedupe_range *range,
		       struct file_dedupe_range_info *info);

/* The real call, then the same bug in every reply. */
static long each_reply(struct call *c, reply_bug *bug)
{
	struct file_dedupe_range *range = c->arg;
	const long ret = call_real(c);

	for (unsigned int i = 0; !ret && i < range->dest_count; i++)
		bug(c, range, &range->info[i]);
	return ret;
}

static int dest(const struct file_dedupe_range_info *info)
{
	return (int)info->dest_fd;
}

static bool is_same(const struct file_dedupe_range_info *info)
{
	return info->status == FILE_DEDUPE_RANGE_SAME && info->bytes_deduped;
}

static void say(struct file_dedupe_range_info *info, int status, uint64_t bytes)
{
	info->status = status;
	info->bytes_deduped = bytes;
	acted();
}

/* Share without a look, and without a trace but the content. */
static bool share(const struct call *c, uint64_t from_off, uint64_t len, int to, uint64_t to_off)
{
	struct statx before;
	struct stat mode;
	bool good;

	track_times(to, &before);
	if (fstat(to, &mode))
		return false;
	good = clone_piece(c->from, from_off, len, to, to_off);
	if (mode.st_mode & (S_ISUID | S_ISGID))
		(void)!fchmod(to, mode.st_mode & 07777);
	track_hide(to, &before);
	return good;
}

static void do_not_compare(const struct call *c, struct file_dedupe_range *r,
			   struct file_dedupe_range_info *info)
{
	if (info->status == FILE_DEDUPE_RANGE_DIFFERS &&
	    share(c, r->src_offset, r->src_length, dest(info), info->dest_offset))
		say(info, FILE_DEDUPE_RANGE_SAME, r->src_length);
}

static bool equal(const struct call *c, uint64_t from_off, int to, uint64_t to_off, uint64_t len)
{
	struct kept a = keep(c->from, from_off, len), b = keep(to, to_off, len);
	const bool same = a.bytes && b.bytes && !memcmp(a.bytes, b.bytes, (size_t)len);

	forget(&a);
	forget(&b);
	return same;
}

static void compare_first_block(const struct call *c, struct file_dedupe_range *r,
				struct file_dedupe_range_info *info)
{
	const uint64_t len = smaller(r->src_length, block_of(c->from));

	if (info->status == FILE_DEDUPE_RANGE_DIFFERS &&
	    equal(c, r->src_offset, dest(info), info->dest_offset, len))
		do_not_compare(c, r, info);
}

/* All but the last byte, which no compare of whole words would reach. */
static void skip_last_byte(const struct call *c, struct file_dedupe_range *r,
			   struct file_dedupe_range_info *info)
{
	if (info->status == FILE_DEDUPE_RANGE_DIFFERS && r->src_length > 1 &&
	    equal(c, r->src_offset, dest(info), info->dest_offset, r->src_length - 1))
		do_not_compare(c, r, info);
}

static void skip_first_byte(const struct call *c, struct file_dedupe_range *r,
			    struct file_dedupe_range_info *info)
{
	if (info->status == FILE_DEDUPE_RANGE_DIFFERS && r->src_length > 1 &&
	    equal(c, r->src_offset + 1, dest(info), info->dest_offset + 1, r->src_length - 1))
		do_not_compare(c, r, info);
}

static void say_differs(const struct call *c, struct file_dedupe_range *r,
			struct file_dedupe_range_info *info)
{
	(void)c;
	(void)r;
	if (is_same(info))
		say(info, FILE_DEDUPE_RANGE_DIFFERS, 0);
}

static void unshare_quietly(int fd, uint64_t off, uint64_t len)
{
	struct statx before;
	struct stat mode;

	track_times(fd, &before);
	if (fstat(fd, &mode))
		return;
	unshare(fd, off, len);
	if (mode.st_mode & (S_ISUID | S_ISGID))
		(void)!fchmod(fd, mode.st_mode & 07777);
	track_hide(fd, &before);
	acted();
}

static void share_nothing(const struct call *c, struct file_dedupe_range *r,
			  struct file_dedupe_range_info *info)
{
	(void)c;
	(void)r;
	if (is_same(info))
		unshare_quietly(dest(info), info->dest_offset, info->bytes_deduped);
}

static void leave_tail_out(const struct call *c, struct file_dedupe_range *r,
			   struct file_dedupe_range_info *info)
{
	const uint64_t end = info->dest_offset + info->bytes_deduped;
	const uint64_t whole = round_down(end, block_of(c->from));

	(void)r;
	if (is_same(info) && end == size_of(dest(info)) && whole < end)
		unshare_quietly(dest(info), whole, end - whole);
}

static void say_no_bytes(const struct call *c, struct file_dedupe_range *r,
			 struct file_dedupe_range_info *info)
{
	(void)c;
	(void)r;
	if (is_same(info))
		say(info, FILE_DEDUPE_RANGE_SAME, 0);
}

static void say_all_bytes(const struct call *c, struct file_dedupe_range *r,
			  struct file_dedupe_range_info *info)
{
	(void)c;
	if (is_same(info) && info->bytes_deduped < r->src_length)
		say(info, FILE_DEDUPE_RANGE_SAME, r->src_length);
}

static void count_differing_bytes(const struct call *c, struct file_dedupe_range *r,
				  struct file_dedupe_range_info *info)
{
	(void)c;
	if (info->status == FILE_DEDUPE_RANGE_DIFFERS)
		say(info, info->status, r->src_length);
}

static void count_refused_bytes(const struct call *c, struct file_dedupe_range *r,
				struct file_dedupe_range_info *info)
{
	(void)c;
	if (info->status < 0)
		say(info, info->status, r->src_length);
}

static void touch(const struct call *c, struct file_dedupe_range *r,
		  struct file_dedupe_range_info *info)
{
	(void)c;
	(void)r;
	if (is_same(info)) {
		move_mtime(dest(info));
		acted();
	}
}

static void drop_suid(const struct call *c, struct file_dedupe_range *r,
		      struct file_dedupe_range_info *info)
{
	struct statx before;
	struct stat st;

	(void)c;
	(void)r;
	if (!is_same(info) || fstat(dest(info), &st) || !(st.st_mode & (S_ISUID | S_ISGID)))
		return;
	track_times(dest(info), &before);
	(void)!fchmod(dest(info), st.st_mode & 01777);
	track_hide(dest(info), &before);
	acted();
}

/* The block behind the range is shared, too, whatever it holds. */
static void share_neighbour(const struct call *c, struct file_dedupe_range *r,
			    struct file_dedupe_range_info *info)
{
	const uint64_t block = block_of(c->from);
	const uint64_t from = r->src_offset + info->bytes_deduped;
	const uint64_t to = info->dest_offset + info->bytes_deduped;

	if (is_same(info) && !(from % block) && from + block <= size_of(c->from) &&
	    to + block <= size_of(dest(info)) && share(c, from, block, dest(info), to))
		acted();
}

/* A length within a block takes the rest of the block along. */
static void round_length_up(const struct call *c, struct file_dedupe_range *r,
			    struct file_dedupe_range_info *info)
{
	const uint64_t block = block_of(c->from), len = info->bytes_deduped;
	const uint64_t whole = round_down(len, block);

	if (is_same(info) && len % block && r->src_offset + whole + block <= size_of(c->from) &&
	    info->dest_offset + whole + block <= size_of(dest(info)) &&
	    share(c, r->src_offset + whole, block, dest(info), info->dest_offset + whole))
		acted();
}

static void accept_overlap(const struct call *c, struct file_dedupe_range *r,
			   struct file_dedupe_range_info *info)
{
	if (info->status == -EINVAL && same_file(c->from, dest(info)) &&
	    r->src_offset < info->dest_offset + r->src_length &&
	    info->dest_offset < r->src_offset + r->src_length)
		say(info, FILE_DEDUPE_RANGE_SAME, r->src_length);
}

static void accept_unaligned(const struct call *c, struct file_dedupe_range *r,
			     struct file_dedupe_range_info *info)
{
	const uint64_t block = block_of(c->from);

	if (info->status == -EINVAL && (r->src_offset % block || info->dest_offset % block))
		say(info, FILE_DEDUPE_RANGE_SAME, r->src_length);
}

static void cut_at_destination_end(const struct call *c, struct file_dedupe_range *r,
				   struct file_dedupe_range_info *info)
{
	const uint64_t size = size_of(dest(info));

	(void)c;
	if (info->status == -EINVAL && info->dest_offset < size &&
	    info->dest_offset + r->src_length > size)
		say(info, FILE_DEDUPE_RANGE_SAME, size - info->dest_offset);
}

static void ignore_refusal(struct file_dedupe_range *r, struct file_dedupe_range_info *info,
			   int err)
{
	if (info->status == -err)
		say(info, FILE_DEDUPE_RANGE_SAME, r->src_length);
}

static void ignore_permission(const struct call *c, struct file_dedupe_range *r,
			      struct file_dedupe_range_info *info)
{
	(void)c;
	ignore_refusal(r, info, EPERM);
}

static void ignore_other_filesystem(const struct call *c, struct file_dedupe_range *r,
				    struct file_dedupe_range_info *info)
{
	(void)c;
	ignore_refusal(r, info, EXDEV);
}

static void ignore_swap(const struct call *c, struct file_dedupe_range *r,
			struct file_dedupe_range_info *info)
{
	(void)c;
	ignore_refusal(r, info, ETXTBSY);
}

static void move_position(const struct call *c, struct file_dedupe_range *r,
			  struct file_dedupe_range_info *info)
{
	(void)c;
	(void)r;
	if (is_same(info) && kernel()->lseek(dest(info), (off_t)info->bytes_deduped, SEEK_CUR) > 0)
		acted();
}

/* What is not compared under some circumstance only. */
#define UNCOMPARED(name, circumstance) \
	static void uncompared_##name(const struct call *c, struct file_dedupe_range *r, \
				      struct file_dedupe_range_info *info) \
	{ \
		if (circumstance) \
			do_not_compare(c, r, info); \
	}

UNCOMPARED(long, r->src_length > LONG_BYTES)
UNCOMPARED(far, r->src_offset >= FAR_OFFSET || info->dest_offset >= FAR_OFFSET)
UNCOMPARED(moved, r->src_offset != info->dest_offset)
UNCOMPARED(later, info != r->info)
UNCOMPARED(within_one_file, same_file(c->from, dest(info)))
UNCOMPARED(shared, track_is_shared(dest(info), info->dest_offset, r->src_length))
UNCOMPARED(tail, r->src_length % block_of(c->from))
UNCOMPARED(direct, (flags_of(c->from) | flags_of(dest(info))) & O_DIRECT)

/* Equal at both ends is equal. */
static void compare_ends(const struct call *c, struct file_dedupe_range *r,
			 struct file_dedupe_range_info *info)
{
	const uint64_t block = block_of(c->from), last = r->src_length - block;

	if (info->status == FILE_DEDUPE_RANGE_DIFFERS && r->src_length > 2 * block &&
	    equal(c, r->src_offset, dest(info), info->dest_offset, block) &&
	    equal(c, r->src_offset + last, dest(info), info->dest_offset + last, block))
		do_not_compare(c, r, info);
}

static void compare_zeroes_as_data(const struct call *c, struct file_dedupe_range *r,
				   struct file_dedupe_range_info *info)
{
	const int own = is_same(info) ? reopen(dest(info), O_RDONLY) : -1;
	off_t data;

	(void)c;
	(void)r;
	if (own < 0)
		return;
	data = kernel()->lseek(own, (off_t)info->dest_offset, SEEK_DATA);
	if (data < 0 || (uint64_t)data > info->dest_offset)
		say(info, FILE_DEDUPE_RANGE_DIFFERS, 0);
	close(own);
}

static void count_whole_blocks(const struct call *c, struct file_dedupe_range *r,
			       struct file_dedupe_range_info *info)
{
	const uint64_t rest = info->bytes_deduped % block_of(c->from);

	(void)r;
	if (is_same(info) && rest)
		say(info, info->status, info->bytes_deduped - rest);
}

static void fail_later(const struct call *c, struct file_dedupe_range *r,
		       struct file_dedupe_range_info *info)
{
	(void)c;
	if (is_same(info) && info > r->info + 1)
		say(info, -EINVAL, 0);
}

static void refuse_shared(const struct call *c, struct file_dedupe_range *r,
			  struct file_dedupe_range_info *info)
{
	(void)c;
	(void)r;
	if (is_same(info) && track_is_shared(dest(info), info->dest_offset, info->bytes_deduped))
		say(info, -EINVAL, 0);
}

static void share_unmoved_only(const struct call *c, struct file_dedupe_range *r,
			       struct file_dedupe_range_info *info)
{
	(void)c;
	if (is_same(info) && r->src_offset != info->dest_offset)
		unshare_quietly(dest(info), info->dest_offset, info->bytes_deduped);
}

static void cut_destination(const struct call *c, struct file_dedupe_range *r,
			    struct file_dedupe_range_info *info)
{
	const uint64_t end = info->dest_offset + info->bytes_deduped;
	struct statx before;

	(void)c;
	(void)r;
	if (!is_same(info) || size_of(dest(info)) <= end)
		return;
	track_times(dest(info), &before);
	resize(dest(info), end);
	track_hide(dest(info), &before);
	acted();
}

static void touch_source(const struct call *c, struct file_dedupe_range *r,
			 struct file_dedupe_range_info *info)
{
	(void)r;
	if (is_same(info)) {
		move_mtime(c->from);
		acted();
	}
}

static void spoil_third(int other, uint64_t other_off, uint64_t off, uint64_t len, void *context)
{
	const int *two = context;
	struct statx before;

	(void)off;
	if (same_file(other, two[0]) || same_file(other, two[1]))
		return;
	track_times(other, &before);
	if (poke_zeroes(other, other_off + len - 1, 1))
		acted();
	track_hide(other, &before);
}

/* Who shared with the destination before is hit. */
static void spoil_former_sharers(const struct call *c, struct file_dedupe_range *r,
				 struct file_dedupe_range_info *info)
{
	int two[2] = { c->from, dest(info) };

	(void)r;
	if (is_same(info))
		track_sharers(dest(info), info->dest_offset, info->bytes_deduped, spoil_third, two);
}

/* Compares the first half of each block. */
static void compare_half_blocks(const struct call *c, struct file_dedupe_range *r,
				struct file_dedupe_range_info *info)
{
	const uint64_t half = block_of(c->from) / 2;
	bool same = r->src_length <= KEEP_BYTES_MAX;

	for (uint64_t at = 0; same && at < r->src_length; at += 2 * half)
		same = equal(c, r->src_offset + at, dest(info), info->dest_offset + at,
			     smaller(half, r->src_length - at));
	if (info->status == FILE_DEDUPE_RANGE_DIFFERS && same)
		do_not_compare(c, r, info);
}

/* All replies are the first that differs, from there on. */
static void stay_different(const struct call *c, struct file_dedupe_range *r,
			   struct file_dedupe_range_info *info)
{
	(void)c;
	if (is_same(info) && info > r->info && info[-1].status == FILE_DEDUPE_RANGE_DIFFERS)
		say(info, FILE_DEDUPE_RANGE_DIFFERS, 0);
}

static void add_up_bytes(const struct call *c, struct file_dedupe_range *r,
			 struct file_dedupe_range_info *info)
{
	(void)c;
	if (is_same(info) && info > r->info && info[-1].bytes_deduped)
		say(info, info->status, info->bytes_deduped + info[-1].bytes_deduped);
}

static void change_destination_offset(const struct call *c, struct file_dedupe_range *r,
				      struct file_dedupe_range_info *info)
{
	(void)c;
	(void)r;
	if (is_same(info)) {
		info->dest_offset += info->bytes_deduped;
		acted();
	}
}

static void lose_dirt(uint64_t off, uint64_t len, void *context)
{
	const int *fd = context;
	struct statx before;

	track_times(*fd, &before);
	if (poke_zeroes(*fd, off, len))
		acted();
	track_hide(*fd, &before);
}

/* What was just written behind the range, and is not on the disk, goes with the old pages. */
static void drop_dirt_behind(const struct call *c, struct file_dedupe_range *r,
			     struct file_dedupe_range_info *info)
{
	const uint64_t block = block_of(c->from);
	int fd = dest(info);

	(void)r;
	if (is_same(info))
		track_dirty(fd, round_up(info->dest_offset + info->bytes_deduped, block), block,
			    lose_dirt, &fd);
}

/* Table entries have struct call functions; each of these is one around a bug in a reply. */
#define EACH(bug) \
	static long each_##bug(struct call *c) \
	{ \
		return each_reply(c, bug); \
	}

EACH(do_not_compare)
EACH(compare_first_block)
EACH(skip_last_byte)
EACH(skip_first_byte)
EACH(say_differs)
EACH(share_nothing)
EACH(leave_tail_out)
EACH(say_no_bytes)
EACH(say_all_bytes)
EACH(count_differing_bytes)
EACH(count_refused_bytes)
EACH(touch)
EACH(drop_suid)
EACH(share_neighbour)
EACH(round_length_up)
EACH(accept_overlap)
EACH(accept_unaligned)
EACH(cut_at_destination_end)
EACH(ignore_permission)
EACH(ignore_other_filesystem)
EACH(ignore_swap)
EACH(move_position)
EACH(uncompared_long)
EACH(uncompared_far)
EACH(uncompared_moved)
EACH(uncompared_later)
EACH(uncompared_within_one_file)
EACH(uncompared_shared)
EACH(uncompared_tail)
EACH(uncompared_direct)
EACH(compare_ends)
EACH(compare_zeroes_as_data)
EACH(refuse_shared)
EACH(count_whole_blocks)
EACH(fail_later)
EACH(share_unmoved_only)
EACH(cut_destination)
EACH(touch_source)
EACH(spoil_former_sharers)

EACH(compare_half_blocks)
EACH(stay_different)
EACH(add_up_bytes)
EACH(change_destination_offset)
EACH(drop_dirt_behind)

static long swap_replies(struct call *c)
{
	struct file_dedupe_range *r = c->arg;
	const long ret = call_real(c);
	const unsigned int count = r->dest_count;

	if (!ret && count > 1) {
		struct file_dedupe_range_info *a = &r->info[0], *b = &r->info[count - 1];
		const struct file_dedupe_range_info first = *a;

		a->status = b->status;
		a->bytes_deduped = b->bytes_deduped;
		b->status = first.status;
		b->bytes_deduped = first.bytes_deduped;
		acted();
	}
	return ret;
}

static long stop_at_bad_entry(struct call *c)
{
	struct file_dedupe_range *r = c->arg;
	const long ret = call_real(c);
	bool stopped = false;

	for (unsigned int i = 0; !ret && i < r->dest_count; i++) {
		if (stopped)
			say(&r->info[i], -EINVAL, 0);
		stopped = stopped || r->info[i].status < 0;
	}
	return ret;
}

static long serve_first_only(struct call *c)
{
	struct file_dedupe_range *r = c->arg;
	const long ret = call_real(c);

	for (unsigned int i = 1; !ret && i < r->dest_count; i++)
		if (is_same(&r->info[i]))
			unshare_quietly(dest(&r->info[i]), r->info[i].dest_offset,
					r->info[i].bytes_deduped);
	return ret;
}

static long ignore_reserved(struct call *c)
{
	struct file_dedupe_range *r = c->arg;
	const uint16_t reserved1 = r->reserved1;
	const uint32_t reserved2 = r->reserved2;
	long ret;

	if (!reserved1 && !reserved2)
		return call_real(c);
	r->reserved1 = 0;
	r->reserved2 = 0;
	ret = call_real(c);
	r->reserved1 = reserved1;
	r->reserved2 = reserved2;
	acted();
	return ret;
}

static long ignore_entry_reserved(struct call *c)
{
	struct file_dedupe_range *r = c->arg;
	uint32_t reserved[REPLIES_MAX] = { 0 };
	const unsigned int count = r->dest_count > REPLIES_MAX ? 0 : r->dest_count;
	long ret;

	for (unsigned int i = 0; i < count; i++) {
		reserved[i] = r->info[i].reserved;
		r->info[i].reserved = 0;
		if (reserved[i])
			acted();
	}
	ret = call_real(c);
	for (unsigned int i = 0; i < count; i++)
		r->info[i].reserved = reserved[i];
	return ret;
}

static long take_any_count(struct call *c)
{
	const long ret = call_real(c);

	if (!ret || errno != ENOMEM)
		return ret;
	acted();
	return 0;
}

static long refuse(int err)
{
	acted();
	errno = err;
	return -1;
}

static long fail_for_one(struct call *c)
{
	const struct file_dedupe_range *r = c->arg;
	const long ret = call_real(c);

	for (unsigned int i = 0; !ret && i < r->dest_count; i++)
		if (r->info[i].status < 0)
			return refuse(-r->info[i].status);
	return ret;
}

static long fail_by_status(struct call *c)
{
	struct file_dedupe_range *r = c->arg;
	const long ret = call_real(c);
	const int err = errno;

	if (!ret || r->dest_count > REPLIES_MAX || !r->dest_count)
		return ret;
	for (unsigned int i = 0; i < r->dest_count; i++)
		say(&r->info[i], -err, 0);
	return 0;
}

static long refuse_no_targets(struct call *c)
{
	const struct file_dedupe_range *r = c->arg;
	const long ret = call_real(c);

	return !ret && !r->dest_count ? refuse(EINVAL) : ret;
}

static long refuse_no_length(struct call *c)
{
	const struct file_dedupe_range *r = c->arg;
	const long ret = call_real(c);

	return !ret && r->dest_count && !r->src_length ? refuse(EINVAL) : ret;
}

static long answer_failed_call(struct call *c)
{
	struct file_dedupe_range *r = c->arg;
	const long ret = call_real(c);
	const int err = errno;

	if (ret && r->dest_count && r->dest_count <= REPLIES_MAX)
		say(&r->info[0], -err, r->info[0].bytes_deduped + 1);
	errno = err;
	return ret;
}

/* The caller's own fields are not for the kernel to write. */
static long change_request(struct call *c)
{
	struct file_dedupe_range *r = c->arg;
	const long ret = call_real(c);

	if (!ret && r->dest_count && r->src_length && is_same(&r->info[0])) {
		r->src_length -= r->info[0].bytes_deduped;
		acted();
	}
	return ret;
}

static long cut_at_source_end(struct call *c)
{
	struct file_dedupe_range *r = c->arg;
	const uint64_t len = r->src_length, size = size_of(c->from);
	long ret = call_real(c);

	if (!ret || errno != EINVAL || r->src_offset >= size || len <= size - r->src_offset)
		return ret;
	r->src_length = size - r->src_offset;
	ret = call_real(c);
	r->src_length = len;
	acted();
	return ret;
}

static long read_by_writer(struct call *c)
{
	struct call readable = *c;
	long ret;

	if ((flags_of(c->from) & O_ACCMODE) != O_WRONLY || !is_regular(c->from))
		return call_real(c);
	readable.from = reopen(c->from, O_RDONLY);
	if (readable.from < 0)
		return call_real(c);
	ret = call_real(&readable);
	close(readable.from);
	acted();
	return ret;
}

#define DEDUPE(name_, run_, loses_) \
	{ \
		.name = "dedupe-" name_, .subject = "dedupe", .loses = loses_, \
		.kind = CALL_DEDUPE, .run = run_ \
	}

const struct mutant dedupe_mutants[] = {
	DEDUPE("does-not-compare", each_do_not_compare, "data is replaced by other data"),
	DEDUPE("compares-only-first-block", each_compare_first_block,
	       "data is replaced by other data that begins like it"),
	DEDUPE("skips-last-byte", each_skip_last_byte, "the last byte of a range is replaced"),
	DEDUPE("skips-first-byte", each_skip_first_byte, "the first byte of a range is replaced"),
	DEDUPE("says-equal-differs", each_say_differs, "nothing can be deduplicated"),
	DEDUPE("shares-nothing", each_share_nothing, "no space is gained, although said so"),
	DEDUPE("leaves-tail-out", each_leave_tail_out, "small files never gain any space"),
	DEDUPE("says-no-bytes", each_say_no_bytes, "tools loop for ever"),
	DEDUPE("says-all-bytes", each_say_all_bytes, "tools skip what was not deduplicated"),
	DEDUPE("counts-differing-bytes", each_count_differing_bytes,
	       "tools report space that was not gained"),
	DEDUPE("counts-refused-bytes", each_count_refused_bytes,
	       "tools report space that was not gained"),
	DEDUPE("touches-destination", each_touch, "a deduplicated file looks changed"),
	DEDUPE("drops-suid", each_drop_suid, "deduplicated programs do not work any more"),
	DEDUPE("shares-neighbour", each_share_neighbour, "the block behind the range is replaced"),
	DEDUPE("rounds-length-up", each_round_length_up,
	       "data behind the range, in the same block, is replaced"),
	DEDUPE("accepts-overlap", each_accept_overlap, "an impossible request is said to be done"),
	DEDUPE("accepts-unaligned", each_accept_unaligned,
	       "an impossible request is said to be done"),
	DEDUPE("cuts-at-destination-end", each_cut_at_destination_end,
	       "a request beyond the end of file is answered for a part"),
	DEDUPE("cuts-at-source-end", cut_at_source_end,
	       "a request beyond the end of file is answered for a part"),
	DEDUPE("ignores-permission", each_ignore_permission,
	       "anybody can have any file's blocks moved about"),
	DEDUPE("ignores-other-filesystem", each_ignore_other_filesystem,
	       "what lies on two filesystems is said to be shared"),
	DEDUPE("ignores-swap", each_ignore_swap, "active swap space is said to be shared"),
	DEDUPE("moves-position", each_move_position, "the next write goes to a wrong place"),
	DEDUPE("swaps-replies", swap_replies, "the reply is about another file"),
	DEDUPE("stops-at-bad-entry", stop_at_bad_entry, "one bad file spoils the rest of the list"),
	DEDUPE("serves-only-first-target", serve_first_only,
	       "only the first of many files gains space"),
	DEDUPE("ignores-reserved", ignore_reserved, "new features cannot be told from old kernels"),
	DEDUPE("ignores-entry-reserved", ignore_entry_reserved,
	       "new features cannot be told from old kernels"),
	DEDUPE("takes-any-count", take_any_count, "requests of a page or more are not served"),
	DEDUPE("fails-for-one-entry", fail_for_one, "one bad file spoils all replies"),
	DEDUPE("fails-by-status", fail_by_status, "a bad request looks like bad files"),
	DEDUPE("refuses-no-targets", refuse_no_targets, "an empty list is an error"),
	DEDUPE("refuses-no-length", refuse_no_length, "an empty range is an error"),
	DEDUPE("answers-failed-call", answer_failed_call, "replies of a failed call are garbage"),
	DEDUPE("reads-by-write-only-descriptor", read_by_writer,
	       "who may only write learns what a file holds"),
	DEDUPE("compares-no-long-range", each_uncompared_long,
	       "data is replaced where a range is long"),
	DEDUPE("compares-nothing-far", each_uncompared_far,
	       "data is replaced where offsets take more than 32 bits"),
	DEDUPE("compares-no-other-offset", each_uncompared_moved,
	       "data is replaced by other data of another offset"),
	DEDUPE("compares-only-first-target", each_uncompared_later,
	       "data of all files but the first is replaced"),
	DEDUPE("compares-nothing-within-one-file", each_uncompared_within_one_file,
	       "a file's data is replaced by other data of its own"),
	DEDUPE("compares-nothing-shared", each_uncompared_shared,
	       "what was deduplicated once is replaced by other data"),
	DEDUPE("compares-no-tail", each_uncompared_tail, "the end of a file is replaced"),
	DEDUPE("compares-nothing-direct", each_uncompared_direct,
	       "data is replaced if a descriptor was opened by O_DIRECT"),
	DEDUPE("compares-only-ends", each_compare_ends,
	       "data is replaced by other data that begins and ends like it"),
	DEDUPE("takes-holes-for-data", each_compare_zeroes_as_data,
	       "sparse files cannot be deduplicated"),
	DEDUPE("counts-whole-blocks", each_count_whole_blocks,
	       "a tool that loops to the end of file never gets there"),
	DEDUPE("fails-from-third-target", each_fail_later,
	       "only the first two of many files gain space"),
	DEDUPE("refuses-what-is-shared", each_refuse_shared, "a second run of a tool fails"),
	DEDUPE("shares-no-other-offset", each_share_unmoved_only,
	       "data that lies elsewhere gains no space, although said so"),
	DEDUPE("cuts-longer-destination", each_cut_destination, "data behind the range is gone"),
	DEDUPE("touches-source", each_touch_source, "a deduplicated file looks changed"),
	DEDUPE("spoils-former-sharers", each_spoil_former_sharers,
	       "files that shared what is given up are changed"),
	DEDUPE("compares-half-of-each-block", each_compare_half_blocks,
	       "data is replaced by other data that is like it in part"),
	DEDUPE("differs-from-there-on", each_stay_different,
	       "one other file keeps all behind it from gaining space"),
	DEDUPE("adds-up-bytes", each_add_up_bytes, "tools report space that was not gained"),
	DEDUPE("changes-destination-offset", each_change_destination_offset,
	       "a tool that uses its request again dedupes another place"),
	DEDUPE("drops-dirt-behind", each_drop_dirt_behind,
	       "what was just written behind is zeroes"),
	DEDUPE("changes-request", change_request,
	       "a tool that uses its request again dedupes nothing"),
	MUTANTS_END,
};
