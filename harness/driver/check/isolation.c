/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * isolation: a write to one file is never seen in another (contract F4). After every step, each
 * file that the step does not name is read back at once, and through every mapping of it: from the
 * page cache as it is, with no remount that would hide a stale page.
 */
#include "../check.h"
#include "../need.h"
#include "../world.h"

static void isolation_step(struct world *w)
{
	for (size_t i = 0; i < w->point->files_count; i++)
		if (w->files[i].model && !world_step_names(w, (int)i))
			world_read_back(w, &w->files[i], false);
	for (size_t i = 0; i < w->point->maps_count; i++)
		if (w->maps[i].addr && !world_step_names(w, w->maps[i].file))
			world_read_map(w, (int)i);
}

/* After a round of a race: the files that no actor works on. */
static void isolation_round(struct world *w)
{
	for (size_t i = 0; i < w->point->files_count && !world_stopped(w); i++)
		if (w->files[i].model && !w->files[i].raced)
			world_read_back(w, &w->files[i], false);
	for (size_t i = 0; i < w->point->maps_count && !world_stopped(w); i++)
		if (w->maps[i].addr && !w->files[w->maps[i].file].raced)
			world_read_map(w, (int)i);
}

const struct oracle oracle_isolation = {
	.name = "isolation",
	.doc = "after every step, all files that it does not name are as they were, mappings "
	       "included",
	.need = -1,
	.step = isolation_step,
	.round = isolation_round,
};
