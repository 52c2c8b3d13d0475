/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernels without a bug that take longer: COWBELL_DELAY_PERCENT of the time that the call took is
 * spent again, spinning. They are there to find out what `cowbell compare` can see, so no case has
 * to notice them, and COWBELL_MUTANT=list does not name them.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "kernel.h"
#include "mutants.h"

#define NS_PER_S	1000000000
#define PERCENT_DEFAULT 10
#define PERCENT_MAX	10000

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

/* What is no number is taken as the default: there is nobody here to complain to. */
static double percent(void)
{
	static double found = -1;
	const char *text = getenv("COWBELL_DELAY_PERCENT");
	char *end;

	if (found >= 0)
		return found;
	found = text ? strtod(text, &end) : PERCENT_DEFAULT;
	if (text && (end == text || *end || !(found >= 0 && found <= PERCENT_MAX)))
		found = PERCENT_DEFAULT;
	return found;
}

static long slow(struct call *c)
{
	const double share = percent() / 100;
	const int64_t start = now_ns();
	const long ret = call_real(c);
	const int err = errno;
	const int64_t end = now_ns(), until = end + (int64_t)((double)(end - start) * share);

	while (now_ns() < until)
		;
	if (until > end)
		acted();
	errno = err;
	return ret;
}

#define SLOW(name_, kind_) \
	{ \
		.name = "slow-" name_, .subject = "bench", .loses = "time", .kind = kind_, \
		.run = slow, .timing = true \
	}

const struct mutant slow_mutants[] = {
	SLOW("clone", CALL_CLONE),   SLOW("clone-range", CALL_CLONE_RANGE),
	SLOW("dedupe", CALL_DEDUPE), SLOW("copy-range", CALL_COPY_RANGE),
	SLOW("write", CALL_WRITE),   MUTANTS_END,
};
