/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel log as an oracle: what the kernel complained about while a point ran. The classifier
 * is pure; the reader needs permission to read /dev/kmsg and does nothing without it.
 */
#ifndef COWBELL_KMSG_H
#define COWBELL_KMSG_H

#include <stdbool.h>
#include <stddef.h>

#include <sys/types.h>

#include <jansson.h>

/**
 * kmsg_bad() - is this a complaint of the kernel, and not about another filesystem?
 * @record: as /dev/kmsg gives it, "4,123,456789,-;XFS (loop0): Internal error ...\n"
 * @device: last part of our device's name, "loop0"; NULL if it is unknown
 *
 * Only the kernel's own lines count, and those of user space that begin with "cowbell-kmsg-test
 * (DEVICE): ", which is how the check itself is tested.
 */
bool kmsg_bad(const char *record, const char *device);

/** kmsg_text() - where in a record its text starts; *len is set to the length of the first line */
const char *kmsg_text(const char *record, size_t *len);

/**
 * kmsg_pid() - the process in whose name the kernel complains, 0 if it does not say
 * @lines: of a complaint, as kmsg_drain() gives them: "CPU: 1 UID: 0 PID: 344 Comm: cp ..."
 */
pid_t kmsg_pid(const json_t *lines);

/** kmsg_trip() - the line of a complaint that is of the emulation's making, NULL if none is
 * @lines: as kmsg_drain() gives them */
const char *kmsg_trip(const json_t *lines);

/** kmsg_open() - a descriptor that reads what the kernel says from now on, -1 if it is forbidden */
int kmsg_open(void);

/**
 * kmsg_drain() - read all that has come since
 *
 * Returns NULL if nothing bad was among it, else a new array: each bad line and what follows it.
 */
json_t *kmsg_drain(int fd, const char *device);

#endif
