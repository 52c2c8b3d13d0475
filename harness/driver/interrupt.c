/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The sweep. The process that makes the call arms a timer of its own before it, so the signal comes
 * when it is due however busy other CPUs are, and one CPU is enough. Delays are drawn from the seed
 * as parts of the call's undisturbed duration, one from each of as many equal parts as there are
 * signals.
 */
#include "interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "exec.h"
#include "helper.h"
#include "load.h"
#include "left.h"
#include "mix.h"
#include "op.h"
#include "world.h"

#define US UINT64_C(1000)
#define MS UINT64_C(1000000)
#define S  UINT64_C(1000000000)

/* From the setting of the timer to the call. */
#define LEAD_NS (50 * US)
/* A process that makes a call is long gone then. */
#define NEVER_NS (86400 * S)
/* How long SIGSTOP lasts, and how often to look whether it has come. */
#define STOPPED_NS MS
#define LOOK_NS	   (200 * US)
/* A call may take this long, and in addition a multiple of what it takes undisturbed. */
#define LIMIT_NS    (20 * S)
#define LIMIT_TIMES 20
/* What cannot be killed within this time is left to the supervisor. */
#define DIE_NS (5 * S)
/* Undisturbed calls, whose median is the call's duration. */
#define CALIBRATIONS 5
/*
 * If too few signals land, so many times as many are sent before it is an error, and as many as the
 * case has at its full budget: of one or two, all may miss by chance.
 */
#define EXTENSIONS 4
/* What a call may allocate for its result. */
#define RESULT_BYTES (UINT64_C(1) << 20)
#define READ_BYTES   (UINT64_C(256) << 10)

/** struct stage - what the process that makes the call shares with the one that watches */
struct stage {
	/** @start_ns, @end_ns: of the call; it is to begin then, and did at @begun_ns if not 0 */
	uint64_t start_ns, end_ns;
	_Atomic uint64_t begun_ns;
	/** @caught_ns: when the handler ran, 0 if it has not */
	_Atomic uint64_t caught_ns;
	/** @returned: .result and .end_ns are valid */
	_Atomic bool returned;
	/** @failed: errno of what the process must do before the call */
	int failed;
	struct op_result result;
	_Alignas(max_align_t) unsigned char memory[RESULT_BYTES];
};

/** enum fate - what became of the process */
enum fate { FATE_RETURNED, FATE_KILLED, FATE_CRASHED, FATE_STUCK };

/** struct shot - one call and the signal that was sent to it */
struct shot {
	bool armed;
	/** @delay_ns: from when the call is to begin to the signal */
	uint64_t delay_ns;
	enum fate fate;
	/** @hit: the signal came while the call ran; @gone_ns: when it had taken effect */
	bool hit;
	uint64_t gone_ns;
	/** @status: as waitid(2) says */
	int status;
	struct stage *stage;
};

/** struct place - what the sweep knows of one file */
struct place {
	struct rope before, after;
	/** @changes, @touches: the call changes its content, its times */
	bool changes, touches;
};

/** struct sweep - all calls of one point */
struct sweep {
	struct world *w;
	const struct interrupt *in;
	struct place *places;
	/** @positions: of the descriptors before the call */
	uint64_t *positions;
	/** @open: descriptors that were open before "each" */
	bool *open;
	uint64_t random, undisturbed_ns;
	/** @shots: sent; @planned: to be sent; @most: sent at most, if too few land; @hits: landed
	 * inside the call; @cuts: of these, how many ended it before all was done */
	uint64_t shots, planned, most, hits, cuts;
	uint64_t states[LEFT_COUNT];
	/** @latency_ns: of the hits */
	uint64_t *latency_ns;
	json_t *results;
	/** @bad: how many left what is not allowed; @first_bad: the first of them in words */
	uint64_t bad;
	const char *first_bad;
};

/* In the process that makes the call. */
static struct stage *victims_stage;

static void note_caught(int sig)
{
	(void)sig;
	atomic_store(&victims_stage->caught_ns, clock_ns());
}

static uint64_t draw(struct sweep *s)
{
	return mix_next(&s->random);
}

