/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The event loop: starts children, collects what they send, and ends those that do not end by
 * themselves. Points that must be alone come last, one at a time.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agenda.h"
#include "child.h"
#include "clock.h"
#include "helper.h"
#include "hook.h"
#include "kmsg.h"
#include "load.h"
#include "machine.h"
#include "outcome.h"
#include "resume.h"
#include "sink.h"
#include "slot.h"
#include "supervise.h"
#include "watchdog.h"
#include "workdir.h"

#define SECOND	1000000000ull
#define DIE_NS	(5 * SECOND)
#define CLEAN_S 10

/** struct loop - what is private to a run */
struct loop {
	struct supervise *s;
	struct slots slots;
	struct agenda agenda;
};

static bool over(const struct loop *l)
{
	return l->s->signal || l->s->aborted[0] || l->s->stopped[0];
}

static struct emit_point describe(const struct supervise *s, const struct point *p,
				  unsigned int round)
{
	struct emit_point e = {
		.name = p->name,
		.strength = p->strength,
		.round = s->repeat > 1 ? round : 0,
		.seed = s->seed + round - 1,
	};

	return e;
}

/* A result that no child has made; @more, which is used up, may be NULL. */
static void write_more(struct supervise *s, const struct emit_point *p, enum verdict v,
		       const char *reason, json_t *more)
{
	s->tally.count[v]++;
	sink_item(s->sink, emit_case(p, v, reason, more));
	json_decref(more);
}

static void write_plain(struct supervise *s, const struct emit_point *p, enum verdict v,
			const char *reason)
{
	write_more(s, p, v, reason, NULL);
}

/* The point in whose name the kernel complains: the leader of a point's processes stands for all of
 * them. NULL if that is none of them, a thread of the kernel say, or is gone. */
static struct slot *complained_of(struct loop *l, const json_t *lines)
{
	pid_t pid = kmsg_pid(lines);
	pid_t group = pid > 0 ? getpgid(pid) : 0;

	for (unsigned int i = 0; i < l->s->jobs; i++) {
		struct slot *slot = &l->slots.slot[i];

		if (slot->pid > 0 && (slot->pid == pid || slot->pid == group))
			return slot;
	}
	return NULL;
}

/* What the kernel complains about in nobody's name concerns all who run now. */
static void take_kmsg(struct loop *l)
{
	json_t *lines = kmsg_drain(l->s->kmsg, l->s->device);
	struct slot *only;

	if (!lines)
		return;
	only = complained_of(l, lines);
	for (unsigned int i = 0; i < l->s->jobs; i++) {
		struct slot *slot = &l->slots.slot[i];

		if (!slot->pid || (only && slot != only))
			continue;
		if (!slot->kmsg)
			slot->kmsg = json_array();
		json_array_extend(slot->kmsg, lines);
	}
	json_decref(lines);
}

/** struct clean_job - for a helper */
struct clean_job {
	const struct supervise *s;
	const char *folder;
};

static int clean_folder(void *arg)
{
	const struct clean_job *job = arg;
	int left;

	if (job->s->dedicated)
		workdir_thaw(job->s->dir);
	left = workdir_leave(job->s->dir->fd, job->folder);
	if (job->s->dir2 && workdir_leave(job->s->dir2->fd, job->folder))
		left = -1;
	return left ? 1 : 0;
}

static int check_health(void *arg)
{
	const struct clean_job *job = arg;
	int err = workdir_gone(job->s->dir);

	if (!err && job->s->dir2)
		err = workdir_gone(job->s->dir2);
	return err > 125 ? EIO : err;
}

/* After a failure of ours: is there still a filesystem to work on? */
static void look_around(struct loop *l)
{
	struct clean_job job = { .s = l->s };
	int err = helper_run(check_health, &job, CLEAN_S, -1);

	if (err > 0)
		snprintf(l->s->aborted, sizeof(l->s->aborted),
			 "the run folder in %.150s went away: %s", l->s->dir->dir, strerror(err));
	else if (err == -ETIMEDOUT)
		snprintf(l->s->aborted, sizeof(l->s->aborted),
			 "the filesystem of %.150s no longer answers", l->s->dir->dir);
}

/* Remove what the child has left, and see whether all is well. */
static void tidy(struct loop *l, const struct slot *slot, bool clean, bool error)
{
	struct supervise *s = l->s;
	struct clean_job job = { .s = s, .folder = slot->folder };

	if (!clean && helper_run(clean_folder, &job, CLEAN_S, -1) != 0)
		fprintf(stderr, "cowbell: cannot remove all of %s/%s/%s\n", s->dir->dir,
			s->dir->name, slot->folder);
	if (!clean || error)
		look_around(l);
}

