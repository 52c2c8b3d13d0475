/* SPDX-License-Identifier: GPL-2.0-only */
#include "actor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "helper.h"
#include "mix.h"
#include "ops/put.h"
#include "race.h"

/* Shared memory of one actor: its history, then the arena of its results. */
#define ENTRIES_MAX  1024
#define SHARED_BYTES (4u << 20)
/* How long a waiting actor looks before it sleeps, if there is a CPU for each. */
#define LOOKS 4000
/* From the moment when all are ready to the common start. */
#define START_NS 2000
/* How often the controller sees whether all are still alive. */
#define ALIVE_NS 50000000

/** struct stage - what all actors and the controller share */
struct stage {
	/** @go: number of the round that is on; @ready, @awake, @done: actors that have come so far
	 */
	_Atomic uint32_t go, ready, awake, done;
	/** @complete: number of the last round for which all were ready; @started: of the last one
	 * that has a common start; @start_ns: that */
	_Atomic uint32_t complete, started;
	_Atomic uint64_t start_ns;
	_Atomic bool stop;
	struct plan plan;
};

/** struct player - an actor and how to get hold of it */
struct player {
	struct actor actor;
	struct actors *all;
	/** @pid: of a process, 0 if it has ended; @thread: of a thread */
	pid_t pid;
	pthread_t thread;
	bool joinable;
	/* it has descriptors of its own */
	bool open;
	void *memory;
};

struct actors {
	struct world *w;
	struct stage *stage;
	bool threads;
	/** @reopen: files may have been replaced between rounds */
	bool reopen;
	/** @looks: 0 if there are more actors than CPUs */
	int looks;
	/** @total: as many as there will be; @count: as have been started */
	size_t total, count;
	struct player player[ACTORS_MAX];
};

static void futex_wait(_Atomic uint32_t *word, uint32_t old, const struct timespec *timeout)
{
	syscall(SYS_futex, word, FUTEX_WAIT, old, timeout, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* Wait until a word is no longer @old. */
static void wait_change(_Atomic uint32_t *word, uint32_t old, int looks)
{
	for (int i = 0; i < looks; i++)
		if (atomic_load(word) != old)
			return;
	while (atomic_load(word) == old)
		futex_wait(word, old, NULL);
}

uint64_t actor_random(struct actor *a, uint64_t limit)
{
	return mix_next(&a->random) % limit;
}

/* Give the actor descriptors of its own of all files that have a name. */
static bool open_own(struct actor *a)
{
	const struct world *w = &a->world;

	for (size_t i = 0; i < w->point->fds_count; i++) {
		struct wfd *d = &a->world.fds[i];
		const struct wfile *f =
			d->ofd && d->ofd->file >= 0 ? &w->files[d->ofd->file] : NULL;
		const uint64_t flags = d->ofd ? d->ofd->flags & ~(uint64_t)(O_CREAT | O_EXCL) : 0;

		if (!f || !f->linked || !f->model || f->spec->kind == FILE_MEMFD)
			continue;
		d->fd = world_open_beneath(f->dirfd, f->path, flags & ~(uint64_t)O_TRUNC, 0);
		if (d->fd < 0)
			return false;
	}
	return true;
}

static void close_own(struct actor *a, const struct world *theirs)
{
	put_forget(a);
	for (size_t i = 0; i < theirs->point->fds_count; i++) {
		struct wfd *d = &a->world.fds[i];

		if (d->fd >= 0 && d->fd != theirs->fds[i].fd)
			close(d->fd);
		d->fd = theirs->fds[i].fd;
	}
}

/* What was read goes where the controller sees it, too. */
static void keep_bytes(struct actor *a, struct op_result *r)
{
	uint8_t *bytes = r->bytes;

	if (!bytes)
		return;
	r->bytes = arena_alloc(a->world.arena, (size_t)r->ret + 1);
	memcpy(r->bytes, bytes, (size_t)r->ret);
	free(bytes);
}

static void run_step(struct actor *a, const struct step *s, uint32_t number, uint32_t turn)
{
	struct trace *t = a->trace;
	struct trace_entry *e = &t->entry[t->count];
	const uint64_t last = t->count ? e[-1].ret : 0;
	uint64_t inv, ret;

	if (t->count == t->room) {
		t->lost++;
		return;
	}
	memset(e, 0, sizeof(*e));
	e->step = number;
	e->turn = turn;
	a->world.step = s;
	a->inv = a->ret = 0;
	inv = clock_ns();
	s->op->run(&a->world, s->args, &e->result);
	ret = clock_ns();
	keep_bytes(a, &e->result);
	e->inv = a->inv ? a->inv : inv;
	e->ret = a->ret ? a->ret : ret;
	if (e->inv <= last)
		e->inv = last + 1;
	if (e->ret <= e->inv)
		e->ret = e->inv + 1;
	t->count++;
}

static void act(struct actor *a)
{
	const struct actorspec *spec = a->spec;

	for (uint32_t turn = 0; turn < spec->times; turn++)
		for (size_t i = 0; i < spec->steps_count; i++)
			run_step(a, &spec->steps[i], (uint32_t)i, turn);
}

static void pin(size_t number)
{
	cpu_set_t all, one;
	int left;

	if (sched_getaffinity(0, sizeof(all), &all))
		return;
	left = (int)(number % (size_t)CPU_COUNT(&all));
	CPU_ZERO(&one);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all) || left--)
			continue;
		CPU_SET(cpu, &one);
		break;
	}
	sched_setaffinity(0, sizeof(one), &one);
}

