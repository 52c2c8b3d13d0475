/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A mutant is a kernel with exactly one bug. It is chosen by COWBELL_MUTANT=NAME and preloaded into
 * the driver, to see which case notices. One mutant = one line in a table of the file about its
 * call: clone.c dedupe.c copy.c space.c write.c query.c errnos.c rare.c side.c reflink.c race.c
 * race_write.c interrupt.c slow.c; mutants.c lists the tables.
 */
#ifndef COWBELL_MUTANTS_H
#define COWBELL_MUTANTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/** enum kind - the calls that can have a bug */
enum kind {
	CALL_CLONE,
	CALL_CLONE_RANGE,
	CALL_DEDUPE,
	CALL_REFLINK,
	CALL_FIEMAP,
	CALL_COPY_RANGE,
	CALL_SENDFILE,
	CALL_SPLICE,
	CALL_FALLOCATE,
	CALL_TRUNCATE,
	CALL_SEEK,
	CALL_WRITE,
	CALL_KINDS,
};

/** struct call - one call of the program, on its way to the kernel */
struct call {
	enum kind kind;
	/** @to: descriptor that is changed or asked; @from: the source, -1 if there is none */
	int to, from;
	/**
	 * @to_off, @from_off: offsets that are passed by value; of a write, to_off is -1 for the
	 * file position. @len: bytes; the new size of a truncate.
	 */
	uint64_t to_off, from_off, len;
	/** @to_ptr, @from_ptr: offsets that are passed by pointer; NULL is the file position */
	off_t *to_ptr, *from_ptr;
	/** @flags: of the copying calls, mode of fallocate, whence of lseek, RWF_ of a write */
	unsigned int flags;
	/** @arg: of an ioctl: struct file_clone_range, file_dedupe_range or fiemap */
	void *arg;
	/** @iov, @iov_count: of a write */
	const struct iovec *iov;
	int iov_count;
	/** @sound: pointers can be followed; only mutants of errnos are asked otherwise */
	bool sound;
};

/** struct mutant - a kernel with one bug */
struct mutant {
	const char *name;
	/** @subject: the driver's op whose cases must notice */
	const char *subject;
	/** @loses: what a user would lose, completes "Under this kernel ..." */
	const char *loses;
	enum kind kind;
	/** @run: make the call as this kernel would; returns its result, with errno set */
	long (*run)(struct call *c);
	/** @real, @wrong: for mutants of errnos: what the kernel says, and what this one says */
	int real, wrong;
	/** @also, @run_also: a second call that this kernel makes in its own way, if not NULL */
	enum kind also;
	long (*run_also)(struct call *c);
	/** @needs: word of the driver's "needs" that a filesystem must answer with yes for the bug
	 * to show; NULL is any filesystem */
	const char *needs;
	/** @timing: nothing but the time differs, so nothing is tracked, which would take time */
	bool timing;
};

/** mutant_active() - the chosen mutant, NULL if there is none */
const struct mutant *mutant_active(void);

/** mutant_at() - number i of all, NULL past the end */
const struct mutant *mutant_at(size_t i);

/** acted() - note that the mutant did what the kernel does not */
void acted(void);

/** mutate() - make a call, as the active mutant would if it has a bug there, and take note of it */
long mutate(struct call *c);

/* Tables end with .name == NULL. */
extern const struct mutant clone_mutants[], dedupe_mutants[], copy_mutants[], stream_mutants[],
	space_mutants[], write_mutants[], query_mutants[], errno_mutants[], rare_mutants[],
	side_mutants[], reflink_mutants[], race_mutants[], race_write_mutants[],
	interrupt_mutants[], slow_mutants[];

#define MUTANTS_END \
	{ \
		.name = NULL \
	}

#endif