static const char *word_of(const struct argspec *table, const char *arg, int value)
{
	for (; table->name; table++)
		for (const struct word *word = table->words;
		     !strcmp(table->name, arg) && word->name; word++)
			if (word->value == (uint64_t)value)
				return word->name;
	return "?";
}

static const char *signal_word(const struct sweep *s)
{
	return word_of(interrupt_args, "signal", s->in->signal);
}

static struct timespec timespec_of(uint64_t ns)
{
	return (struct timespec){ .tv_sec = (time_t)(ns / S), .tv_nsec = (long)(ns % S) };
}

/* Have the timer's signal sent at an absolute time. */
static int set(timer_t timer, uint64_t due_ns)
{
	const struct itimerspec when = { .it_value = timespec_of(due_ns) };

	return timer_settime(timer, TIMER_ABSTIME, &when, NULL) < 0 ? errno : 0;
}

/*
 * Takes the signal as the case says, and makes a timer that sends it. In a new process all this
 * takes longer than a short call does, so it comes before the call's time is set; and the timer is
 * set once, to a time that does not come.
 */
static int arm(const struct interrupt *in, timer_t *timer)
{
	struct sigaction act = { .sa_handler = in->handler == HANDLER_NONE ? SIG_DFL : note_caught,
				 .sa_flags = in->handler == HANDLER_RESTART ? SA_RESTART : 0 };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = in->signal };
	const bool settable = in->signal != SIGKILL && in->signal != SIGSTOP;

	if ((settable && sigaction(in->signal, &act, NULL) < 0) ||
	    timer_create(CLOCK_MONOTONIC, &event, timer) < 0)
		return errno;
	return set(*timer, clock_ns() + NEVER_NS);
}

/* The process that makes the call. It works on a copy of the world, whose result both can read. */
static _Noreturn void be_victim(const struct sweep *s, const struct shot *shot, pid_t parent)
{
	struct stage *stage = shot->stage;
	struct world mine = *s->w;
	timer_t timer = NULL;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	victims_stage = stage;
	mine.arena = arena_within(stage->memory, sizeof(stage->memory));
	if (shot->armed)
		stage->failed = arm(s->in, &timer);
	stage->start_ns = clock_ns() + LEAD_NS;
	if (shot->armed && !stage->failed)
		stage->failed = set(timer, stage->start_ns + shot->delay_ns);
	if (stage->failed)
		_exit(1);
	while (clock_ns() < stage->start_ns)
		;
	/* Later than it was to be if something else had this CPU. */
	atomic_store(&stage->begun_ns, clock_ns());
	s->in->call.op->run(&mine, s->in->call.args, &stage->result);
	stage->end_ns = clock_ns();
	/* the other process could not read what lies elsewhere */
	if (arena_spilled(mine.arena))
		stage->result.harness = ENOMEM;
	atomic_store(&stage->returned, true);
	if (shot->armed)
		timer_delete(timer);
	_exit(0);
}

/* Has the process ended? Waits for it, but not for longer than @wait_ns; 0 is for ever. */
static bool ended(int pidfd, uint64_t wait_ns)
{
	struct pollfd fd = { .fd = pidfd, .events = POLLIN };
	const struct timespec wait = timespec_of(wait_ns);

	return ppoll(&fd, 1, wait_ns ? &wait : NULL, NULL) > 0;
}

/* Of a process that does not run now: was it in the call when it was stopped or ended? */
static bool running(struct stage *stage)
{
	return atomic_load(&stage->begun_ns) && !atomic_load(&stage->returned);
}

/* SIGSTOP: see it stop, and let it go on. */
static bool watch_stop(struct shot *shot, int pidfd, pid_t pid, uint64_t limit_ns)
{
	const uint64_t end = clock_ns() + limit_ns;
	siginfo_t info = { 0 };

	while (!ended(pidfd, LOOK_NS)) {
		if (clock_ns() > end)
			return false;
		if (waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOHANG) || !info.si_pid)
			continue;
		shot->gone_ns = clock_ns();
		shot->hit = running(shot->stage);
		ended(pidfd, STOPPED_NS);
		kill(pid, SIGCONT);
		return ended(pidfd, limit_ns);
	}
	return true;
}

