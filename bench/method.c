/* SPDX-License-Identifier: GPL-2.0-only */
/* The table of methods, and what several of them use. */
#include "method.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define HUGE (2UL << 20)

extern char **environ;

static const struct method *const methods[] = {
#define ENTRY(id) &method_##id,
	METHOD_LIST(ENTRY)
#undef ENTRY
};

const struct method *method_at(size_t i)
{
	return i < sizeof(methods) / sizeof(methods[0]) ? methods[i] : NULL;
}

const struct method *method_find(const char *name)
{
	const struct method *m = NULL;

	for (size_t i = 0; (m = method_at(i)); i++)
		if (!strcmp(m->name, name))
			break;
	return m;
}

static size_t whole(size_t size)
{
	return (size + HUGE - 1) / HUGE * HUGE;
}

void *method_buffer(size_t size)
{
	const size_t len = whole(size) + HUGE;
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t before;

	if (p == MAP_FAILED)
		return NULL;
	before = (HUGE - (uintptr_t)p % HUGE) % HUGE;
	if (before)
		munmap(p, before);
	munmap(p + before + whole(size), len - before - whole(size));
	madvise(p + before, whole(size), MADV_HUGEPAGE);
	memset(p + before, 0x5a, whole(size));
	return p + before;
}

void method_buffer_free(void *buffer, size_t size)
{
	if (buffer)
		munmap(buffer, whole(size));
}

int method_start(const char *const *argv, int folder, int output)
{
	posix_spawn_file_actions_t actions;
	int err, status;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (output >= 0)
		posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
	else
		posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	if (folder >= 0)
		posix_spawn_file_actions_addfchdir_np(&actions, folder);
	err = posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (err)
		return -err;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}
