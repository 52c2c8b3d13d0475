/* SPDX-License-Identifier: GPL-2.0-only */
/* What outlives a process: swap space and frozen filesystems. */
#ifndef COWBELL_OPS_SPECIAL_H
#define COWBELL_OPS_SPECIAL_H

struct world;

/** special_teardown() - undo swapon and freeze of this point; harmless if there were none */
void special_teardown(struct world *w);

#endif
