/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ops on the hints that say in which units a file's space is to be allocated: fssetxattr,
 * fsgetxattr. A hint of 0 is none.
 */
#include <errno.h>
#include <inttypes.h>
#include <sys/ioctl.h>

#include <linux/fs.h>

#include "../op.h"
#include "../world.h"

struct hint_args {
	int fd;
	struct opt_num extsize, cowextsize;
};

struct hint_expects {
	uint64_t extsize, cowextsize;
};

enum { HINT_HAS_EXTSIZE = 1, HINT_HAS_COWEXTSIZE = 2 };

static const struct argspec fssetxattr_args[] = {
	ARG(FD, struct hint_args, fd, .required = true, .doc = "the file"),
	ARG(OPT_NUM, struct hint_args, extsize, .max = UINT32_MAX,
	    .doc = "unit of allocations; absent: stays"),
	ARG(OPT_NUM, struct hint_args, cowextsize, .max = UINT32_MAX,
	    .doc = "unit of allocations for shared blocks that are rewritten; absent: stays"),
	ARG_END,
};

static const struct argspec fsgetxattr_args[] = {
	ARG(FD, struct hint_args, fd, .required = true, .doc = "the file"),
	ARG_END,
};

static const struct argspec hint_expects[] = {
	ARG(NUM, struct hint_expects, extsize, .doc = "unit of allocations"),
	ARG(NUM, struct hint_expects, cowextsize,
	    .doc = "unit of allocations for shared blocks that are rewritten"),
	ARG_END,
};

static int hint_need(const void *args)
{
	const struct hint_args *a = args;

	return a->cowextsize.set ? NEED_COWEXTSIZE : NEED_EXTSIZE;
}

static void set_flag(struct fsxattr *x, uint32_t flag, uint64_t value)
{
	x->fsx_xflags = value ? x->fsx_xflags | flag : x->fsx_xflags & ~flag;
}

static void fssetxattr_run(struct world *w, const void *args, struct op_result *r)
{
	const struct hint_args *a = args;
	const int fd = world_fd(w, a->fd);
	struct fsxattr x = { 0 };

	RESULT(r, ioctl(fd, FS_IOC_FSGETXATTR, &x));
	if (r->err)
		return;
	if (a->extsize.set) {
		x.fsx_extsize = (uint32_t)a->extsize.value;
		set_flag(&x, FS_XFLAG_EXTSIZE, a->extsize.value);
	}
	if (a->cowextsize.set) {
		x.fsx_cowextsize = (uint32_t)a->cowextsize.value;
		set_flag(&x, FS_XFLAG_COWEXTSIZE, a->cowextsize.value);
	}
	RESULT(r, ioctl(fd, FS_IOC_FSSETXATTR, &x));
}

/* Filesystems differ in whether this is a change of the inode. */
static void fssetxattr_apply(struct world *w, const void *args, const struct op_result *r)
{
	const struct hint_args *a = args;
	struct mfile *m = world_model(w, a->fd);

	(void)r;
	if (m)
		m->ctime = TOUCH_MAY;
}

static void fsgetxattr_run(struct world *w, const void *args, struct op_result *r)
{
	const struct hint_args *a = args;
	struct fsxattr *x = arena_alloc(w->arena, sizeof(*x));

	RESULT(r, ioctl(world_fd(w, a->fd), FS_IOC_FSGETXATTR, x));
	r->data = x;
	if (!r->err)
		r->text = world_text(w, "[extsize %" PRIu32 ", cowextsize %" PRIu32 "]",
				     x->fsx_extsize, x->fsx_cowextsize);
}

static void fsgetxattr_check(struct world *w, const void *args, const struct expect *e,
			     const struct op_result *r)
{
	const struct hint_expects *want = e->more;
	const struct fsxattr *x = r->data;

	(void)args;
	if (r->err)
		return;
	w->checked.attributes++;
	if ((e->more_set & HINT_HAS_EXTSIZE && x->fsx_extsize != want->extsize) ||
	    (e->more_set & HINT_HAS_COWEXTSIZE && x->fsx_cowextsize != want->cowextsize))
		world_fail(w, e->text, "%s", r->text);
}

const struct op op_fssetxattr = {
	.name = "fssetxattr",
	.doc = "say in which units to allocate: FS_IOC_FSSETXATTR, ioctl_xfs_fssetxattr(2)",
	.args_size = sizeof(struct hint_args),
	.args = fssetxattr_args,
	.need = hint_need,
	.run = fssetxattr_run,
	.apply = fssetxattr_apply,
};

const struct op op_fsgetxattr = {
	.name = "fsgetxattr",
	.doc = "ask in which units space is allocated: FS_IOC_FSGETXATTR",
	.args_size = sizeof(struct hint_args),
	.args = fsgetxattr_args,
	.expects_size = sizeof(struct hint_expects),
	.expects = hint_expects,
	.need = hint_need,
	.run = fsgetxattr_run,
	.check = fsgetxattr_check,
};
