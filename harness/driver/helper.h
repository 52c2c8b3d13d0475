/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Work on the filesystem under test that the driver itself has to do (probing, tearing down, hooks)
 * is done in a child with a time limit, so that a wedged filesystem cannot wedge the driver.
 */
#ifndef COWBELL_HELPER_H
#define COWBELL_HELPER_H

#include <stddef.h>

/**
 * helper_run() - run a function in a child and wait for it
 * @fn: its return value, 0 to 125, is the child's exit code
 * @signals: a signalfd; if it becomes readable, the child is killed. -1 if there is none.
 *
 * Returns the exit code, -ETIMEDOUT if the time was up, -EINTR if a signal came, -ECHILD if the
 * child was killed by someone else, or another negative errno. The child leads a process group,
 * which is killed as a whole; if it cannot be killed, it is left behind.
 */
int helper_run(int (*fn)(void *arg), void *arg, unsigned int timeout_s, int signals);

/** helper_memory() - zeroed memory that parent and children share; NULL if there is none */
void *helper_memory(size_t size);

/** helper_child() - what every child does first: default signals, dies with its parent, writes to
 * standard error only */
void helper_child(int parent);

#endif
