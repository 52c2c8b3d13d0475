/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bugs of the calls that move or share data which only show under some circumstance: a long range,
 * a far offset, the third call, a source that shares already. What is wrong is always the same, the
 * last byte of the range, so that only the circumstance decides whether anybody notices.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/fiemap.h>
#include <linux/fs.h>

#include "hands.h"

#define LONG_BYTES	  (UINT64_C(64) << 10)
#define LONGER_BYTES	  (UINT64_C(1) << 20)
#define FAR_OFFSET	  (UINT64_C(1) << 32)
#define WORN_OUT	  2
#define MANY_EXTENTS	  16
#define EXTENTS_LOOKED_AT 64

/** struct move - what a call is about to do */
struct move {
	int from, to;
	uint64_t from_off, to_off, len;
};

typedef bool circumstance(const struct move *m);

static struct move move_of(const struct call *c)
{
	struct move m = { .from = c->from,
			  .to = c->to,
			  .from_off = from_at(c),
			  .to_off = to_at(c),
			  .len = is_clone(c) ? span(c) : c->len };
	const uint64_t size = size_of(c->from);

	if (is_regular(c->from))
		m.len = m.from_off < size ? smaller(m.len, size - m.from_off) : 0;
	return m;
}

static long spoil(struct call *c, circumstance *when)
{
	const struct move m = move_of(c);
	const bool now = is_regular(c->to) && m.len && when(&m);
	const long ret = call_real(c);
	const uint64_t len = is_clone(c) ? m.len : (uint64_t)ret;

	if (now && moved(c, ret) && poke_garbage(c->to, m.to_off + len - 1, 1))
		acted();
	return ret;
}

static bool is_long(const struct move *m)
{
	return m->len > LONG_BYTES;
}

static bool is_longer(const struct move *m)
{
	return m->len > LONGER_BYTES;
}

static bool is_from_far(const struct move *m)
{
	return m->from_off >= FAR_OFFSET;
}

static bool is_to_far(const struct move *m)
{
	return m->to_off >= FAR_OFFSET;
}

static bool is_shifted(const struct move *m)
{
	return m->from_off != m->to_off;
}

/* Source and destination lie differently in their blocks. */
static bool is_askew(const struct move *m)
{
	return (m->from_off - m->to_off) % block_of(m->to);
}

static bool has_tail(const struct move *m)
{
	return (m->from_off + m->len) % block_of(m->from);
}

static bool is_direct(const struct move *m)
{
	return (flags_of(m->from) | flags_of(m->to)) & O_DIRECT;
}

static bool is_by_writer(const struct move *m)
{
	return (flags_of(m->to) & O_ACCMODE) == O_WRONLY;
}

static bool is_within_one_file(const struct move *m)
{
	return same_file(m->from, m->to);
}

/* The first calls of a process go well. */
static bool is_worn_out(const struct move *m)
{
	static unsigned int calls;

	(void)m;
	return calls++ >= WORN_OUT;
}

static bool is_of_shared(const struct move *m)
{
	return track_is_shared(m->from, m->from_off, m->len);
}

static bool is_onto_shared(const struct move *m)
{
	return track_is_shared(m->to, m->to_off, m->len);
}

static bool is_onto_empty(const struct move *m)
{
	return !size_of(m->to);
}

static bool is_onto_longer(const struct move *m)
{
	return size_of(m->to) > m->to_off + m->len;
}

static bool is_onto_shorter(const struct move *m)
{
	const uint64_t size = size_of(m->to);

	return size > m->to_off && size < m->to_off + m->len;
}

static bool is_behind_end(const struct move *m)
{
	const uint64_t size = size_of(m->to);

	return size && m->to_off > size;
}

static void note(uint64_t off, uint64_t len, void *context)
{
	(void)off;
	(void)len;
	*(bool *)context = true;
}

static bool is_onto_dirt(const struct move *m)
{
	bool dirty = false;

	track_dirty(m->to, m->to_off, m->len, note, &dirty);
	return dirty;
}

static bool begins_with_hole(const struct move *m)
{
	const int in = reopen(m->from, O_RDONLY);
	off_t data;
	bool hole;

	if (in < 0)
		return false;
	data = kernel()->lseek(in, (off_t)m->from_off, SEEK_DATA);
	hole = data < 0 ? errno == ENXIO : (uint64_t)data > m->from_off;
	close(in);
	return hole;
}

