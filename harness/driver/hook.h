/* SPDX-License-Identifier: GPL-2.0-only */
/* Commands given by --hook NAME=COMMAND, e.g. one that remounts the filesystem under test. */
#ifndef COWBELL_HOOK_H
#define COWBELL_HOOK_H

#include <stdbool.h>

/** hook_valid() - is this NAME=COMMAND, with a plain name? */
bool hook_valid(const char *text);

/**
 * hook_run() - run a hook's command by /bin/sh, with COWBELL_DIR (and COWBELL_DIR2) set
 * @hooks: NAME=COMMAND texts, ends with NULL
 * @timeout_s: how long it may take if that is more than a minute
 *
 * Returns 0 if it succeeded, -ENOENT if there is no such hook, -ETIMEDOUT, or -EREMOTEIO if the
 * command failed.
 */
int hook_run(const char *const *hooks, const char *name, const char *dir, const char *dir2,
	     unsigned int timeout_s);

#endif
