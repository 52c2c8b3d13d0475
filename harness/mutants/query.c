/* SPDX-License-Identifier: GPL-2.0-only */
/* Bugs of the calls that say where data is: FIEMAP and lseek. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <linux/fiemap.h>

#include "hands.h"

#define WRAP (INT64_C(1) << 32)

static long flag_extents(struct call *c, unsigned int set, unsigned int clear)
{
	struct fiemap *map = c->arg;
	const long ret = call_real(c);

	for (unsigned int i = 0; !ret && i < map->fm_mapped_extents && i < map->fm_extent_count;
	     i++) {
		struct fiemap_extent *e = &map->fm_extents[i];
		const unsigned int flags = (e->fe_flags | set) & ~clear;

		if (flags != e->fe_flags)
			acted();
		e->fe_flags = flags;
	}
	return ret;
}

static long never_shared(struct call *c)
{
	return flag_extents(c, 0, FIEMAP_EXTENT_SHARED);
}

static long always_shared(struct call *c)
{
	return flag_extents(c, FIEMAP_EXTENT_SHARED, 0);
}

static long never_last(struct call *c)
{
	return flag_extents(c, 0, FIEMAP_EXTENT_LAST);
}

static long never_unwritten(struct call *c)
{
	return flag_extents(c, 0, FIEMAP_EXTENT_UNWRITTEN);
}

static long wrong_place(struct call *c)
{
	struct fiemap *map = c->arg;
	const uint64_t block = block_of(c->to);
	const long ret = call_real(c);

	for (unsigned int i = 0; !ret && i < map->fm_mapped_extents && i < map->fm_extent_count;
	     i++)
		if (map->fm_extents[i].fe_flags & FIEMAP_EXTENT_SHARED) {
			/* Another offset for every descriptor, so that no two files agree. */
			map->fm_extents[i].fe_physical += block * (unsigned int)c->to;
			acted();
		}
	return ret;
}

static long lose_last_extent(struct call *c)
{
	struct fiemap *map = c->arg;
	const long ret = call_real(c);

	if (!ret && map->fm_extent_count && map->fm_mapped_extents) {
		map->fm_mapped_extents--;
		acted();
	}
	return ret;
}

static long skip_data(struct call *c)
{
	const uint64_t block = block_of(c->to);
	const long ret = call_real(c);

	if (ret < 0 || c->flags != SEEK_DATA || (uint64_t)ret + block >= size_of(c->to))
		return ret;
	acted();
	return kernel()->lseek(c->to, ret + (long)block, SEEK_SET);
}

static long see_hole_in_data(struct call *c)
{
	const long ret = call_real(c);

	if (ret < 0 || c->flags != SEEK_HOLE || (uint64_t)ret == c->to_off)
		return ret;
	acted();
	return kernel()->lseek(c->to, (off_t)c->to_off, SEEK_SET);
}

static long leave_position(struct call *c)
{
	const uint64_t before = position_of(c->to);
	const long ret = call_real(c);

	if (ret >= 0 && c->flags != SEEK_CUR && (uint64_t)ret != before &&
	    kernel()->lseek(c->to, (off_t)before, SEEK_SET) >= 0)
		acted();
	return ret;
}

static long flag_first_only(struct call *c)
{
	struct fiemap *map = c->arg;
	const long ret = call_real(c);

	for (unsigned int i = 1; !ret && i < map->fm_mapped_extents && i < map->fm_extent_count;
	     i++)
		if (map->fm_extents[i].fe_flags & FIEMAP_EXTENT_SHARED) {
			map->fm_extents[i].fe_flags &= ~(unsigned int)FIEMAP_EXTENT_SHARED;
			acted();
		}
	return ret;
}

static long hide_places(struct call *c)
{
	struct fiemap *map = c->arg;
	const long ret = call_real(c);

	for (unsigned int i = 0; !ret && i < map->fm_mapped_extents && i < map->fm_extent_count;
	     i++) {
		map->fm_extents[i].fe_physical = 0;
		map->fm_extents[i].fe_flags &= FIEMAP_EXTENT_LAST;
		map->fm_extents[i].fe_flags |= FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC;
		acted();
	}
	return ret;
}

static long lose_middle_extent(struct call *c)
{
	struct fiemap *map = c->arg;
	const long ret = call_real(c);

	if (!ret && map->fm_extent_count >= 3 && map->fm_mapped_extents >= 3) {
		memmove(&map->fm_extents[1], &map->fm_extents[2],
			(map->fm_mapped_extents - 2) * sizeof(map->fm_extents[0]));
		map->fm_mapped_extents--;
		acted();
	}
	return ret;
}

