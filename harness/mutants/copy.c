/* SPDX-License-Identifier: GPL-2.0-only */
/* Bugs of copy_file_range, sendfile and splice. What the three have in common is there for each. */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "hands.h"

/* Move what says how far the copy is: the offset argument, or the file position. */
static void advance(off_t *ptr, int fd, long count)
{
	if (ptr)
		*ptr += count;
	else
		kernel()->lseek(fd, count, SEEK_CUR);
}

static long say_full(struct call *c)
{
	const uint64_t at = from_at(c), size = size_of(c->from), len = c->len;
	const uint64_t most = at < size ? smaller(len, size - at) : 0;
	long ret, missing;

	if (most < 2 || !is_regular(c->from))
		return call_real(c);
	c->len = most / 2;
	ret = call_real(c);
	c->len = len;
	if (ret <= 0)
		return ret;
	missing = (long)most - ret;
	advance(c->from_ptr, c->from, missing);
	if (is_regular(c->to))
		advance(c->to_ptr, c->to, missing);
	acted();
	return (long)most;
}

static long say_less(struct call *c)
{
	const long ret = call_real(c);

	if (ret < 2)
		return ret;
	if (is_regular(c->from))
		advance(c->from_ptr, c->from, -1);
	if (is_regular(c->to))
		advance(c->to_ptr, c->to, -1);
	acted();
	return ret - 1;
}

static long copy_too_much(struct call *c)
{
	const uint64_t at = from_at(c), size = size_of(c->from);
	long ret;

	if (!is_regular(c->from) || !c->len || at >= size || c->len >= size - at)
		return call_real(c);
	c->len++;
	ret = call_real(c);
	c->len--;
	acted();
	return ret;
}

static long forget_pointer(struct call *c, off_t *ptr)
{
	const off_t before = ptr ? *ptr : 0;
	const long ret = call_real(c);

	if (ret > 0 && ptr) {
		*ptr = before;
		acted();
	}
	return ret;
}

static long forget_from_pointer(struct call *c)
{
	return forget_pointer(c, c->from_ptr);
}

static long forget_to_pointer(struct call *c)
{
	return forget_pointer(c, c->to_ptr);
}

static long move_pointers_on_error(struct call *c)
{
	const long ret = call_real(c);
	const int err = errno;

	if (ret < 0 && (c->from_ptr || c->to_ptr)) {
		if (c->from_ptr)
			*c->from_ptr += 1;
		if (c->to_ptr)
			*c->to_ptr += 1;
		acted();
	}
	errno = err;
	return ret;
}

static long move_position(struct call *c, const off_t *ptr, int fd)
{
	const long ret = call_real(c);

	if (ret > 0 && ptr && kernel()->lseek(fd, ret, SEEK_CUR) >= 0)
		acted();
	return ret;
}

static long move_from_position(struct call *c)
{
	return move_position(c, c->from_ptr, c->from);
}

static long move_to_position(struct call *c)
{
	return move_position(c, c->to_ptr, c->to);
}

static long leave_position(struct call *c, const off_t *ptr, int fd)
{
	const long ret = call_real(c);

	if (ret > 0 && !ptr && kernel()->lseek(fd, -ret, SEEK_CUR) >= 0)
		acted();
	return ret;
}

static long leave_from_position(struct call *c)
{
	return leave_position(c, c->from_ptr, c->from);
}

static long leave_to_position(struct call *c)
{
	return leave_position(c, c->to_ptr, c->to);
}

/* A block later in the source than asked, where there is enough of it. */
static long take_wrong_place(struct call *c)
{
	const uint64_t block = block_of(c->from);
	long ret;

	if (!is_regular(c->from) || from_at(c) + c->len + block > size_of(c->from) || !c->len)
		return call_real(c);
	advance(c->from_ptr, c->from, (long)block);
	ret = call_real(c);
	advance(c->from_ptr, c->from, -(long)block);
	if (ret > 0)
		acted();
	return ret;
}

