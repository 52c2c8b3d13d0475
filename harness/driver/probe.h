/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The prober: what the filesystem behind a directory can do, found by trying with real data, never
 * by its name.
 */
#ifndef COWBELL_PROBE_H
#define COWBELL_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "need.h"
#include "units.h"

/** enum answer - what the prober found */
enum answer {
	/** @ANSWER_NO: refused with an errno that means "not supported"; cases that need it are
	   skipped */
	ANSWER_NO,
	/** @ANSWER_YES: it worked and did what it must */
	ANSWER_YES,
	/** @ANSWER_BROKEN: neither; cases that need it run all the same, so that broken never hides
	   as unsupported */
	ANSWER_BROKEN,
};

/** struct probe - the answers for one directory */
struct probe {
	struct {
		enum answer answer;
		/** @why: "FICLONE: EOPNOTSUPP"; empty for a plain yes */
		char why[120];
	} need[NEED_COUNT];
	struct units units;
	/** @unit_how: which trial found the allocation unit: "clone", "punch", "st_blocks" or
	 * "assumed" */
	const char *unit_how;
	/** @fs_type: as /proc/self/mountinfo says, e.g. "xfs"; @fs_magic: statfs f_type */
	char fs_type[32];
	long fs_magic;
	char mount_options[512];
	/** @device: source of the mount; @device_kind: "loop", "disk", "memory", "none" */
	char device[256];
	char device_kind[16];
	/** @free_bytes: statvfs f_bavail */
	uint64_t free_bytes;
	/** @hooks: NAME=COMMAND texts of --hook, for the need hook:NAME; ends with NULL */
	const char *const *hooks;
	/** @late_times: time stamps may move long after the file was written */
	bool late_times;
};

/** struct probe_options - what the command line adds */
struct probe_options {
	bool dedicated;
	const char *const *hooks;
	/** @dir2fd: -1 if there is no second directory */
	int dir2fd;
	/** @viewfd: the folder seen through another mount, -1 if there is none */
	int viewfd;
};

/**
 * probe_run() - find out about the filesystem that @dirfd is on
 * @dirfd: an empty folder of ours; left empty
 *
 * Returns 0, or a negative errno if the directory is not fit for any work, with @why filled: one
 * line.
 */
int probe_run(int dirfd, const struct probe_options *o, struct probe *out, char *why,
	      size_t why_size);

/**
 * probe_meets() - does the filesystem meet one need?
 * @why: set to the reason if not; valid until the next call
 */
bool probe_meets(const struct probe *p, int need, bool negated, const char *param,
		 const char **why);

/** probe_filesystem_json() - the facts, as "filesystem" of a result file's first line; a new
 * reference */
json_t *probe_filesystem_json(const struct probe *p);

/** probe_mount_id() - number of the mount that a descriptor was opened by; -1 if it is not known */
int probe_mount_id(int fd);

/** probe_json() - all answers as {"clone": "yes", "swap": "no: swapon: EINVAL"}; a new reference */
json_t *probe_json(const struct probe *p);

#endif
