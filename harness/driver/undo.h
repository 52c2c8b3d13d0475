/* SPDX-License-Identifier: GPL-2.0-only */
/* Undoes what would outlive the process (a frozen filesystem, active swap space), whatever becomes
 * of the process. */
#ifndef COWBELL_UNDO_H
#define COWBELL_UNDO_H

#include <stdbool.h>
#include <sys/types.h>

/** struct undo - something to be undone; all zero is nothing */
struct undo {
	/** @guard: process that does it when we die or take too long, 0 is none */
	pid_t guard;
	/** @fd: the file or folder that it is about; @line: the guard listens to its end of file */
	int fd, line;
	/** @how: returns 0 or a negative errno */
	int (*how)(int fd);
};

/**
 * undo_begin() - do something that must be undone, with a guard
 * @what: does it; returns 0 or a negative errno
 * @how: undoes it; harmless if that was done already
 * @seconds: after so long the guard does it by itself, 0 is never
 *
 * Returns 0, or a negative errno and nothing was done.
 */
int undo_begin(struct undo *u, int fd, int (*what)(int fd), int (*how)(int fd),
	       unsigned int seconds);

/** undo_end() - undo it now and dismiss the guard; 0 or a negative errno; nothing to do is fine */
int undo_end(struct undo *u);

/* What is done and undone so: FIFREEZE and FITHAW, swapon(2) and swapoff(2). */
int undo_freeze(int fd);
int undo_thaw(int fd);
int undo_swapon(int fd);
int undo_swapoff(int fd);

#endif