static long spoil_tail(struct call *c)
{
	const long ret = call_real(c);
	uint64_t end, part;

	if (ret <= 0 || !is_regular(c->to))
		return ret;
	end = to_at(c);
	part = end % block_of(c->to);
	part = smaller(part ? part : 1, (uint64_t)ret);
	if (poke_zeroes(c->to, end - part, part))
		acted();
	return ret;
}

static long ignore_append(struct call *c)
{
	struct call other = *c;
	const int flags = flags_of(c->to);
	const long ret = call_real(c);
	const int err = errno;
	long again;

	if (ret >= 0 || !(flags & O_APPEND) || !is_regular(c->to) ||
	    (flags & O_ACCMODE) == O_RDONLY)
		return ret;
	other.to = reopen(c->to, O_WRONLY);
	if (other.to < 0) {
		errno = err;
		return ret;
	}
	again = call_real(&other);
	close(other.to);
	acted();
	return again;
}

static long touch_source(struct call *c)
{
	const long ret = call_real(c);

	if (ret > 0 && is_regular(c->from)) {
		move_mtime(c->from);
		acted();
	}
	return ret;
}

static long refuse(int err)
{
	acted();
	errno = err;
	return -1;
}

static long refuse_at_end(struct call *c)
{
	const uint64_t len = c->len;
	const long ret = call_real(c);

	return !ret && len && is_regular(c->from) ? refuse(EINVAL) : ret;
}

static long refuse_nothing(struct call *c)
{
	const uint64_t len = c->len;
	const long ret = call_real(c);

	return !ret && !len ? refuse(EINVAL) : ret;
}

static long ignore_flags(struct call *c)
{
	if (c->flags) {
		c->flags = 0;
		acted();
	}
	return call_real(c);
}

/* No length, no checks. */
static long accept_all_for_nothing(struct call *c)
{
	const uint64_t len = c->len;
	const long ret = call_real(c);

	if (ret >= 0 || len)
		return ret;
	acted();
	return 0;
}

static long refuse_across_end(struct call *c)
{
	const uint64_t at = from_at(c), size = size_of(c->from);

	if (is_regular(c->from) && at < size && c->len > size - at && c->len < INT64_MAX)
		return refuse(EINVAL);
	return call_real(c);
}

/* What is asked for beyond the source's end comes as zeroes. */
static long read_beyond_end(struct call *c)
{
	const uint64_t at = from_at(c), size = size_of(c->from), len = c->len;
	const long ret = call_real(c);
	long more;

	if (ret <= 0 || at + (uint64_t)ret != size || len <= (uint64_t)ret || len > KEEP_BYTES_MAX)
		return ret;
	more = (long)len - ret;
	if (!poke_zeroes(c->to, to_at(c), (uint64_t)more))
		return ret;
	advance(c->from_ptr, c->from, more);
	advance(c->to_ptr, c->to, more);
	acted();
	return (long)len;
}

static long accept_overlap(struct call *c)
{
	const uint64_t from = from_at(c), to = to_at(c);
	const long ret = call_real(c);

	if (ret >= 0 || errno != EINVAL || c->flags || !same_file(c->from, c->to) ||
	    from >= to + c->len || to >= from + c->len)
		return ret;
	advance(c->from_ptr, c->from, (long)c->len);
	advance(c->to_ptr, c->to, (long)c->len);
	acted();
	return (long)c->len;
}

static long cut_destination(struct call *c)
{
	const long ret = call_real(c);

	if (ret > 0 && is_regular(c->to) && size_of(c->to) > to_at(c)) {
		resize(c->to, to_at(c));
		acted();
	}
	return ret;
}

/* Only the first call of a loop copies. */
static long stop_early(struct call *c)
{
	const uint64_t at = from_at(c);

	if (is_regular(c->from) && at && at < size_of(c->from) && c->len) {
		acted();
		return 0;
	}
	return call_real(c);
}

