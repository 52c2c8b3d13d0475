/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A case as it is after loading: the file with its cross product (struct casefile), and one point
 * of that product with every name resolved and every size in bytes (struct point). docs/cases.md
 * describes the language.
 */
#ifndef COWBELL_CASE_H
#define COWBELL_CASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "model.h"
#include "units.h"

struct op;
struct oracle;
struct expansion;

enum strength { STRENGTH_MUST, STRENGTH_SHOULD, STRENGTH_OBSERVE };

/* What a name in "from", "fd" or "to" can be besides a declared descriptor. */
enum { FD_CLOSED = -2, FD_NEGATIVE = -3 };

/* An optional ARG_FD, ARG_FILE or ARG_MAP that is absent. */
#define NAME_NONE (-1)

/** struct opt_num - a number whose absence means something, e.g. a NULL offset pointer */
struct opt_num {
	bool set;
	uint64_t value;
};

/** struct list - the items of an ARG_LIST argument, an array of the nested arguments' struct */
struct list {
	void *items;
	size_t count;
};

/** enum arg_type - what an argument of an op may be, and the C type that it is stored as */
enum arg_type {
	/** uint64_t: a size expression; negative and too large values wrap (units.h) */
	ARG_NUM,
	/** struct opt_num */
	ARG_OPT_NUM,
	/** int: a descriptor by name, FD_CLOSED ("closed") or FD_NEGATIVE ("negative") */
	ARG_FD,
	/** int: a new descriptor's name, declared by this argument */
	ARG_NEW_FD,
	/** int: a file of "files" (or made by an earlier step), by name; used as a path */
	ARG_FILE,
	/** int: a new file's name, declared by this argument */
	ARG_NEW_FILE,
	/** int: a mapping by name */
	ARG_MAP,
	/** int: a new mapping's name, declared by this argument */
	ARG_NEW_MAP,
	/** struct data: "zero", a pattern's name, or "name@size"; absent: a pattern of this step's
	   own */
	ARG_DATA,
	/** int: one word of .words */
	ARG_WORD,
	/** uint64_t: words of .words joined by '+', or a number; "" and absent are 0 */
	ARG_FLAGS,
	/** uint32_t: octal permission bits, "0644" */
	ARG_MODE,
	/** bool: true or false */
	ARG_BOOL,
	/** const char *: any text; NULL if absent */
	ARG_TEXT,
	/** struct list: an array of objects with the arguments .nested */
	ARG_LIST,
};

/** struct word - one word of an ARG_WORD or ARG_FLAGS argument */
struct word {
	const char *name;
	uint64_t value;
};

/** struct argspec - one argument of an op; a table of them ends with .name == NULL */
struct argspec {
	const char *name;
	enum arg_type type;
	/** @offset: place of the value in the op's argument struct */
	size_t offset;
	bool required;
	/** @fallback: value if absent, in the words of the language; NULL is all-zero bytes */
	const char *fallback;
	/** @words: for ARG_WORD and ARG_FLAGS, ends with .name == NULL */
	const struct word *words;
	/** @nested, @item_size: for ARG_LIST */
	const struct argspec *nested;
	size_t item_size;
	/** @max: for ARG_NUM and ARG_OPT_NUM, the largest value a case may ask for, 0 is none:
	 * bounds buffers */
	uint64_t max;
	/** @doc: what it is, one line, for `cowbell list --ops` and the schema */
	const char *doc;
};

#define EXPECT_ERRS 6

/** enum expect_kind - what a step's result is held against */
enum expect_kind {
	/** @EXPECT_OK: the call succeeds */
	EXPECT_OK,
	/** @EXPECT_ERR: it fails with one of .errs, and changes nothing */
	EXPECT_ERR,
	/** @EXPECT_EITHER: it succeeds, or fails with one of .errs and changes nothing: what else
	   goes on decides */
	EXPECT_EITHER,
	/** @EXPECT_SIGNAL: it raises signal .sig (SIGBUS in a mapping) */
	EXPECT_SIGNAL,
	/** @EXPECT_ANY: whatever happens is taken into the model ("any", and every step with
	   "observe") */
	EXPECT_ANY,
};

