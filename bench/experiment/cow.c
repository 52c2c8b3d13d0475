/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The experiment "cow": what a write to a copy costs. The method makes the copy, out of the time:
 * one that shares has its blocks copied on write; one that copies is the control arm. What is
 * written is what is there already, so that the copy can be verified after.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "content.h"
#include "stand.h"
#include "tick.h"

static uint64_t cow_bytes(const struct cell *c)
{
	return 3 * c->value[F_SIZE];
}

/* Places of the writes: different blocks, in random order. */
static size_t *places(struct stand *stand, const struct cell *c, size_t *count)
{
	const size_t blocks = (size_t)(c->value[F_SIZE] / c->value[F_WRITE]);
	size_t *place = calloc(blocks + 1, sizeof(*place));

	if (!place)
		abort();
	for (size_t i = 0; i < blocks; i++)
		place[i] = i;
	chance_shuffle(&stand->chance, place, blocks);
	*count = blocks < c->samples ? blocks : c->samples;
	return place;
}

/* Write each block once; @m: and time it, until it is on disk. */
static int write_all(int fd, const struct cell *c, const struct source *s, const size_t *place,
		     size_t count, struct measurement *m)
{
	const size_t len = (size_t)c->value[F_WRITE];
	char *data = malloc(len);
	int ret = 0;

	if (!data)
		return -ENOMEM;
	for (size_t i = 0; i < count && !ret; i++) {
		const uint64_t off = place[i] * len;
		uint64_t before;

		content_fill(data, len, off, s->seed);
		before = tick_ns();
		if (pwrite(fd, data, len, (off_t)off) != (ssize_t)len)
			ret = -EIO;
		else if (m && fdatasync(fd))
			ret = -errno;
		if (m)
			stand_sample(m, tick_ns() - before);
	}
	free(data);
	return ret;
}

static bool write_copy(struct stand *stand, struct measurement *m, const struct source *s, int fd)
{
	const struct cell *c = m->cell;
	struct cost before;
	size_t count, *place = places(stand, c, &count);
	const uint64_t written = count * m->work_bytes;
	int ret = 0;

	if (c->value[F_PASS] == PASS_SECOND) {
		ret = write_all(fd, c, s, place, count, NULL);
		if (!ret && fsync(fd))
			ret = -errno;
	}
	stand_quiet(stand);
	cost_now(&stand->watch, &before);
	if (!ret)
		ret = write_all(fd, c, s, place, count, m);
	m->cost = cost_since(&stand->watch, &before);
	m->has_cost = true;
	m->observed = json_pack("{s:I}", "written_bytes", (json_int_t)written);
	free(place);
	return ret ? stand_refuse(stand, "write: %s", strerror(-ret)) : true;
}

static bool cow_measure(struct stand *stand, const struct cell *c)
{
	const struct source *s;
	struct measurement *m;
	char *copy;
	bool good;
	int fd;

	if (c->value[F_WRITE] % 8 || c->value[F_WRITE] > c->value[F_SIZE])
		return stand_refuse(stand, "a write must be a multiple of 8 and fit in the file");
	s = stand_room(stand, cow_bytes(c)) ? stand_source(stand, c, 0) : NULL;
	copy = s ? stand_make(stand, c->method, s) : NULL;
	fd = copy ? stand_open(stand, copy, O_RDWR) : -1;
	if (!copy)
		return false;
	m = stand_measurement(stand, c, "time_ns", "lower");
	m->work_bytes = c->value[F_WRITE];
	m->may_copy = true;
	good = fd >= 0 ? write_copy(stand, m, s, fd) : stand_refuse(stand, "%s", strerror(-fd));
	if (fd >= 0)
		close(fd);
	stand_keep(stand, good ? m : NULL, copy, s->name, s->size);
	if (!good)
		return stand_give_up(m);
	stand_take(stand, m);
	return true;
}

const struct experiment experiment_cow = {
	.name = "cow",
	.doc = "a write to a copy, and fdatasync",
	.factors = FACTOR_BIT(SIZE) | FACTOR_BIT(CHATTR) | FACTOR_BIT(WRITE) | FACTOR_BIT(PASS),
	.methods = METHOD_COPY,
	.bytes = cow_bytes,
	.measure = cow_measure,
};
