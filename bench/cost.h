/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What calls cost beside time: CPU of this process and its children, of kernel threads, and bytes
 * that went to and from the device. What cannot be known is absent.
 *
 * Kernel threads are asked one by one. A cgroup of our own would not do: kworkers, which do the
 * work, cannot be moved into one (PF_NO_SETAFFINITY: EINVAL), and io_uring's workers are threads of
 * ours. Where kernel threads cannot be seen (a PID namespace, hidepid) what is left is all that the
 * machine did but for us, in ticks.
 */
#ifndef COWBELL_COST_H
#define COWBELL_COST_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

/** struct cost_watch - where the numbers come from; start with cost_open() */
struct cost_watch {
	/** @device: the device's stat file in sysfs, -1 if there is none */
	int device;
	/** @thread: schedstat of each kernel thread; @seen: nanoseconds it had used */
	int *thread;
	uint64_t *seen;
	unsigned int threads;
};

/** struct cost - numbers of one time, or the difference of two */
struct cost {
	uint64_t user_ns, system_ns, kernel_ns, read_bytes, write_bytes;
	bool has_kernel, has_device;
};

/** cost_open() - @device: "/dev/loop0", or anything that is no device; cost_close() gives it back
 */
void cost_open(struct cost_watch *w, const char *device);
void cost_close(struct cost_watch *w);

/** cost_threads() - look for kernel threads that are new since the last time */
void cost_threads(struct cost_watch *w);

/** cost_kernel_from() - where the time of kernel threads comes from: "schedstat" of each, or the
 * machine's "stat" less our own; NULL if it cannot be known
 */
const char *cost_kernel_from(struct cost_watch *w);

/** cost_now() - the numbers now; cost_since() - the difference to an earlier time */
void cost_now(struct cost_watch *w, struct cost *c);
struct cost cost_since(struct cost_watch *w, const struct cost *before);

/** cost_add() - add up; cost_put() - into "observed" of a result line */
void cost_add(struct cost *sum, const struct cost *one);
void cost_put(json_t *observed, const struct cost *c);

/** cost_in_flight() - requests that the device is working on, 0 if that is unknown */
unsigned int cost_in_flight(const struct cost_watch *w);

#endif
