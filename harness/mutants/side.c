/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Side effects: what clone and copy have no business to change, in the destination's attributes, in
 * the source, in descriptors, and in third files that share with either.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <linux/falloc.h>

#include "hands.h"

#define NAMES_BYTES   1024
#define VALUE_BYTES   256
#define BLOCKS_BEHIND 16

/** struct done - a call that succeeded, and the bytes that it took */
struct done {
	struct call *c;
	uint64_t from_off, to_off, len;
};

typedef bool side_effect(const struct done *d);

static long then(struct call *c, side_effect *effect)
{
	struct done d = { .c = c, .from_off = from_at(c), .to_off = to_at(c), .len = span(c) };
	const long ret = call_real(c);

	if (!is_clone(c))
		d.len = ret > 0 ? (uint64_t)ret : 0;
	if (ret >= 0 && d.len && is_regular(c->from) && is_regular(c->to) && effect(&d))
		acted();
	return ret;
}

/* Do something to a file whose time stamps shall not tell. */
static bool quietly(int fd, bool (*effect)(const struct done *d), const struct done *d)
{
	struct statx before;
	bool good;

	track_times(fd, &before);
	good = effect(d);
	track_hide(fd, &before);
	return good;
}

static bool give_mode(const struct done *d)
{
	struct stat from, to;

	return !fstat(d->c->from, &from) && !fstat(d->c->to, &to) && from.st_mode != to.st_mode &&
	       !fchmod(d->c->to, from.st_mode & 07777);
}

static bool copies_mode(const struct done *d)
{
	return quietly(d->c->to, give_mode, d);
}

static bool give_owner(const struct done *d)
{
	struct stat from, to;

	return !fstat(d->c->from, &from) && !fstat(d->c->to, &to) &&
	       (from.st_uid != to.st_uid || from.st_gid != to.st_gid) &&
	       !fchown(d->c->to, from.st_uid, from.st_gid);
}

static bool copies_owner(const struct done *d)
{
	return quietly(d->c->to, give_owner, d);
}

/* Extended attributes of user space: of @from, given to @to; of @to, taken away if @from is -1. */
static bool move_xattrs(int from, int to)
{
	const int of = from < 0 ? to : from;
	char names[NAMES_BYTES], value[VALUE_BYTES];
	const ssize_t size = flistxattr(of, names, sizeof(names));
	bool moved = false;

	for (ssize_t at = 0; at < size; at += (ssize_t)strlen(names + at) + 1) {
		const char *name = names + at;
		const ssize_t n = fgetxattr(of, name, value, sizeof(value));

		if (strncmp(name, "user.", 5) || n < 0)
			continue;
		if (from < 0)
			moved |= !fremovexattr(to, name);
		else
			moved |= !fsetxattr(to, name, value, (size_t)n, 0);
	}
	return moved;
}

static bool give_xattrs(const struct done *d)
{
	return move_xattrs(d->c->from, d->c->to);
}

static bool copies_xattrs(const struct done *d)
{
	return quietly(d->c->to, give_xattrs, d);
}

static bool take_xattrs(const struct done *d)
{
	return move_xattrs(-1, d->c->to);
}

static bool drops_xattrs(const struct done *d)
{
	return quietly(d->c->to, take_xattrs, d);
}

static bool copies_times(const struct done *d)
{
	struct stat from, to;
	struct timespec times[2];

	if (fstat(d->c->from, &from) || fstat(d->c->to, &to))
		return false;
	times[0] = to.st_atim;
	times[1] = from.st_mtim;
	return !futimens(d->c->to, times);
}

static bool moves_source_position(const struct done *d)
{
	return kernel()->lseek(d->c->from, (off_t)d->len, SEEK_CUR) > 0;
}

static bool sets_append(const struct done *d)
{
	const int flags = flags_of(d->c->to);

	return !(flags & O_APPEND) && !fcntl(d->c->to, F_SETFL, flags | O_APPEND);
}

static bool make_as_long(const struct done *d)
{
	const uint64_t size = size_of(d->c->from);

	if (size <= size_of(d->c->to))
		return false;
	resize(d->c->to, size);
	return true;
}