static enum fate fate_of(struct shot *shot, const struct interrupt *in, const siginfo_t *info)
{
	shot->status = info->si_status;
	if (info->si_code == CLD_EXITED)
		return atomic_load(&shot->stage->returned) ? FATE_RETURNED : FATE_CRASHED;
	/* A result that is there counts, also if the signal came right after it. */
	if (shot->armed && info->si_status == in->signal)
		return atomic_load(&shot->stage->returned) ? FATE_RETURNED : FATE_KILLED;
	return FATE_CRASHED;
}

static void watch(const struct sweep *s, struct shot *shot, pid_t pid, int pidfd)
{
	/* Undisturbed calls may take as long as the point may. */
	const uint64_t limit_ns = shot->armed ? LIMIT_NS + LIMIT_TIMES * s->undisturbed_ns : 0;
	const bool stops = shot->armed && s->in->signal == SIGSTOP;
	siginfo_t info = { 0 };

	if (stops ? !watch_stop(shot, pidfd, pid, limit_ns) : !ended(pidfd, limit_ns)) {
		shot->fate = FATE_STUCK;
		kill(pid, SIGKILL);
		if (ended(pidfd, DIE_NS))
			waitid(P_PID, (id_t)pid, &info, WEXITED);
		return;
	}
	if (!stops)
		shot->gone_ns = clock_ns();
	waitid(P_PID, (id_t)pid, &info, WEXITED);
	shot->fate = fate_of(shot, s->in, &info);
	if (shot->fate == FATE_KILLED)
		shot->hit = running(shot->stage);
	if (atomic_load(&shot->stage->caught_ns) && shot->fate == FATE_RETURNED) {
		shot->hit = shot->stage->caught_ns >= shot->stage->begun_ns &&
			    shot->stage->caught_ns <= shot->stage->end_ns;
		shot->gone_ns = shot->stage->end_ns;
	}
}

/* Make the call in a process of its own; false if the harness cannot, or the call does not end. */
static bool fire(struct sweep *s, struct shot *shot)
{
	const pid_t parent = getpid();
	struct world *w = s->w;
	int pidfd;
	pid_t pid;

	shot->stage = helper_memory(sizeof(*shot->stage));
	pid = shot->stage ? fork() : -1;
	if (!pid)
		be_victim(s, shot, parent);
	pidfd = pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0) {
		world_error(w, "cannot start a process to be interrupted: %s", strerror(errno));
		if (pid > 0 && !kill(pid, SIGKILL))
			waitpid(pid, NULL, 0);
		return false;
	}
	watch(s, shot, pid, pidfd);
	close(pidfd);
	if (shot->stage->failed)
		world_error(w, "cannot have %s sent: %s", signal_word(s),
			    strerror(shot->stage->failed));
	else if (shot->fate == FATE_STUCK)
		world_fail(w, world_text(w, "the call ends soon after %s", signal_word(s)),
			   "it still runs after %" PRIu64 " s; undisturbed, it takes %" PRIu64
			   " ns",
			   (LIMIT_NS + LIMIT_TIMES * s->undisturbed_ns) / S, s->undisturbed_ns);
	else if (shot->fate == FATE_CRASHED)
		world_error(w, "the process that makes the call ended by itself, status %d",
			    shot->status);
	else if (shot->fate == FATE_RETURNED && shot->stage->result.harness)
		world_error(w, "%s: the harness's own part failed: %s", s->in->call.op->name,
			    strerror(shot->stage->result.harness));
	return !exec_over(w);
}

static void end_shot(struct shot *shot)
{
	if (shot->stage)
		munmap(shot->stage, sizeof(*shot->stage));
	shot->stage = NULL;
}

/* What this file holds now; a complaint if it cannot be read. */
static enum left look_at(struct sweep *s, const struct wfile *f, const struct place *p,
			 struct leftover *l)
{
	uint8_t *buf = malloc(2 * READ_BYTES);
	struct stat st = { 0 };
	bool good = buf && fstat(f->keep, &st) == 0;

