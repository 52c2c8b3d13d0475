/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An op is one thing that a step can do: usually one system call. One op = one const struct with
 * its functions in it, in a file of ops/; op.c lists them. Adding one is such a struct and one line
 * in that list.
 */
#ifndef COWBELL_OP_H
#define COWBELL_OP_H

#include <stdbool.h>
#include <stdint.h>

#include "case.h"

struct world;
struct effect;

/**
 * struct op_result - what a call did
 *
 * An errno under test is data: an op never fails the harness for it.
 */
struct op_result {
	/** @ret: return value, -1 on error */
	int64_t ret;
	/** @err: errno if ret is -1, else 0 */
	int err;
	/** @sig: signal that the call raised (SIGBUS, SIGXFSZ), else 0 */
	int sig;
	/** @harness: errno of our own set-up around the call (no memory, no io_uring); the point
	 * becomes an error */
	int harness;
	/** @text: more of the result for trace and observations ("[SAME 8192, EINVAL 0]"), from the
	 * world's arena, or NULL */
	const char *text;
	/** @data: for the op's own .apply and .check, from the world's arena */
	void *data;
	/** @bytes: the same for what was read, which is too much to keep: from malloc(), or NULL;
	 * the executor frees it after the step */
	uint8_t *bytes;
};

/** struct op - one op */
struct op {
	const char *name;
	/** @doc: one line; names the call and its man page */
	const char *doc;
	size_t args_size;
	/** @args: table that ends with .name == NULL; at most 63 */
	const struct argspec *args;
	/** @expects_size, @expects: what "expect" may say besides ok, err, ret and signal; NULL if
	 * nothing */
	size_t expects_size;
	const struct argspec *expects;
	/**
	 * @need: what the filesystem must offer for this step to succeed (enum need), -1 is
	 * nothing. Implied by every step that expects success. NULL is nothing.
	 */
	int (*need)(const void *args);
	/** @dedicated: disturbs the whole filesystem or machine: needs --dedicated and runs alone
	 */
	bool dedicated;
	/** @alone: runs alone (remount), or others would disturb it (syncfs) */
	bool alone;
	/** @frees_name: takes a name from a file that may be open; a race looks at that file, and
	 * may make a new one by that name */
	bool frees_name;
	/** @settles: brings to the disk, takes out of memory, waits or looks, and changes nothing
	 */
	bool settles;
	/** @interruptible: .run is one system call that can take long, and changes nothing of the
	 * world but through the kernel: a case may interrupt it */
	bool interruptible;
	/**
	 * @run: make the call, through libc, and store its result. Nothing else: no model, no
	 * verdict.
	 */
	void (*run)(struct world *w, const void *args, struct op_result *r);
	/**
	 * @apply: the contract. Called after the call, with its real result; checks that the
	 * contract allows this result (world_fail) and advances the model. NULL: the call changes
	 * no file. Called for failures too if .apply_errors; otherwise a failed call must have
	 * changed nothing at all, which the executor checks itself.
	 */
	void (*apply)(struct world *w, const void *args, const struct op_result *r);
	bool apply_errors;
	/** @check: hold the result against the op's own expectations; world_fail() says what
	 * differs. NULL if no .expects */
	void (*check)(struct world *w, const void *args, const struct expect *e,
		      const struct op_result *r);
	/**
	 * @effects: what a call with this result did to sectors, for the oracles of races
	 * (trace.h); returns how many of @out (EFFECTS_MAX) it filled. NULL: it changes and tells
	 * nothing of content.
	 */
	size_t (*effects)(struct world *w, const void *args, const struct op_result *r,
			  struct effect *out);
	/** @actor: only actors can do it (put, get) */
	bool actor;
};

/** op_find() - by name, NULL if there is none; op_at() - number i of all, NULL past the end */
const struct op *op_find(const char *name);
const struct op *op_at(size_t i);

/** op_makes_names() - can it make a file by a new name? */
bool op_makes_names(const struct op *op);

/**
 * errno_name() - "EINVAL"; "errno 512" if it has no name, as where a kernel lets out one of its
 * own. The text of a number holds until this thread asks for another. errno_number() - 0 for no
 * name
 */
const char *errno_name(int err);
int errno_number(const char *name);

/** signal_name() - "SIGBUS"; signal_number() - 0 if there is no such name */
const char *signal_name(int sig);
int signal_number(const char *name);

/* For tables of arguments: ARG(NUM, struct write_args, len, .required = true) */
#define ARG(kind, type_, field_, ...) \
	{ \
		.name = #field_, .type = ARG_##kind, .offset = offsetof(type_, field_), \
		__VA_ARGS__ \
	}
#define ARG_END \
	{ \
		.name = NULL \
	}

/** no_args - for an op that takes none: its table, and its struct, which must not be empty */
struct no_args {
	char none;
};
extern const struct argspec no_args[];

/** RESULT() - store a call's return value and errno: RESULT(r, ftruncate(fd, size)) */
#define RESULT(r, call) \
	do { \
		errno = 0; \
		(r)->ret = (int64_t)(call); \
		(r)->err = (r)->ret < 0 ? errno : 0; \
	} while (0)

#endif