static bool makes_as_long_as_source(const struct done *d)
{
	return quietly(d->c->to, make_as_long, d);
}

static bool reserves_behind_end(const struct done *d)
{
	const uint64_t block = block_of(d->c->to);
	const int own = reopen(d->c->to, O_WRONLY);
	bool good;

	if (own < 0)
		return false;
	good = !kernel()->fallocate(own, FALLOC_FL_KEEP_SIZE, (off_t)round_up(size_of(own), block),
				    (off_t)(BLOCKS_BEHIND * block));
	close(own);
	return good;
}

static bool zero_source(const struct done *d)
{
	return !same_file(d->c->from, d->c->to) && poke_zeroes(d->c->from, d->from_off, 1);
}

static bool spoils_source(const struct done *d)
{
	return quietly(d->c->from, zero_source, d);
}

static bool rewrite_source(const struct done *d)
{
	unshare(d->c->from, d->from_off, d->len);
	return true;
}

static bool moves_source(const struct done *d)
{
	return quietly(d->c->from, rewrite_source, d);
}

/** struct third - what a visitor of sharers, or of dirty bytes, is told, and whether it hit any */
struct third {
	const struct done *d;
	/* of the file whose dirty bytes are visited */
	int fd;
	bool hit;
};

static void spoil_third(int other, uint64_t other_off, uint64_t off, uint64_t len, void *context)
{
	struct third *t = context;
	struct statx before;

	(void)off;
	if (same_file(other, t->d->c->from) || same_file(other, t->d->c->to))
		return;
	track_times(other, &before);
	if (poke_zeroes(other, other_off + len - 1, 1))
		t->hit = true;
	track_hide(other, &before);
}

static bool spoils_other_clones(const struct done *d)
{
	struct third t = { .d = d };

	track_sharers(d->c->from, d->from_off, d->len, spoil_third, &t);
	return t.hit;
}

/* Those that shared what was replaced. */
static bool spoils_former_sharers(const struct done *d)
{
	struct third t = { .d = d };

	track_sharers(d->c->to, d->to_off, d->len, spoil_third, &t);
	return t.hit;
}

static bool move_atime(int fd)
{
	struct stat st;
	struct timespec times[2] = { { 0 }, { .tv_nsec = UTIME_OMIT } };

	if (fstat(fd, &st))
		return false;
	times[0] = st.st_atim;
	times[0].tv_sec++;
	return !futimens(fd, times);
}

static bool change_bits(int fd, mode_t set, mode_t clear)
{
	struct stat st;
	mode_t mode;

	if (fstat(fd, &st))
		return false;
	mode = ((st.st_mode & 07777) | set) & ~clear;
	return mode != (st.st_mode & 07777) && !fchmod(fd, mode);
}

static bool move_to_atime(const struct done *d)
{
	return move_atime(d->c->to);
}

static bool moves_destination_atime(const struct done *d)
{
	return quietly(d->c->to, move_to_atime, d);
}

static bool drop_sticky(const struct done *d)
{
	return change_bits(d->c->to, 0, S_ISVTX);
}

static bool drops_sticky_bit(const struct done *d)
{
	return quietly(d->c->to, drop_sticky, d);
}

/* Root keeps them, as by write(2). */
static bool drop_suid(const struct done *d)
{
	return !geteuid() && change_bits(d->c->to, 0, S_ISUID | S_ISGID);
}

static bool drops_suid_of_root(const struct done *d)
{
	return quietly(d->c->to, drop_suid, d);
}

static void zero_dirt(uint64_t off, uint64_t len, void *context)
{
	struct third *t = context;

	t->hit |= poke_zeroes(t->fd, off, len);
}

/* What was written next to the range and is not on the disk yet. */
static bool lose_dirt(int fd, uint64_t off, uint64_t end)
{
	struct third t = { .fd = fd };

	if (off < end)
		track_dirty(fd, off, end - off, zero_dirt, &t);
	return t.hit;
}

static bool drops_dirt_behind(const struct done *d)
{
	const uint64_t end = d->to_off + d->len, block = block_of(d->c->to);

	return lose_dirt(d->c->to, round_up(end, block), round_up(end, block) + block);
}

