/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `cowbell bench`: from the command line to an exit code. A child measures and sends result lines
 * through a pipe; this process writes them, and cleans up whatever becomes of the child.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench_options.h"
#include "bench_suites.h"
#include "clock.h"
#include "cmd.h"
#include "engine.h"
#include "environment.h"
#include "helper.h"
#include "mutant.h"
#include "report.h"
#include "run_line.h"
#include "sink.h"
#include "workdir.h"

#define PROBE_S	   120
#define TEARDOWN_S 30
#define REMOVE_S   120
#define DIE_MS	   10000
#define READ_BYTES 65536

/** struct probing - the prober's work, in memory shared with the helper that does it */
struct probing {
	struct probe_options options;
	int folder, ret;
	struct probe probe;
	char why[256];
};

/** struct bench - all that the verb holds */
struct bench {
	struct bench_options o;
	struct bench_suites suites;
	struct workdir dir;
	struct probing *probing;
	struct sink sink;
	int signals;
	uint64_t seed, start_ns;
	pid_t child;
	/* lines that are not whole yet */
	char *text;
	size_t len, room;
	/* names of cells that had a result, or were skipped */
	json_t *measured, *skipped;
	bool differs;
	int signal;
	const char *aborted;
};

static const struct report nothing = { .name = "none" };

static int complain(const char *where, const char *what)
{
	fprintf(stderr, "cowbell bench: %s%s%s\n", where, *where ? ": " : "", what);
	return CMD_USAGE;
}

static int catch_signals(struct bench *b)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	b->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return b->signals < 0 ? complain("signalfd", strerror(errno)) : CMD_GOOD;
}

