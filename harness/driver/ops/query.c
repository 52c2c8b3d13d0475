/* SPDX-License-Identifier: GPL-2.0-only */
/* Ops that only ask: statx, statvfs, fiemap. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <linux/fiemap.h>
#include <linux/fs.h>

#include "../fiemap.h"
#include "../op.h"
#include "../world.h"
#include "mapped.h"
#include "subject.h"

#define MODE_BITS    07777
#define SECTOR_BYTES 512
/* Of an answer in a mapping, which spoils so much of the file. */
#define MAPPED_EXTENTS 16

struct statx_args {
	struct subject on;
	bool fresh;
};

static const struct argspec statx_args[] = {
	SUBJECT_ARGS(struct statx_args, on),
	ARG(BOOL, struct statx_args, fresh,
	    .doc = "ask the server, whatever is cached: AT_STATX_FORCE_SYNC"),
	ARG_END,
};

static const struct word attribute_words[] = {
	{ "compressed", STATX_ATTR_COMPRESSED }, { "immutable", STATX_ATTR_IMMUTABLE },
	{ "append", STATX_ATTR_APPEND },	 { "encrypted", STATX_ATTR_ENCRYPTED },
	{ "verity", STATX_ATTR_VERITY },	 { NULL, 0 },
};

struct statx_expects {
	uint64_t size, allocated, nlink, attributes, atime, uid, gid;
	uint32_t mode;
};

/* Bits of more_set, by the table's order. */
enum {
	STATX_HAS_SIZE = 1 << 0,
	STATX_HAS_ALLOCATED = 1 << 1,
	STATX_HAS_NLINK = 1 << 2,
	STATX_HAS_MODE = 1 << 3,
	STATX_HAS_ATTRIBUTES = 1 << 4,
	STATX_HAS_ATIME = 1 << 5,
	STATX_HAS_UID = 1 << 6,
	STATX_HAS_GID = 1 << 7,
};

static const struct argspec statx_expects[] = {
	ARG(NUM, struct statx_expects, size, .doc = "length in bytes"),
	ARG(NUM, struct statx_expects, allocated, .doc = "st_blocks, in bytes"),
	ARG(NUM, struct statx_expects, nlink, .doc = "number of names"),
	ARG(MODE, struct statx_expects, mode, .doc = "permission bits"),
	ARG(FLAGS, struct statx_expects, attributes, .words = attribute_words,
	    .doc = "attributes that must be there, of those that the filesystem tells of"),
	ARG(NUM, struct statx_expects, atime, .doc = "last access, in seconds since 1970"),
	ARG(NUM, struct statx_expects, uid, .doc = "owner"),
	ARG(NUM, struct statx_expects, gid, .doc = "group"),
	ARG_END,
};

static void statx_run(struct world *w, const void *args, struct op_result *r)
{
	const struct statx_args *a = args;
	const int sync = a->fresh ? AT_STATX_FORCE_SYNC : AT_STATX_SYNC_AS_STAT;
	struct statx *st = arena_alloc(w->arena, sizeof(*st));

	r->data = st;
	if (!subject_good(w, r))
		return;
	if (subject_by_fd(w))
		RESULT(r, statx(world_fd(w, a->on.fd), "", AT_EMPTY_PATH | sync, STATX_BASIC_STATS,
				st));
	else
		RESULT(r, statx(AT_FDCWD, subject_path(w, &a->on), AT_SYMLINK_NOFOLLOW | sync,
				STATX_BASIC_STATS, st));
	if (!r->err)
		r->text = world_text(
			w, "[size %" PRIu64 ", allocated %" PRIu64 ", mode %04o, nlink %u]",
			(uint64_t)st->stx_size, (uint64_t)st->stx_blocks * SECTOR_BYTES,
			st->stx_mode & MODE_BITS, st->stx_nlink);
}

