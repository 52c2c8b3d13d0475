/* SPDX-License-Identifier: GPL-2.0-only */
/* traffic: how much of files has gone between client and server. */
#include "../op.h"
#include "../traffic.h"
#include "../world.h"

/* What had gone when a step asked last, if one has. A point is a process of its own. */
static uint64_t last;
static bool asked;

static int traffic_need(const void *args)
{
	(void)args;
	return NEED_TRAFFIC;
}

static void traffic_run(struct world *w, const void *args, struct op_result *r)
{
	uint64_t now;
	const int err = traffic_read(w->probe->fs_type, w->probe->device, &now);

	(void)args;
	if (err) {
		r->harness = -err;
		return;
	}
	r->ret = asked ? (int64_t)(now - last) : 0;
	/* No byte is an answer. */
	if (!r->ret)
		r->text = "0";
	last = now;
	asked = true;
}

const struct op op_traffic = {
	.name = "traffic",
	.doc = "bytes of files that the client has sent to the server and fetched from it since "
	       "the last step of this kind, 0 for the first: proc_pid_mountstats(5), "
	       "/proc/fs/cifs/Stats",
	.args_size = sizeof(struct no_args),
	.args = no_args,
	.need = traffic_need,
	.alone = true,
	.run = traffic_run,
};
