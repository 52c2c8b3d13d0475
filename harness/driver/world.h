/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The world of one running point: its folder, files, descriptors, mappings, and what the model says
 * of each. Ops act on it, oracles read it; exec.c makes it and walks the steps.
 */
#ifndef COWBELL_WORLD_H
#define COWBELL_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "arena.h"
#include "case.h"
#include "model.h"
#include "probe.h"

/** struct wfile - one name in the point's folder (or a nameless file) */
struct wfile {
	const struct filespec *spec;
	/** @exists: there is such a file; @linked: it has this name */
	bool exists, linked;
	/** @path: name below the point's folder; changes with rename */
	const char *path;
	/** @dirfd: folder that it lies in */
	int dirfd;
	/** @keep: the harness's own descriptor of a regular file , by which it is read back even
	 * when unlinked; -1 if none */
	int keep;
	/** @model: for regular files; NULL for all else */
	struct mfile *model;
	/** @lower: it lies in the lower layer of an overlay; copying it up moves its ctime, once */
	bool lower;
	/** @maps: how many writable shared mappings there are: time stamps may then move by
	 * themselves */
	unsigned int maps;
	/** @raced: actors work on it, so the model does not know what is in it */
	bool raced;
	/** @midway: a call failed when it had begun; the time stamps that it moved may be in memory
	 * only, and the old ones come back with the inode */
	bool midway;
	/** @written: a step has changed its content or size; @dated: one has set its mtime since */
	bool written, dated;
	/** @known: what statx said after the last step */
	struct {
		bool valid;
		uint64_t size, blocks;
		uint32_t mode, uid, gid, nlink;
		int64_t mtime_ns, ctime_ns;
	} known;
};

/** struct ofd - an open file description: what dup()ed descriptors have in common */
struct ofd {
	/** @file: index of the file, or -1 */
	int file;
	/** @pos: the file position that the model expects; @pos_known: no, if false */
	uint64_t pos;
	bool pos_known;
	/** @flags: O_* */
	uint64_t flags;
	/** @view: opened through the other mount (--view) */
	bool view;
	/** @pipe: what lies in the pipe, for pipes that the model follows; shared by both ends;
	 * NULL otherwise */
	struct rope *pipe;
};

/** struct wfd - one named descriptor */
struct wfd {
	/** @fd: -1 if it is not open */
	int fd;
	struct ofd *ofd;
};

/** struct wmap - one named mapping */
struct wmap {
	/** @addr: NULL if it is not mapped */
	uint8_t *addr;
	uint64_t len;
	/** @file: index; @off: place in the file */
	int file;
	uint64_t off;
	bool shared, writable;
	/** @own: for private mappings, what was stored in whole pages since; size == len,
	 * PATTERN_ANY where nothing was */
	struct rope own;
};

/** struct checked - how much was compared; a point that compared nothing is an error */
struct checked {
	uint64_t results, bytes, positions, attributes, times, shared_blocks, space;
	/** @rounds: of a race, and how many @overlaps: in how many the calls really overlapped */
	uint64_t rounds, overlaps;
};

/** struct world - everything a running point has */
struct world {
	const struct point *point;
	const struct probe *probe;
	struct units units;
	struct arena *arena;
	/** @dirfd: the point's own folder; @dir2fd: the same on the second filesystem, or -1;
	 * @viewfd: the first through another mount of it, or -1 */
	int dirfd, dir2fd, viewfd;
	/** @tag: stamp tag of this point */
	uint32_t tag;
	uint64_t seed;
	struct model model;
	/** @files: point->files_count of them; descriptors and maps likewise */
	struct wfile *files;
	struct wfd *fds;
	struct wmap *maps;
	/** @step_ns: CLOCK_REALTIME_COARSE when the step began; @step_mono_ns:
	 * CLOCK_MONOTONIC_COARSE, to see whether somebody has set the clock since */
	int64_t step_ns, step_mono_ns;
	/** @step: the step that runs now; NULL at the end of the point */
	const struct step *step;
	struct checked checked;
	/** @fsetid: the caller has CAP_FSETID at present; @other_user: it is not root at present */
	bool fsetid, other_user;
	/** @hook: asks the supervisor to run a hook; returns 0 or a negative errno */
	int (*hook)(struct world *w, const char *name);
	/** @actor: whose world it is; NULL in the controller. @race: what the controller knows of
	 * the race, NULL if there is none */
	struct actor *actor;
	struct round *round;
	/** @private_: of exec.c */
	struct exec *exec;
};

/** world_fd() - the kernel's number for a descriptor argument; never open for "closed" and
 * "negative" */
int world_fd(const struct world *w, int fd);

/** world_ofd() - description behind a descriptor argument, NULL if there is none */
struct ofd *world_ofd(struct world *w, int fd);

/** world_file() - the file behind a descriptor argument, NULL if it has none (pipe, eventfd,
 * closed) */
