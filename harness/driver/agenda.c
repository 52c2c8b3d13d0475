/* SPDX-License-Identifier: GPL-2.0-only */
/* The order in which points are run. */
#include <stdlib.h>

#include "agenda.h"

void agenda_init(struct agenda *a, size_t points, unsigned int rounds)
{
	*a = (struct agenda){ .points = points, .rounds = rounds, .next = { .round = 1 } };
}

void agenda_free(struct agenda *a)
{
	free(a->alone);
	a->alone = NULL;
}

bool agenda_draw(struct agenda *a, bool alone, struct ticket *t)
{
	if (alone) {
		if (a->alone_next == a->alone_count)
			return false;
		*t = a->alone[a->alone_next++];
		return true;
	}
	if (a->next.index == a->points) {
		a->next.index = 0;
		a->next.round++;
	}
	if (a->next.round > a->rounds || !a->points)
		return false;
	*t = a->next;
	a->next.index++;
	return true;
}

void agenda_defer(struct agenda *a, const struct ticket *t)
{
	if (a->alone_count == a->alone_room) {
		a->alone_room = a->alone_room ? 2 * a->alone_room : 64;
		a->alone = reallocarray(a->alone, a->alone_room, sizeof(*a->alone));
		if (!a->alone)
			abort();
	}
	a->alone[a->alone_count++] = *t;
}
