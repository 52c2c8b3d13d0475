/* SPDX-License-Identifier: GPL-2.0-only */
/* Programs that copy, to compare with: cp, dd; and fio, which reads and writes. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <jansson.h>

#include "method.h"
#include "need.h"

static int never_run(void *state, const struct job *j)
{
	const char *const argv[] = { "cp", "--reflink=never", j->from_name, j->to_name, NULL };

	(void)state;
	return method_start(argv, j->folder, -1);
}

const struct method method_cp = {
	.name = "cp",
	.doc = "cp --reflink=never",
	.kind = METHOD_OUTSIDE,
	.role = "outside",
	.need = -1,
	.program = "cp",
	.run = never_run,
};

static int always_run(void *state, const struct job *j)
{
	const char *const argv[] = { "cp", "--reflink=always", j->from_name, j->to_name, NULL };

	(void)state;
	return method_start(argv, j->folder, -1);
}

const struct method method_cp_reflink = {
	.name = "cp-reflink",
	.doc = "cp --reflink=always",
	.kind = METHOD_OUTSIDE,
	.flags = METHOD_SHARES,
	.role = "outside",
	.need = NEED_CLONE,
	.program = "cp",
	.run = always_run,
};

/** struct dd - the words of its command line that stay the same */
struct dd {
	char block[32];
};

static void *dd_open(const struct method *m, const struct job *first)
{
	struct dd *d = calloc(1, sizeof(*d));

	(void)first;
	if (d)
		snprintf(d->block, sizeof(d->block), "bs=%zu", m->bytes);
	return d;
}

static int dd_run(void *state, const struct job *j)
{
	const struct dd *d = state;
	char from[128], to[128];
	const char *const argv[] = { "dd", from, to, d->block, "conv=notrunc", NULL };

	snprintf(from, sizeof(from), "if=%s", j->from_name);
	snprintf(to, sizeof(to), "of=%s", j->to_name);
	return method_start(argv, j->folder, -1);
}

#define DD(id, text, size) \
	const struct method method_dd_##id = { \
		.name = "dd-" text, \
		.doc = "dd with blocks of " text, \
		.kind = METHOD_OUTSIDE, \
		.role = "outside", \
		.need = -1, \
		.program = "dd", \
		.bytes = size, \
		.open = dd_open, \
		.run = dd_run, \
		.close = free, \
	}

DD(64k, "64K", 64 << 10);
DD(128k, "128K", 128 << 10);
DD(256k, "256K", 256 << 10);
DD(1m, "1M", 1 << 20);

/** struct fio - its answer, and what it said of the time */
struct fio {
	int answer;
	uint64_t ns;
};

static void *fio_open(const struct method *m, const struct job *first)
{
	struct fio *f = calloc(1, sizeof(*f));

	(void)m;
	(void)first;
	if (!f)
		return NULL;
	f->answer = memfd_create("fio", MFD_CLOEXEC);
	if (f->answer >= 0)
		return f;
	free(f);
	return NULL;
}

static void fio_close(void *state)
{
	struct fio *f = state;

	close(f->answer);
	free(f);
}

/* Time in calls: their number times their mean. */
static double calls_ns(const json_t *job, const char *side)
{
	const json_t *lat = json_object_get(json_object_get(job, side), "lat_ns");

	return json_number_value(json_object_get(lat, "mean")) *
	       json_number_value(json_object_get(lat, "N"));
}

static int fio_read_answer(struct fio *f)
{
	json_t *root, *jobs;
	double ns = 0;

	lseek(f->answer, 0, SEEK_SET);
	root = json_loadfd(f->answer, JSON_DISABLE_EOF_CHECK, NULL);
	jobs = json_object_get(root, "jobs");
	for (size_t i = 0; i < json_array_size(jobs); i++)
		ns += calls_ns(json_array_get(jobs, i), "read") +
		      calls_ns(json_array_get(jobs, i), "write");
	json_decref(root);
	f->ns = (uint64_t)ns;
	return ns > 0 ? 0 : -EIO;
}

static int fio_run(void *state, const struct job *j)
{
	const uint64_t most = 1 << 20;
	char size[48], block[48], from[128], to[128];
	const char *const argv[] = { "fio",
				     "--output-format=json",
				     "--thread",
				     size,
				     block,
				     "--ioengine=psync",
				     "--invalidate=0",
				     "--fallocate=none",
				     "--name=read",
				     from,
				     "--rw=read",
				     "--name=write",
				     to,
				     "--rw=write",
				     "--stonewall",
				     NULL };
	struct fio *f = state;
	int ret;

	snprintf(size, sizeof(size), "--size=%" PRIu64, j->size);
	snprintf(block, sizeof(block), "--bs=%" PRIu64, j->size < most ? j->size : most);
	snprintf(from, sizeof(from), "--filename=%s", j->from_name);
	snprintf(to, sizeof(to), "--filename=%s", j->to_name);
	lseek(f->answer, 0, SEEK_SET);
	if (ftruncate(f->answer, 0))
		return -errno;
	ret = method_start(argv, j->folder, f->answer);
	return ret ? ret : fio_read_answer(f);
}

static uint64_t fio_time(void *state)
{
	const struct fio *f = state;

	return f->ns;
}

const struct method method_fio = {
	.name = "fio",
	.doc = "fio: all of the source read, then as much written, blocks of 1M; time in its calls",
	.kind = METHOD_OUTSIDE,
	.flags = METHOD_OTHER_DATA,
	.role = "outside",
	.need = -1,
	.program = "fio",
	.bytes = 1 << 20,
	.open = fio_open,
	.run = fio_run,
	.time = fio_time,
	.close = fio_close,
};