/* The child is gone, or given up: judge it and free its slot. */
static void finish(struct loop *l, struct slot *slot, int status, bool abandoned)
{
	struct supervise *s = l->s;
	struct outcome_rules rules = { s->quirks, &s->place, &s->again, machine_emulated() };
	struct outcome o = {
		.point = describe(s, slot->point, slot->round),
		.again = s->points[slot->index].again,
		.text = slot->text,
		.len = slot->len,
		.status = status,
		.hang = slot->hang,
		.abandoned = abandoned,
		.timeout_s = slot->timeout_s,
		.now = slot->now,
		.wall_ns = clock_ns() - slot->start_ns,
	};
	bool killed = slot->hang || abandoned || !WIFEXITED(status);
	int code = killed ? CHILD_LEFT : WEXITSTATUS(status);
	char kept[PATH_MAX + 64];
	enum verdict v;

	if (s->keep && (killed || code == CHILD_KEPT)) {
		snprintf(kept, sizeof(kept), "%s/%s/%s", s->dir->dir, s->dir->name, slot->folder);
		o.kept = kept;
		s->kept = true;
	}
	take_kmsg(l);
	o.stacks = slot->stacks;
	o.kmsg = slot->kmsg;
	sink_item(s->sink, outcome_line(&o, &rules, &v));
	s->tally.count[v]++;
	if (v == VERDICT_FAIL && s->stop_on_fail)
		snprintf(s->stopped, sizeof(s->stopped), "%.200s failed", slot->point->name);
	if (abandoned) {
		s->abandoned++;
		/* it may still write there */
		slot->now = NULL;
	}
	tidy(l, slot, abandoned || o.kept || code == CHILD_CLEAN, v == VERDICT_ERROR || killed);
	slot_clear(&l->slots, slot);
}

/* A point that was cut short by the end of the run. */
static void give_up(struct loop *l, struct slot *slot)
{
	struct emit_point e = describe(l->s, slot->point, slot->round);

	if (!l->s->signal)
		write_plain(l->s, &e, VERDICT_MISS, l->s->aborted);
	slot_clear(&l->slots, slot);
}

static void reap(struct loop *l)
{
	for (unsigned int i = 0; i < l->s->jobs; i++) {
		struct slot *slot = &l->slots.slot[i];
		siginfo_t info = { 0 };
		int status;

		if (!slot->pid ||
		    waitid(P_PID, (id_t)slot->pid, &info, WEXITED | WNOHANG | WNOWAIT) ||
		    !info.si_pid)
			continue;
		/* its number is still taken, so the group can only be its own */
		kill(-slot->pid, SIGKILL);
		if (waitpid(slot->pid, &status, 0) != slot->pid)
			continue;
		if (slot->result >= 0)
			slot_read(slot);
		if (l->s->signal || l->s->aborted[0])
			give_up(l, slot);
		else
			finish(l, slot, status, false);
	}
}

/* Whoever reads the results of a machine that died must see what ran: so this comes before it. */
static void announce(struct loop *l, const struct emit_point *e, const struct point *p,
		     const struct ticket *t)
{
	struct supervise *s = l->s;
	char *again;

	if (!s->announce)
		return;
	again = emit_repeat(&s->again, e->seed, 0, s->points[t->index].again);
	sink_start(s->sink, emit_start(e, p->timeout_s, again));
	free(again);
}

/* What the command line says is there is not: a fail, or an xfail if a quirk knows of it. */
static void write_lack(struct supervise *s, const struct emit_point *e, const char *again, int need,
		       const char *lack)
{
	json_t *quirk = quirk_find(s->quirks, &s->place, e->name, NULL, lack);
	struct emit_command command = s->again;
	json_t *more = json_object();
	char why[256], *line;

	command.require = need_word(need);
	line = emit_repeat(&command, e->seed, 0, again);
	json_object_set_new(more, "repeat", emit_text(line, strlen(line)));
	json_object_set_new(more, "seen", emit_text(lack, strlen(lack)));
	json_object_set_new(more, "allowed", json_string(need_doc(need)));
	snprintf(why, sizeof(why), "%s; it must be there (--require)", lack);
	if (!quirk && s->stop_on_fail)
		snprintf(s->stopped, sizeof(s->stopped), "%.200s failed", e->name);
	if (quirk)
		json_object_set(more, "quirk", quirk);
	write_more(s, e, quirk ? VERDICT_XFAIL : VERDICT_FAIL, why, more);
	json_decref(quirk);
	free(line);
}