struct wfile *world_file(struct world *w, int fd);

/** world_model() - model of the regular file behind a descriptor argument, NULL if there is none */
struct mfile *world_model(struct world *w, int fd);

/** world_open_fd() - fill slot @fd with a kernel descriptor and a new description of file @file (or
 * -1) */
void world_open_fd(struct world *w, int fd, int kernel_fd, int file, uint64_t flags);

/** world_close_fd() - empty the slot; does not close */
void world_close_fd(struct world *w, int fd);

/** world_keep_fd() - the harness's own descriptor of a file, whatever became of its name; -1 if
 * none */
int world_keep_fd(const struct world *w, int file);

/**
 * world_made() - a step has just created regular file @file at its path
 *
 * Makes its model (empty), its place among the files that are checked, and the harness's own
 * descriptor.
 */
void world_made(struct world *w, int file);

/** world_is_here() - does a file lie on the filesystem under test? Not a memfd, not on the second
 * one */
bool world_is_here(const struct world *w, const struct wfile *f);

/** world_remount() - give up all descriptors and mappings, run a hook, come back; 0 or a negative
 * errno */
int world_remount(struct world *w, const char *hook);

/** world_is_away() - is a file open for writing by another client (--view)? What that one writes
 * stays with it until it closes the file (close-to-open, nfs(5)), so nothing can be demanded of
 * what is seen on this side */
bool world_is_away(const struct world *w, const struct wfile *f);

/** world_first_name() - false if @file is a hard link to an inode that an earlier entry of files[]
 * is */
bool world_first_name(const struct world *w, size_t file);

/** world_pattern_name() - for messages: "src", "step3", "zeroes" */
const char *world_pattern_name(const struct world *w, uint32_t pattern);

/**
 * world_fail() - the step's result, or what a file holds, is not what is allowed
 * @allowed: what would have been right; the text after it is what was seen
 *
 * Only the first complaint of a point is kept; the verdict becomes fail.
 */
void world_fail(struct world *w, const char *allowed, const char *seen, ...)
	__attribute__((format(printf, 3, 4)));

/** world_error() - the harness itself cannot go on; the verdict becomes error */
void world_error(struct world *w, const char *what, ...) __attribute__((format(printf, 2, 3)));

/**
 * world_unproven() - what the case is about did not come about: calls that meet, signals that hit
 *
 * The verdict becomes error, or skip where the machine is emulated: its CPUs run when other work
 * lets them, so that it is nobody's fault.
 */
void world_unproven(struct world *w, const char *what);

/** world_stopped() - was there a complaint of either kind? */
bool world_stopped(const struct world *w);

/**
 * world_try() - from now on only note what world_fail() is told
 *
 * world_tried() ends that and returns the first complaint, NULL if there was none.
 */
void world_try(struct world *w);
const char *world_tried(struct world *w);

/** world_doing() - what is done now, for complaints and hangs; @step may be NULL */
void world_doing(struct world *w, const struct step *step, const char *text);

/** world_history() - what the actors of the failing round did, for the result; takes the reference
 */
void world_history(struct world *w, json_t *history);

/** world_text() - a string that lives as long as the point */
#define world_text(w, ...) arena_printf((w)->arena, __VA_ARGS__)

/** world_wrote() - mark what every successful write-like call does: time stamps moved, privileges
 * dropped (C26, F18) */
void world_wrote(struct world *w, struct mfile *f);

/** world_look() - take note of what statx says of every file, as that which the next step starts
 * from */
void world_look(struct world *w);

/** world_settle() - after a step: hold sizes, modes, owners, times and file positions against the
 * model */
void world_settle(struct world *w);

/** world_setup() - make the files of the point; world_error() if it cannot be done */
void world_setup(struct world *w);

/** world_teardown() - close and unmap everything, undo what outlives a process */
void world_teardown(struct world *w);

/** world_open_beneath() - openat2(2) of a plain name below @dirfd that follows no link; -1 and
 * errno */
int world_open_beneath(int dirfd, const char *name, uint64_t flags, uint32_t mode);

/** world_compare() - hold bytes that were read from [off, off + len) of @file against @want;
 * world_fail() on a difference */
bool world_compare(struct world *w, const char *file, const char *how, uint64_t off,
		   const void *bytes, size_t len, const struct rope *want, uint64_t want_off);

/** world_read_back() - read all of a file by a fresh descriptor and compare; @direct by O_DIRECT */
bool world_read_back(struct world *w, struct wfile *f, bool direct);

/** world_read_map() - compare a whole mapping with what the file behind it must hold */
bool world_read_map(struct world *w, int map);

/** world_step_names() - does the step that runs now name this file, its descriptors or mappings? */
bool world_step_names(struct world *w, int file);

/** world_observe() - record a value under observed{}; takes the reference of @value */
void world_observe(struct world *w, const char *key, json_t *value);

#endif
