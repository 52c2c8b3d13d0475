/* SPDX-License-Identifier: GPL-2.0-only */
/* Bugs of the calls that say where data is: FIEMAP and lseek. */
#include <errno.h>
#include <unistd.h>

#include <linux/fiemap.h>

#include "hands.h"

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
	MUTANTS_END,
};
