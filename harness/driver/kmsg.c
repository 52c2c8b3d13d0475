/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads the kernel log and tells a complaint of the kernel from its chatter. Which lines are bad is
 * one table, kmsg.def; a line is bad if it contains all the words of a row.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kmsg.h"
#include "emit.h"

#define LINES_MAX    60
#define TEST_PREFIX  "cowbell-kmsg-test ("
#define FACILITY_LOG 1

static const struct bad {
	const char *first;
	const char *also;
	bool at_start;
} bad_lines[] = {
#define TRIP(words)
#define BAD(first, also, at_start) { first, also, at_start },
#include "kmsg.def"
#undef BAD
#undef TRIP
};

static const char *const trips[] = {
#define TRIP(words) words,
#define BAD(first, also, at_start)
#include "kmsg.def"
#undef BAD
#undef TRIP
};

/* Filesystems that name their device in brackets always as the mount table names it. btrfs does
 * not: it may name another of its devices. */
static const char *const device_marks[] = { "XFS (", "EXT4-fs error (device ", "EXT4-fs (",
					    TEST_PREFIX };

const char *kmsg_text(const char *record, size_t *len)
{
	const char *semicolon = strchr(record, ';');
	const char *text = semicolon ? semicolon + 1 : record;

	*len = strcspn(text, "\n");
	return text;
}

static bool of_other_device(const char *line, const char *device)
{
	if (!device || !*device)
		return false;
	for (size_t i = 0; i < sizeof(device_marks) / sizeof(device_marks[0]); i++) {
		size_t mark = strlen(device_marks[i]);
		size_t name;

		if (strncmp(line, device_marks[i], mark) != 0)
			continue;
		name = strcspn(line + mark, "):");
		return name != strlen(device) || strncmp(line + mark, device, name) != 0;
	}
	return false;
}

static bool matches(const struct bad *b, const char *line)
{
	const char *at = strstr(line, b->first);

	if (!at || (b->at_start && at != line))
		return false;
	return !b->also || strstr(at, b->also);
}

bool kmsg_bad(const char *record, const char *device)
{
	unsigned long prefix = strtoul(record, NULL, 10);
	unsigned long facility = prefix >> 3;
	char line[1024];
	size_t len;
	const char *text = kmsg_text(record, &len);

	if (len >= sizeof(line))
		len = sizeof(line) - 1;
	memcpy(line, text, len);
	line[len] = '\0';
	if (of_other_device(line, device))
		return false;
	/* A test must not make every run on the machine red. */
	if (facility == FACILITY_LOG)
		return device && strncmp(line, TEST_PREFIX, strlen(TEST_PREFIX)) == 0;
	if (facility != 0)
		return false;
	for (size_t i = 0; i < sizeof(bad_lines) / sizeof(bad_lines[0]); i++)
		if (matches(&bad_lines[i], line))
			return true;
	return false;
}

const char *kmsg_trip(const json_t *lines)
{
	json_t *line;
	size_t i;

	json_array_foreach (lines, i, line)
		for (size_t k = 0; k < sizeof(trips) / sizeof(trips[0]); k++)
			if (strstr(json_string_value(line), trips[k]))
				return json_string_value(line);
	return NULL;
}

pid_t kmsg_pid(const json_t *lines)
{
	static const char mark[] = " PID: ";
	json_t *line;
	size_t i;

	json_array_foreach (lines, i, line) {
		const char *at = strstr(json_string_value(line), mark);

		if (at)
			return (pid_t)strtol(at + strlen(mark), NULL, 10);
	}
	return 0;
}

int kmsg_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0 && lseek(fd, 0, SEEK_END) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

json_t *kmsg_drain(int fd, const char *device)
{
	char record[8192];
	json_t *lines = NULL;

	while (fd >= 0) {
		ssize_t got = read(fd, record, sizeof(record) - 1);
		const char *text;
		size_t len;

		/* EPIPE: lines were overwritten before we came; the next read goes on after them */
		if (got < 0 && (errno == EPIPE || errno == EINTR))
			continue;
		if (got <= 0)
			break;
		record[got] = '\0';
		if (!lines && kmsg_bad(record, device))
			lines = json_array();
		if (!lines || json_array_size(lines) >= LINES_MAX)
			continue;
		text = kmsg_text(record, &len);
		json_array_append_new(lines, emit_text(text, len));
	}
	return lines;
}