/*
 * Where there are more actors than CPUs, some share one, and never are at it at the same moment. So
 * each round deals them anew.
 */
static size_t deal(size_t number, size_t total, uint64_t seed)
{
	const uint64_t mine = mix(seed ^ number);
	size_t rank = 0;

	for (size_t i = 0; i < total; i++)
		rank += mix(seed ^ i) < mine;
	return rank;
}

/* All that must not cost time once the round has started. */
static void prepare(struct player *p, const struct plan *plan)
{
	struct actor *a = &p->actor;

	a->trace->count = a->trace->lost = a->trace->spilled = 0;
	arena_reset(a->world.arena);
	a->random = mix(plan->seed ^ mix(a->id));
	if (!p->all->looks)
		pin(deal(a->id - 1, p->all->total, plan->seed));
	if (p->all->reopen) {
		close_own(a, p->all->w);
		p->open = false;
	}
	if (!p->open && !open_own(a))
		a->trace->lost = SIZE_MAX;
	p->open = true;
}

/*
 * First all get ready, which may take one of them so long that others sleep. Only when all are
 * awake again does the last one say when it starts, or those who have to wake up first would be
 * late.
 */
static void come(const struct actors *all, uint32_t round)
{
	struct stage *s = all->stage;

	if (atomic_fetch_add(&s->ready, 1) + 1 == all->total) {
		atomic_store(&s->complete, round);
		futex_wake(&s->complete);
	} else {
		wait_change(&s->complete, round - 1, all->looks);
	}
	if (atomic_fetch_add(&s->awake, 1) + 1 == all->total) {
		atomic_store(&s->start_ns, clock_ns() + START_NS);
		atomic_store(&s->started, round);
		futex_wake(&s->started);
	} else {
		wait_change(&s->started, round - 1, all->looks);
	}
}

static void wait_until(uint64_t ns, bool crowded)
{
	while (clock_ns() < ns)
		if (crowded)
			sched_yield();
}

/* The life of an actor. */
static void *play(void *arg)
{
	struct player *p = arg;
	struct actors *all = p->all;
	struct stage *s = all->stage;
	const size_t number = p->actor.id - 1;
	char name[16];

	snprintf(name, sizeof(name), "%.15s", p->actor.spec->name);
	prctl(PR_SET_NAME, name);
	pin(number);
	for (uint32_t round = 1;; round++) {
		/* the controller needs the CPU now */
		wait_change(&s->go, round - 1, 0);
		if (atomic_load(&s->stop))
			break;
		prepare(p, &s->plan);
		come(all, round);
		if (s->plan.solo < 0 || (size_t)s->plan.solo == number) {
			wait_until(atomic_load(&s->start_ns) + s->plan.delay_ns[number],
				   !all->looks);
			act(&p->actor);
		}
		p->actor.trace->spilled = arena_spilled(p->actor.world.arena);
		if (atomic_fetch_add(&s->done, 1) + 1 == all->total)
			futex_wake(&s->done);
	}
	close_own(&p->actor, all->w);
	put_end(&p->actor);
	return NULL;
}

static bool equip(struct actors *all, size_t i)
{
	struct player *p = &all->player[i];
	const size_t trace_bytes = sizeof(struct trace) + ENTRIES_MAX * sizeof(struct trace_entry);
	const size_t fds = all->w->point->fds_count;

	p->all = all;
	p->memory = helper_memory(SHARED_BYTES);
	if (!p->memory)
		return false;
	p->actor = (struct actor){
		.spec = &all->w->point->race->actors[i],
		.id = (unsigned int)i + 1,
		.world = *all->w,
		.trace = p->memory,
	};
	p->actor.trace->room = ENTRIES_MAX;
	p->actor.world.actor = &p->actor;
	p->actor.world.arena =
		arena_within((uint8_t *)p->memory + trace_bytes, SHARED_BYTES - trace_bytes);
	p->actor.world.fds = arena_alloc(all->w->arena, (fds + 1) * sizeof(struct wfd));
	memcpy(p->actor.world.fds, all->w->fds, fds * sizeof(struct wfd));
	return true;
}