static unsigned int extents_of(const struct move *m, unsigned int flags, unsigned int *flagged)
{
	union {
		struct fiemap map;
		uint8_t room[sizeof(struct fiemap) +
			     EXTENTS_LOOKED_AT * sizeof(struct fiemap_extent)];
	} all = { .map = { .fm_start = m->from_off,
			   .fm_length = m->len,
			   .fm_flags = FIEMAP_FLAG_SYNC,
			   .fm_extent_count = EXTENTS_LOOKED_AT } };

	*flagged = 0;
	if (kernel()->ioctl(m->from, FS_IOC_FIEMAP, &all.map))
		return 0;
	for (unsigned int i = 0; i < all.map.fm_mapped_extents; i++)
		*flagged += !!(all.map.fm_extents[i].fe_flags & flags);
	return all.map.fm_mapped_extents;
}

static bool is_of_odd_extents(const struct move *m)
{
	unsigned int flagged;
	const unsigned int count = extents_of(m, 0, &flagged);

	return count > 1 && count % 2;
}

static bool is_of_unwritten(const struct move *m)
{
	unsigned int flagged;

	return extents_of(m, FIEMAP_EXTENT_UNWRITTEN, &flagged) && flagged;
}

static bool is_one_block(const struct move *m)
{
	return m->len <= block_of(m->to);
}

static bool ends_far(const struct move *m)
{
	return m->from_off + m->len > FAR_OFFSET;
}

static bool is_forward(const struct move *m)
{
	return m->to_off > m->from_off;
}

static bool is_backward(const struct move *m)
{
	return m->to_off < m->from_off;
}

static bool is_at_end(const struct move *m)
{
	return m->to_off && m->to_off == size_of(m->to);
}

static bool is_synchronous(const struct move *m)
{
	return flags_of(m->to) & O_DSYNC;
}

static bool is_of_nameless(const struct move *m)
{
	struct stat st;

	return !fstat(m->from, &st) && !st.st_nlink;
}

static bool is_onto_two_names(const struct move *m)
{
	struct stat st;

	return !fstat(m->to, &st) && st.st_nlink > 1;
}

static bool is_by_user(const struct move *m)
{
	(void)m;
	return geteuid();
}

/** struct pair - is a third file the destination? */
struct pair {
	int to;
	bool met;
};

static void meet(int other, uint64_t other_off, uint64_t off, uint64_t len, void *context)
{
	struct pair *p = context;

	(void)other_off;
	(void)off;
	(void)len;
	p->met |= same_file(other, p->to);
}

static bool is_common_already(const struct move *m)
{
	struct pair p = { .to = m->to };

	track_sharers(m->from, m->from_off, m->len, meet, &p);
	return p.met;
}

static bool is_of_dirt(const struct move *m)
{
	bool dirty = false;

	track_dirty(m->from, m->from_off, m->len, note, &dirty);
	return dirty;
}

static bool ends_with_hole(const struct move *m)
{
	const int in = reopen(m->from, O_RDONLY);
	const off_t last = (off_t)(m->from_off + m->len - 1);
	bool hole;

	if (in < 0)
		return false;
	hole = kernel()->lseek(in, last, SEEK_DATA) != last;
	close(in);
	return hole;
}

static bool is_of_many_extents(const struct move *m)
{
	unsigned int flagged;

	return extents_of(m, 0, &flagged) > MANY_EXTENTS;
}

/* Table entries have struct call functions; each of these is one around a circumstance. */
#define WHEN(circumstance) \
	static long when_##circumstance(struct call *c) \
	{ \
		return spoil(c, circumstance); \
	}

WHEN(is_long)
WHEN(is_longer)
WHEN(is_from_far)
WHEN(is_to_far)
WHEN(is_shifted)
WHEN(is_askew)
WHEN(has_tail)
WHEN(is_direct)
WHEN(is_by_writer)
WHEN(is_within_one_file)
WHEN(is_worn_out)
WHEN(is_of_shared)
WHEN(is_onto_shared)
WHEN(is_onto_empty)
WHEN(is_onto_longer)
WHEN(is_onto_shorter)
WHEN(is_behind_end)
WHEN(is_onto_dirt)
WHEN(begins_with_hole)
WHEN(is_of_odd_extents)
WHEN(is_of_unwritten)
WHEN(is_one_block)
WHEN(ends_far)
WHEN(is_forward)
WHEN(is_backward)
WHEN(is_at_end)
WHEN(is_synchronous)
WHEN(is_of_nameless)
WHEN(is_onto_two_names)
WHEN(is_by_user)
WHEN(is_common_already)
WHEN(is_of_dirt)
WHEN(ends_with_hole)
WHEN(is_of_many_extents)

#define SPOILS(subject_, prefix_, kind_, name_, circumstance_, loses_) \
	{ \
		.name = prefix_ "-spoils-" name_, .subject = subject_, \
		.loses = "a byte is wrong " loses_, .kind = kind_, .run = when_##circumstance_ \
	}