	left_begin(l, &p->before, &p->after, (uint64_t)st.st_size, s->w->units.block, s->w->tag);
	while (good && l->at < l->size) {
		const uint64_t rest = l->size - l->at;
		const size_t part = rest < READ_BYTES ? (size_t)rest : READ_BYTES;

		good = pread(f->keep, buf, part, (off_t)l->at) == (ssize_t)part;
		if (good)
			left_feed(l, buf, part, buf + READ_BYTES);
	}
	free(buf);
	if (!good)
		world_fail(s->w, world_text(s->w, "%s can be read", f->path), "%s at %" PRIu64,
			   strerror(errno), l->at);
	s->w->checked.bytes += l->at;
	return left_end(l);
}

static const char *in_words(struct sweep *s, const struct wfile *f, enum left left,
			    const struct leftover *l)
{
	struct world *w = s->w;

	switch (left) {
	case LEFT_PREFIX:
		return world_text(w, "%s is new up to %" PRIu64 " of %" PRIu64 " bytes", f->path,
				  l->prefix, l->after->size);
	case LEFT_OTHER:
		return world_text(w, "%s at %" PRIu64 " of %" PRIu64 " bytes %s", f->path, l->wrong,
				  l->size,
				  l->wrong == l->size ? "ends where neither old nor new does"
				  : l->garbage	      ? "holds what is neither old nor new"
						      : "is new behind what is old");
	case LEFT_NOTHING:
	case LEFT_ALL:
	case LEFT_SAME:
	case LEFT_COUNT:
		break;
	}
	return world_text(w, "%s holds %s", f->path, left_name(left));
}

static const char *allowed_words(const struct sweep *s)
{
	const char *text = "";

	for (int i = 0; i < LEFT_COUNT; i++)
		if (s->in->allow & UINT64_C(1) << i)
			text = world_text(s->w, "%s%s%s", text, *text ? " or " : "",
					  left_name((enum left)i));
	return text;
}

/* A file whose content the call changes: is what it holds now among what is allowed? */
static void judge_left(struct sweep *s, const struct shot *shot, const struct wfile *f,
		       enum left left, const struct leftover *l)
{
	s->states[left]++;
	if (shot->hit && left != LEFT_ALL)
		s->cuts++;
	if (s->in->allow & UINT64_C(1) << left)
		return;
	if (!s->bad++)
		s->first_bad =
			world_text(s->w, "%s, by a signal %" PRIu64 " ns after the call was due",
				   in_words(s, f, left, l), shot->delay_ns);
}

/* Nobody knows how much a killed call has done: the model takes over what is there. */
static void adopt(struct sweep *s, struct wfile *f, const struct place *p)
{
	struct mfile *m = f->model;
	struct stat st;

	if (p->touches)
		m->mtime = m->ctime = TOUCH_MAY;
	if (p->touches && !s->w->fsetid)
		m->mode_may_lose |= m->mode & 06000;
	if (!p->changes) {
		model_unsure(&s->w->model, m, 0, m->rope.size);
		return;
	}
	if (!fstat(f->keep, &st) && (uint64_t)st.st_size > m->rope.size &&
	    (uint64_t)st.st_size <= p->after.size)
		model_truncate(&s->w->model, m, (uint64_t)st.st_size);
	model_any(&s->w->model, m, 0, m->rope.size);
	m->mtime = m->ctime = TOUCH_MAY;
}

/* A killed call has moved the file positions, or has not. */
static void put_positions_back(struct sweep *s)
{
	for (size_t i = 0; i < s->w->point->fds_count; i++) {
		const struct wfd *fd = &s->w->fds[i];

		if (fd->fd < 0 || !fd->ofd->pos_known)
			continue;
		lseek(fd->fd, (off_t)s->positions[i], SEEK_SET);
		fd->ofd->pos = s->positions[i];
	}
}

static void note_positions(struct sweep *s)
{
	for (size_t i = 0; i < s->w->point->fds_count; i++)
		s->positions[i] = s->w->fds[i].fd < 0 ? 0 : s->w->fds[i].ofd->pos;
}

static struct wfile *regular(const struct sweep *s, size_t i)
{
	struct wfile *f = &s->w->files[i];

	return f->model && f->exists && f->keep >= 0 ? f : NULL;
}

