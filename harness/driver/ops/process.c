/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ops on the process: rlimit, become, drop_cap, raise_cap. Whatever they take away can be had back:
 * limits are soft ones, the saved user stays root, capabilities stay permitted. A point is a
 * process of its own, so what it started with is kept in one place for all.
 */
#include "process.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>

#include "../op.h"
#include "../world.h"

#define GROUPS_MAX 64
#define CAP_WORDS  _LINUX_CAPABILITY_U32S_3

static const int limits[] = { RLIMIT_FSIZE, RLIMIT_NOFILE };

#define LIMITS_COUNT (sizeof(limits) / sizeof(limits[0]))

/* What the process started with. */
static struct {
	uid_t uid;
	gid_t gid;
	pid_t parent;
	int death_signal;
	gid_t groups[GROUPS_MAX];
	int groups_count;
	struct rlimit limit[LIMITS_COUNT];
	struct __user_cap_data_struct caps[CAP_WORDS];
} start;

static int get_caps(struct __user_cap_data_struct *data)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };

	return (int)syscall(SYS_capget, &header, data);
}

static int set_caps(const struct __user_cap_data_struct *data)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };

	return (int)syscall(SYS_capset, &header, data);
}

static void look_at_self(struct world *w)
{
	struct __user_cap_data_struct caps[CAP_WORDS] = { { 0 } };

	if (get_caps(caps))
		world_error(w, "capget: %s", strerror(errno));
	w->fsetid = caps[CAP_TO_INDEX(CAP_FSETID)].effective & CAP_TO_MASK(CAP_FSETID);
	w->other_user = geteuid() != 0;
}

void process_setup(struct world *w)
{
	start.uid = geteuid();
	start.gid = getegid();
	start.parent = getppid();
	prctl(PR_GET_PDEATHSIG, &start.death_signal, 0, 0, 0);
	start.groups_count = getgroups(GROUPS_MAX, start.groups);
	for (size_t i = 0; i < LIMITS_COUNT; i++)
		getrlimit(limits[i], &start.limit[i]);
	if (get_caps(start.caps))
		world_error(w, "capget: %s", strerror(errno));
	look_at_self(w);
}

/* The saved user and group stay what they were, and let us in again. */
static int change_user(uid_t uid, gid_t gid, const gid_t *groups, int count)
{
	if (geteuid() != start.uid && seteuid(start.uid))
		return -1;
	if (start.uid == 0 && setgroups((size_t)count, groups))
		return -1;
	if (setresgid(gid, gid, start.gid) || setresuid(uid, uid, start.uid))
		return -1;
	return 0;
}

static int become(uid_t uid, gid_t gid, const gid_t *groups, int count)
{
	int ret, err;

	if (geteuid() == uid && getegid() == gid)
		return 0;
	ret = change_user(uid, gid, groups, count);
	err = errno;
	/* A change of user hides /proc/self from ourselves, and the driver opens files through it;
	 * it also makes the kernel forget to kill us when the driver dies. */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	prctl(PR_SET_PDEATHSIG, start.death_signal, 0, 0, 0);
	if (start.death_signal && getppid() != start.parent)
		_exit(1);
	errno = err;
	return ret;
}

void process_teardown(struct world *w)
{
	const int groups = start.groups_count > 0 ? start.groups_count : 0;

	if (become(start.uid, start.gid, start.groups, groups) || set_caps(start.caps))
		world_error(w, "cannot be user %u again: %s", start.uid, strerror(errno));
	for (size_t i = 0; i < LIMITS_COUNT; i++)
		setrlimit(limits[i], &start.limit[i]);
	look_at_self(w);
}

static const struct word limit_words[] = {
	{ "fsize", RLIMIT_FSIZE },
	{ "nofile", RLIMIT_NOFILE },
	{ NULL, 0 },
};

struct rlimit_args {
	int what;
	uint64_t value;
};

static const struct argspec rlimit_args[] = {
	ARG(WORD, struct rlimit_args, what, .words = limit_words, .required = true,
	    .doc = "size of files, or number of descriptors"),
	ARG(NUM, struct rlimit_args, value, .required = true,
	    .doc = "new soft limit; \"-1\" is none"),
	ARG_END,
};

