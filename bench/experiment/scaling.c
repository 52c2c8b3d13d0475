/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The experiment "scaling": several threads copy at the same time, from one source or each from its
 * own, into destinations of their own. Those were opened before, so that nothing but the files can
 * be fought for; or they are made in the time, in one folder or in a folder for each thread: what
 * one folder costs is its lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"
#include "must.h"
#include "stand.h"
#include "tick.h"

/** struct team - what the threads share */
struct team {
	struct stand *stand;
	const struct cell *cell;
	const struct method *method;
	pthread_barrier_t start;
	/** @each: copies that each thread makes; @inside: files are opened in the time */
	size_t each;
	bool inside;
};

/** struct worker - one thread */
struct worker {
	struct team *team;
	pthread_t thread;
	const struct source *source;
	struct job *job;
	char **name;
	uint64_t *ns, start_ns, end_ns;
	int err;
};

static uint64_t scaling_bytes(const struct cell *c)
{
	const uint64_t threads = c->value[F_CLONERS];
	uint64_t files = c->value[F_SOURCES] == SOURCES_OWN ? threads : 1;

	if (!(c->method->flags & METHOD_SHARES))
		files += threads * c->samples;
	return files * c->value[F_SIZE] + threads * (c->samples + 1) * 4096;
}

static int open_files(const struct team *t, struct job *j)
{
	struct stand *stand = t->stand;

	j->from = stand_open(stand, j->from_name, O_RDONLY);
	j->to = stand_open(stand, j->to_name, O_RDWR | O_CREAT | O_EXCL);
	if (t->method->flags & METHOD_DIRECT) {
		j->from_direct = stand_open(stand, j->from_name, O_RDONLY | O_DIRECT);
		j->to_direct = stand_open(stand, j->to_name, O_RDWR | O_DIRECT);
	}
	return j->from < 0 ? j->from : j->to < 0 ? j->to : 0;
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

static void *work(void *arg)
{
	struct worker *w = arg;
	const struct method *m = w->team->method;
	const bool inside = w->team->inside;
	void *state = m->open ? m->open(m, &w->job[0]) : NULL;

	if (m->open && !state)
		w->err = -errno;
	pthread_barrier_wait(&w->team->start);
	w->start_ns = tick_ns();
	for (size_t i = 0; i < w->team->each && !w->err; i++) {
		const uint64_t before = tick_ns();

		if (inside)
			w->err = open_files(w->team, &w->job[i]);
		if (!w->err)
			w->err = m->run(state, &w->job[i]);
		if (inside)
			close_files(&w->job[i]);
		w->ns[i] = tick_ns() - before;
	}
	w->end_ns = tick_ns();
	if (m->close && state)
		m->close(state);
	return NULL;
}

static int fill_jobs(struct worker *w, size_t number)
{
	struct stand *stand = w->team->stand;
	const bool own = w->team->cell->value[F_FOLDERS] == FOLDERS_OWN;
	char folder[32];

	snprintf(folder, sizeof(folder), "folder-%zu", number);
	/* it stays: what is in it goes with the block */
	if (own && mkdirat(stand->folder, folder, 0700) && errno != EEXIST)
		return -errno;
	for (size_t i = 0; i < w->team->each; i++) {
		char *name = stand_name(stand);

		w->name[i] = name;
		if (own && asprintf(&w->name[i], "%s/%s", folder, name) < 0)
			abort();
		if (own)
			free(name);
		w->job[i] = (struct job){ -1,
					  -1,
					  -1,
					  -1,
					  .size = w->source->size,
					  .folder = stand->folder,
					  .from_name = w->source->name,
					  .to_name = w->name[i] };
	}
	return 0;
}

/* The thread's jobs, with their files opened if that is not in the time. */
static bool set_up(struct worker *w, size_t number)
{
	struct team *t = w->team;
	int ret;

	w->source = stand_source(t->stand, t->cell,
				 t->cell->value[F_SOURCES] == SOURCES_OWN ? number : 0);
	w->job = must(calloc(t->each, sizeof(*w->job)));
	w->name = must(calloc(t->each, sizeof(*w->name)));
	w->ns = must(calloc(t->each, sizeof(*w->ns)));
	if (!w->source)
		return false;
	ret = fill_jobs(w, number);
	for (size_t i = 0; i < t->each && !ret && !t->inside; i++)
		ret = open_files(t, &w->job[i]);
	return ret ? stand_refuse(t->stand, "cannot make the destination: %s", strerror(-ret))
		   : true;
}

static void leave(struct worker *w, struct measurement *m)
{
	for (size_t i = 0; i < w->team->each && w->name[i]; i++) {
		close_files(&w->job[i]);
		stand_keep(w->team->stand, m, w->name[i], w->source->name, w->job[i].size);
	}
	free(w->job);
	free(w->name);
	free(w->ns);
}

/* All at once. Threads that cannot be started are not missed: it is an error. */
static int run_team(struct team *t, struct worker *w, size_t count)
{
	size_t started = 0;
	int ret = 0;

	if (pthread_barrier_init(&t->start, NULL, (unsigned int)count))
		return -ENOMEM;
	for (; started < count; started++)
		/* the others would wait at the barrier for ever */
		if (pthread_create(&w[started].thread, NULL, work, &w[started]))
			_exit(CMD_HARNESS);
	for (size_t i = 0; i < started; i++) {
		pthread_join(w[i].thread, NULL);
		ret = ret ? ret : w[i].err;
	}
	pthread_barrier_destroy(&t->start);
	return ret;
}

static void collect(struct stand *stand, const struct team *t, const struct worker *w, size_t count,
		    struct measurement *m)
{
	struct measurement *rate = stand_measurement(stand, m->cell, "ops_per_s", "higher");
	uint64_t start = UINT64_MAX, end = 0;

	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < t->each; k++)
			stand_sample(m, w[i].ns[k]);
		start = w[i].start_ns < start ? w[i].start_ns : start;
		end = w[i].end_ns > end ? w[i].end_ns : end;
	}
	stand_sample(rate, (uint64_t)((double)(count * t->each) * 1e9 / (double)(end - start)));
	stand_take(stand, m);
	stand_take(stand, rate);
}