/* Is a need of the point not met? Then it is a skip, or a fail if all that it lacks had to be
 * there, and written. */
static bool unmet(struct supervise *s, const struct emit_point *e, const struct point *p,
		  const char *again)
{
	char first[256] = "";
	bool required = true;
	const char *why;
	int need = -1;

	for (size_t i = 0; i < p->needs_count; i++) {
		const struct need_use *n = &p->needs[i];

		if (probe_meets(s->probe, n->need, n->negated, n->param, &why))
			continue;
		required &= !n->negated && s->required[n->need];
		if (need < 0)
			snprintf(first, sizeof(first), "%s", why);
		need = need < 0 ? n->need : need;
	}
	if (need >= 0 && required)
		write_lack(s, e, again, need, first);
	else if (need >= 0)
		write_plain(s, e, VERDICT_SKIP, first);
	return need >= 0;
}

/* Is the point known to leave nothing for those after it? Then it is a skip, and written. */
static bool unsafe(struct supervise *s, const struct emit_point *e)
{
	json_t *quirk = s->despite_quirks
				? NULL
				: quirk_find(s->quirks, &s->place, e->name, QUIRK_SKIP, NULL);
	char why[1024];

	if (!quirk)
		return false;
	snprintf(why, sizeof(why), "not safe to run: %s",
		 json_string_value(json_object_get(quirk, "reason")));
	write_more(s, e, VERDICT_SKIP, why, json_pack("{s:o}", "quirk", quirk));
	return true;
}

/* The point of a ticket if there is something to do for it; what is wrong with it is written. */
static struct point *fetch(struct loop *l, const struct ticket *t)
{
	struct supervise *s = l->s;
	const struct selected *sp = &s->points[t->index];
	struct load_error err;
	struct point *p = load_point(sp->file, sp->point, &s->probe->units, &err);

	if (!p) {
		struct emit_point e = {
			.name = sp->file->name,
			.strength = sp->file->strength,
			.round = s->repeat > 1 ? t->round : 0,
			.seed = s->seed + t->round - 1,
		};

		write_plain(s, &e, VERDICT_ERROR, err.text);
		return NULL;
	}
	if (s->resume && resume_has(s->resume, p->name, t->round)) {
		point_free(p);
		return NULL;
	}
	return p;
}

/* Fill one free slot. False if nothing is left to be started. */
static bool start_next(struct loop *l, struct slot *slot, bool alone)
{
	struct ticket t;

	while (!over(l) && !sink_lost(l->s->sink) && agenda_draw(&l->agenda, alone, &t)) {
		struct point *p = fetch(l, &t);
		struct emit_point e;
		int ret = 0;

		if (!p)
			continue;
		e = describe(l->s, p, t.round);
		if (unmet(l->s, &e, p, l->s->points[t.index].again) || unsafe(l->s, &e)) {
			/* it is written */
		} else if (p->alone && !alone) {
			agenda_defer(&l->agenda, &t);
		} else {
			take_kmsg(l);
			announce(l, &e, p, &t);
			ret = slot_start(&l->slots, slot, l->s, p, &t);
			if (ret == 0) {
				sink_running(l->s->sink, p->name);
				return true;
			}
			write_plain(l->s, &e, VERDICT_ERROR, strerror(-ret));
		}
		point_free(p);
	}
	return false;
}

static void fill(struct loop *l, bool alone)
{
	unsigned int most = alone ? 1 : l->s->jobs;

	for (unsigned int i = 0; i < most; i++)
		if (!l->slots.slot[i].pid && !start_next(l, &l->slots.slot[i], alone))
			break;
}

