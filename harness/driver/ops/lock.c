/* SPDX-License-Identifier: GPL-2.0-only */
/* lock: locks on ranges of a file, by which programs agree who copies and who reads. */
#include "../op.h"
#include "../world.h"

#include <errno.h>
#include <fcntl.h>

static const struct word lock_words[] = {
	{ "read", F_RDLCK }, { "write", F_WRLCK }, { "none", F_UNLCK }, { NULL, 0 }
};

struct lock_args {
	int fd, type;
	uint64_t off, len;
};

static const struct argspec lock_args[] = {
	ARG(FD, struct lock_args, fd, .required = true,
	    .doc = "the descriptor; its open file description has the lock"),
	ARG(WORD, struct lock_args, type, .words = lock_words, .required = true,
	    .doc = "shared, for one alone, or no more"),
	ARG(NUM, struct lock_args, off, .fallback = "0", .doc = "first byte"),
	ARG(NUM, struct lock_args, len, .fallback = "0", .doc = "bytes; 0: all from there on"),
	ARG_END,
};

static int lock_need(const void *args)
{
	(void)args;
	return NEED_LOCKS;
}

static void lock_run(struct world *w, const void *args, struct op_result *r)
{
	const struct lock_args *a = args;
	struct flock lock = {
		.l_type = (short)a->type,
		.l_whence = SEEK_SET,
		.l_start = (off_t)a->off,
		.l_len = (off_t)a->len,
	};

	RESULT(r, fcntl(world_fd(w, a->fd), F_OFD_SETLK, &lock));
}

const struct op op_lock = {
	.name = "lock",
	.doc = "lock a range of a file against other descriptions, or give it free, without "
	       "waiting: fcntl(2) F_OFD_SETLK",
	.args_size = sizeof(struct lock_args),
	.args = lock_args,
	.need = lock_need,
	.run = lock_run,
	.settles = true,
};