static bool drops_dirt_before(const struct done *d)
{
	const uint64_t block = block_of(d->c->to), start = round_down(d->to_off, block);

	return lose_dirt(d->c->to, start - smaller(start, block), start);
}

static bool lose_dirt_of_source(const struct done *d)
{
	const uint64_t end = round_up(d->from_off + d->len, block_of(d->c->from));

	return !same_file(d->c->from, d->c->to) && lose_dirt(d->c->from, end, size_of(d->c->from));
}

static bool drops_dirt_of_source(const struct done *d)
{
	return quietly(d->c->from, lose_dirt_of_source, d);
}

static bool fills_holes(const struct done *d)
{
	const uint64_t end = d->to_off + d->len;
	const int own = reopen(d->c->to, O_RDWR);
	bool good;

	if (own < 0)
		return false;
	good = (uint64_t)kernel()->lseek(own, (off_t)d->to_off, SEEK_HOLE) < end &&
	       !kernel()->fallocate(own, FALLOC_FL_KEEP_SIZE, (off_t)d->to_off, (off_t)d->len);
	close(own);
	return good;
}

static void touch_third(int other, uint64_t other_off, uint64_t off, uint64_t len, void *context)
{
	struct third *t = context;

	(void)other_off;
	(void)off;
	(void)len;
	if (same_file(other, t->d->c->from) || same_file(other, t->d->c->to))
		return;
	move_mtime(other);
	t->hit = true;
}

static bool touches_other_clones(const struct done *d)
{
	struct third t = { .d = d };

	track_sharers(d->c->from, d->from_off, d->len, touch_third, &t);
	return t.hit;
}

static bool touches_former_sharers(const struct done *d)
{
	struct third t = { .d = d };

	track_sharers(d->c->to, d->to_off, d->len, touch_third, &t);
	return t.hit;
}

/* Table entries have struct call functions; each of these is one around a side effect. */
#define THEN(effect) \
	static long then_##effect(struct call *c) \
	{ \
		return then(c, effect); \
	}

THEN(copies_mode)
THEN(copies_owner)
THEN(copies_xattrs)
THEN(drops_xattrs)
THEN(copies_times)
THEN(moves_source_position)
THEN(sets_append)
THEN(makes_as_long_as_source)
THEN(reserves_behind_end)
THEN(spoils_source)
THEN(moves_source)
THEN(spoils_other_clones)
THEN(spoils_former_sharers)
THEN(moves_destination_atime)
THEN(drops_sticky_bit)
THEN(drops_suid_of_root)
THEN(drops_dirt_behind)
THEN(drops_dirt_before)
THEN(drops_dirt_of_source)
THEN(fills_holes)
THEN(touches_other_clones)
THEN(touches_former_sharers)

/* Not after the call, but around it: what was before is told as if it still were. */
static long keep_told(struct call *c, bool ctime, bool mtime, bool blocks)
{
	struct statx old, told;
	long ret;

	if (kernel()->statx(c->to, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &old))
		return call_real(c);
	track_show_times(&old);
	ret = call_real(c);
	if (!moved(c, ret) || !is_regular(c->to))
		return ret;
	track_times(c->to, &told);
	if (ctime)
		told.stx_ctime = old.stx_ctime;
	if (mtime)
		told.stx_mtime = old.stx_mtime;
	if (blocks)
		told.stx_mask |= STATX_BLOCKS;
	told.stx_blocks = old.stx_blocks;
	track_hide(c->to, &told);
	acted();
	return ret;
}

static long keep_ctime(struct call *c)
{
	return keep_told(c, true, false, false);
}

static long keep_mtime(struct call *c)
{
	return keep_told(c, false, true, false);
}

static long keep_blocks(struct call *c)
{
	return keep_told(c, false, false, true);
}

static long keep_sgid(struct call *c)
{
	struct stat old, new;
	const bool known = !fstat(c->to, &old);
	const long ret = call_real(c);

	if (moved(c, ret) && known && !fstat(c->to, &new) &&
	    (old.st_mode & ~new.st_mode &S_ISGID) &&
	    !fchmod(c->to, (new.st_mode | S_ISGID) & 07777))
		acted();
	return ret;
}

