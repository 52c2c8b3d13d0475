/* SPDX-License-Identifier: GPL-2.0-only */
#include "guard.h"

#include <setjmp.h>
#include <signal.h>
#include <string.h>

static sigjmp_buf way_out;

static void leap(int sig)
{
	siglongjmp(way_out, sig);
}

int guard_copy(void *to, const void *from, size_t len)
{
	const struct sigaction catch = { .sa_handler = leap };
	struct sigaction bus, segv;
	int sig;

	sigaction(SIGBUS, &catch, &bus);
	sigaction(SIGSEGV, &catch, &segv);
	sig = sigsetjmp(way_out, 1);
	if (!sig)
		memcpy(to, from, len);
	sigaction(SIGBUS, &bus, NULL);
	sigaction(SIGSEGV, &segv, NULL);
	return sig;
}