static void statx_check(struct world *w, const void *args, const struct expect *e,
			const struct op_result *r)
{
	const struct statx_expects *want = e->more;
	const struct statx *st = r->data;
	bool good = true;

	(void)args;
	if (r->err)
		return;
	if (e->more_set & STATX_HAS_SIZE)
		good = good && st->stx_size == want->size;
	if (e->more_set & STATX_HAS_ALLOCATED)
		good = good && st->stx_blocks * SECTOR_BYTES == want->allocated;
	if (e->more_set & STATX_HAS_NLINK)
		good = good && st->stx_nlink == want->nlink;
	if (e->more_set & STATX_HAS_MODE)
		good = good && (st->stx_mode & MODE_BITS) == want->mode;
	if (e->more_set & STATX_HAS_ATTRIBUTES)
		good = good && !(want->attributes & st->stx_attributes_mask & ~st->stx_attributes);
	if (e->more_set & STATX_HAS_ATIME)
		good = good && (uint64_t)st->stx_atime.tv_sec == want->atime;
	if (e->more_set & STATX_HAS_UID)
		good = good && st->stx_uid == want->uid;
	if (e->more_set & STATX_HAS_GID)
		good = good && st->stx_gid == want->gid;
	w->checked.attributes++;
	if (!good)
		world_fail(w, e->text, "%s, owner %u:%u, attributes 0x%" PRIx64 ", atime %" PRId64,
			   r->text, st->stx_uid, st->stx_gid, (uint64_t)st->stx_attributes,
			   (int64_t)st->stx_atime.tv_sec);
}

const struct op op_statx = {
	.name = "statx",
	.doc = "ask what a file says of itself: statx(2)",
	.args_size = sizeof(struct statx_args),
	.args = statx_args,
	.expects_size = sizeof(struct statx_expects),
	.expects = statx_expects,
	.run = statx_run,
	.check = statx_check,
};

struct statvfs_args {
	int fd;
};

static const struct argspec statvfs_args[] = {
	ARG(FD, struct statvfs_args, fd, .required = true, .doc = "any file of the filesystem"),
	ARG_END,
};

static void statvfs_run(struct world *w, const void *args, struct op_result *r)
{
	const struct statvfs_args *a = args;
	struct statvfs st;

	RESULT(r, fstatvfs(world_fd(w, a->fd), &st));
	if (!r->err)
		r->text = world_text(w, "[%" PRIu64 " bytes available]",
				     (uint64_t)st.f_bavail * st.f_frsize);
}

const struct op op_statvfs = {
	.name = "statvfs",
	.doc = "ask how much space is left: fstatvfs(3)",
	.args_size = sizeof(struct statvfs_args),
	.args = statvfs_args,
	.run = statvfs_run,
};

enum sharing { SHARED_ALL, SHARED_NONE, SHARED_SOME };

static const struct word sharing_words[] = {
	{ "all", SHARED_ALL },
	{ "none", SHARED_NONE },
	{ "some", SHARED_SOME },
	{ NULL, 0 },
};

struct fiemap_args {
	int fd;
	uint64_t off, len;
	bool sync;
	int arg_in;
	uint64_t arg_off;
};

static const struct argspec fiemap_args[] = {
	ARG(FD, struct fiemap_args, fd, .required = true, .doc = "the file"),
	ARG(NUM, struct fiemap_args, off, .fallback = "0", .doc = "where the range begins"),
	ARG(NUM, struct fiemap_args, len, .fallback = "-1", .doc = "its length; absent: all"),
	ARG(BOOL, struct fiemap_args, sync, .doc = "FIEMAP_FLAG_SYNC: write dirty data first"),
	ARG(FD, struct fiemap_args, arg_in,
	    .doc = "the answer goes to a mapping of this file, into which the question is written "
		   "first; 16 extents at most"),
	ARG(NUM, struct fiemap_args, arg_off, .doc = "there, at this offset in bytes"),
	ARG_END,
};

struct fiemap_expects {
	int shared, unwritten;
	uint64_t extents;
	bool last;
};

/* Bits of more_set, by the table's order. */
enum {
	FIEMAP_HAS_SHARED = 1 << 0,
	FIEMAP_HAS_EXTENTS = 1 << 1,
	FIEMAP_HAS_UNWRITTEN = 1 << 2,
	FIEMAP_HAS_LAST = 1 << 3,
};

static const struct argspec fiemap_expects[] = {
	ARG(WORD, struct fiemap_expects, shared, .words = sharing_words,
	    .doc = "which extents are marked as shared; those without a place on the disk are left "
		   "out"),
	ARG(NUM, struct fiemap_expects, extents, .doc = "how many there are"),
	ARG(WORD, struct fiemap_expects, unwritten, .words = sharing_words,
	    .doc = "which extents are marked as preallocated only"),
	ARG(BOOL, struct fiemap_expects, last,
	    .doc = "whether the last of them is marked as the last of the file"),
	ARG_END,
};

/* struct extents - what an extent map says, in numbers; an unknown one has no place on the disk of
 * its own and is not marked as shared */
struct extents {
	uint64_t count, shared, unknown, unwritten;
	bool last;
};

