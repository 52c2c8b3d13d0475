/* SPDX-License-Identifier: GPL-2.0-only */
/* Methods that share: FICLONE, FICLONERANGE, FIDEDUPERANGE. */
#include <errno.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "method.h"
#include "need.h"

static int clone_run(void *state, const struct job *j)
{
	(void)state;
	return ioctl(j->to, FICLONE, j->from) ? -errno : 0;
}

const struct method method_clone = {
	.name = "clone",
	.doc = "FICLONE",
	.kind = METHOD_COPY,
	.flags = METHOD_SHARES,
	.role = "measure",
	.need = NEED_CLONE,
	.run = clone_run,
};

static int bare_batch(void *state, const struct job *j, size_t n)
{
	int ret = 0;

	(void)state;
	for (size_t i = 0; i < n; i++)
		ret |= ioctl(j[i].to, FICLONE, j[i].from);
	return ret ? -EIO : 0;
}

const struct method method_clone_bare = {
	.name = "clone-bare",
	.doc = "FICLONE in a bare loop, timed as a whole: what timing each call adds",
	.kind = METHOD_COPY,
	.flags = METHOD_SHARES,
	.role = "reference",
	.need = NEED_CLONE,
	.batch = bare_batch,
};

static int range_run(void *state, const struct job *j)
{
	struct file_clone_range range = { .src_fd = j->from };

	(void)state;
	return ioctl(j->to, FICLONERANGE, &range) ? -errno : 0;
}

const struct method method_clone_range = {
	.name = "clone-range",
	.doc = "FICLONERANGE of the whole file",
	.kind = METHOD_COPY,
	.flags = METHOD_SHARES,
	.role = "measure",
	.need = NEED_CLONE,
	.run = range_run,
};

/* As much as one call may take; some filesystems answer with less, and are asked again. */
#define DEDUPE_BYTES (16ULL << 20)

static void *dedupe_open(const struct method *m, const struct job *first)
{
	(void)m;
	(void)first;
	return calloc(1, sizeof(struct file_dedupe_range) + sizeof(struct file_dedupe_range_info));
}

static int dedupe_run(void *state, const struct job *j)
{
	struct file_dedupe_range *r = state;

	for (uint64_t off = 0; off < j->size;) {
		const uint64_t left = j->size - off;

		r->src_offset = off;
		r->src_length = left < DEDUPE_BYTES ? left : DEDUPE_BYTES;
		r->dest_count = 1;
		r->info[0] =
			(struct file_dedupe_range_info){ .dest_fd = j->to, .dest_offset = off };
		if (ioctl(j->from, FIDEDUPERANGE, r))
			return -errno;
		if (r->info[0].status < 0)
			return r->info[0].status;
		if (r->info[0].status == FILE_DEDUPE_RANGE_DIFFERS || !r->info[0].bytes_deduped)
			return -EUCLEAN;
		off += r->info[0].bytes_deduped;
	}
	return 0;
}

const struct method method_dedupe = {
	.name = "dedupe",
	.doc = "FIDEDUPERANGE, one destination",
	.kind = METHOD_DEDUPE,
	.flags = METHOD_SHARES,
	.role = "measure",
	.need = NEED_DEDUPE,
	.open = dedupe_open,
	.run = dedupe_run,
	.close = free,
};