static void serve_hook(struct loop *l, struct slot *slot)
{
	struct supervise *s = l->s;
	uint64_t start_ns = clock_ns();
	char name[64];
	ssize_t got = recv(slot->hook, name, sizeof(name) - 1, MSG_DONTWAIT);
	int answer, ret;

	if (got <= 0) {
		if (got == 0)
			slot_hang_up(slot);
		return;
	}
	name[got] = '\0';
	if (l->slots.running > 1) {
		answer = -EBUSY;
	} else {
		workdir_drop(s->dir);
		if (s->dir2)
			workdir_drop(s->dir2);
		answer = hook_run(s->hooks, name, s->dir->dir, s->dir2 ? s->dir2->dir : NULL,
				  s->timeout_s);
		ret = workdir_again(s->dir);
		if (!ret && s->dir2)
			ret = workdir_again(s->dir2);
		if (ret)
			snprintf(s->aborted, sizeof(s->aborted),
				 "the run folder in %.100s cannot be opened after hook %s: %s",
				 s->dir->dir, name, strerror(-ret));
	}
	slot->deadline_ns += clock_ns() - start_ns;
	if (send(slot->hook, &answer, sizeof(answer), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		slot_hang_up(slot);
}

/* Time is up for a child: first kill it; if that does not help, leave it behind. */
static void overdue(struct loop *l, struct slot *slot)
{
	if (l->s->signal || l->s->aborted[0]) {
		l->s->abandoned++;
		slot->now = NULL;
		give_up(l, slot);
	} else if (!slot->hang) {
		slot->hang = true;
		slot->stacks = watchdog_stacks(slot->pid);
		slot_kill(slot);
		slot->deadline_ns = clock_ns() + DIE_NS;
	} else {
		fprintf(stderr, "cowbell: process %d of %s cannot be killed and is left behind\n",
			slot->pid, slot->point->name);
		finish(l, slot, 0, true);
	}
}

/* The run is at its end: all who still run have little time to go. */
static void kill_rest(struct loop *l)
{
	for (unsigned int i = 0; i < l->s->jobs; i++) {
		struct slot *slot = &l->slots.slot[i];

		if (!slot->pid || slot->hang)
			continue;
		slot->hang = true;
		slot_kill(slot);
		slot->deadline_ns = clock_ns() + DIE_NS;
	}
}

static void take_signals(struct loop *l)
{
	struct signalfd_siginfo info;

	while (read(l->s->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
		if (info.ssi_signo != SIGCHLD && !l->s->signal)
			l->s->signal = (int)info.ssi_signo;
	reap(l);
}

static int time_left_ms(const struct loop *l)
{
	uint64_t now = clock_ns(), first = now + 3600 * SECOND;

	for (unsigned int i = 0; i < l->s->jobs; i++)
		if (l->slots.slot[i].pid && l->slots.slot[i].deadline_ns < first)
			first = l->slots.slot[i].deadline_ns;
	return first > now ? (int)((first - now) / 1000000) + 1 : 0;
}

/* Wait for something to happen, and deal with it. */
static void turn(struct loop *l)
{
	struct pollfd fds[1 + 2 * SUPERVISE_JOBS_MAX];
	unsigned int jobs = l->s->jobs;
	uint64_t now;

	fds[0] = (struct pollfd){ .fd = l->s->signals, .events = POLLIN };
	for (unsigned int i = 0; i < jobs; i++) {
		fds[1 + 2 * i] = (struct pollfd){ .fd = l->slots.slot[i].result, .events = POLLIN };
		fds[2 + 2 * i] = (struct pollfd){ .fd = l->slots.slot[i].hook, .events = POLLIN };
	}
	if (poll(fds, 1 + 2 * jobs, time_left_ms(l)) < 0)
		return;
	for (unsigned int i = 0; i < jobs; i++) {
		if (fds[1 + 2 * i].revents && l->slots.slot[i].result >= 0)
			slot_read(&l->slots.slot[i]);
		if (fds[2 + 2 * i].revents && l->slots.slot[i].hook >= 0)
			serve_hook(l, &l->slots.slot[i]);
	}
	if (fds[0].revents)
		take_signals(l);
	now = clock_ns();
	for (unsigned int i = 0; i < jobs; i++)
		if (l->slots.slot[i].pid && now >= l->slots.slot[i].deadline_ns)
			overdue(l, &l->slots.slot[i]);
	if (l->s->signal || l->s->aborted[0])
		kill_rest(l);
}

static void pass(struct loop *l, bool alone)
{
	for (;;) {
		fill(l, alone);
		if (!l->slots.running)
			break;
		turn(l);
	}
}

/* The filesystem is gone: what was not run is missing. */
static void write_misses(struct loop *l)
{
	for (int alone = 1; alone >= 0; alone--) {
		struct ticket t;

		while (agenda_draw(&l->agenda, alone, &t)) {
			struct point *p = fetch(l, &t);
			struct emit_point e;

			if (!p)
				continue;
			e = describe(l->s, p, t.round);
			write_plain(l->s, &e, VERDICT_MISS, l->s->aborted);
			point_free(p);
		}
	}
}

void supervise_run(struct supervise *s)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (!l)
		abort();
	l->s = s;
	slots_init(&l->slots, s->jobs);
	agenda_init(&l->agenda, s->points_count, s->repeat);
	pass(l, false);
	pass(l, true);
	if (s->aborted[0] && !s->signal)
		write_misses(l);
	slots_free(&l->slots);
	agenda_free(&l->agenda);
	free(l);
}
