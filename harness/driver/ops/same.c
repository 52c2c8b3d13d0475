/* SPDX-License-Identifier: GPL-2.0-only */
/* same: whatever a name leads to at this moment, does it hold what a file that is open does? */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "../op.h"
#include "../world.h"

#define PIECE_BYTES (64 * 1024)

struct same_args {
	int file, fd;
};

/* Compare two open files; the place of the first difference, -1 if there is none, or -errno - 1. */
static int64_t first_difference(int one, int other)
{
	/* actors may be threads */
	static _Thread_local uint8_t a[PIECE_BYTES], b[PIECE_BYTES];
	int64_t at = 0;

	for (;;) {
		const ssize_t n = pread(one, a, sizeof(a), (off_t)at);
		const ssize_t m = n < 0 ? n : pread(other, b, sizeof(b), (off_t)at);
		const ssize_t both = n < m ? n : m;

		if (both < 0)
			return -errno - 1;
		for (ssize_t i = 0; i < both; i++)
			if (a[i] != b[i])
				return at + i;
		if (n != m)
			return at + both;
		if (!n)
			return -1;
		at += n;
	}
}

static void same_run(struct world *w, const void *args, struct op_result *r)
{
	const struct same_args *a = args;
	const struct wfile *f = &w->files[a->file];
	const int fd = world_open_beneath(f->dirfd, f->path, O_RDONLY, 0);
	int64_t at;

	*r = (struct op_result){ .err = fd < 0 ? errno : 0, .ret = fd < 0 ? -1 : 0 };
	if (fd < 0)
		return;
	at = first_difference(fd, world_fd(w, a->fd));
	close(fd);
	if (at == -1)
		return;
	r->ret = -1;
	r->err = at < 0 ? (int)(-at - 1) : EILSEQ;
	if (at >= 0)
		r->text = world_text(w, "(another byte, or the end, at %" PRId64 ")", at);
}

static const struct argspec same_args[] = {
	ARG(FILE, struct same_args, file, .required = true,
	    .doc = "the name, which leads anywhere or nowhere (ENOENT) by now"),
	ARG(FD, struct same_args, fd, .required = true, .doc = "the file that is open"),
	ARG_END,
};

const struct op op_same = {
	.name = "same",
	.doc = "open(2) a name, and read(2) what it leads to beside another file; EILSEQ if they "
	       "differ",
	.args_size = sizeof(struct same_args),
	.args = same_args,
	.run = same_run,
	.settles = true,
};
