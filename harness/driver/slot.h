/* SPDX-License-Identifier: GPL-2.0-only */
/* Slots: the children that run at present, and the lines to them. */
#ifndef COWBELL_SLOT_H
#define COWBELL_SLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

#include "agenda.h"
#include "supervise.h"

struct exec_now;

/** struct slot - room for one running child */
struct slot {
	/* 0: the slot is free */
	pid_t pid;
	struct point *point;
	/* number of the point in the run */
	size_t index;
	unsigned int round;
	char folder[24];
	/* where the result comes from, and the socket for hooks; -1 if not open */
	int result, hook;
	char *text;
	size_t len, room;
	uint64_t start_ns, deadline_ns;
	unsigned int timeout_s;
	/* it has been killed for want of time */
	bool hang;
	json_t *stacks, *kmsg;
	/* shared with the child */
	struct exec_now *now;
};

/** struct slots - all of them */
struct slots {
	struct slot slot[SUPERVISE_JOBS_MAX];
	/** @count: how many may be used; @running: how many are in use */
	unsigned int count, running;
};

void slots_init(struct slots *all, unsigned int count);
void slots_free(struct slots *all);

/**
 * slot_start() - run a point in a child
 * @p: belongs to the slot if this succeeds
 *
 * Returns 0 or a negative errno.
 */
int slot_start(struct slots *all, struct slot *slot, struct supervise *s, struct point *p,
	       const struct ticket *t);

/** slot_read() - take what the child has sent so far */
void slot_read(struct slot *slot);

/** slot_hang_up() - serve no more hooks */
void slot_hang_up(struct slot *slot);

/** slot_kill() - the child and all it has started */
void slot_kill(const struct slot *slot);

/** slot_clear() - forget the child, which is gone or left behind */
void slot_clear(struct slots *all, struct slot *slot);

#endif
