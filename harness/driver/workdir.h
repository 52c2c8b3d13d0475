/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The run folder: the one folder below the directory given in which all work takes place. It is
 * locked while the run lives; a folder with our marker that no one has locked was left by a run
 * that was killed, and the next run tears it down. Two runs in one directory do not disturb each
 * other. Nothing here follows a symbolic link.
 */
#ifndef COWBELL_WORKDIR_H
#define COWBELL_WORKDIR_H

#include <stdbool.h>
#include <stddef.h>

/** struct workdir - one run folder; start with WORKDIR_NONE */
struct workdir {
	/** @dir: the directory given, as an absolute path; NULL if there is none */
	char *dir;
	/** @name: of the run folder in it */
	char name[32];
	/** @fd: the run folder, -1 while it is given up for a hook */
	int fd;
	/** @lock: a description of its own that holds the lock; children close it at once */
	int lock;
};

#define WORKDIR_NONE \
	{ \
		.fd = -1, .lock = -1 \
	}

/**
 * workdir_make() - make and lock a run folder in @path
 *
 * Returns 0, or -1 with one line in @why.
 */
int workdir_make(struct workdir *w, const char *path, char *why, size_t why_size);

/**
 * workdir_view() - the run folder of @dir as another mount of the same filesystem shows it
 * @path: where that mount shows the directory that @dir's run folder is in
 *
 * Nothing is believed: what is made on one side must appear on the other. @view stays closed;
 * workdir_reopen() opens it. Returns 0, or -1 with one line in @why.
 */
int workdir_view(struct workdir *view, const struct workdir *dir, const char *path, char *why,
		 size_t why_size);

/**
 * workdir_teardown() - remove what killed runs left
 * @dedicated: the filesystem is ours: thaw it if a killed run left it frozen
 *
 * Meets whatever wedged the filesystem before, so call it by helper_run(). Returns its exit code.
 */
int workdir_teardown(const char *path, bool dedicated);

/** workdir_drop() - hold nothing open any more; workdir_again() - open and lock it again, 0 or a
 * negative errno */
void workdir_drop(struct workdir *w);
int workdir_again(struct workdir *w);

/** workdir_unlock() - before workdir_remove(), in the process that made the folder: hold its marker
 * open no more, which some filesystems cannot remove then; that this process lives still protects
 * the folder from others */
void workdir_unlock(struct workdir *w);

/** workdir_remove() - remove the run folder with all that is in it; exit code for helper_run() */
int workdir_remove(struct workdir *w);

/** workdir_keep() - leave the folder where it is, and never take it for a stale one */
void workdir_keep(struct workdir *w);

/** workdir_close() - give back what @w holds */
void workdir_close(struct workdir *w);

/** workdir_gone() - 0 if files can be made in it, else the errno that says why not */
int workdir_gone(const struct workdir *w);

/** workdir_enter() - make and open a point's own folder; a descriptor or a negative errno */
int workdir_enter(int fd, const char *name);

/** workdir_reopen() - in a child, after a hook: open the run folder and a point's own folder again
 * by their paths; the latter's descriptor or a negative errno */
int workdir_reopen(struct workdir *w, const char *name);

/** workdir_leave() - remove a point's own folder with all that is in it; 0 or a negative errno */
int workdir_leave(int fd, const char *name);

/** workdir_thaw() - undo a freeze that a killed point left behind; harmless if there is none */
void workdir_thaw(const struct workdir *w);

#endif
