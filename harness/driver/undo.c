/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A frozen filesystem outlives the process that froze it, and then everything that writes to it
 * hangs; swap space keeps its filesystem from being unmounted. So a guard process is forked first,
 * in a session of its own where no kill of our process group finds it. It holds a descriptor of
 * what is changed and the reading end of a pipe that we alone can write: the pipe's end of file is
 * our death.
 */
#include "undo.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/fs.h>

/* Where close_range(2) is not known, no descriptor of ours is above this. */
#define FILES_GUESS 1024

static void close_between(int first, int last)
{
	if (first > last || !syscall(SYS_close_range, first, last, 0))
		return;
	for (int i = first; i <= last && i < FILES_GUESS; i++)
		close(i);
}

/* The guard must not hold what others wait to see closed, the supervisor's pipes above all. */
static void keep_only(int a, int b)
{
	const int low = a < b ? a : b, high = a < b ? b : a;

	close_between(0, low - 1);
	close_between(low + 1, high - 1);
	close_between(high + 1, (int)(~0U >> 1));
}

static void __attribute__((noreturn)) guard(const struct undo *u, int line, unsigned int seconds)
{
	const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGALRM };
	struct pollfd p = { .fd = line };

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	setsid();
	keep_only(u->fd, line);
	/* Nobody writes to the line: it has news when its last writer is gone. */
	while (poll(&p, 1, seconds ? (int)seconds * 1000 : -1) < 0 && errno == EINTR)
		;
	u->how(u->fd);
	_exit(0);
}

static void dismiss(struct undo *u)
{
	kill(u->guard, SIGKILL);
	while (waitpid(u->guard, NULL, 0) < 0 && errno == EINTR)
		;
	close(u->line);
	close(u->fd);
	memset(u, 0, sizeof(*u));
}

/* Forks the guard; 0 or a negative errno. */
static int post(struct undo *u, unsigned int seconds)
{
	int line[2];

	if (pipe2(line, O_CLOEXEC))
		return -errno;
	u->line = line[1];
	u->guard = fork();
	if (!u->guard) {
		close(line[1]);
		guard(u, line[0], seconds);
	}
	close(line[0]);
	if (u->guard > 0)
		return 0;
	close(line[1]);
	return -errno;
}

int undo_begin(struct undo *u, int fd, int (*what)(int fd), int (*how)(int fd),
	       unsigned int seconds)
{
	int err;

	memset(u, 0, sizeof(*u));
	u->how = how;
	u->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (u->fd < 0) {
		err = -errno;
		memset(u, 0, sizeof(*u));
		return err;
	}
	err = post(u, seconds);
	if (err) {
		close(u->fd);
		memset(u, 0, sizeof(*u));
		return err;
	}
	err = what(u->fd);
	if (err)
		dismiss(u);
	return err;
}

int undo_end(struct undo *u)
{
	int err;

	if (!u->guard)
		return 0;
	/* Ours first: should we die between the two, the guard does it in vain and no harm is done.
	 */
	err = u->how(u->fd);
	dismiss(u);
	return err;
}

int undo_freeze(int fd)
{
	return ioctl(fd, FIFREEZE, 0) ? -errno : 0;
}

int undo_thaw(int fd)
{
	return ioctl(fd, FITHAW, 0) ? -errno : 0;
}

int undo_swapon(int fd)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return swapon(path, 0) ? -errno : 0;
}

int undo_swapoff(int fd)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return swapoff(path) ? -errno : 0;
}
