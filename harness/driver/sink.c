/* SPDX-License-Identifier: GPL-2.0-only */
/* Writes result lines and hands them to the report. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "report.h"
#include "sink.h"

/* 0.95 is written as 0.95. */
#define LINE_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(12))

static const struct report *const reports[] = {
	&report_pretty,
	&report_tap,
	&report_ktap,
	&report_junit,
};

const struct report *sink_report(const char *name)
{
	for (size_t i = 0; i < sizeof(reports) / sizeof(reports[0]); i++)
		if (!strcmp(reports[i]->name, name))
			return reports[i];
	return NULL;
}

int sink_open(struct sink *s, const char *path, bool append)
{
	if (!path)
		return 0;
	if (!strcmp(path, "-"))
		s->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	else
		s->fd = open(path,
			     O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (append ? 0 : O_TRUNC),
			     0666);
	return s->fd < 0 ? -errno : 0;
}

static void write_line(struct sink *s, const json_t *line)
{
	size_t len = json_dumpb(line, NULL, 0, LINE_FLAGS);
	char *text = malloc(len + 1), *at = text;

	if (!text)
		abort();
	json_dumpb(line, text, len, LINE_FLAGS);
	text[len++] = '\n';
	while (len > 0 && !s->err) {
		ssize_t put = write(s->fd, at, len);

		if (put < 0 && errno != EINTR)
			s->err = errno;
		if (put > 0) {
			at += put;
			len -= (size_t)put;
		}
	}
	free(text);
}

static void show(struct sink *s, void (*how)(FILE *, const json_t *), const json_t *line)
{
	if (!s->human || !how || s->human_err)
		return;
	how(s->human, line);
	errno = 0;
	if (fflush(s->human) || ferror(s->human))
		s->human_err = errno ? errno : EIO;
}

static void put(struct sink *s, void (*how)(FILE *, const json_t *), json_t *line)
{
	if (s->fd >= 0 && !s->err)
		write_line(s, line);
	show(s, how, line);
	json_decref(line);
}

void sink_begin(struct sink *s, json_t *run)
{
	put(s, s->report->begin, run);
}

void sink_item(struct sink *s, json_t *item)
{
	put(s, s->report->item, item);
}

void sink_start(struct sink *s, json_t *start)
{
	put(s, NULL, start);
}

void sink_end(struct sink *s, json_t *end)
{
	put(s, s->report->end, end);
}

void sink_running(struct sink *s, const char *name)
{
	if (s->human && s->report->running && !s->human_err)
		s->report->running(s->human, name);
}

int sink_lost(const struct sink *s)
{
	if (s->err)
		return s->err;
	return s->fd < 0 ? s->human_err : 0;
}

int sink_close(struct sink *s)
{
	if (s->fd >= 0 && close(s->fd) && !s->err)
		s->err = errno;
	s->fd = -1;
	return sink_lost(s);
}