static bool release(struct actors *all, size_t i)
{
	struct player *p = &all->player[i];
	const int parent = getpid();

	if (all->threads) {
		errno = pthread_create(&p->thread, NULL, play, p);
		p->joinable = !errno;
		return p->joinable;
	}
	p->pid = fork();
	if (p->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() == parent)
			play(p);
		_exit(0);
	}
	return p->pid > 0;
}

struct actors *actors_start(struct world *w)
{
	struct actors *all = arena_alloc(w->arena, sizeof(*all));
	const long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	all->w = w;
	all->threads = w->point->race->threads;
	all->reopen = w->round->restore;
	all->stage = helper_memory(sizeof(*all->stage));
	all->total = w->point->race->actors_count;
	all->looks = (long)all->total > cpus ? 0 : LOOKS;
	for (size_t i = 0; all->stage && i < all->total; i++) {
		if (!equip(all, i) || !release(all, i))
			break;
		all->count++;
	}
	if (all->count == all->total)
		return all;
	world_error(w, "cannot start actor %s: %s", w->point->race->actors[all->count].name,
		    strerror(errno));
	actors_stop(all);
	return NULL;
}

/* Has an actor ended before its time? Then the others wait in vain. */
static bool alive(struct actors *all)
{
	for (size_t i = 0; i < all->count; i++) {
		struct player *p = &all->player[i];
		int status;

		if (!p->pid || waitpid(p->pid, &status, WNOHANG) != p->pid)
			continue;
		p->pid = 0;
		world_error(all->w, "actor %s %s %d in round %" PRIu64, p->actor.spec->name,
			    WIFSIGNALED(status) ? "died of signal" : "ended with code",
			    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
			    all->stage->plan.round);
		return false;
	}
	return true;
}

/* Is all there of what they did? */
static bool whole(struct actors *all)
{
	for (size_t i = 0; i < all->count; i++) {
		const struct trace *t = all->player[i].actor.trace;
		const char *name = all->player[i].actor.spec->name;

		if (t->lost == SIZE_MAX)
			world_error(all->w, "actor %s cannot open its files", name);
		else if (t->lost)
			world_error(all->w,
				    "the history of actor %s has room for %zu calls, not %zu", name,
				    t->room, t->room + t->lost);
		else if (t->spilled)
			world_error(all->w,
				    "the results of actor %s exceed their memory by %zu bytes",
				    name, t->spilled);
		else
			continue;
		return false;
	}
	return true;
}

bool actors_round(struct actors *all, const struct plan *plan)
{
	const struct timespec alive_time = { .tv_nsec = ALIVE_NS };
	struct stage *s = all->stage;
	uint32_t done;

	s->plan = *plan;
	atomic_store(&s->ready, 0);
	atomic_store(&s->awake, 0);
	atomic_store(&s->done, 0);
	atomic_fetch_add(&s->go, 1);
	futex_wake(&s->go);
	while ((done = atomic_load(&s->done)) < all->count) {
		futex_wait(&s->done, done, &alive_time);
		if (atomic_load(&s->done) < all->count && !alive(all))
			return false;
	}
	return whole(all);
}

size_t actors_count(const struct actors *a)
{
	return a->count;
}

const struct trace *actors_trace(const struct actors *a, size_t i)
{
	return a->player[i].actor.trace;
}

void actors_stop(struct actors *all)
{
	if (!all)
		return;
	if (all->stage) {
		atomic_store(&all->stage->stop, true);
		atomic_fetch_add(&all->stage->go, 1);
		futex_wake(&all->stage->go);
	}
	/* first all of them: one may hold what another one waits for in the kernel */
	for (size_t i = 0; i < ACTORS_MAX; i++)
		if (all->player[i].pid > 0)
			kill(all->player[i].pid, SIGKILL);
	for (size_t i = 0; i < ACTORS_MAX; i++) {
		struct player *p = &all->player[i];

		if (p->joinable)
			pthread_join(p->thread, NULL);
		if (p->pid > 0)
			waitpid(p->pid, NULL, 0);
		if (p->memory) {
			arena_free(p->actor.world.arena);
			munmap(p->memory, SHARED_BYTES);
		}
	}
	if (all->stage)
		munmap(all->stage, sizeof(*all->stage));
}