/* The call's result, as the contract sees it. */
static bool judge_result(struct sweep *s, const struct shot *shot)
{
	const struct op_result *r = &shot->stage->result;
	struct world *w = s->w;

	if (shot->fate == FATE_KILLED) {
		w->checked.results++;
		for (size_t i = 0; i < w->point->files_count; i++)
			if (regular(s, i))
				adopt(s, &w->files[i], &s->places[i]);
		put_positions_back(s);
		world_settle(w);
		return !exec_over(w);
	}
	if (r->sig || (r->err && (r->err != EINTR || !shot->armed))) {
		world_fail(w, shot->armed ? "ok or EINTR" : "ok", "%s", exec_result(w, r));
		return false;
	}
	return exec_apply(w, r);
}

/* All files are as the model says, or those that the call may have changed. */
static bool read_back(struct sweep *s, bool all)
{
	for (size_t i = 0; i < s->w->point->files_count; i++)
		if (regular(s, i) && (all || s->places[i].changes) &&
		    !world_read_back(s->w, &s->w->files[i], false))
			return false;
	return true;
}

/* A killed call that makes a name has made it or not: only a look tells. */
static void find_made(struct sweep *s, const struct shot *shot)
{
	struct world *w = s->w;
	struct stat st;

	for (size_t i = 0; i < w->point->files_count; i++) {
		const struct wfile *f = &w->files[i];

		if (f->exists || !s->places[i].changes)
			continue;
		if (fstatat(f->dirfd, f->path, &st, AT_SYMLINK_NOFOLLOW))
			judge_left(s, shot, f, LEFT_NOTHING, NULL);
		else
			world_made(w, (int)i);
	}
}

/* Is the name there that the call was to make? It changes no other file. */
static bool has_made(const struct sweep *s)
{
	for (size_t i = 0; i < s->w->point->files_count; i++)
		if (s->places[i].changes && s->w->files[i].exists)
			return true;
	return false;
}

/* Files first, as judging the result moves the model on. Returns whether all was done. */
static bool judge(struct sweep *s, const struct shot *shot)
{
	struct world *w = s->w;
	bool whole = true;

	if (shot->fate == FATE_KILLED)
		find_made(s, shot);
	for (size_t i = 0; i < w->point->files_count && !exec_over(w); i++) {
		const struct wfile *f = regular(s, i);
		struct leftover l;
		enum left left;

		if (!f || !s->places[i].changes)
			continue;
		left = look_at(s, f, &s->places[i], &l);
		if (exec_over(w))
			return false;
		whole &= left == LEFT_ALL;
		judge_left(s, shot, f, left, &l);
	}
	if (!judge_result(s, shot) || !read_back(s, true))
		return false;
	if (has_made(s) && !exec_steps(w, s->in->made, s->in->made_count))
		return false;
	if (shot->fate != FATE_RETURNED)
		return false;
	return exec_steps(w, s->in->then, s->in->then_count) && whole && !shot->stage->result.err;
}

/* What "each" made is there for one call only. */
static void close_new(struct sweep *s)
{
	for (size_t i = 0; i < s->w->point->fds_count; i++) {
		if (s->w->fds[i].fd < 0 || s->open[i])
			continue;
		close(s->w->fds[i].fd);
		world_close_fd(s->w, (int)i);
	}
}

static bool restored(struct sweep *s)
{
	for (size_t i = 0; i < s->w->point->files_count; i++) {
		const struct wfile *f = regular(s, i);
		const struct rope *before = &s->places[i].before;

		if (!f || (f->model->rope.size == before->size &&
			   rope_compare(before, 0, &f->model->rope, 0, before->size, s->w->tag) ==
				   BYTES_EQUAL))
			continue;
		world_error(s->w, "\"each\" does not bring back what %s held before the call",
			    f->path);
		return false;
	}
	return true;
}

static bool prepare(struct sweep *s, const struct shot *shot)
{
	const char *how = !shot->armed ? " (undisturbed)"
				       : world_text(s->w, ", %s after %" PRIu64 " ns",
						    signal_word(s), shot->delay_ns);

	if (!exec_steps(s->w, s->in->each, s->in->each_count))
		return false;
	note_positions(s);
	exec_begin(s->w, &s->in->call, how);
	return true;
}

