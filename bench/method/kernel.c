/* SPDX-License-Identifier: GPL-2.0-only */
/* Methods that let the kernel move the data: copy_file_range, sendfile, splice. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "method.h"
#include "need.h"

/* What a file must still have given, and did not. */
#define ENDED_EARLY (-EIO)

static int cfr_run(void *state, const struct job *j)
{
	off_t in = 0, out = 0;

	(void)state;
	while ((uint64_t)in < j->size) {
		const ssize_t n =
			copy_file_range(j->from, &in, j->to, &out, j->size - (uint64_t)in, 0);

		if (n <= 0)
			return n ? -errno : ENDED_EARLY;
	}
	return 0;
}

const struct method method_cfr = {
	.name = "copy_file_range",
	.doc = "copy_file_range(2), which may share or copy",
	.kind = METHOD_COPY,
	.role = "measure",
	.need = NEED_COPY_RANGE,
	.run = cfr_run,
};

static int sendfile_run(void *state, const struct job *j)
{
	off_t in = 0;

	(void)state;
	while ((uint64_t)in < j->size) {
		const ssize_t n = sendfile(j->to, j->from, &in, j->size - (uint64_t)in);

		if (n <= 0)
			return n ? -errno : ENDED_EARLY;
	}
	return 0;
}

const struct method method_sendfile = {
	.name = "sendfile",
	.doc = "sendfile(2)",
	.kind = METHOD_COPY,
	.role = "measure",
	.need = NEED_SENDFILE,
	.run = sendfile_run,
};

/** struct tube - a pipe and what it holds */
struct tube {
	int end[2];
	size_t bytes;
};

static void tube_close(void *state)
{
	struct tube *t = state;

	close(t->end[0]);
	close(t->end[1]);
	free(t);
}

static void *tube_open(const struct method *m, const struct job *first)
{
	struct tube *t = calloc(1, sizeof(*t));
	int size;

	(void)first;
	if (!t)
		return NULL;
	if (pipe2(t->end, O_CLOEXEC)) {
		free(t);
		return NULL;
	}
	t->bytes = m->bytes;
	size = fcntl(t->end[1], F_SETPIPE_SZ, (int)m->bytes);
	if (size >= 0 && (size_t)size >= m->bytes)
		return t;
	tube_close(t);
	errno = EPERM;
	return NULL;
}

static int splice_run(void *state, const struct job *j)
{
	const struct tube *t = state;
	loff_t in = 0, out = 0;

	while ((uint64_t)in < j->size) {
		ssize_t held = splice(j->from, &in, t->end[1], NULL, t->bytes, SPLICE_F_MOVE);

		if (held <= 0)
			return held ? -errno : ENDED_EARLY;
		while (held > 0) {
			const ssize_t n =
				splice(t->end[0], NULL, j->to, &out, (size_t)held, SPLICE_F_MOVE);

			if (n <= 0)
				return n ? -errno : ENDED_EARLY;
			held -= n;
		}
	}
	return 0;
}

const struct method method_splice_64k = {
	.name = "splice-64K",
	.doc = "splice(2) through a pipe of 64 KiB",
	.kind = METHOD_COPY,
	.role = "measure",
	.need = NEED_SPLICE,
	.bytes = 64 << 10,
	.open = tube_open,
	.run = splice_run,
	.close = tube_close,
};

const struct method method_splice_1m = {
	.name = "splice-1M",
	.doc = "splice(2) through a pipe of 1 MiB",
	.kind = METHOD_COPY,
	.role = "measure",
	.need = NEED_SPLICE,
	.bytes = 1 << 20,
	.open = tube_open,
	.run = splice_run,
	.close = tube_close,
};
