/* SPDX-License-Identifier: GPL-2.0-only */
/* Programs that copy, to compare with: cp, dd; and fio, which reads and writes. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <jansson.h>

#include "method.h"
#include "need.h"

static int never_run(void *state, const struct job *j)
{
	const char *const argv[] = { "cp", "--reflink=never", j->from_name, j->to_name, NULL };

	(void)state;
	return method_start(argv, j->folder, -1, false);
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
	return method_start(argv, j->folder, -1, false);
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

/** struct said - what a program said, and the time that it says it took */
struct said {
	int answer;
	uint64_t ns;
};

static void *said_open(const struct method *m, const struct job *first)
{
	struct said *s = calloc(1, sizeof(*s));

	(void)first;
	if (!s)
		return NULL;
	s->answer = memfd_create(m->name, MFD_CLOEXEC);
	if (s->answer >= 0)
		return s;
	free(s);
	return NULL;
}

static void said_close(void *state)
{
	struct said *s = state;

	close(s->answer);
	free(s);
}

static uint64_t said_time(void *state)
{
	const struct said *s = state;

	return s->ns;
}

/* Runs it with an empty file for what it says. */
static int listen_to(struct said *s, const char *const *argv, const struct job *j, bool errors)
{
	if (lseek(s->answer, 0, SEEK_SET) || ftruncate(s->answer, 0))
		return -errno;
	return method_start(argv, j->folder, s->answer, errors);
}

static int dd_run(struct said *s, const struct job *j, const char *block)
{
	char from[128], to[128], text[512], *at;
	const char *const argv[] = { "dd", from, to, block, "conv=notrunc", NULL };
	ssize_t n;
	int ret;

	snprintf(from, sizeof(from), "if=%s", j->from_name);
	snprintf(to, sizeof(to), "of=%s", j->to_name);
	ret = listen_to(s, argv, j, true);
	if (ret)
		return ret;
	/* "1048576 bytes (1.0 MB, 1.0 MiB) copied, 0.00123 s, 852 MB/s" */
	n = pread(s->answer, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	at = strstr(text, "copied, ");
	s->ns = at ? (uint64_t)(strtod(at + strlen("copied, "), NULL) * 1e9) : 0;
	return s->ns ? 0 : -EIO;
}

#define DD(id, text, size) \
	static int dd_##id(void *state, const struct job *j) \
	{ \
		return dd_run(state, j, "bs=" text); \
	} \
	const struct method method_dd_##id = { \
		.name = "dd-" text, \
		.doc = "dd with blocks of " text "; time by its own account", \
		.kind = METHOD_OUTSIDE, \
		.role = "outside", \
		.need = -1, \
		.program = "dd", \
		.bytes = size, \
		.open = said_open, \
		.run = dd_##id, \
		.time = said_time, \
		.close = said_close, \
	}

DD(64k, "64K", 64 << 10);
DD(128k, "128K", 128 << 10);
DD(256k, "256K", 256 << 10);
DD(1m, "1M", 1 << 20);

/* Time in calls: their number times their mean. */
static double calls_ns(const json_t *job, const char *side)
{
	const json_t *lat = json_object_get(json_object_get(job, side), "lat_ns");

	return json_number_value(json_object_get(lat, "mean")) *
	       json_number_value(json_object_get(lat, "N"));
}

static int fio_read_answer(struct said *f)
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
	struct said *f = state;
	int ret;

	snprintf(size, sizeof(size), "--size=%" PRIu64, j->size);
	snprintf(block, sizeof(block), "--bs=%" PRIu64, j->size < most ? j->size : most);
	snprintf(from, sizeof(from), "--filename=%s", j->from_name);
	snprintf(to, sizeof(to), "--filename=%s", j->to_name);
	ret = listen_to(f, argv, j, false);
	return ret ? ret : fio_read_answer(f);
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
	.open = said_open,
	.run = fio_run,
	.time = said_time,
	.close = said_close,
};
