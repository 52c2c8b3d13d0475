/* SPDX-License-Identifier: GPL-2.0-only */
/* The order in which points are run: round by round, and those that must be alone last. Pure. */
#ifndef COWBELL_AGENDA_H
#define COWBELL_AGENDA_H

#include <stdbool.h>
#include <stddef.h>

/** struct ticket - a point in a round; rounds count from 1 */
struct ticket {
	size_t index;
	unsigned int round;
};

/** struct agenda - what is still to be run */
struct agenda {
	size_t points;
	unsigned int rounds;
	/** @next: of the first pass */
	struct ticket next;
	/** @alone: points of the second pass, in which each runs alone; @alone_next: which is next
	 */
	struct ticket *alone;
	size_t alone_count, alone_room, alone_next;
};

/** agenda_init() - all of @points points in all of @rounds rounds */
void agenda_init(struct agenda *a, size_t points, unsigned int rounds);
void agenda_free(struct agenda *a);

/** agenda_draw() - the next ticket of the first pass, or of the second (@alone); false if there is
 * none */
bool agenda_draw(struct agenda *a, bool alone, struct ticket *t);

/** agenda_defer() - leave a ticket of the first pass to the second */
void agenda_defer(struct agenda *a, const struct ticket *t);

#endif
