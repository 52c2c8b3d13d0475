/* SPDX-License-Identifier: GPL-2.0-only */
/* The files that actors work on: put in order before each round, read before and after it. */
#ifndef COWBELL_RACE_FILES_H
#define COWBELL_RACE_FILES_H

#include "race.h"

/** race_files_start() - find them, and give them stamps if an oracle wants to see them */
void race_files_start(struct world *w);

/** race_files_restore() - if the point wants it, make them what they were at the start */
void race_files_restore(struct world *w);

/** race_files_before(), race_files_after() - read what they hold, if an oracle wants stamps */
void race_files_before(struct world *w);
void race_files_after(struct world *w);

/** race_files_stop() - give memory back */
void race_files_stop(struct world *w);

#endif