static void rlimit_run(struct world *w, const void *args, struct op_result *r)
{
	const struct rlimit_args *a = args;
	struct rlimit limit;

	(void)w;
	if (getrlimit((__rlimit_resource_t)a->what, &limit)) {
		r->harness = errno;
		return;
	}
	limit.rlim_cur = a->value == UINT64_MAX ? limit.rlim_max : (rlim_t)a->value;
	RESULT(r, setrlimit((__rlimit_resource_t)a->what, &limit));
}

const struct op op_rlimit = {
	.name = "rlimit",
	.doc = "set a limit of the process, until the end of the case: setrlimit(2)",
	.args_size = sizeof(struct rlimit_args),
	.args = rlimit_args,
	.run = rlimit_run,
};

struct become_args {
	uint64_t uid, gid;
};

static const struct argspec become_args[] = {
	ARG(NUM, struct become_args, uid, .required = true, .max = INT32_MAX, .doc = "user"),
	ARG(NUM, struct become_args, gid, .required = true, .max = INT32_MAX, .doc = "group"),
	ARG_END,
};

static int become_need(const void *args)
{
	(void)args;
	return NEED_CHOWN;
}

static void become_run(struct world *w, const void *args, struct op_result *r)
{
	const struct become_args *a = args;

	(void)w;
	RESULT(r, become((uid_t)a->uid, (gid_t)a->gid, NULL, 0));
}

static void become_apply(struct world *w, const void *args, const struct op_result *r)
{
	(void)args;
	(void)r;
	look_at_self(w);
}

const struct op op_become = {
	.name = "become",
	.doc = "be another user without further groups, or root again: setresuid(2), setresgid(2)",
	.args_size = sizeof(struct become_args),
	.args = become_args,
	.need = become_need,
	.run = become_run,
	.apply = become_apply,
};

static const struct word cap_words[] = {
	{ "chown", CAP_CHOWN },
	{ "dac_override", CAP_DAC_OVERRIDE },
	{ "fowner", CAP_FOWNER },
	{ "fsetid", CAP_FSETID },
	{ "linux_immutable", CAP_LINUX_IMMUTABLE },
	{ "sys_admin", CAP_SYS_ADMIN },
	{ "sys_resource", CAP_SYS_RESOURCE },
	{ NULL, 0 },
};

struct cap_args {
	int cap;
};

static const struct argspec cap_args[] = {
	ARG(WORD, struct cap_args, cap, .words = cap_words, .required = true,
	    .doc = "capability, capabilities(7)"),
	ARG_END,
};

static int cap_need(const void *args)
{
	(void)args;
	return NEED_ROOT;
}

static void change_cap(int cap, bool on, struct op_result *r)
{
	struct __user_cap_data_struct caps[CAP_WORDS] = { { 0 } };
	const uint32_t bit = CAP_TO_MASK((uint32_t)cap);
	uint32_t *effective = &caps[CAP_TO_INDEX((uint32_t)cap)].effective;

	if (get_caps(caps)) {
		r->harness = errno;
		return;
	}
	*effective = on ? *effective | bit : *effective & ~bit;
	RESULT(r, set_caps(caps));
}

static void drop_cap_run(struct world *w, const void *args, struct op_result *r)
{
	(void)w;
	change_cap(((const struct cap_args *)args)->cap, false, r);
}

static void raise_cap_run(struct world *w, const void *args, struct op_result *r)
{
	(void)w;
	change_cap(((const struct cap_args *)args)->cap, true, r);
}

const struct op op_drop_cap = {
	.name = "drop_cap",
	.doc = "do without a capability: capset(2), the effective set",
	.args_size = sizeof(struct cap_args),
	.args = cap_args,
	.need = cap_need,
	.run = drop_cap_run,
	.apply = become_apply,
};

const struct op op_raise_cap = {
	.name = "raise_cap",
	.doc = "have a capability back: capset(2)",
	.args_size = sizeof(struct cap_args),
	.args = cap_args,
	.need = cap_need,
	.run = raise_cap_run,
	.apply = become_apply,
};
