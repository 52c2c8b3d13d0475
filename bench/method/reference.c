/* SPDX-License-Identifier: GPL-2.0-only */
/* Rows to read the others by: what timing costs, what a system call costs, what starting a program
 * costs. */
#include <errno.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "method.h"

static int empty_run(void *state, const struct job *j)
{
	(void)state;
	(void)j;
	return 0;
}

const struct method method_empty = {
	.name = "empty",
	.doc = "nothing: what timing itself costs",
	.kind = METHOD_REFERENCE,
	.role = "overhead",
	.need = -1,
	.run = empty_run,
};

static int getppid_run(void *state, const struct job *j)
{
	(void)state;
	(void)j;
	return syscall(SYS_getppid) < 0 ? -errno : 0;
}

const struct method method_getppid = {
	.name = "getppid",
	.doc = "a system call that does nothing",
	.kind = METHOD_REFERENCE,
	.role = "reference",
	.need = -1,
	.run = getppid_run,
};

static int refused_run(void *state, const struct job *j)
{
	(void)state;
	/* a source that is none */
	return ioctl(j->to, FICLONE, -1) ? 0 : -EIO;
}

const struct method method_refused = {
	.name = "refused",
	.doc = "FICLONE from a descriptor that is none: refused before the filesystem is asked",
	.kind = METHOD_REFERENCE,
	.role = "reference",
	.need = -1,
	.run = refused_run,
};

static int spawn_run(void *state, const struct job *j)
{
	const char *const argv[] = { "true", NULL };

	(void)state;
	return method_start(argv, j->folder, -1);
}

const struct method method_spawn = {
	.name = "spawn",
	.doc = "starting a program that does nothing and waiting for its end",
	.kind = METHOD_REFERENCE,
	.role = "overhead",
	.need = -1,
	.program = "true",
	.run = spawn_run,
};
