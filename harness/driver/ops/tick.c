/* SPDX-License-Identifier: GPL-2.0-only */
/* tick: wait until the clock of the kernel's time stamps has moved, so that the next change must
 * show. */
#include <errno.h>
#include <sched.h>
#include <time.h>

#include "../op.h"
#include "../world.h"

/* Two ticks: the first may already have been due. */
#define TICKS 2
/* Filesystems with whole seconds would need longer; nothing is asserted there then. */
#define PATIENCE_NS INT64_C(1000000000)

static int64_t coarse_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void tick_run(struct world *w, const void *args, struct op_result *r)
{
	const int64_t start = coarse_ns();
	int64_t last = start;

	(void)w;
	(void)args;
	for (int ticks = 0; ticks < TICKS && last - start < PATIENCE_NS;) {
		const int64_t now = coarse_ns();

		ticks += now > last;
		last = now;
		sched_yield();
	}
	r->ret = 0;
}

const struct op op_tick = {
	.name = "tick",
	.doc = "wait until CLOCK_REALTIME_COARSE has ticked, so that a change of time stamps must "
	       "show",
	.args_size = sizeof(struct no_args),
	.args = no_args,
	.run = tick_run,
	.settles = true,
};