/* The call took less than it was asked for; @ptr and @fd move as if it had taken all. */
static long advance_by_request(struct call *c, off_t *ptr, int fd)
{
	const uint64_t len = c->len;
	const long ret = call_real(c);

	if (ret > 0 && (uint64_t)ret < len && len < INT32_MAX && is_regular(fd)) {
		advance(ptr, fd, (long)len - ret);
		acted();
	}
	return ret;
}

static long advance_source_by_request(struct call *c)
{
	return advance_by_request(c, c->from_ptr, c->from);
}

static long advance_destination_by_request(struct call *c)
{
	return advance_by_request(c, c->to_ptr, c->to);
}

static long say_request(struct call *c)
{
	const uint64_t len = c->len;
	const long ret = call_real(c);

	if (ret <= 0 || (uint64_t)ret >= len || len >= INT32_MAX || !is_regular(c->to))
		return ret;
	acted();
	return (long)len;
}

static long show_stale_gap(struct call *c)
{
	const uint64_t size = size_of(c->to), at = to_at(c), block = block_of(c->to);
	const uint64_t gap = at > size ? smaller(at - size, 4 * block) : 0;
	const long ret = call_real(c);

	if (ret > 0 && gap && is_regular(c->to) && poke_garbage(c->to, size, gap))
		acted();
	return ret;
}

/* What a pipe holds more than was asked for is taken out of it, too. */
static long lose_rest_of_pipe(struct call *c)
{
	const long ret = call_real(c);
	int waiting = 0;
	char byte;

	if (ret > 0 && !is_regular(c->from) && !ioctl(c->from, FIONREAD, &waiting) && waiting > 0 &&
	    read(c->from, &byte, 1) == 1)
		acted();
	return ret;
}

static bool usable(const struct call *c)
{
	return is_regular_pair(c) && !((flags_of(c->from) | flags_of(c->to)) & O_APPEND);
}

static long write_by_reader(struct call *c)
{
	const long ret = call_real(c);

	if (ret >= 0 || errno != EBADF || !usable(c) || (flags_of(c->to) & O_ACCMODE) != O_RDONLY)
		return ret;
	return call_reopened(c);
}

static long read_by_writer(struct call *c)
{
	const long ret = call_real(c);

	if (ret >= 0 || errno != EBADF || !usable(c) || (flags_of(c->from) & O_ACCMODE) != O_WRONLY)
		return ret;
	return call_reopened(c);
}

static long ignore_immutable(struct call *c)
{
	const uint64_t len = c->len;
	const long ret = call_real(c);

	if (ret >= 0 || errno != EPERM)
		return ret;
	acted();
	return (long)len;
}

static long accept_pipe_offset(struct call *c)
{
	if (c->from_ptr && !is_regular(c->from)) {
		c->from_ptr = NULL;
		acted();
	}
	if (c->to_ptr && !is_regular(c->to)) {
		c->to_ptr = NULL;
		acted();
	}
	return call_real(c);
}

#define ONE(prefix_, subject_, kind_, name_, run_, loses_) \
	{ \
		.name = prefix_ name_, .subject = subject_, .loses = loses_, .kind = kind_, \
		.run = run_ \
	}
#define COPY(...)     ONE("copy-range-", "copy_range", CALL_COPY_RANGE, __VA_ARGS__)
#define SENDFILE(...) ONE("sendfile-", "sendfile", CALL_SENDFILE, __VA_ARGS__)
#define SPLICE(...)   ONE("splice-", "splice", CALL_SPLICE, __VA_ARGS__)
#define EACH(...)     COPY(__VA_ARGS__), SENDFILE(__VA_ARGS__), SPLICE(__VA_ARGS__)