#define AROUND(subject_, prefix_, kind_, name_, run_, loses_) \
	{ \
		.name = prefix_ name_, .subject = subject_, .loses = loses_, .kind = kind_, \
		.run = run_ \
	}

#define EFFECT(subject_, prefix_, kind_, name_, effect_, loses_) \
	{ \
		.name = prefix_ name_, .subject = subject_, .loses = loses_, .kind = kind_, \
		.run = then_##effect_ \
	}

#define CLONE(...) EFFECT("clone", "clone-", CALL_CLONE, __VA_ARGS__)
#define RANGE(...) EFFECT("clone_range", "clone-range-", CALL_CLONE_RANGE, __VA_ARGS__)
#define COPY(...)  EFFECT("copy_range", "copy-range-", CALL_COPY_RANGE, __VA_ARGS__)
#define BOTH(...)  CLONE(__VA_ARGS__), RANGE(__VA_ARGS__)
#define EACH(...)  BOTH(__VA_ARGS__), COPY(__VA_ARGS__)
/* The same three calls, for a bug around them. */
#define AROUND_EACH(...) \
	AROUND("clone", "clone-", CALL_CLONE, __VA_ARGS__), \
		AROUND("clone_range", "clone-range-", CALL_CLONE_RANGE, __VA_ARGS__), \
		AROUND("copy_range", "copy-range-", CALL_COPY_RANGE, __VA_ARGS__)

const struct mutant side_mutants[] = {
	EACH("copies-mode", copies_mode, "a private file becomes one that all may read"),
	EACH("copies-owner", copies_owner, "a file is given away"),
	EACH("copies-xattrs", copies_xattrs, "attributes come along with data"),
	EACH("drops-xattrs", drops_xattrs, "attributes are lost when data is replaced"),
	EACH("copies-times", copies_times, "backup and make do not see that the file changed"),
	BOTH("moves-source-position", moves_source_position,
	     "the next read comes from a wrong place"),
	EACH("sets-append", sets_append, "the next write goes to the end of file"),
	RANGE("makes-as-long-as-source", makes_as_long_as_source, "files get zeroes at their end"),
	COPY("makes-as-long-as-source", makes_as_long_as_source, "files get zeroes at their end"),
	BOTH("reserves-behind-end", reserves_behind_end,
	     "a clone takes space that it does not need"),
	EACH("spoils-source", spoils_source, "reading a file changes it"),
	BOTH("moves-source", moves_source, "a clone takes as much space as a copy"),
	EACH("spoils-other-clones", spoils_other_clones,
	     "a second clone of a file changes the first"),
	EACH("spoils-former-sharers", spoils_former_sharers,
	     "files that shared what is replaced are changed, too"),
	EACH("moves-destination-atime", moves_destination_atime,
	     "a file looks read that was only written"),
	EACH("drops-sticky-bit", drops_sticky_bit, "files lose mode bits that they were given"),
	EACH("drops-suid-of-root", drops_suid_of_root,
	     "programs that root puts in place do not work any more"),
	EACH("drops-dirt-behind", drops_dirt_behind, "what was just written behind is zeroes"),
	RANGE("drops-dirt-before", drops_dirt_before, "what was just written before is zeroes"),
	COPY("drops-dirt-before", drops_dirt_before, "what was just written before is zeroes"),
	RANGE("drops-dirt-of-source", drops_dirt_of_source,
	      "what was just written to the source is zeroes"),
	COPY("drops-dirt-of-source", drops_dirt_of_source,
	     "what was just written to the source is zeroes"),
	BOTH("fills-holes", fills_holes, "clones of sparse files fill the disk"),
	EACH("touches-other-clones", touches_other_clones, "an untouched clone looks changed"),
	EACH("touches-former-sharers", touches_former_sharers,
	     "files that shared what is replaced look changed"),
	AROUND_EACH("keeps-ctime", keep_ctime, "backups that go by ctime leave the file out"),
	AROUND_EACH("keeps-mtime", keep_mtime, "make does not see that the file changed"),
	AROUND_EACH("keeps-blocks-told", keep_blocks, "du shows what was before"),
	AROUND_EACH("keeps-sgid", keep_sgid, "anybody who may write makes a set-group-ID program"),
	MUTANTS_END,
};
