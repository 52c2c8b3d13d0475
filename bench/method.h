/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Methods: ways of making one file's content the same as another's. One method = one const struct
 * in a file of bench/method/, and one word in METHOD_LIST.
 */
#ifndef COWBELL_METHOD_H
#define COWBELL_METHOD_H

#include <stddef.h>
#include <stdint.h>

/** struct job - one call to be timed */
struct job {
	/** @from, @to: opened for reading, and for reading and writing; at position 0 */
	int from, to;
	/** @from_direct, @to_direct: the same files with O_DIRECT, -1 unless METHOD_DIRECT */
	int from_direct, to_direct;
	/** @size: of the source, in bytes */
	uint64_t size;
	/** @folder: where the files are; @from_name, @to_name: their names in it, for programs */
	int folder;
	const char *from_name, *to_name;
};

/** enum method_kind - what a method is for */
enum method_kind {
	/** @METHOD_COPY: the destination has the source's content then */
	METHOD_COPY = 1,
	/** @METHOD_DEDUPE: it has it before, and shares it then */
	METHOD_DEDUPE = 2,
	/** @METHOD_REFERENCE: a row to compare with: no file changes */
	METHOD_REFERENCE = 4,
	/** @METHOD_OUTSIDE: a program; its time begins before it is started */
	METHOD_OUTSIDE = 8,
};

/** enum method_flag - what the engine must know */
enum method_flag {
	/** @METHOD_DIRECT: wants O_DIRECT descriptors */
	METHOD_DIRECT = 1,
	/** @METHOD_SHARES: makes no data blocks of its own, where it works */
	METHOD_SHARES = 2,
	/** @METHOD_OTHER_DATA: what it writes is not the source's content */
	METHOD_OTHER_DATA = 4,
};

/** struct method - one of them */
struct method {
	const char *name, *doc;
	enum method_kind kind;
	/** @flags: of enum method_flag */
	unsigned int flags;
	/** @role: "measure" or "reference" or "overhead" or "outside" in result lines */
	const char *role;
	/** @need: what the filesystem must be able to do, of enum need, or -1 */
	int need;
	/** @program: must be in PATH; NULL if it is none */
	const char *program;
	/** @bytes: of one transfer, for those that have such a size */
	size_t bytes;
	/** @open: what stays the same from call to call (buffers, a pipe, a ring), made outside of
	 * the time; NULL with errno set if it cannot be. May be NULL. */
	void *(*open)(const struct method *m, const struct job *first);
	/** @run: the call; 0 or a negative errno. Short results are carried on. */
	int (*run)(void *state, const struct job *j);
	/** @batch: in place of run: all calls in one loop, timed as a whole */
	int (*batch)(void *state, const struct job *j, size_t n);
	/** @time: nanoseconds of the last run by the program's own account; usually NULL */
	uint64_t (*time)(void *state);
	void (*close)(void *state);
};

/* The order is that of tables. */
#define METHOD_LIST(X) \
	X(empty) \
	X(getppid) \
	X(refused) \
	X(spawn) X(clone) X(clone_bare) X(clone_range) X(cfr) X(sendfile) X(splice_64k) \
		X(splice_1m) X(rw_4k) X(rw_128k) X(rw_256k) X(rw_1m) X(direct) X(mmap_source) \
			X(mmap_both) X(uring) X(uring_registered) X(uring_direct) \
				X(uring_direct_registered) X(dedupe) X(cp) X(cp_reflink) X(dd_64k) \
					X(dd_128k) X(dd_256k) X(dd_1m) X(fio)

#define METHOD_EXTERN(id) extern const struct method method_##id;
METHOD_LIST(METHOD_EXTERN)
#undef METHOD_EXTERN

/** method_at() - number @i, NULL past the end; method_find() - by name, NULL if there is none */
const struct method *method_at(size_t i);
const struct method *method_find(const char *name);

/**
 * method_buffer() - memory for transfers, aligned to and in huge pages where there are some, and
 * touched; NULL if there is none. method_buffer_free() gives it back.
 */
void *method_buffer(size_t size);
void method_buffer_free(void *buffer, size_t size);

/** method_start() - run a program by its name in PATH, in a folder, and wait for it
 * @argv: ends with NULL; @folder: negative for the present one; @output: a descriptor for its
 * standard output, -1 for none
 *
 * Returns 0, -EIO if it failed, or another negative errno.
 */
int method_start(const char *const *argv, int folder, int output);

#endif
