/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The experiment "copy": one file's content into another, each call timed on its own. Everything is
 * opened before, unless the point of the cell is otherwise; the loop holds nothing but the clock
 * and the call.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/fs.h>

#include "content.h"
#include "must.h"
#include "stand.h"
#include "tick.h"

/* More is copied by a cell than this: the filesystem is given time to rest before the next. */
#define REST_BYTES (8ULL << 20)

/* Calls of one batch, for methods that are timed in batches. */
#define BATCH 16

/** struct call - one sample on its way */
struct call {
	struct job job;
	char *to_name;
	const struct source *source;
};

/** struct calls - those of a cell in one block */
struct calls {
	const struct cell *cell;
	struct call *call;
	size_t count;
	void *state;
	struct measurement *m;
};

/* How many sources there are. One that is rewritten shares less with the copies it had before, so
 * that each copy has a source of its own then. */
static uint64_t sources_of(const struct cell *c)
{
	return c->value[F_DIRTY] ? c->samples : c->value[F_FILES];
}

static uint64_t copy_bytes(const struct cell *c)
{
	const uint64_t size = c->value[F_EXTENTS] ? c->value[F_EXTENTS] * 4096 : c->value[F_SIZE];
	uint64_t copies = sources_of(c);

	if (c->method->kind == METHOD_REFERENCE)
		return 1 << 16;
	if (!(c->method->flags & METHOD_SHARES) || c->method->kind == METHOD_DEDUPE ||
	    c->value[F_DESTINATION] != DESTINATION_FRESH)
		copies += c->samples;
	return copies * size + c->samples * 4096ULL;
}

