/* SPDX-License-Identifier: GPL-2.0-only */
/* Who the running point is, and what it may: its user, capabilities and limits. */
#ifndef COWBELL_OPS_PROCESS_H
#define COWBELL_OPS_PROCESS_H

struct world;

/** process_setup() - take note of what the process starts with; sets w->fsetid and w->other_user */
void process_setup(struct world *w);

/** process_teardown() - be again who we were, so that the checks at the end may read all */
void process_teardown(struct world *w);

#endif
