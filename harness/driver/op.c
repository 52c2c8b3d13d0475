/* SPDX-License-Identifier: GPL-2.0-only */
/* The list of all ops, and names of errnos and signals. */
#include "op.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* One line for each op; the struct is op_NAME in a file of ops/. Sorted. */
/* clang-format off */
#define OP_LIST(X) \
	X(become) \
	X(chattr) \
	X(check) \
	X(chmod) \
	X(chown) \
	X(clone) \
	X(clone_range) \
	X(close) \
	X(copy_range) \
	X(copy_rw) \
	X(crash_server) \
	X(dedupe) \
	X(drop_cache) \
	X(drop_caches) \
	X(drop_cap) \
	X(dup) \
	X(fallocate) \
	X(fcntl) \
	X(fdatasync) \
	X(fiemap) \
	X(fill) \
	X(freeze) \
	X(fsgetxattr) \
	X(fssetxattr) \
	X(fsync) \
	X(get) \
	X(getxattr) \
	X(limit_quota) \
	X(link) \
	X(load) \
	X(lock) \
	X(make_room) \
	X(map) \
	X(memfd) \
	X(mkdir) \
	X(mkfifo) \
	X(mknod) \
	X(mkswap) \
	X(msync) \
	X(ocfs2_reflink) \
	X(open) \
	X(perforate) \
	X(pipe) \
	X(push_down) \
	X(put) \
	X(raise_cap) \
	X(read) \
	X(remount) \
	X(removexattr) \
	X(rename) \
	X(rlimit) \
	X(rmdir) \
	X(same) \
	X(seal) \
	X(seek) \
	X(sendfile) \
	X(setxattr) \
	X(socketpair) \
	X(splice) \
	X(statvfs) \
	X(statx) \
	X(store) \
	X(swapoff) \
	X(swapon) \
	X(syncfs) \
	X(thaw) \
	X(tick) \
	X(tile) \
	X(traffic) \
	X(truncate) \
	X(unlink) \
	X(unmap) \
	X(utimes) \
	X(write)

#define OP_DECLARE(name) extern const struct op op_##name;
OP_LIST(OP_DECLARE)

#define OP_ENTRY(name) &op_##name,
static const struct op *const ops[] = { OP_LIST(OP_ENTRY) };

#define OPS_COUNT (sizeof(ops) / sizeof(ops[0]))
/* No errno of Linux is larger. */
#define ERRNO_LAST 133

const struct argspec no_args[] = { ARG_END };

const struct op *op_at(size_t i)
{
	return i < OPS_COUNT ? ops[i] : NULL;
}

const struct op *op_find(const char *name)
{
	for (size_t i = 0; i < OPS_COUNT; i++)
		if (!strcmp(ops[i]->name, name))
			return ops[i];
	return NULL;
}

bool op_makes_names(const struct op *op)
{
	for (size_t i = 0; op->args[i].name; i++)
		if (op->args[i].type == ARG_NEW_FILE)
			return true;
	return false;
}

const char *errno_name(int err)
{
	static __thread char number[sizeof("errno -2147483648")];
	const char *name = strerrorname_np(err);

	if (err == EOPNOTSUPP)
		return "EOPNOTSUPP";
	if (name)
		return name;
	snprintf(number, sizeof(number), "errno %d", err);
	return number;
}

int errno_number(const char *name)
{
	/* libc's name for 95 is ENOTSUP; the man pages of these calls say EOPNOTSUPP. */
	if (!strcmp(name, "EOPNOTSUPP"))
		return EOPNOTSUPP;
	for (int i = 1; i <= ERRNO_LAST; i++) {
		const char *known = strerrorname_np(i);

		if (known && !strcmp(known, name))
			return i;
	}
	return 0;
}

const char *signal_name(int sig)
{
	switch (sig) {
	case SIGBUS:
		return "SIGBUS";
	case SIGSEGV:
		return "SIGSEGV";
	case SIGXFSZ:
		return "SIGXFSZ";
	case SIGPIPE:
		return "SIGPIPE";
	default:
		return "SIG?";
	}
}

int signal_number(const char *name)
{
	static const int known[] = { SIGBUS, SIGSEGV, SIGXFSZ, SIGPIPE };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(signal_name(known[i]), name))
			return known[i];
	return 0;
}
