/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads what the kernel counts. */
#include "cost.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define THREADS_MAX 2048
/* kthreadd, the parent of all kernel threads */
#define KTHREADD     2
#define SECTOR_BYTES 512

/* fields of /sys/class/block/NAME/stat */
enum { STAT_READ_SECTORS = 2, STAT_WRITE_SECTORS = 6, STAT_IN_FLIGHT = 8, STAT_FIELDS };

static size_t slurp(int fd, char *text, size_t size)
{
	const ssize_t n = pread(fd, text, size - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

void cost_open(struct cost_watch *w, const char *device)
{
	char real[4096], path[4200];
	const char *name;

	memset(w, 0, sizeof(*w));
	w->device = -1;
	if (strncmp(device, "/dev/", 5) == 0 && realpath(device, real)) {
		name = strrchr(real, '/') + 1;
		snprintf(path, sizeof(path), "/sys/class/block/%s/stat", name);
		w->device = open(path, O_RDONLY | O_CLOEXEC);
	}
	w->thread = calloc(THREADS_MAX, sizeof(*w->thread));
	w->seen = calloc(THREADS_MAX, sizeof(*w->seen));
	if (!w->thread || !w->seen)
		abort();
}

static void forget_threads(struct cost_watch *w)
{
	for (unsigned int i = 0; i < w->threads; i++)
		close(w->thread[i]);
	w->threads = 0;
}

void cost_close(struct cost_watch *w)
{
	forget_threads(w);
	free(w->thread);
	free(w->seen);
	if (w->device >= 0)
		close(w->device);
}

static bool is_kernel_thread(int proc, const char *pid)
{
	char path[300], text[512], state;
	const char *at;
	long parent = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/stat", pid);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	slurp(fd, text, sizeof(text));
	close(fd);
	at = strrchr(text, ')');
	return at && sscanf(at + 1, " %c %ld", &state, &parent) == 2 && parent == KTHREADD;
}

void cost_threads(struct cost_watch *w)
{
	DIR *d = opendir("/proc");
	struct dirent *e;

	forget_threads(w);
	while (d && w->threads < THREADS_MAX && (e = readdir(d))) {
		char path[300], text[128];
		int fd;

		if (!isdigit((unsigned char)e->d_name[0]) || !is_kernel_thread(dirfd(d), e->d_name))
			continue;
		snprintf(path, sizeof(path), "%s/schedstat", e->d_name);
		fd = openat(dirfd(d), path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		slurp(fd, text, sizeof(text));
		w->seen[w->threads] = strtoull(text, NULL, 10);
		w->thread[w->threads++] = fd;
	}
	if (d)
		closedir(d);
}

static uint64_t threads_ns(struct cost_watch *w)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < w->threads; i++) {
		char text[128];

		/* one that has ended keeps what it had */
		if (slurp(w->thread[i], text, sizeof(text)))
			w->seen[i] = strtoull(text, NULL, 10);
		sum += w->seen[i];
	}
	return sum;
}

/* What all CPUs have done, of /proc/stat, in its ticks; 0 if that is unknown. */
static uint64_t machine_ns(void)
{
	unsigned long long user, nice, system, idle, wait, irq, soft;
	FILE *f = fopen("/proc/stat", "re");
	uint64_t ticks = 0;

	if (f && fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle,
			&wait, &irq, &soft) == 7)
		ticks = user + nice + system + irq + soft;
	if (f)
		fclose(f);
	return ticks * (1000000000ULL / (uint64_t)sysconf(_SC_CLK_TCK));
}

const char *cost_kernel_from(struct cost_watch *w)
{
	cost_threads(w);
	return w->threads ? "schedstat" : machine_ns() ? "stat" : NULL;
}

static uint64_t kernel_ns(struct cost_watch *w, uint64_t ours)
{
	uint64_t all;

	if (w->threads)
		return threads_ns(w);
	all = machine_ns();
	return all > ours ? all - ours : 0;
}

static bool device_stat(const struct cost_watch *w, uint64_t field[STAT_FIELDS])
{
	char text[256], *at = text, *end;

	if (w->device < 0 || !slurp(w->device, text, sizeof(text)))
		return false;
	for (int i = 0; i < STAT_FIELDS; i++, at = end) {
		field[i] = strtoull(at, &end, 10);
		if (end == at)
			return false;
	}
	return true;
}

static uint64_t ns(const struct timeval *t)
{
	return (uint64_t)t->tv_sec * 1000000000 + (uint64_t)t->tv_usec * 1000;
}

void cost_now(struct cost_watch *w, struct cost *c)
{
	uint64_t field[STAT_FIELDS];
	struct rusage self, children;

	memset(c, 0, sizeof(*c));
	getrusage(RUSAGE_SELF, &self);
	getrusage(RUSAGE_CHILDREN, &children);
	c->user_ns = ns(&self.ru_utime) + ns(&children.ru_utime);
	c->system_ns = ns(&self.ru_stime) + ns(&children.ru_stime);
	c->kernel_ns = kernel_ns(w, c->user_ns + c->system_ns);
	c->has_kernel = c->kernel_ns > 0;
	c->has_device = device_stat(w, field);
	if (c->has_device) {
		c->read_bytes = field[STAT_READ_SECTORS] * SECTOR_BYTES;
		c->write_bytes = field[STAT_WRITE_SECTORS] * SECTOR_BYTES;
	}
}

struct cost cost_since(struct cost_watch *w, const struct cost *before)
{
	struct cost c;

	cost_now(w, &c);
	c.user_ns -= before->user_ns;
	c.system_ns -= before->system_ns;
	/* ticks of the machine may fall behind our own time */
	c.kernel_ns -= c.kernel_ns > before->kernel_ns ? before->kernel_ns : c.kernel_ns;
	c.read_bytes -= before->read_bytes;
	c.write_bytes -= before->write_bytes;
	return c;
}

void cost_add(struct cost *sum, const struct cost *one)
{
	sum->user_ns += one->user_ns;
	sum->system_ns += one->system_ns;
	sum->kernel_ns += one->kernel_ns;
	sum->read_bytes += one->read_bytes;
	sum->write_bytes += one->write_bytes;
	sum->has_kernel = one->has_kernel;
	sum->has_device = one->has_device;
}

static void put(json_t *o, const char *key, uint64_t value)
{
	json_object_set_new(o, key, json_integer((json_int_t)value));
}

void cost_put(json_t *observed, const struct cost *c)
{
	if (c->has_device) {
		put(observed, "device_read_bytes", c->read_bytes);
		put(observed, "device_write_bytes", c->write_bytes);
	}
	put(observed, "cpu_user_ns", c->user_ns);
	put(observed, "cpu_system_ns", c->system_ns);
	if (c->has_kernel)
		put(observed, "kernel_thread_ns", c->kernel_ns);
}

unsigned int cost_in_flight(const struct cost_watch *w)
{
	uint64_t field[STAT_FIELDS];

	return device_stat(w, field) ? (unsigned int)field[STAT_IN_FLIGHT] : 0;
}