/** struct expect - "expect" of a step */
struct expect {
	enum expect_kind kind;
	/** @errs: errno values, 0 ends the row */
	int errs[EXPECT_ERRS + 1];
	/** @sig: signal that must accompany the result, 0 is none: "signal": "SIGXFSZ" with an
	 * errno, or alone */
	int sig;
	/** @ret: exact return value, if set */
	struct opt_num ret;
	/** @more: the op's own expectations, as its .expects table lays them out; NULL if none was
	 * written */
	void *more;
	/** @more_set: bit i is set if entry i of .expects was written */
	uint64_t more_set;
	/** @text: the "expect" as it stood, on one line, for reports */
	const char *text;
};

/** struct step - one op with its arguments */
struct step {
	const struct op *op;
	void *args;
	/** @args_set: bit i is set if entry i of the op's .args was written or has a fallback */
	uint64_t args_set;
	struct expect expect;
	/** @twin: the step that differs in the least and must succeed; NULL if none */
	struct step *twin;
	/** @first: steps that run just before this one; only twins have them ("first") */
	struct step *first;
	size_t first_count;
	/** @no_twin: why there is no twin ("twin": "none", "reason": ...) */
	const char *no_twin;
	/** @observe: key under which the result is recorded, NULL if it is not */
	const char *observe;
	/** @path: where it stands in the file, "steps[2].twin" */
	const char *path;
	/** @pattern: number of the pattern that this step's data has if it names none */
	uint32_t pattern;
};

enum file_kind {
	FILE_REGULAR,
	FILE_DIR,
	FILE_FIFO,
	FILE_SOCKET,
	FILE_CHRDEV,
	FILE_BLKDEV,
	FILE_SYMLINK,
	FILE_TMPFILE,
	FILE_MEMFD,
	FILE_PIPE_READ,
	FILE_PIPE_WRITE,
	FILE_EVENTFD,
	FILE_HOST,
	FILE_LATER,
};

enum layout_kind {
	/** nothing allocated */
	LAYOUT_HOLE,
	/** stamped and on the disk */
	LAYOUT_WRITTEN,
	/** zeroes that were written as data and are on the disk */
	LAYOUT_ZERO,
	/** preallocated by fallocate(2), reads as zeroes */
	LAYOUT_UNWRITTEN,
	/** written, on the disk, and shared with a bystander file NAME.sharer */
	LAYOUT_SHARED,
	/** written and only in the page cache (delayed allocation) */
	LAYOUT_DIRTY,
};

/** struct layout - a piece of "layout" */
struct layout {
	enum layout_kind kind;
	uint64_t len;
};

/** struct filespec - one entry of "files" */
struct filespec {
	const char *name;
	enum file_kind kind;
	/** @size: of a regular file without a layout */
	uint64_t size;
	struct data data;
	struct layout *layout;
	size_t layout_count;
	/** @sync: flushed to disk after set-up */
	bool sync;
	uint32_t mode;
	bool mode_set;
	uint64_t uid, gid;
	bool owner_set;
	/** @second: lies on the second filesystem (--dir2) */
	bool second;
	/** @open: O_* flags of the descriptor that bears the file's name; @open_none: there is none
	 */
	uint64_t open;
	bool open_none;
	/** @path: for FILE_HOST the path below /proc, /sys or /dev; for FILE_SYMLINK the target's
	 * name */
	const char *path;
	/** @sharer: index of the bystander that shares LAYOUT_SHARED pieces, or -1 */
	int sharer;
};

/** struct need_use - one word of "needs" or one that a step implies */
struct need_use {
	/** @need: index in the table of needs (need.h) */
	int need;
	/** @negated: "!clone": only where it is NOT there */
	bool negated;
	/** @param: NAME of "hook:NAME", else NULL */
	const char *param;
};

