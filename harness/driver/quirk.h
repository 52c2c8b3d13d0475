/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Quirks: deviations of a filesystem that are known and explained. They turn fail into xfail and
 * pass into xpass. A quirk needs a reason and a link that a reader can follow.
 *
 *     { "filesystem": "xfs",
 *       "quirks": [ { "case": "errno/x[*]", "kernel": ">=5.18 <6.20", "mount": "compress",
 *                     "server": "ksmbd", "second": "btrfs", "unit": "65536", "seen": "EINVAL",
 *                     "covers": ["hang"], "reason": "...", "link": "..." } ] }
 *
 * "kernel", "mount" (a part of the mount options, or with "!" in front one that they lack),
 * "server" (what serves a network filesystem, as the run was told: --server), "second" (type of the
 * other filesystem), "unit" (allocation unit, in bytes), "seen" and "covers" may be left out. In
 * "case" and "seen" * stands for anything, and either may be a list of several; a plain name is all
 * points of the case. With "seen" only failures are covered in which just that was seen, so that
 * what is known hides nothing else. A hang, a crash and a complaint in the kernel log are covered
 * only by a quirk that says so in "covers" ("hang", "crash", "kmsg"), so that a known wrong errno
 * hides no oops. What goes wrong by chance, or in some of many points, is "sometimes": true; a
 * pass says nothing then, and stays a pass. What leaves the machine or the filesystem unfit for
 * all that comes after it is "skip": true, and is only run if that is asked for (--despite-
 * quirks).
 */
#ifndef COWBELL_QUIRK_H
#define COWBELL_QUIRK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

/** QUIRK_PASS - what a result is called that is no failure; QUIRK_SKIP - before a point is run */
#define QUIRK_PASS "pass"
#define QUIRK_SKIP "skip"

/** struct quirk_place - where a run takes place */
struct quirk_place {
	/** @fs_type: e.g. "xfs"; @second: of --dir2, NULL if there is none */
	const char *fs_type, *second;
	const char *mount_options;
	/** @server: what serves it, NULL if that is not known */
	const char *server;
	/** @release: of the kernel, as uname says */
	const char *release;
	/** @unit_bytes: the allocation unit */
	uint64_t unit_bytes;
};

/**
 * quirk_load() - add the quirks of one file's text to a list
 * @list: a JSON array; its entries are private to this module
 * @path: for messages
 *
 * Returns false with one line in @why if anything is wrong with it.
 */
bool quirk_load(json_t *list, const char *path, const char *text, size_t len, char *why,
		size_t why_size);

/**
 * quirk_find() - the first quirk that speaks of this case at this place
 * @kind: NULL for an ordinary failure, else "hang", "crash", "kmsg", QUIRK_PASS or QUIRK_SKIP
 * @seen: what a failure has seen, NULL if that is not known
 *
 * Returns {"reason", "link"} as results show it, a new reference, or NULL.
 */
json_t *quirk_find(const json_t *list, const struct quirk_place *place, const char *name,
		   const char *kind, const char *seen);

/**
 * quirk_kernel() - does a kernel release lie in a range such as ">=5.18 <6.20"?
 * @valid: set to false if the range cannot be understood
 *
 * Only as many numbers as the range has are compared: 6.1.5 is "=6.1" and not ">6.1".
 */
bool quirk_kernel(const char *range, const char *release, bool *valid);

/** quirk_names() - does the pattern name the point? */
bool quirk_names(const char *pattern, const char *name);

#endif
