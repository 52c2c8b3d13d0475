/* SPDX-License-Identifier: GPL-2.0-only */
/* What mutants of races remember together, and the gap between two steps. */
#include "together.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define GAP_US 50
/* How often a lock is looked at before its holder is waited for. */
#define LOOKS 1000

static struct together *shared;

/* Before the first fork. */
static __attribute__((constructor)) void share(void)
{
	void *map;

	if (!getenv("COWBELL_MUTANT"))
		return;
	map = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		   0);
	if (map != MAP_FAILED)
		shared = map;
}

struct together *together(void)
{
	return shared;
}

void take(int *lock)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	const int me = (int)kernel()->syscall(SYS_gettid);

	for (unsigned int i = 1;; i++) {
		int holder = 0;

		if (__atomic_compare_exchange_n(lock, &holder, me, false, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			return;
		/* who was killed gives nothing back */
		if (kill(holder, 0) && errno == ESRCH)
			__atomic_compare_exchange_n(lock, &holder, 0, false, __ATOMIC_ACQUIRE,
						    __ATOMIC_RELAXED);
		else if (i % LOOKS == 0)
			kernel()->syscall(SYS_futex, lock, FUTEX_WAIT, holder, &pause, NULL, 0);
	}
}

void give(int *lock)
{
	__atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}

uint64_t id_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 1 : (uint64_t)st.st_dev << 40 ^ (uint64_t)st.st_ino;
}

static bool path_of(int fd, char *path)
{
	char self[40];
	ssize_t n;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	n = readlink(self, path, PATH_BYTES - 1);
	path[n > 0 ? n : 0] = 0;
	return n > 0;
}

void note_pair(int from, int to)
{
	struct pair p = { .id = { id_of(from), id_of(to) } };
	size_t i;

	if (!shared || !path_of(from, p.path[0]) || !path_of(to, p.path[1]))
		return;
	take(&shared->lock);
	for (i = 0; i < PAIRS_MAX; i++)
		if (shared->pair[i].id[0] == p.id[0] && shared->pair[i].id[1] == p.id[1])
			break;
	if (i == PAIRS_MAX)
		i = shared->pairs_count++ % PAIRS_MAX;
	shared->pair[i] = p;
	give(&shared->lock);
}

int find_pair(int fd, int *side)
{
	const uint64_t id = id_of(fd);

	for (int i = 0; shared && i < PAIRS_MAX; i++)
		for (*side = 0; *side < 2; (*side)++)
			if (shared->pair[i].id[*side] == id)
				return i;
	return -1;
}

int open_pair(int pair, int side)
{
	const struct pair *p = &shared->pair[pair];
	const int fd = open(p->path[side], O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 || id_of(fd) == p->id[side])
		return fd;
	close(fd);
	return -1;
}

void gap(void)
{
	const char *text = getenv("COWBELL_GAP_US");
	const long us = text ? atol(text) : GAP_US;
	struct timespec now, end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_nsec += us * 1000;
	end.tv_sec += end.tv_nsec / 1000000000;
	end.tv_nsec %= 1000000000;
	do {
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec < end.tv_sec ||
		 (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec));
}
