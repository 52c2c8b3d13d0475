/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The experiment "interference": how long small reads or writes take while the method runs in the
 * background, again and again. They are begun at intended times, a fixed number a second, and their
 * time counts from then: what had to wait because an earlier one was slow, waited.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "content.h"
#include "stand.h"

#define SECOND 1000000000ULL

/** struct noise - the background */
struct noise {
	const struct method *method;
	struct job job;
	pthread_t thread;
	/** @begun: from here on it disturbs */
	sem_t begun;
	atomic_bool stop;
	uint64_t calls;
	int err;
};

/** struct figure - the foreground */
struct figure {
	const struct cell *cell;
	const struct source *source;
	int fd;
	uint64_t late;
};

static uint64_t interference_bytes(const struct cell *c)
{
	return 4 * c->value[F_SIZE];
}

static void *make_noise(void *arg)
{
	struct noise *n = arg;
	const struct method *m = n->method;
	void *state = m->open ? m->open(m, &n->job) : NULL;

	if (m->open && !state)
		n->err = -errno;
	sem_post(&n->begun);
	/* once at least, or there is nothing to verify */
	while (!n->err && (!n->calls || !atomic_load(&n->stop))) {
		/* what is deduplicated has to stay */
		if (m->kind == METHOD_COPY &&
		    (ftruncate(n->job.to, 0) || lseek(n->job.to, 0, SEEK_SET) < 0))
			n->err = -errno;
		if (!n->err)
			n->err = m->run(state, &n->job);
		n->calls++;
	}
	if (m->close && state)
		m->close(state);
	return NULL;
}

static void sleep_until(uint64_t ns)
{
	const struct timespec t = { .tv_sec = (time_t)(ns / SECOND),
				    .tv_nsec = (long)(ns % SECOND) };

	/* clock_ns() is of this clock */
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

static int operate(struct stand *stand, struct figure *f, struct measurement *m)
{
	const uint64_t every = SECOND / f->cell->value[F_RATE];
	const size_t len = (size_t)f->cell->value[F_WRITE];
	const uint64_t places = f->source->size / len;
	const uint64_t start = clock_ns() + every;
	char *data = malloc(len);
	int ret = 0;

	if (!data)
		return -ENOMEM;
	for (size_t i = 0; i < f->cell->samples && !ret; i++) {
		const uint64_t intended = start + i * every;
		const uint64_t off = chance_below(&stand->chance, places) * len;
		ssize_t n;

		/* what is there already, so that every copy can be verified */
		content_fill(data, len, off, f->source->seed);
		if (clock_ns() < intended)
			sleep_until(intended);
		else if (clock_ns() > intended + every)
			f->late++;
		if (f->cell->value[F_FOREGROUND] == FOREGROUND_WRITE)
			n = pwrite(f->fd, data, len, (off_t)off);
		else
			n = pread(f->fd, data, len, (off_t)off);
		stand_sample(m, clock_ns() - intended);
		ret = n == (ssize_t)len ? 0 : n < 0 ? -errno : -EIO;
	}
	free(data);
	return ret;
}

static bool run_both(struct stand *stand, struct noise *n, struct figure *f, struct measurement *m)
{
	struct cost before;
	int ret;

	stand_quiet(stand);
	cost_now(&stand->watch, &before);
	if (n->method->kind != METHOD_REFERENCE) {
		if (sem_init(&n->begun, 0, 0) || pthread_create(&n->thread, NULL, make_noise, n))
			return stand_refuse(stand, "cannot start a thread");
		while (sem_wait(&n->begun) && errno == EINTR)
			;
	}
	ret = operate(stand, f, m);
	atomic_store(&n->stop, true);
	if (n->method->kind != METHOD_REFERENCE) {
		pthread_join(n->thread, NULL);
		sem_destroy(&n->begun);
	}
	m->cost = cost_since(&stand->watch, &before);
	m->has_cost = true;
	m->observed = json_pack("{s:I,s:I}", "background_calls", (json_int_t)n->calls,
				"late_starts", (json_int_t)f->late);
	if (f->late > m->count / 20)
		m->flags |= FLAG_LATE;
	if (n->err)
		return stand_refuse(stand, "%s: %s", n->method->name, strerror(-n->err));
	return ret ? stand_refuse(stand, "foreground: %s", strerror(-ret)) : true;
}

/* Closes what is open. */
static void close_all(const struct noise *n, const struct figure *f)
{
	const int fds[] = { n->job.from, n->job.to, n->job.from_direct, n->job.to_direct, f->fd };

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static int open_all(struct stand *stand, struct noise *n, struct figure *f, const char *copy,
		    const struct source *from)
{
	n->job = (struct job){ .from = stand_open(stand, from->name, O_RDONLY),
			       .to = stand_open(stand, copy, O_RDWR | O_CREAT),
			       .from_direct = -1,
			       .to_direct = -1,
			       .size = from->size,
			       .folder = stand->folder,
			       .from_name = from->name,
			       .to_name = copy };
	f->fd = stand_open(stand, f->source->name, O_RDWR);
	if (n->method->flags & METHOD_DIRECT) {
		n->job.from_direct = stand_open(stand, from->name, O_RDONLY | O_DIRECT);
		n->job.to_direct = stand_open(stand, copy, O_RDWR | O_DIRECT);
	}
	if (n->job.from < 0 || n->job.to < 0 || f->fd < 0)
		return -EIO;
	content_warm(n->job.from, from->size);
	content_warm(f->fd, f->source->size);
	return n->method->kind == METHOD_DEDUPE ? stand_copy(n->job.from, n->job.to, from->size)
						: 0;
}

static bool interference_measure(struct stand *stand, const struct cell *c)
{
	struct noise n = { .method = c->method };
	struct figure f = { .cell = c, .fd = -1 };
	const struct source *from;
	struct measurement *m;
	char *copy;
	bool good;

	if (c->value[F_WRITE] % 8 || c->value[F_WRITE] > c->value[F_SIZE])
		return stand_refuse(stand, "a write must be a multiple of 8 and fit in the file");
	from = stand_room(stand, interference_bytes(c)) ? stand_source(stand, c, 0) : NULL;
	f.source = from && c->value[F_NEAR] == NEAR_OTHER ? stand_source(stand, c, 1) : from;
	if (!f.source)
		return false;
	copy = stand_name(stand);
	good = open_all(stand, &n, &f, copy, from) == 0 ||
	       stand_refuse(stand, "cannot open the files");
	m = stand_measurement(stand, c, "latency_ns", "lower");
	m->work_bytes = c->value[F_WRITE];
	m->may_copy = true;
	good = good && run_both(stand, &n, &f, m);
	close_all(&n, &f);
	stand_keep(stand, good && c->method->kind != METHOD_REFERENCE ? m : NULL, copy, from->name,
		   from->size);
	if (!good)
		return stand_give_up(m);
	stand_take(stand, m);
	return true;
}

const struct experiment experiment_interference = {
	.name = "interference",
	.doc = "small reads or writes while something else runs",
	.factors = FACTOR_BIT(SIZE) | FACTOR_BIT(WRITE) | FACTOR_BIT(FOREGROUND) |
		   FACTOR_BIT(NEAR) | FACTOR_BIT(RATE),
	.methods = METHOD_COPY | METHOD_DEDUPE | METHOD_REFERENCE,
	.bytes = interference_bytes,
	.measure = interference_measure,
};
