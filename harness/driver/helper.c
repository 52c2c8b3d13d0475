/* SPDX-License-Identifier: GPL-2.0-only */
/* Work in a child with a time limit. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "helper.h"

#define DIE_MS 5000

void helper_child(int parent)
{
	static const int usual[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGCHLD };
	struct rlimit no_core = { 0, 0 };
	sigset_t none;

	setsid();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
		signal(usual[i], SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setrlimit(RLIMIT_CORE, &no_core);
	/* standard output may be a stream of results, where no one else may write */
	dup2(STDERR_FILENO, STDOUT_FILENO);
}

void *helper_memory(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static int wait_for(int pidfd, int signals, int ms)
{
	struct pollfd fds[2] = { { .fd = pidfd, .events = POLLIN },
				 { .fd = signals, .events = POLLIN } };
	uint64_t end = clock_ns() + (uint64_t)ms * 1000000;
	int left = ms;

	while (left > 0) {
		int n = poll(fds, 2, left);
		uint64_t now = clock_ns();

		if (n > 0 && (fds[0].revents & POLLIN))
			return 0;
		if (n > 0 && fds[1].revents)
			return -EINTR;
		left = now < end ? (int)((end - now) / 1000000) : 0;
	}
	return -ETIMEDOUT;
}

int helper_run(int (*fn)(void *arg), void *arg, unsigned int timeout_s, int signals)
{
	int parent = getpid();
	pid_t pid = fork();
	int pidfd, ret, status;

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		helper_child(parent);
		_exit(fn(arg));
	}
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0) {
		ret = -errno;
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return ret;
	}
	ret = wait_for(pidfd, signals, (int)timeout_s * 1000);
	if (ret) {
		/* the group may not be there yet, or hold more than the child */
		kill(pid, SIGKILL);
		kill(-pid, SIGKILL);
		wait_for(pidfd, -1, DIE_MS);
	}
	close(pidfd);
	if (waitpid(pid, &status, WNOHANG) == pid && !ret)
		ret = WIFEXITED(status) ? WEXITSTATUS(status) : -ECHILD;
	return ret;
}