static int fiemap_need(const void *args)
{
	(void)args;
	return NEED_FIEMAP;
}

/* One call that writes its answer into a mapping; as fiemap_read() if not r->harness. */
static int read_mapped(struct world *w, const struct fiemap_args *a, struct op_result *r,
		       struct fiemap_list *out)
{
	const size_t size = fiemap_size(MAPPED_EXTENTS);
	struct fiemap *answer = arena_alloc(w->arena, size);
	struct mapped m = { 0 };
	void *arg;
	int err;

	fiemap_ask(answer, MAPPED_EXTENTS, a->off, a->len, a->sync);
	arg = mapped_place(w, a->arg_in, a->arg_off, answer, size, &m, r);
	if (r->harness)
		return -r->harness;
	err = ioctl(world_fd(w, a->fd), FS_IOC_FIEMAP, arg) ? -errno : 0;
	mapped_take(&m, answer, size, arg);
	return err ? err : fiemap_answer(answer, out);
}

static void fiemap_run(struct world *w, const void *args, struct op_result *r)
{
	const struct fiemap_args *a = args;
	struct extents *x = arena_alloc(w->arena, sizeof(*x));
	struct fiemap_list list;
	const int err = a->arg_in != NAME_NONE
				? read_mapped(w, a, r, &list)
				: fiemap_read(world_fd(w, a->fd), a->off, a->len, a->sync, &list);

	if (r->harness)
		return;
	r->data = x;
	r->err = -err;
	r->ret = err ? -1 : 0;
	if (err)
		return;
	x->count = list.count;
	for (size_t i = 0; i < list.count; i++) {
		if (fiemap_shared(&list.piece[i]))
			x->shared++;
		else if (!fiemap_located(&list.piece[i]))
			x->unknown++;
		x->unwritten += !!(list.piece[i].flags & FIEMAP_EXTENT_UNWRITTEN);
		x->last = list.piece[i].flags & FIEMAP_EXTENT_LAST;
	}
	fiemap_free(&list);
	r->text =
		world_text(w,
			   "[%" PRIu64 " extents, %" PRIu64 " shared, %" PRIu64 " unknown, %" PRIu64
			   " unwritten%s]",
			   x->count, x->shared, x->unknown, x->unwritten, x->last ? ", last" : "");
}

static void fiemap_apply(struct world *w, const void *args, const struct op_result *r)
{
	const struct fiemap_args *a = args;

	(void)r;
	if (a->arg_in != NAME_NONE)
		mapped_apply(w, a->arg_in, a->arg_off, fiemap_size(MAPPED_EXTENTS));
}

/* @marked of @count extents are as they should be. */
static bool marked_as(uint64_t marked, uint64_t count, enum sharing want)
{
	switch (want) {
	case SHARED_ALL:
		return count && marked == count;
	case SHARED_NONE:
		return !marked;
	case SHARED_SOME:
		return marked;
	}
	return false;
}

static void fiemap_check(struct world *w, const void *args, const struct expect *e,
			 const struct op_result *r)
{
	const struct fiemap_expects *want = e->more;
	const struct extents *x = r->data;
	bool good = true;

	(void)args;
	if (r->err)
		return;
	if (e->more_set & FIEMAP_HAS_SHARED) {
		good = marked_as(x->shared, x->count - x->unknown, (enum sharing)want->shared);
		w->checked.shared_blocks += x->count - x->unknown;
	}
	if (e->more_set & FIEMAP_HAS_EXTENTS) {
		good = good && x->count == want->extents;
		w->checked.attributes++;
	}
	if (e->more_set & FIEMAP_HAS_UNWRITTEN) {
		good = good && marked_as(x->unwritten, x->count, (enum sharing)want->unwritten);
		w->checked.attributes++;
	}
	if (e->more_set & FIEMAP_HAS_LAST) {
		good = good && x->last == want->last;
		w->checked.attributes++;
	}
	if (!good)
		world_fail(w, e->text, "%s", r->text);
}

const struct op op_fiemap = {
	.name = "fiemap",
	.doc = "ask where a file's blocks are, and which are shared: ioctl FS_IOC_FIEMAP",
	.args_size = sizeof(struct fiemap_args),
	.args = fiemap_args,
	.expects_size = sizeof(struct fiemap_expects),
	.expects = fiemap_expects,
	.need = fiemap_need,
	.run = fiemap_run,
	.apply = fiemap_apply,
	.check = fiemap_check,
};