static bool scaling_measure(struct stand *stand, const struct cell *c)
{
	const size_t count = (size_t)c->value[F_CLONERS];
	struct team team = { .stand = stand,
			     .cell = c,
			     .method = c->method,
			     .each = c->samples,
			     .inside = c->value[F_OPEN] == OPEN_INSIDE };
	struct worker *w = must(calloc(count, sizeof(*w)));
	struct measurement *m;
	struct cost before;
	bool good = stand_room(stand, scaling_bytes(c));
	int ret;

	for (size_t i = 0; i < count && good; i++) {
		w[i].team = &team;
		good = set_up(&w[i], i);
	}
	stand_quiet(stand);
	m = stand_measurement(stand, c, "time_ns", "lower");
	m->work_bytes = c->value[F_SIZE];
	cost_now(&stand->watch, &before);
	ret = good ? run_team(&team, w, count) : 0;
	m->cost = cost_since(&stand->watch, &before);
	m->has_cost = true;
	if (ret)
		good = stand_refuse(stand, "%s: %s", c->method->name, strerror(-ret));
	if (good)
		collect(stand, &team, w, count, m);
	for (size_t i = 0; i < count && w[i].name; i++)
		leave(&w[i], good ? m : NULL);
	free(w);
	return good ? true : stand_give_up(m);
}

const struct experiment experiment_scaling = {
	.name = "scaling",
	.doc = "copies by several threads at the same time",
	.factors = FACTOR_BIT(SIZE) | FACTOR_BIT(OPEN) | FACTOR_BIT(CLONERS) | FACTOR_BIT(SOURCES) |
		   FACTOR_BIT(FOLDERS),
	.methods = METHOD_COPY,
	.bytes = scaling_bytes,
	.measure = scaling_measure,
};