static const char *result_word(struct sweep *s, const struct shot *shot)
{
	if (shot->fate == FATE_KILLED)
		return "killed";
	return exec_result(s->w, &shot->stage->result);
}

/* What the files hold before the call and after it. */
static bool learn(struct sweep *s)
{
	struct shot shot = { .armed = false };
	bool good = prepare(s, &shot);

	for (size_t i = 0; good && i < s->w->point->files_count; i++)
		if (regular(s, i))
			rope_copy(&s->places[i].before, &s->w->files[i].model->rope);
	good = good && fire(s, &shot);
	if (good)
		exec_trace(s->w, result_word(s, &shot));
	good = good && judge_result(s, &shot) && read_back(s, true);
	for (size_t i = 0; good && i < s->w->point->files_count; i++) {
		const struct mfile *m = regular(s, i) ? s->w->files[i].model : NULL;
		struct place *p = &s->places[i];

		if (!m)
			continue;
		rope_copy(&p->after, &m->rope);
		p->touches = m->mtime != TOUCH_NOT || m->ctime != TOUCH_NOT;
		p->changes = p->after.size != p->before.size ||
			     rope_compare(&p->before, 0, &p->after, 0, p->before.size, s->w->tag) !=
				     BYTES_EQUAL;
	}
	end_shot(&shot);
	close_new(s);
	return good;
}