/** struct actorspec - one actor of a race: what it does in each round */
struct actorspec {
	const char *name;
	struct step *steps;
	size_t steps_count;
	/** @times: how often it does all of them in a round */
	unsigned int times;
};

/** struct race - actors that run at the same time, in rounds */
struct race {
	/** @actors: the first makes the call that is raced, the others are spread over it */
	struct actorspec *actors;
	size_t actors_count;
	/** @before: steps that the controller takes before each round */
	struct step *before;
	size_t before_count;
	/** @then: steps that the controller takes after each round, before what the files hold is
	 * looked at; they change no file */
	struct step *then;
	size_t then_count;
	/** @threads: actors are threads of one process, not processes of their own */
	bool threads;
	/** @restore: every round starts from the files as set-up made them */
	bool restore;
	/** @budget_ms: how long rounds are run */
	unsigned int budget_ms;
	/** @overlaps: percent of the rounds that must really have overlapped */
	unsigned int overlaps;
	/** @winners: of the calls of a round that may be refused, so many must work; 0 if it does
	 * not matter */
	unsigned int winners;
};

/** enum handler - what the process that makes an interrupted call does about the signal */
enum handler {
	/** @HANDLER_NONE: nothing, so the signal does to it what it does by default */
	HANDLER_NONE,
	/** @HANDLER_PLAIN: it has a handler, installed without SA_RESTART */
	HANDLER_PLAIN,
	/** @HANDLER_RESTART: it has a handler, installed with SA_RESTART */
	HANDLER_RESTART,
};

/** struct interrupt - "interrupt": a call, and a signal that is sent again and again while it runs
 */
struct interrupt {
	/** @call: the call */
	struct step call;
	/** @each: what runs before each time, and restores what the call changed; @then: what runs
	 * after a call that has returned; @made: what runs if it has made a new name, killed or not
	 */
	struct step *each, *then, *made;
	size_t each_count, then_count, made_count;
	/** @signal: its number; @handler: an enum handler */
	int signal, handler;
	/** @shots: how many signals are sent */
	uint64_t shots;
	/** @allow: what the files may hold then: a set of 1 << enum left (left.h) */
	uint64_t allow;
	/** @cuts: at least half of the signals must end the call before all is done */
	bool cuts;
	/** @once: no second attempt follows, as the call uses up what it reads (a pipe) */
	bool once;
};

/** struct point - one case at one place of its cross product: all there is to run it */
struct point {
	/** @name: "errno/overlap-in-one-file[len=2B]" */
	const char *name;
	/** @checks: the case's sentence */
	const char *checks;
	enum strength strength;
	struct need_use *needs;
	size_t needs_count;
	struct filespec *files;
	size_t files_count;
	/** @fds, @maps: names of all descriptors and mappings; the first files_count descriptors
	 * are the files' own */
	const char **fds;
	size_t fds_count;
	const char **maps;
	size_t maps_count;
	/** @patterns: names by number; [0] is "zero" */
	const char **patterns;
	size_t patterns_count;
	struct step *steps;
	size_t steps_count;
	/** @race: NULL if the point has no actors */
	struct race *race;
	/** @interrupt: what is interrupted after the steps; NULL if nothing is */
	struct interrupt *interrupt;
	const struct oracle **after;
	size_t after_count;
	/** @alone: disturbs or measures the whole filesystem, so nothing else runs meanwhile */
	bool alone;
	/** @timeout_s: seconds, 0 is the run's own */
	unsigned int timeout_s;
	/** @arena: owner of all of the above */
	struct arena *arena;
};

/** struct casefile - one loaded file */
struct casefile {
	/** @path: as opened; @name: below the cases folder, without ".json" */
	const char *path;
	const char *name;
	const char *checks;
	enum strength strength;
	const char **why;
	size_t why_count;
	const char **tags;
	size_t tags_count;
	json_t *root;
	/** @points: how many points the cross product has, "except" taken out */
	size_t points;
	/** @expansion: the loader's own: the cross product */
	struct expansion *expansion;
	struct arena *arena;
};

#endif