static void close_files(struct job *j)
{
	int *const fds[] = { &j->from, &j->to, &j->from_direct, &j->to_direct };

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

/* Opens what the method wants; @create: the destination too. 0 or a negative errno. */
static int open_files(struct stand *stand, const struct method *m, struct call *c, int create)
{
	struct job *j = &c->job;

	j->from = stand_open(stand, c->source->name, O_RDONLY);
	j->to = stand_open(stand, c->to_name, O_RDWR | create);
	if (j->from >= 0 && j->to >= 0 && m->flags & METHOD_DIRECT) {
		j->from_direct = stand_open(stand, c->source->name, O_RDONLY | O_DIRECT);
		j->to_direct = stand_open(stand, c->to_name, O_RDWR | O_DIRECT);
		if (j->from_direct < 0 || j->to_direct < 0)
			return -EINVAL;
	}
	return j->from < 0 ? j->from : j->to < 0 ? j->to : 0;
}

/* What lies where the copy will be. */
static int prepare(const struct cell *cell, const struct call *c)
{
	const struct job *j = &c->job;

	if (cell->method->kind == METHOD_DEDUPE)
		return stand_copy(j->from, j->to, j->size);
	switch (cell->value[F_DESTINATION]) {
	case DESTINATION_EXISTING:
		return content_write(j->to, 0, j->size, ~c->source->seed);
	case DESTINATION_SHARED:
		return ioctl(j->to, FICLONE, j->from) ? -errno : 0;
	default:
		return 0;
	}
}

static bool make_call(struct stand *stand, struct calls *all, size_t i)
{
	const struct cell *cell = all->cell;
	struct call *c = &all->call[i];
	int ret;

	c->job = (struct job){
		-1, -1, -1, -1, .size = cell->value[F_SIZE], .folder = stand->folder
	};
	c->source = stand_source(stand, cell, i % sources_of(cell));
	if (!c->source)
		return false;
	all->m->source_extents = c->source->extents;
	c->to_name = stand_name(stand);
	c->job.from_name = c->source->name;
	c->job.to_name = c->to_name;
	all->count = i + 1;
	ret = cell->value[F_OPEN] == OPEN_INSIDE
		      ? 0
		      : open_files(stand, cell->method, c, O_CREAT | O_EXCL);
	if (!ret && cell->value[F_OPEN] == OPEN_BEFORE)
		ret = prepare(cell, c);
	return ret ? stand_refuse(stand, "cannot make the destination: %s", strerror(-ret)) : true;
}

/* The page cache as the cell wants it; says so where that cannot be had. */
static void set_cache(const struct cell *cell, struct stand *stand, struct measurement *m,
		      const struct source *s)
{
	const int fd = stand_open(stand, s->name, O_RDONLY);
	const bool cold = cell->value[F_CACHE] == CACHE_COLD;

	if (fd < 0)
		return;
	if (cold)
		content_cool(fd, stand->dedicated);
	else if (cell->value[F_EXTENTS] == 0)
		content_warm(fd, s->size);
	if (cold && content_cached(fd, s->size) > 0)
		m->flags |= FLAG_NOT_COLD;
	if (!cold && !cell->value[F_EXTENTS] && content_cached(fd, s->size) >= 0 &&
	    content_cached(fd, s->size) < (int64_t)s->size)
		m->flags |= FLAG_NOT_WARM;
	close(fd);
}

static int wait_for_disk(const struct cell *cell, const struct job *j)
{
	if (cell->value[F_DURABLE] == DURABLE_FSYNC)
		return fsync(j->to) ? -errno : 0;
	if (cell->value[F_DURABLE] == DURABLE_SYNCFS)
		return syncfs(j->folder) ? -errno : 0;
	return 0;
}

/* The plainest case, with nothing in the loop but the clock: what is timed is what is there. */
static int run_plain(struct calls *all, uint64_t *ns)
{
	const struct method *m = all->cell->method;
	int ret = 0;

	for (size_t i = 0; i < all->count && !ret; i++) {
		const uint64_t before = tick_ns();

		ret = m->run(all->state, &all->call[i].job);
		ns[i] = tick_ns() - before;
		if (m->time)
			ns[i] = m->time(all->state);
	}
	return ret;
}

static int dirty_source(struct stand *stand, const struct cell *cell, const struct call *c)
{
	const uint64_t most = c->source->size;
	int fd, ret;

	if (!cell->value[F_DIRTY])
		return 0;
	fd = stand_open(stand, c->source->name, O_RDWR);
	if (fd < 0)
		return fd;
	ret = content_write(fd, 0, cell->value[F_DIRTY] < most ? cell->value[F_DIRTY] : most,
			    c->source->seed);
	close(fd);
	return ret;
}

/* With something to do before each call, or something to wait for in its time. */
static int run_careful(struct stand *stand, struct calls *all, uint64_t *ns)
{
	const struct cell *cell = all->cell;
	const bool inside = cell->value[F_OPEN] == OPEN_INSIDE;
	int ret = 0;

	for (size_t i = 0; i < all->count && !ret; i++) {
		struct call *c = &all->call[i];
		uint64_t before;

		if (cell->value[F_CACHE] == CACHE_COLD)
			set_cache(cell, stand, all->m, c->source);
		ret = dirty_source(stand, cell, c);
		before = tick_ns();
		if (!ret && inside)
			ret = open_files(stand, cell->method, c, O_CREAT | O_EXCL);
		if (!ret)
			ret = cell->method->run(all->state, &c->job);
		if (!ret)
			ret = wait_for_disk(cell, &c->job);
		if (inside)
			close_files(&c->job);
		ns[i] = tick_ns() - before;
		if (cell->method->time)
			ns[i] = cell->method->time(all->state);
	}
	return ret;
}

/* As many batches as fit; a sample is the mean of one. Returns how many, or a negative errno. */
static int run_batches(struct calls *all, uint64_t *ns)
{
	const size_t batches = all->count < BATCH ? 1 : all->count / BATCH;
	const size_t each = all->count < BATCH ? all->count : BATCH;
	struct job *jobs;
	int ret = 0;

	if (!each)
		return 0;
	jobs = must(calloc(all->count, sizeof(*jobs)));
	for (size_t i = 0; i < all->count; i++)
		jobs[i] = all->call[i].job;
	for (size_t i = 0; i < batches && !ret; i++) {
		const uint64_t before = tick_ns();

		ret = all->cell->method->batch(all->state, jobs + i * each, each);
		ns[i] = (tick_ns() - before) / each;
	}
	all->m->batch = (unsigned int)each;
	free(jobs);
	return ret ? ret : (int)batches;
}

/* Returns how many samples there are, or a negative errno. */
static int run_calls(struct stand *stand, struct calls *all, uint64_t *ns)
{
	const struct cell *cell = all->cell;
	const bool plain = cell->value[F_CACHE] == CACHE_WARM && !cell->value[F_DIRTY] &&
			   cell->value[F_DURABLE] == DURABLE_NONE &&
			   cell->value[F_OPEN] == OPEN_BEFORE;

	int ret;

	if (cell->method->batch)
		return run_batches(all, ns);
	ret = plain ? run_plain(all, ns) : run_careful(stand, all, ns);
	return ret ? ret : (int)all->count;
}

static bool measure_calls(struct stand *stand, struct calls *all)
{
	const struct method *method = all->cell->method;
	uint64_t *ns = calloc(all->count ? all->count : 1, sizeof(*ns));
	struct measurement *m = all->m;
	struct cost before;
	int ret;

	if (!ns)
		abort();
	cost_now(&stand->watch, &before);
	ret = run_calls(stand, all, ns);
	m->cost = cost_since(&stand->watch, &before);
	m->has_cost = true;
	for (int i = 0; i < ret; i++)
		stand_sample(m, ns[i]);
	free(ns);
	return ret < 0 ? stand_refuse(stand, "%s: %s", method->name, strerror(-ret)) : true;
}

/* Hands over what is left; the stand removes it. */
static void leave(struct stand *stand, struct calls *all, bool good)
{
	const bool copies = all->cell->method->kind != METHOD_REFERENCE;

	for (size_t i = 0; i < all->count; i++) {
		struct call *c = &all->call[i];

		close_files(&c->job);
		stand_keep(stand, good && copies ? all->m : NULL, c->to_name, c->job.from_name,
			   c->job.size);
	}
	if (all->state && all->cell->method->close)
		all->cell->method->close(all->state);
	free(all->call);
}

static bool set_up(struct stand *stand, struct calls *all)
{
	const struct cell *cell = all->cell;
	const struct method *method = cell->method;
	bool wrote =
		cell->value[F_DESTINATION] != DESTINATION_FRESH || method->kind == METHOD_DEDUPE;

	for (size_t i = 0; i < cell->samples; i++)
		if (!make_call(stand, all, i))
			return false;
	if (cell->value[F_CACHE] == CACHE_WARM)
		for (size_t i = 0; i < cell->samples && i < sources_of(cell); i++)
			set_cache(cell, stand, all->m, all->call[i].source);
	if (method->open) {
		all->state = method->open(method, &all->call[0].job);
		if (!all->state)
			return stand_refuse(stand, "%s: cannot be set up: %s", method->name,
					    strerror(errno));
	}
	if (wrote)
		stand_quiet(stand);
	return true;
}

static bool copy_measure(struct stand *stand, const struct cell *cell)
{
	struct calls all = { .cell = cell };
	bool good;

	if (cell->value[F_DIRTY])
		stand_settle(stand);
	if (!stand_room(stand, copy_bytes(cell)))
		return false;
	all.call = calloc(cell->samples, sizeof(*all.call));
	if (!all.call)
		abort();
	all.m = stand_measurement(stand, cell, "time_ns", "lower");
	all.m->work_bytes = cell->method->kind == METHOD_REFERENCE ? 0 : cell->value[F_SIZE];
	good = set_up(stand, &all) && measure_calls(stand, &all);
	leave(stand, &all, good);
	if (!good)
		return stand_give_up(all.m);
	stand_take(stand, all.m);
	if (cell->value[F_DIRTY])
		stand_settle(stand);
	else if (!(cell->method->flags & METHOD_SHARES) &&
		 all.m->work_bytes * cell->samples >= REST_BYTES)
		stand_quiet(stand);
	return true;
}

const struct experiment experiment_copy = {
	.name = "copy",
	.doc = "the content of one file into another",
	.factors = FACTOR_BIT(SIZE) | FACTOR_BIT(EXTENTS) | FACTOR_BIT(FILES) | FACTOR_BIT(DIRTY) |
		   FACTOR_BIT(CACHE) | FACTOR_BIT(DESTINATION) | FACTOR_BIT(DURABLE) |
		   FACTOR_BIT(OPEN),
	.methods = METHOD_COPY | METHOD_DEDUPE | METHOD_REFERENCE | METHOD_OUTSIDE,
	.bytes = copy_bytes,
	.measure = copy_measure,
};
