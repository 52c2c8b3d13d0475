/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The experiment "aftermath": fio on a file that the method made, a clone or a copy that shares
 * nothing. Random writes go to disk one by one; reads are sequential, and find nothing in the
 * cache.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "stand.h"

static uint64_t aftermath_bytes(const struct cell *c)
{
	return 3 * c->value[F_SIZE];
}

/** struct said - what fio said */
struct said {
	uint64_t bytes_per_s, p99_ns;
};

static bool read_answer(int fd, const char *side, struct said *a)
{
	/* a write here is what it takes to have it on disk: fio counts that apart */
	const bool read = !strcmp(side, "read");
	json_t *root, *job, *one, *tail, *percentile;

	lseek(fd, 0, SEEK_SET);
	root = json_loadfd(fd, JSON_DISABLE_EOF_CHECK, NULL);
	job = json_array_get(json_object_get(root, "jobs"), 0);
	one = json_object_get(job, side);
	tail = json_object_get(read ? one : json_object_get(job, "sync"),
			       read ? "clat_ns" : "lat_ns");
	percentile = json_object_get(tail, "percentile");
	a->bytes_per_s = (uint64_t)json_integer_value(json_object_get(one, "bw_bytes"));
	a->p99_ns = (uint64_t)json_integer_value(json_object_get(percentile, "99.000000"));
	json_decref(root);
	return a->bytes_per_s > 0;
}

static int run_fio(const struct stand *stand, const struct cell *c, const char *file,
		   struct said *a)
{
	const bool read = c->value[F_IO] == IO_READ;
	char name[128], block[48], work[48], seed[48];
	const char *const argv[] = { "fio",
				     "--output-format=json",
				     "--thread",
				     "--name=aftermath",
				     "--ioengine=psync",
				     "--fallocate=none",
				     name,
				     block,
				     work,
				     seed,
				     read ? "--rw=read" : "--rw=randwrite",
				     read ? "--invalidate=1" : "--fdatasync=1",
				     NULL };
	const int out = memfd_create("fio", MFD_CLOEXEC);
	uint64_t bytes = c->samples * c->value[F_WRITE];
	int ret;

	if (out < 0)
		return -errno;
	if (bytes > c->value[F_SIZE])
		bytes = c->value[F_SIZE];
	snprintf(name, sizeof(name), "--filename=%s", file);
	snprintf(block, sizeof(block), "--bs=%" PRIu64, read ? 128 << 10 : c->value[F_WRITE]);
	snprintf(work, sizeof(work), read ? "--size=%" PRIu64 : "--io_size=%" PRIu64,
		 read ? c->value[F_SIZE] : bytes);
	snprintf(seed, sizeof(seed), "--randseed=%" PRIu64, stand->seed + stand->block + 1);
	ret = method_start(argv, stand->folder, out, false);
	if (!ret && !read_answer(out, read ? "read" : "write", a))
		ret = -EIO;
	close(out);
	return ret;
}

static bool aftermath_measure(struct stand *stand, const struct cell *c)
{
	struct measurement *rate, *tail;
	const struct source *s;
	struct said a = { 0 };
	char *file;
	int ret;

	s = stand_room(stand, aftermath_bytes(c)) ? stand_source(stand, c, 0) : NULL;
	file = s ? stand_make(stand, c->method, s) : NULL;
	if (!file)
		return false;
	stand_quiet(stand);
	rate = stand_measurement(stand, c, "bytes_per_s", "higher");
	tail = stand_measurement(stand, c, "p99_ns", "lower");
	cost_now(&stand->watch, &rate->cost);
	ret = run_fio(stand, c, file, &a);
	rate->cost = cost_since(&stand->watch, &rate->cost);
	rate->has_cost = true;
	stand_keep(stand, NULL, file, s->name, 0);
	if (ret) {
		stand_give_up(tail);
		stand_give_up(rate);
		return stand_refuse(stand, "fio: %s", strerror(-ret));
	}
	stand_sample(rate, a.bytes_per_s);
	stand_sample(tail, a.p99_ns);
	stand_take(stand, rate);
	stand_take(stand, tail);
	return true;
}

const struct experiment experiment_aftermath = {
	.name = "aftermath",
	.doc = "fio on a file that was cloned or copied",
	.factors = FACTOR_BIT(SIZE) | FACTOR_BIT(CHATTR) | FACTOR_BIT(WRITE) | FACTOR_BIT(IO),
	.methods = METHOD_COPY,
	.program = "fio",
	.bytes = aftermath_bytes,
	.measure = aftermath_measure,
};
