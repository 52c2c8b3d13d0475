/* SPDX-License-Identifier: GPL-2.0-only */
/* Starts children and keeps the lines to them. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "child.h"
#include "clock.h"
#include "emit.h"
#include "helper.h"
#include "load.h"
#include "sink.h"
#include "slot.h"
#include "workdir.h"

#define RESULT_MAX (16 * 1024 * 1024)
#define ROOM_FIRST (64 * 1024)
#define SECOND	   1000000000ull

static void shut(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void slots_init(struct slots *all, unsigned int count)
{
	memset(all, 0, sizeof(*all));
	all->count = count;
	for (int i = 0; i < SUPERVISE_JOBS_MAX; i++)
		all->slot[i].result = all->slot[i].hook = -1;
}

void slots_free(struct slots *all)
{
	for (int i = 0; i < SUPERVISE_JOBS_MAX; i++) {
		free(all->slot[i].text);
		if (all->slot[i].now)
			munmap(all->slot[i].now, sizeof(*all->slot[i].now));
	}
}

void slot_kill(const struct slot *slot)
{
	/* it may not lead a group yet */
	kill(slot->pid, SIGKILL);
	kill(-slot->pid, SIGKILL);
}

void slot_hang_up(struct slot *slot)
{
	shut(&slot->hook);
}

void slot_clear(struct slots *all, struct slot *slot)
{
	struct slot empty = { .result = -1, .hook = -1 };

	shut(&slot->result);
	shut(&slot->hook);
	json_decref(slot->stacks);
	json_decref(slot->kmsg);
	point_free(slot->point);
	/* memory is for the next child to use */
	empty.text = slot->text;
	empty.room = slot->room;
	empty.now = slot->now;
	*slot = empty;
	all->running--;
}

void slot_read(struct slot *slot)
{
	ssize_t got;

	do {
		if (slot->len == slot->room) {
			slot->room = slot->room ? 2 * slot->room : ROOM_FIRST;
			slot->text = realloc(slot->text, slot->room);
			if (!slot->text)
				abort();
		}
		got = read(slot->result, slot->text + slot->len, slot->room - slot->len);
		if (got > 0)
			slot->len += (size_t)got;
	} while (got > 0 && slot->len < RESULT_MAX);
	if (got == 0 || slot->len >= RESULT_MAX)
		shut(&slot->result);
}

/* In the child: nothing of the supervisor's or of another child's stays open. */
static void close_others(struct slots *all, struct supervise *s)
{
	for (unsigned int i = 0; i < all->count; i++) {
		shut(&all->slot[i].result);
		shut(&all->slot[i].hook);
	}
	shut(&s->kmsg);
	shut(&s->signals);
	shut(&s->sink->fd);
	shut(&s->dir->lock);
	if (s->dir2)
		shut(&s->dir2->lock);
}

static _Noreturn void be_child(struct slots *all, const struct slot *slot, struct supervise *s,
			       int out, int hook)
{
	struct child c = {
		.point = slot->point,
		.probe = s->probe,
		.dir = s->dir,
		.dir2 = s->dir2,
		.view = s->view,
		.folder = slot->folder,
		.seed = emit_point_seed(s->seed + slot->round - 1, slot->point->name),
		.budget = s->budget,
		.round = s->round,
		.keep = s->keep,
		.out = out,
		.hook = hook,
		.now = slot->now,
	};

	close_others(all, s);
	_exit(child_main(&c));
}

static int open_lines(const struct supervise *s, int pipes[2], int socks[2])
{
	if (pipe2(pipes, O_CLOEXEC) || fcntl(pipes[0], F_SETFL, O_NONBLOCK))
		return -errno;
	if (s->hooks && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks))
		return -errno;
	return 0;
}

static int fill(struct slot *slot, const struct supervise *s, struct point *p,
		const struct ticket *t)
{
	if (!slot->now)
		slot->now = helper_memory(sizeof(*slot->now));
	if (!slot->now)
		return -ENOMEM;
	memset(slot->now, 0, sizeof(*slot->now));
	slot->point = p;
	slot->index = t->index;
	slot->round = t->round;
	slot->len = 0;
	slot->timeout_s = p->timeout_s ? p->timeout_s : s->timeout_s;
	/* a race may take the time that it is given */
	if (p->race)
		slot->timeout_s +=
			(unsigned int)((s->budget > 0 ? s->budget : 1) * p->race->budget_ms / 500);
	slot->start_ns = clock_ns();
	slot->deadline_ns = slot->start_ns + slot->timeout_s * SECOND;
	snprintf(slot->folder, sizeof(slot->folder), "p%" PRIu64,
		 (uint64_t)(t->round - 1) * s->points_count + t->index);
	return 0;
}

int slot_start(struct slots *all, struct slot *slot, struct supervise *s, struct point *p,
	       const struct ticket *t)
{
	int pipes[2] = { -1, -1 }, socks[2] = { -1, -1 }, parent = getpid();
	int ret = open_lines(s, pipes, socks);
	pid_t pid;

	if (!ret)
		ret = fill(slot, s, p, t);
	if (!ret) {
		slot->result = pipes[0];
		slot->hook = socks[0];
		pid = fork();
		if (pid == 0) {
			helper_child(parent);
			be_child(all, slot, s, pipes[1], socks[1]);
		}
		ret = pid < 0 ? -errno : 0;
		slot->pid = ret ? 0 : pid;
	}
	shut(&pipes[1]);
	shut(&socks[1]);
	if (ret) {
		shut(&pipes[0]);
		shut(&socks[0]);
		slot->result = slot->hook = -1;
		slot->point = NULL;
	} else {
		all->running++;
	}
	return ret;
}
