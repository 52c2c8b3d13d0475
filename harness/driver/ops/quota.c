/* SPDX-License-Identifier: GPL-2.0-only */
/* limit_quota: how much the files under test may hold in all. */
#include "quota.h"

#include <errno.h>

#include "../op.h"
#include "../quota.h"
#include "../undo.h"
#include "../world.h"

/* A limit stays with the filesystem, so a guard lifts it whatever becomes of us. */
static struct undo counting;

struct quota_args {
	int fd;
	struct opt_num room;
};

static int quota_need(const void *args)
{
	(void)args;
	return NEED_QUOTA;
}

static void quota_run(struct world *w, const void *args, struct op_result *r)
{
	const struct quota_args *a = args;
	const int fd = world_fd(w, a->fd);
	int err = undo_end(&counting);

	/* Begun anew: where a limit is reached, btrfs has no room to note a higher one. */
	if (!err && a->room.set)
		err = undo_begin(&counting, fd, quota_on, quota_off, 0);
	if (!err && a->room.set)
		err = quota_limit(fd, a->room.value);
	r->harness = -err;
}

static const struct argspec quota_args[] = {
	ARG(FD, struct quota_args, fd, .required = true,
	    .doc = "a file of the filesystem or, on btrfs, of the subvolume"),
	ARG(OPT_NUM, struct quota_args, room, .doc = "bytes from now on; absent: no limit"),
	ARG_END,
};

const struct op op_limit_quota = {
	.name = "limit_quota",
	.doc = "limit what all files may hold to what they do, and some more: ioctl "
	       "BTRFS_IOC_QGROUP_LIMIT",
	.args_size = sizeof(struct quota_args),
	.args = quota_args,
	.need = quota_need,
	.dedicated = true,
	.run = quota_run,
};

void quota_teardown(void)
{
	undo_end(&counting);
}