/* What is asked for by an offset begins at the start of the file all the same. */
static long ignore_start(struct call *c)
{
	struct fiemap *map = c->arg;
	const uint64_t start = map->fm_start;
	long ret;

	if (start) {
		map->fm_start = 0;
		acted();
	}
	ret = call_real(c);
	map->fm_start = start;
	return ret;
}

/* The end of file is the last hole, but this kernel sees none there. */
static long see_no_last_hole(struct call *c)
{
	const uint64_t before = position_of(c->to);
	const long ret = call_real(c);

	if (ret < 0 || c->flags != SEEK_HOLE || (uint64_t)ret != size_of(c->to))
		return ret;
	kernel()->lseek(c->to, (off_t)before, SEEK_SET);
	acted();
	errno = ENXIO;
	return -1;
}

static long see_data_at_end(struct call *c)
{
	const long ret = call_real(c);

	if (ret >= 0 || errno != ENXIO || c->flags != SEEK_DATA || !is_regular(c->to))
		return ret;
	acted();
	return kernel()->lseek(c->to, (off_t)size_of(c->to), SEEK_SET);
}

static long seek_back(struct call *c)
{
	const uint64_t block = block_of(c->to);
	const long ret = call_real(c);

	if (ret < 0 || (c->flags != SEEK_DATA && c->flags != SEEK_HOLE) || !((uint64_t)ret % block))
		return ret;
	acted();
	return kernel()->lseek(c->to, (off_t)round_down((uint64_t)ret, block), SEEK_SET);
}

static long wrap_offset(struct call *c)
{
	const long ret = call_real(c);

	if (ret < WRAP || c->flags == SEEK_CUR)
		return ret;
	acted();
	return kernel()->lseek(c->to, ret % WRAP, SEEK_SET);
}

#define QUERY(name_, subject_, kind_, run_, loses_) \
	{ \
		.name = name_, .subject = subject_, .loses = loses_, .kind = kind_, .run = run_ \
	}

const struct mutant query_mutants[] = {
	QUERY("fiemap-never-shared", "fiemap", CALL_FIEMAP, never_shared,
	      "shared blocks are counted twice"),
	QUERY("fiemap-always-shared", "fiemap", CALL_FIEMAP, always_shared,
	      "private blocks are said to be shared"),
	QUERY("fiemap-wrong-place", "clone", CALL_FIEMAP, wrong_place,
	      "nobody can tell which files share blocks"),
	QUERY("fiemap-loses-last-extent", "fiemap", CALL_FIEMAP, lose_last_extent,
	      "the end of a file is said to be a hole"),
	QUERY("seek-skips-data", "seek", CALL_SEEK, skip_data, "cp leaves data out"),
	QUERY("seek-sees-hole-in-data", "seek", CALL_SEEK, see_hole_in_data,
	      "cp takes data for a hole"),
	QUERY("seek-leaves-position", "seek", CALL_SEEK, leave_position,
	      "the next read comes from a wrong place"),
	QUERY("fiemap-flags-only-first", "fiemap", CALL_FIEMAP, flag_first_only,
	      "shared blocks behind the first extent are counted twice"),
	QUERY("fiemap-hides-places", "fiemap", CALL_FIEMAP, hide_places,
	      "nobody can tell whether blocks are shared"),
	QUERY("fiemap-loses-middle-extent", "fiemap", CALL_FIEMAP, lose_middle_extent,
	      "data between others is said to be a hole"),
	QUERY("fiemap-ignores-start", "fiemap", CALL_FIEMAP, ignore_start,
	      "programs that ask piece by piece loop for ever"),
	QUERY("seek-sees-no-last-hole", "seek", CALL_SEEK, see_no_last_hole,
	      "cp takes the end of data for an error"),
	QUERY("seek-sees-data-at-end", "seek", CALL_SEEK, see_data_at_end,
	      "programs look for data behind the end for ever"),
	QUERY("seek-goes-back", "seek", CALL_SEEK, seek_back, "a loop over data goes on for ever"),
	QUERY("seek-wraps-offset", "seek", CALL_SEEK, wrap_offset,
	      "a position beyond 4 GiB is elsewhere"),
	QUERY("fiemap-never-last", "fiemap", CALL_FIEMAP, never_last,
	      "programs look for more extents for ever"),
	QUERY("fiemap-never-unwritten", "fiemap", CALL_FIEMAP, never_unwritten,
	      "preallocated space is taken for data"),
	MUTANTS_END,
};