const struct mutant stream_mutants[] = {
	EACH("says-full-after-half", say_full, "half of the data is not copied, and nobody told"),
	EACH("says-less-than-done", say_less, "the next byte is copied twice"),
	EACH("copies-too-much", copy_too_much, "a byte behind the range is overwritten"),
	EACH("forgets-source-pointer", forget_from_pointer, "a loop copies the same data for ever"),
	EACH("moves-pointers-on-error", move_pointers_on_error,
	     "a second attempt leaves bytes out"),
	EACH("moves-source-position", move_from_position, "the next read comes from a wrong place"),
	EACH("leaves-destination-position", leave_to_position,
	     "the next write overwrites what was copied"),
	EACH("takes-wrong-place", take_wrong_place, "the copy is of another part of the file"),
	EACH("spoils-tail", spoil_tail, "the end of the copy is zeroes"),
	EACH("ignores-o-append", ignore_append, "an append-only descriptor overwrites data"),
	EACH("keeps-times", call_keeping_times, "backup and make do not see that the file changed"),
	EACH("keeps-suid", call_keeping_mode, "anybody who may write makes a set-user-ID program"),
	EACH("touches-source", touch_source, "reading a file makes it look changed"),
	EACH("refuses-at-end", refuse_at_end, "a loop to the end of file ends in an error"),
	EACH("stops-early", stop_early, "a loop stops before the end of file"),
	EACH("ignores-size-limit", call_unlimited, "RLIMIT_FSIZE does not hold"),
	SENDFILE("leaves-source-position", leave_from_position, "a loop copies the same for ever"),
	SPLICE("leaves-source-position", leave_from_position, "a loop copies the same for ever"),
	SPLICE("forgets-destination-pointer", forget_to_pointer, "a loop overwrites its own data"),
	SPLICE("moves-destination-position", move_to_position,
	       "the next write goes to a wrong place"),
	SPLICE("accepts-pipe-offset", accept_pipe_offset, "an offset in a pipe seems to work"),
	EACH("advances-source-by-request", advance_source_by_request,
	     "a loop leaves out what a short copy left"),
	EACH("advances-destination-by-request", advance_destination_by_request,
	     "a loop leaves gaps where a copy was short"),
	EACH("says-request", say_request, "a short copy is taken for a whole one"),
	EACH("shows-stale-gap", show_stale_gap, "foreign data shows between old end and copy"),
	SPLICE("loses-rest-of-pipe", lose_rest_of_pipe, "bytes in a pipe are lost"),
	MUTANTS_END,
};

const struct mutant copy_mutants[] = {
	COPY("leaves-source-position", leave_from_position, "a loop copies the same for ever"),
	COPY("forgets-destination-pointer", forget_to_pointer, "a loop overwrites its own data"),
	COPY("moves-destination-position", move_to_position,
	     "the next write goes to a wrong place"),
	COPY("ignores-flags", ignore_flags, "new flags cannot be told from old kernels"),
	COPY("refuses-length-0", refuse_nothing, "an empty copy is an error"),
	COPY("checks-nothing-for-length-0", accept_all_for_nothing,
	     "programs cannot ask whether a copy is possible"),
	COPY("refuses-across-end", refuse_across_end, "the last part of a file is not copied"),
	COPY("reads-beyond-end", read_beyond_end, "files get zeroes at their end"),
	COPY("accepts-overlap", accept_overlap, "an impossible copy is said to be done"),
	COPY("cuts-longer-destination", cut_destination, "data behind the range is gone"),
	COPY("skips-holes", call_skipping_holes, "old data shows where the source is a hole"),
	COPY("skips-flush-of-source", call_skipping_dirt,
	     "what was just written is zeroes in the copy"),
	COPY("writes-by-read-only-descriptor", write_by_reader, "who may only read can write"),
	COPY("reads-by-write-only-descriptor", read_by_writer, "who may only write can read"),
	COPY("ignores-immutable", ignore_immutable, "a file that nobody may change is said to be"),
	MUTANTS_END,
};