static int by_size(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* How long does the call take if nothing disturbs it? */
static bool calibrate(struct sweep *s)
{
	const size_t mark = exec_trace_length(s->w);
	uint64_t took[CALIBRATIONS] = { 0 };
	bool good = true;

	for (size_t i = 0; good && i < CALIBRATIONS; i++) {
		struct shot shot = { .armed = false };

		exec_trace_cut(s->w, mark);
		good = prepare(s, &shot) && restored(s) && fire(s, &shot);
		if (good) {
			exec_trace(s->w, result_word(s, &shot));
			took[i] = shot.stage->end_ns - shot.stage->begun_ns;
			/* Reading warms the cache, as it will for the calls to come. */
			good = judge_result(s, &shot) && read_back(s, true);
		}
		end_shot(&shot);
		close_new(s);
	}
	exec_trace_cut(s->w, good ? mark : exec_trace_length(s->w));
	qsort(took, CALIBRATIONS, sizeof(took[0]), by_size);
	s->undisturbed_ns = took[CALIBRATIONS / 2];
	return good;
}

static void count(struct sweep *s, const struct shot *shot)
{
	const uint64_t due = shot->stage->start_ns + shot->delay_ns;
	const struct op_result *r = &shot->stage->result;
	const char *word = shot->fate == FATE_KILLED ? "killed"
			   : r->err		     ? errno_name(r->err)
			   : r->ret		     ? "some"
						     : "ok";
	const json_int_t before = json_integer_value(json_object_get(s->results, word));

	json_object_set_new(s->results, word, json_integer(before + 1));
	s->shots++;
	if (!shot->hit)
		return;
	s->latency_ns[s->hits++] = shot->gone_ns > due ? shot->gone_ns - due : 0;
}

/* One call, one signal, and what comes of it. */
static bool shoot(struct sweep *s, uint64_t delay_ns)
{
	struct shot shot = { .armed = true, .delay_ns = delay_ns };
	bool good = prepare(s, &shot) && restored(s) && fire(s, &shot), whole;

	if (good) {
		exec_trace(s->w, result_word(s, &shot));
		count(s, &shot);
		whole = judge(s, &shot);
		if (!exec_over(s->w) && !whole && !s->in->once)
			good = exec_steps(s->w, &s->in->call, 1) && read_back(s, false);
	}
	end_shot(&shot);
	close_new(s);
	return good && !exec_over(s->w);
}

/* As many signals as planned, one in each part of the call, the parts in no order. */
static bool volley(struct sweep *s)
{
	const size_t mark = exec_trace_length(s->w);
	uint64_t *part = arena_alloc(s->w->arena, s->planned * sizeof(*part));
	bool good = calibrate(s);

	for (uint64_t i = 0; i < s->planned; i++) {
		const uint64_t k = draw(s) % (i + 1);

		part[i] = part[k];
		part[k] = i;
	}
	for (uint64_t i = 0; good && i < s->planned; i++) {
		const double at = (double)part[i] + (double)(draw(s) >> 11) * 0x1p-53;

		exec_trace_cut(s->w, mark);
		good = shoot(s, (uint64_t)(at / (double)s->planned * (double)s->undisturbed_ns));
	}
	return good;
}

static json_t *latency_json(struct sweep *s)
{
	const uint64_t *v = s->latency_ns, n = s->hits;

	qsort(s->latency_ns, n, sizeof(*v), by_size);
	return json_pack("{s:I, s:I, s:I, s:I}", "min", (json_int_t)v[0], "median",
			 (json_int_t)v[n / 2], "p95", (json_int_t)v[(n * 95 + 99) / 100 - 1], "max",
			 (json_int_t)v[n - 1]);
}

static void report(struct sweep *s)
{
	json_t *states = json_object();

	for (int i = 0; i < LEFT_COUNT; i++)
		if (s->states[i])
			json_object_set_new(states, left_name((enum left)i),
					    json_integer((json_int_t)s->states[i]));
	world_observe(s->w, "signals", json_integer((json_int_t)s->shots));
	world_observe(s->w, "hits", json_integer((json_int_t)s->hits));
	world_observe(s->w, "states", states);
	world_observe(s->w, "results", s->results);
	if (s->undisturbed_ns)
		world_observe(s->w, "undisturbed_ns", json_integer((json_int_t)s->undisturbed_ns));
	if (s->hits)
		world_observe(s->w, "latency_ns", latency_json(s));
}

/* A sweep in which most signals come too early or too late has tried little. */
static bool too_few(const struct sweep *s)
{
	return s->hits < (s->planned + 1) / 2;
}

/* What can be said only when all calls are made. */
static void judge_sweep(struct sweep *s)
{
	struct world *w = s->w;

	exec_begin(w, &s->in->call, world_text(w, ", with %s", signal_word(s)));
	if (s->bad)
		world_fail(w, world_text(w, "%s", allowed_words(s)),
			   "%" PRIu64 " of %" PRIu64 " calls left something else; the first: %s",
			   s->bad, s->shots, s->first_bad);
	else if (too_few(s))
		world_unproven(w, world_text(w,
					     "only %" PRIu64 " of %" PRIu64
					     " signals landed inside the call",
					     s->hits, s->shots));
	else if (s->in->cuts && s->cuts < s->hits / 2)
		world_fail(w,
			   world_text(w, "a signal ends the call before all is done, at least "
					 "every other time"),
			   "%" PRIu64 " of %" PRIu64 " did", s->cuts, s->hits);
}

static bool set_up(struct sweep *s, double budget)
{
	const struct point *p = s->w->point;
	const double shots = (double)s->in->shots * (budget > 0 ? budget : 1.0);

	s->planned = shots < 1 ? 1 : (uint64_t)shots;
	s->most = EXTENSIONS * s->planned;
	if (s->most < s->in->shots)
		s->most = s->in->shots;
	s->places = arena_alloc(s->w->arena, p->files_count * sizeof(*s->places));
	s->positions = arena_alloc(s->w->arena, p->fds_count * sizeof(*s->positions));
	s->open = arena_alloc(s->w->arena, p->fds_count * sizeof(*s->open));
	/* the last volley is a whole one */
	s->latency_ns = arena_alloc(s->w->arena, (s->most + s->planned) * sizeof(uint64_t));
	for (size_t i = 0; i < p->fds_count; i++)
		s->open[i] = s->w->fds[i].fd >= 0;
	return learn(s);
}

void interrupt_run(struct world *w, double budget)
{
	struct sweep s = {
		.w = w,
		.in = w->point->interrupt,
		.random = w->seed,
		.results = json_object(),
	};
	bool good = set_up(&s, budget);

	while (good && s.shots < s.most && too_few(&s))
		good = volley(&s);
	if (good)
		judge_sweep(&s);
	report(&s);
	/* What a killed call could not write back, a later point's syncfs(2) would be told. */
	syncfs(w->dirfd);
	for (size_t i = 0; i < w->point->files_count; i++) {
		rope_free(&s.places[i].before);
		rope_free(&s.places[i].after);
	}
}
