/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The experiment "scaling": several threads copy at the same time, from one source or each from its
 * own, into destinations of their own that were opened before.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "stand.h"
#include "tick.h"

/** struct team - what the threads share */
struct team {
	const struct method *method;
	pthread_barrier_t start;
	/** @each: copies that each thread makes */
	size_t each;
};

/** struct worker - one thread */
struct worker {
	struct team *team;
	pthread_t thread;
	struct job *job;
	char **name;
	const char *from;
	uint64_t *ns, start_ns, end_ns;
	int err;
};

static uint64_t scaling_bytes(const struct cell *c)
{
	const uint64_t threads = c->value[F_CLONERS];
	uint64_t files = c->value[F_SOURCES] == SOURCES_OWN ? threads : 1;

	if (!(c->method->flags & METHOD_SHARES))
		files += threads * c->samples;
	return files * c->value[F_SIZE] + threads * c->samples * 4096;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	const struct method *m = w->team->method;
	void *state = m->open ? m->open(m, &w->job[0]) : NULL;

	if (m->open && !state)
		w->err = -errno;
	pthread_barrier_wait(&w->team->start);
	w->start_ns = tick_ns();
	for (size_t i = 0; i < w->team->each && !w->err; i++) {
		const uint64_t before = tick_ns();

		w->err = m->run(state, &w->job[i]);
		w->ns[i] = tick_ns() - before;
	}
	w->end_ns = tick_ns();
	if (m->close && state)
		m->close(state);
	return NULL;
}

static bool open_jobs(struct stand *stand, struct worker *w, const struct source *s, size_t each,
		      bool direct)
{
	w->from = s->name;
	for (size_t i = 0; i < each; i++) {
		struct job *j = &w->job[i];

		w->name[i] = stand_name(stand);
		*j = (struct job){ .from = stand_open(stand, s->name, O_RDONLY),
				   .to = stand_open(stand, w->name[i], O_RDWR | O_CREAT | O_EXCL),
				   .from_direct = -1,
				   .to_direct = -1,
				   .size = s->size,
				   .folder = stand->folder,
				   .from_name = s->name,
				   .to_name = w->name[i] };
		if (direct) {
			j->from_direct = stand_open(stand, s->name, O_RDONLY | O_DIRECT);
			j->to_direct = stand_open(stand, w->name[i], O_RDWR | O_DIRECT);
		}
		if (j->from < 0 || j->to < 0)
			return stand_refuse(stand, "cannot make the destination: %s",
					    strerror(j->to < 0 ? -j->to : -j->from));
	}
	return true;
}

static void leave(struct stand *stand, struct worker *w, size_t each, struct measurement *m)
{
	for (size_t i = 0; i < each && w->name[i]; i++) {
		const int fds[] = { w->job[i].from, w->job[i].to, w->job[i].from_direct,
				    w->job[i].to_direct };

		for (size_t k = 0; k < 4; k++)
			if (fds[k] >= 0)
				close(fds[k]);
		stand_keep(stand, m, w->name[i], w->from, w->job[i].size);
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
	struct team team = { .method = c->method, .each = c->samples };
	struct worker *w = calloc(count, sizeof(*w));
	struct measurement *m;
	struct cost before;
	bool good = w && stand_room(stand, scaling_bytes(c));
	int ret;

	for (size_t i = 0; i < count && good; i++) {
		const struct source *s =
			stand_source(stand, c, c->value[F_SOURCES] == SOURCES_OWN ? i : 0);

		w[i].team = &team;
		w[i].job = calloc(team.each, sizeof(*w[i].job));
		w[i].name = calloc(team.each, sizeof(*w[i].name));
		w[i].ns = calloc(team.each, sizeof(*w[i].ns));
		if (!w[i].job || !w[i].name || !w[i].ns)
			abort();
		good = s && open_jobs(stand, &w[i], s, team.each, c->method->flags & METHOD_DIRECT);
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
		leave(stand, &w[i], team.each, good ? m : NULL);
	free(w);
	return good ? true : stand_give_up(m);
}

const struct experiment experiment_scaling = {
	.name = "scaling",
	.doc = "copies by several threads at the same time",
	.factors = FACTOR_BIT(SIZE) | FACTOR_BIT(CLONERS) | FACTOR_BIT(SOURCES),
	.methods = METHOD_COPY,
	.bytes = scaling_bytes,
	.measure = scaling_measure,
};
