/* SPDX-License-Identifier: GPL-2.0-only */
/* Runs hooks. They come from the command line, so they are trusted with a shell. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "helper.h"
#include "hook.h"

/* A server is ended and started by one, in a guest that is emulated on a busy machine. */
#define HOOK_S 240

/** struct hook_call - for the helper */
struct hook_call {
	const char *command, *dir, *dir2;
};

bool hook_valid(const char *text)
{
	const char *c = text;

	while (isalnum((unsigned char)*c) || (*c && strchr("-_", *c)))
		c++;
	return c > text && *c == '=' && c[1];
}

static int call(void *arg)
{
	const struct hook_call *h = arg;

	setenv("COWBELL_DIR", h->dir, 1);
	if (h->dir2)
		setenv("COWBELL_DIR2", h->dir2, 1);
	execl("/bin/sh", "sh", "-c", h->command, (char *)NULL);
	return 125;
}

int hook_run(const char *const *hooks, const char *name, const char *dir, const char *dir2,
	     unsigned int timeout_s)
{
	struct hook_call h = { .dir = dir, .dir2 = dir2 };
	size_t len = strlen(name);
	int ret;

	for (; hooks && *hooks && !h.command; hooks++)
		if (!strncmp(*hooks, name, len) && (*hooks)[len] == '=')
			h.command = *hooks + len + 1;
	if (!h.command)
		return -ENOENT;
	ret = helper_run(call, &h, timeout_s > HOOK_S ? timeout_s : HOOK_S, -1);
	if (ret)
		fprintf(stderr, "cowbell: hook %s: %s\n", name,
			ret > 0 ? "its command failed" : strerror(-ret));
	return ret > 0 ? -EREMOTEIO : ret;
}
