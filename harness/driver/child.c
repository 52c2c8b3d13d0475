/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The child's side of a running point: its own folder, the result to the supervisor, and the way in
 * which a hook is asked for.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "child.h"
#include "clock.h"
#include "emit.h"
#include "op.h"
#include "workdir.h"

static void shut(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int reopen(struct workdir *w, const char *folder, int *fd)
{
	*fd = w ? workdir_reopen(w, folder) : -1;
	return w && *fd < 0 ? *fd : 0;
}

static int ask_hook(void *context, const char *name, int *dirfd, int *dir2fd, int *viewfd)
{
	const struct child *c = context;
	int answer = 0, ret;

	shut(dirfd);
	shut(dir2fd);
	shut(viewfd);
	workdir_drop(c->dir);
	if (c->dir2)
		workdir_drop(c->dir2);
	if (c->view)
		workdir_drop(c->view);
	if (send(c->hook, name, strlen(name) + 1, MSG_NOSIGNAL) < 0)
		answer = -errno;
	else if (recv(c->hook, &answer, sizeof(answer), 0) != (ssize_t)sizeof(answer))
		answer = -EPIPE;
	ret = reopen(c->dir, c->folder, dirfd);
	if (ret == 0)
		ret = reopen(c->dir2, c->folder, dir2fd);
	if (ret == 0)
		ret = reopen(c->view, c->folder, viewfd);
	return answer ? answer : ret;
}

static json_t *set_up_error(const char *dir, int err)
{
	char reason[256];

	snprintf(reason, sizeof(reason), "cannot make a folder in the run folder in %.150s: %s",
		 dir, errno_name(-err));
	return json_pack("{s:s, s:o}", "verdict", "error", "reason",
			 emit_text(reason, strlen(reason)));
}

static void send_result(int fd, const json_t *result)
{
	char *text = json_dumps(result, JSON_COMPACT);
	size_t len = text ? strlen(text) : 0, at = 0;

	while (at < len) {
		ssize_t put = write(fd, text + at, len - at);

		if (put < 0 && errno != EINTR)
			break;
		at += put > 0 ? (size_t)put : 0;
	}
	free(text);
}

static bool wants_keeping(const json_t *result)
{
	enum verdict v = verdict_find(json_string_value(json_object_get(result, "verdict")));

	return v == VERDICT_FAIL || v == VERDICT_ERROR || v == VERDICT_COUNT;
}

int child_main(const struct child *c)
{
	struct exec_env env = {
		.probe = c->probe,
		.dirfd = -1,
		.dir2fd = -1,
		.viewfd = -1,
		.seed = c->seed,
		.budget = c->budget,
		.round = c->round,
		.hook = c->hook >= 0 ? ask_hook : NULL,
		.hook_context = (void *)(uintptr_t)c,
		.now = c->now,
	};
	uint64_t start = clock_ns();
	json_t *result = NULL;
	int left = 0, seen = 0;
	bool keep;

	/* modes are exactly those that a case asks for */
	umask(0);
	env.dirfd = workdir_enter(c->dir->fd, c->folder);
	if (env.dirfd >= 0 && c->dir2)
		env.dir2fd = workdir_enter(c->dir2->fd, c->folder);
	if (env.dirfd >= 0)
		seen = reopen(c->view, c->folder, &env.viewfd);
	if (env.dirfd < 0)
		result = set_up_error(c->dir->dir, env.dirfd);
	else if (c->dir2 && env.dir2fd < 0)
		result = set_up_error(c->dir2->dir, env.dir2fd);
	else if (seen)
		result = set_up_error(c->view->dir, seen);
	else
		result = exec_point(&env, c->point);
	json_object_set_new(result, "wall_ns", json_integer((json_int_t)(clock_ns() - start)));
	send_result(c->out, result);
	keep = c->keep && wants_keeping(result);
	shut(&env.dirfd);
	shut(&env.dir2fd);
	shut(&env.viewfd);
	if (keep)
		return CHILD_KEPT;
	snprintf(c->now->place, sizeof(c->now->place), "cleaning up");
	left = workdir_leave(c->dir->fd, c->folder);
	if (c->dir2 && workdir_leave(c->dir2->fd, c->folder))
		left = -1;
	return left ? CHILD_LEFT : CHILD_CLEAN;
}
