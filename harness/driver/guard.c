/* SPDX-License-Identifier: GPL-2.0-only */
#include "guard.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>

/* Of each thread: actors may be threads. */
static _Thread_local sigjmp_buf way_out;
static _Thread_local volatile bool armed;

static void leap(int sig)
{
	if (armed)
		siglongjmp(way_out, sig);
	/* not ours to catch: it comes again, and kills */
	signal(sig, SIG_DFL);
}

static void catch (void)
{
	const struct sigaction catch = { .sa_handler = leap };

	sigaction(SIGBUS, &catch, NULL);
	sigaction(SIGSEGV, &catch, NULL);
}

int guard_call(void (*fn)(void *arg), void *arg)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int sig;

	pthread_once(&once, catch);
	sig = sigsetjmp(way_out, 1);
	if (!sig) {
		armed = true;
		fn(arg);
	}
	armed = false;
	return sig;
}

/** struct copy - for guard_call() */
struct copy {
	void *to;
	const void *from;
	size_t len;
};

static void copy(void *arg)
{
	const struct copy *c = arg;

	memcpy(c->to, c->from, c->len);
}

int guard_copy(void *to, const void *from, size_t len)
{
	struct copy c = { to, from, len };

	return guard_call(copy, &c);
}