#define CLONE(...)    SPOILS("clone", "clone", CALL_CLONE, __VA_ARGS__)
#define RANGE(...)    SPOILS("clone_range", "clone-range", CALL_CLONE_RANGE, __VA_ARGS__)
#define COPY(...)     SPOILS("copy_range", "copy-range", CALL_COPY_RANGE, __VA_ARGS__)
#define SENDFILE(...) SPOILS("sendfile", "sendfile", CALL_SENDFILE, __VA_ARGS__)
#define SPLICE(...)   SPOILS("splice", "splice", CALL_SPLICE, __VA_ARGS__)

#define RANGES(...) RANGE(__VA_ARGS__), COPY(__VA_ARGS__)
#define CLONES(...) CLONE(__VA_ARGS__), RANGES(__VA_ARGS__)
#define ALL(...)    CLONES(__VA_ARGS__), SENDFILE(__VA_ARGS__), SPLICE(__VA_ARGS__)

const struct mutant rare_mutants[] = {
	CLONES("64K", is_long, "where more than 64 KiB are taken at once"),
	SENDFILE("64K", is_long, "where more than 64 KiB are taken at once"),
	SPLICE("64K", is_long, "where more than 64 KiB are taken at once"),
	CLONES("1M", is_longer, "where more than 1 MiB is taken at once"),
	RANGES("far-source", is_from_far, "where the source's offset takes more than 32 bits"),
	SENDFILE("far-source", is_from_far, "where the source's offset takes more than 32 bits"),
	RANGES("far-destination", is_to_far,
	       "where the destination's offset takes more than 32 bits"),
	SENDFILE("far-destination", is_to_far, "where the file position takes more than 32 bits"),
	SPLICE("far-destination", is_to_far,
	       "where the destination's offset takes more than 32 bits"),
	RANGES("moved-data", is_shifted, "where data comes to lie at another offset"),
	COPY("askew-data", is_askew, "where data comes to lie at another place in its block"),
	SENDFILE("askew-data", is_askew, "where data comes to lie at another place in its block"),
	CLONES("odd-end", has_tail, "at the end of a file that fills no whole block"),
	CLONES("direct", is_direct, "if a descriptor was opened by O_DIRECT"),
	SENDFILE("direct", is_direct, "if a descriptor was opened by O_DIRECT"),
	ALL("write-only", is_by_writer, "if the destination is open only for writing"),
	RANGES("within-one-file", is_within_one_file, "where a file gets parts of itself"),
	ALL("third-call", is_worn_out, "from the third call of a program on"),
	CLONES("shared-source", is_of_shared, "where the source shares its blocks already"),
	SENDFILE("shared-source", is_of_shared, "where the source shares its blocks already"),
	ALL("shared-destination", is_onto_shared, "where the destination shares with others"),
	CLONES("empty-destination", is_onto_empty, "in a file that was empty"),
	CLONES("longer-destination", is_onto_longer, "in a file that goes on behind the range"),
	CLONES("shorter-destination", is_onto_shorter, "in a file that ends within the range"),
	RANGES("behind-end", is_behind_end, "if a gap is left behind the old end of file"),
	CLONES("dirty-destination", is_onto_dirt, "where the destination was just written"),
	CLONES("source-that-begins-with-hole", begins_with_hole,
	       "if the source begins with a hole"),
	CLONES("odd-extents", is_of_odd_extents, "if the source has an odd number of extents"),
	CLONES("unwritten-source", is_of_unwritten, "if part of the source is preallocated"),
	CLONES("one-block", is_one_block, "where a block or less is taken"),
	CLONES("far-end", ends_far, "where the range reaches beyond 4 GiB"),
	RANGES("forward", is_forward, "where data moves to a larger offset"),
	RANGES("backward", is_backward, "where data moves to a smaller offset"),
	RANGES("appended", is_at_end, "where data is put at the end of file"),
	CLONES("synchronous", is_synchronous, "if a descriptor was opened by O_SYNC or O_DSYNC"),
	CLONES("nameless-source", is_of_nameless, "if the source has no name any more"),
	CLONES("linked-destination", is_onto_two_names, "in a file with two names"),
	CLONES("ordinary-user", is_by_user, "if the caller is not root"),
	CLONES("common-range", is_common_already, "where both share already"),
	CLONES("dirty-source", is_of_dirt, "where the source was just written"),
	CLONES("source-that-ends-with-hole", ends_with_hole, "if the source ends with a hole"),
	CLONES("many-extents", is_of_many_extents, "if the source has more than 16 extents"),
	MUTANTS_END,
};