static void take_signal(struct bench *b)
{
	struct signalfd_siginfo info;

	if (read(b->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
		b->signal = (int)info.ssi_signo;
}

static int teardown(void *arg)
{
	return workdir_teardown(arg, false);
}

static int make_folder(struct bench *b)
{
	char why[PATH_MAX + 128];
	const int ret = helper_run(teardown, (void *)(uintptr_t)b->o.dir, TEARDOWN_S, -1);

	if (ret == -ETIMEDOUT)
		return complain(b->o.dir, "does not answer");
	if (ret)
		complain(b->o.dir, "cannot remove all that an earlier run left");
	return workdir_make(&b->dir, b->o.dir, why, sizeof(why)) ? complain("", why) : CMD_GOOD;
}

static int probe_it(void *arg)
{
	struct probing *p = arg;

	p->ret = probe_run(p->folder, &p->options, &p->probe, p->why, sizeof(p->why));
	return 0;
}

static int probe_folder(struct bench *b)
{
	struct probing *p = b->probing = helper_memory(sizeof(*p));
	int ret = -ENOMEM;

	if (!p)
		return complain("", "no memory");
	/* nothing that filling, freezing or swapping could tell is of use here */
	p->options.dir2fd = -1;
	p->folder = workdir_enter(b->dir.fd, "probe");
	ret = p->folder;
	if (p->folder >= 0) {
		ret = helper_run(probe_it, p, PROBE_S, b->signals);
		close(p->folder);
		workdir_leave(b->dir.fd, "probe");
	}
	if (ret == -EINTR) {
		take_signal(b);
		return 128 + b->signal;
	}
	if (!ret && !p->ret)
		return CMD_GOOD;
	return complain(b->dir.dir, ret == -ETIMEDOUT ? "probing does not come to an end"
				    : ret == -ECHILD  ? "probing crashed"
				    : ret < 0	      ? strerror(-ret)
						      : p->why);
}

static int open_sink(struct bench *b)
{
	int ret;

	b->sink.report = &nothing;
	ret = sink_open(&b->sink, b->o.json, false);
	return ret ? complain(b->o.json, strerror(-ret)) : CMD_GOOD;
}

static void begin(struct bench *b, int argc, char **argv)
{
	struct run_line line = { .argc = argc,
				 .argv = argv,
				 .dir = b->dir.dir,
				 .probe = &b->probing->probe,
				 .seed = b->seed,
				 .jobs = 1,
				 .repeat = 1 };
	json_t *run;

	for (size_t i = 0; i < b->suites.count; i++)
		line.points += b->suites.suite[i]->cells;
	run = run_line(&line);
	json_object_set_new(run, "verb", json_string("bench"));
	json_object_set_new(run, "environment",
			    environment_json(&b->probing->probe, b->o.dedicated));
	sink_begin(&b->sink, run);
}

/* In the child: measure everything. */
static int work(struct bench *b, int out, FILE *human)
{
	struct stand stand = {
		.folder = b->dir.fd,
		.probe = &b->probing->probe,
		.dedicated = b->o.dedicated,
		.seed = b->seed,
		.out = out,
		.flags = environment_clock_is_tsc() ? 0 : FLAG_CLOCK,
	};
	struct engine e = {
		.stand = &stand,
		.suite = b->suites.suite,
		.suites = b->suites.count,
		.time_s = (unsigned int)b->o.time_s,
		.human = human,
		.progress = b->o.quiet ? NULL : stderr,
	};
	struct rlimit files;

	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	engine_run(&e);
	return stand.wrong ? CMD_FAILED : CMD_GOOD;
}

static int start(struct bench *b)
{
	const bool to_stdout = b->o.json && !strcmp(b->o.json, "-");
	const int parent = getpid();
	int ends[2];

	fflush(NULL);
	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	b->child = fork();
	if (b->child == 0) {
		FILE *human = to_stdout ? stderr : fdopen(dup(STDOUT_FILENO), "w");

		close(ends[0]);
		helper_child(parent);
		workdir_unlock(&b->dir);
		_exit(work(b, ends[1], human));
	}
	close(ends[1]);
	if (b->child > 0)
		return ends[0];
	close(ends[0]);
	return -errno;
}

/* One line of the child: to the result file, and what must be known of it at the end. */
static void take_line(struct bench *b, const char *text, size_t len)
{
	json_t *line = json_loadb(text, len, 0, NULL);
	const char *name = json_string_value(json_object_get(line, "name"));
	const bool bench = !strcmp(report_text(line, "kind"), "bench");
	json_t *flag;
	size_t i;

	if (!line)
		return;
	if (bench && name)
		json_object_set_new(*report_text(line, "verdict") ? b->skipped : b->measured, name,
				    json_true());
	json_array_foreach (json_object_get(line, "flags"), i, flag) {
		if (strcmp(json_string_value(flag), "content-differs"))
			continue;
		b->differs = true;
		fprintf(stderr, "cowbell bench: %s: a copy does not hold what its source holds\n",
			name ? name : "?");
	}
	sink_item(&b->sink, line);
}

/* Returns false at the end. */
static bool take_text(struct bench *b, int fd)
{
	size_t done = 0;
	ssize_t n;
	char *end;

	if (b->room - b->len < READ_BYTES) {
		b->room = 2 * b->room + READ_BYTES;
		b->text = realloc(b->text, b->room);
		if (!b->text)
			abort();
	}
	n = read(fd, b->text + b->len, READ_BYTES);
	if (n <= 0)
		return n < 0 && errno == EINTR;
	b->len += (size_t)n;
	while ((end = memchr(b->text + done, '\n', b->len - done))) {
		take_line(b, b->text + done, (size_t)(end - b->text) - done);
		done = (size_t)(end - b->text) + 1;
	}
	memmove(b->text, b->text + done, b->len - done);
	b->len -= done;
	return true;
}

/* The child and all it has started. It may be in the kernel for a while yet. */
static void end_child(struct bench *b)
{
	const int pidfd = (int)syscall(SYS_pidfd_open, b->child, 0);
	struct pollfd wait = { .fd = pidfd, .events = POLLIN };

	kill(b->child, SIGKILL);
	kill(-b->child, SIGKILL);
	if (pidfd >= 0) {
		poll(&wait, 1, DIE_MS);
		close(pidfd);
	}
}

static void follow(struct bench *b, int fd)
{
	struct pollfd look[2] = { { .fd = fd, .events = POLLIN },
				  { .fd = b->signals, .events = POLLIN } };
	int status = 0, lost = 0;

	while (!b->signal && !lost) {
		if (poll(look, 2, -1) < 0 && errno != EINTR)
			break;
		if (look[1].revents)
			take_signal(b);
		else if (look[0].revents && !take_text(b, fd))
			break;
		lost = sink_lost(&b->sink);
	}
	if (b->signal || lost)
		end_child(b);
	if (waitpid(b->child, &status, b->signal || lost ? WNOHANG : 0) != b->child)
		return;
	if (!b->signal && !lost && WIFSIGNALED(status))
		b->aborted = "the measuring process crashed";
	else if (!b->signal && !lost && WEXITSTATUS(status) > CMD_FAILED)
		b->aborted = "the measuring process gave up";
}

static const char *signal_name(int sig)
{
	return sig == SIGINT ? "SIGINT" : sig == SIGTERM ? "SIGTERM" : "SIGHUP";
}

/* The last line, and what it all means for the exit code. */
static int finish(struct bench *b)
{
	json_t *line = json_object();
	const char *name;
	json_t *value;
	size_t skipped, cells;
	int code, lost;

	/* a cell that was measured in an early block and had no room later was measured */
	json_object_foreach (b->measured, name, value)
		json_object_del(b->skipped, name);
	skipped = json_object_size(b->skipped);
	cells = json_object_size(b->measured) + skipped;
	code = b->differs ? CMD_FAILED : skipped == cells ? CMD_SKIPPED : CMD_GOOD;
	json_object_set_new(line, "kind", json_string("end"));
	json_object_set_new(line, "cells", json_integer((json_int_t)cells));
	json_object_set_new(line, "skipped", json_integer((json_int_t)skipped));
	json_object_set_new(line, "wall_ns", json_integer((json_int_t)(clock_ns() - b->start_ns)));
	if (b->signal) {
		json_object_set_new(line, "interrupted", json_string(signal_name(b->signal)));
		code = 128 + b->signal;
	} else if (b->aborted) {
		json_object_set_new(line, "aborted", json_string(b->aborted));
		complain(b->dir.dir, b->aborted);
		code = CMD_HARNESS;
	}
	sink_end(&b->sink, line);
	lost = sink_close(&b->sink);
	if (lost) {
		complain(b->o.json, strerror(lost));
		code = CMD_HARNESS;
	}
	return code;
}

static int remove_folder(void *arg)
{
	struct bench *b = arg;

	return workdir_remove(&b->dir);
}

static void tidy(struct bench *b)
{
	workdir_unlock(&b->dir);
	if (b->dir.fd >= 0 && helper_run(remove_folder, b, REMOVE_S, -1))
		fprintf(stderr,
			"cowbell bench: cannot remove all of %s/%s; the next run will try\n",
			b->dir.dir, b->dir.name);
	workdir_close(&b->dir);
	sink_close(&b->sink);
	if (b->signals >= 0)
		close(b->signals);
	if (b->probing)
		munmap(b->probing, sizeof(*b->probing));
	json_decref(b->measured);
	json_decref(b->skipped);
	bench_suites_free(&b->suites);
	free(b->text);
}

static int measure(struct bench *b, int argc, char **argv)
{
	int ret = catch_signals(b), fd;

	if (!ret)
		ret = make_folder(b);
	if (!ret)
		ret = probe_folder(b);
	if (!ret)
		ret = open_sink(b);
	if (ret)
		return ret;
	begin(b, argc, argv);
	fd = start(b);
	if (fd < 0) {
		b->aborted = strerror(-fd);
	} else {
		follow(b, fd);
		close(fd);
	}
	return finish(b);
}

int cmd_bench(int argc, char **argv)
{
	struct bench b = { .dir = WORKDIR_NONE,
			   .sink = SINK_NONE,
			   .signals = -1,
			   .measured = json_object(),
			   .skipped = json_object(),
			   .start_ns = clock_ns() };
	uint32_t seed = 0;
	int ret = CMD_USAGE;
	char why[256];

	if (!bench_options_parse(&b.o, argc, argv))
		ret = CMD_USAGE;
	else if (b.o.help)
		bench_options_help();
	else if (mutant_check(why, sizeof(why)))
		complain("", why);
	else if (b.o.list)
		ret = bench_suites_list() ? CMD_GOOD : CMD_USAGE;
	else if (bench_suites_load(&b.suites, b.o.suites, b.o.suite)) {
		if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
			seed = (uint32_t)clock_ns();
		b.seed = b.o.has_seed ? b.o.seed : seed;
		ret = measure(&b, argc, argv);
	}
	tidy(&b);
	return b.o.help ? CMD_GOOD : ret;
}
