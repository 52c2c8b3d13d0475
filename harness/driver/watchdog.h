/* SPDX-License-Identifier: GPL-2.0-only */
/* What processes that do not get on are waiting for, as far as /proc tells. */
#ifndef COWBELL_WATCHDOG_H
#define COWBELL_WATCHDOG_H

#include <sys/types.h>

#include <jansson.h>

/**
 * watchdog_stacks() - all tasks of a process group
 *
 * Returns a new object: {"1234 cowbell": "state D\nwchan ...\nsyscall ...\n<kernel stack>"}.
 */
json_t *watchdog_stacks(pid_t group);

#endif
