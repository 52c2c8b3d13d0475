/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `cowbell run`: from the command line to an exit code. Everything that can be wrong with the
 * command line is found before the directory is touched.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "arena.h"
#include "beneath.h"
#include "clock.h"
#include "cmd.h"
#include "helper.h"
#include "kmsg.h"
#include "mutant.h"
#include "options.h"
#include "resume.h"
#include "run_line.h"
#include "select.h"
#include "sink.h"
#include "supervise.h"
#include "workdir.h"

#define TIMEOUT_S	   60
#define JOBS_BY_ITSELF	   4
#define PROBE_S		   120
#define TEARDOWN_S	   30
#define REMOVE_S	   60
#define REMOVE_ABANDONED_S 5
#define QUIRKS_TEXT_MAX	   (1024 * 1024)

/** struct probing - the prober's work, in memory shared with the helper that does it */
struct probing {
	struct probe_options options;
	int dirfd, ret;
	struct probe probe;
	char why[256];
};

/** struct run - all that `cowbell run` holds */
struct run {
	struct run_options o;
	struct selection selection;
	json_t *quirks;
	struct resume resume;
	struct workdir dir, dir2, view;
	struct probing *probing, *probing2;
	struct sink sink;
	struct supervise s;
	struct utsname uts;
	int signals, kmsg;
	sigset_t old_mask;
	/* the results go to the end of an older file */
	bool append;
	uint64_t start_ns;
};

static int complain(const char *text)
{
	fprintf(stderr, "cowbell run: %s\n", text);
	return CMD_USAGE;
}

static int load_quirks(struct run *r, const char *path)
{
	char why[600] = "", *text = malloc(QUIRKS_TEXT_MAX);
	FILE *f = fopen(path, "re");
	size_t len = 0;
	int ret = CMD_GOOD;

	if (!text)
		abort();
	if (f) {
		len = fread(text, 1, QUIRKS_TEXT_MAX, f);
		if (ferror(f))
			snprintf(why, sizeof(why), "%s: %s", path, strerror(errno));
		fclose(f);
	} else {
		snprintf(why, sizeof(why), "%s: %s", path, strerror(errno));
	}
	if (why[0] || !quirk_load(r->quirks, path, text, len, why, sizeof(why)))
		ret = complain(why);
	free(text);
	return ret;
}

static int load_all_quirks(struct run *r)
{
	struct arena *arena = arena_new();
	const char *folder = arena_printf(arena, "%s/quirks", select_folder(arena));
	struct dirent **entries = NULL;
	int n = scandir(folder, &entries, NULL, alphasort), ret = CMD_GOOD;

	r->quirks = json_array();
	for (int i = 0; i < n; i++) {
		const char *name = entries[i]->d_name;
		size_t len = strlen(name);

		if (ret == CMD_GOOD && len > 5 && name[0] != '.' &&
		    !strcmp(name + len - 5, ".json"))
			ret = load_quirks(r, arena_printf(arena, "%s/%s", folder, name));
		free(entries[i]);
	}
	free(entries);
	for (size_t i = 0; ret == CMD_GOOD && i < r->o.quirks.count; i++)
		ret = load_quirks(r, r->o.quirks.item[i]);
	arena_free(arena);
	return ret;
}

/* Which old file to go on with, and where the results go then. */
static int load_resume(struct run *r)
{
	struct stat old, new;
	char why[512];

	if (!r->o.resume)
		return CMD_GOOD;
	if (!resume_read(&r->resume, r->o.resume, why, sizeof(why)))
		return complain(why);
	if (!r->o.json)
		r->o.json = r->o.resume;
	r->append = !stat(r->o.resume, &old) && !stat(r->o.json, &new) &&
		    old.st_dev == new.st_dev &&old.st_ino == new.st_ino;
	return CMD_GOOD;
}

static int catch_signals(struct run *r)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_BLOCK, &set, &r->old_mask);
	r->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return r->signals < 0 ? complain(strerror(errno)) : CMD_GOOD;
}

/** struct teardown - for a helper */
struct teardown {
	const char *path;
	bool dedicated;
};

static int teardown(void *arg)
{
	const struct teardown *t = arg;

	return workdir_teardown(t->path, t->dedicated);
}

static int make_workdir(struct run *r, struct workdir *w, const char *path)
{
	struct teardown t = { path, r->o.dedicated };
	char why[PATH_MAX + 128];
	int ret = helper_run(teardown, &t, TEARDOWN_S, -1);

	if (ret == -ETIMEDOUT) {
		snprintf(why, sizeof(why), "%s: does not answer", path);
		return complain(why);
	}
	if (ret)
		fprintf(stderr, "cowbell run: %s: cannot remove all that an earlier run left\n",
			path);
	return workdir_make(w, path, why, sizeof(why)) ? complain(why) : CMD_GOOD;
}

static int probe_it(void *arg)
{
	struct probing *p = arg;

	p->ret = probe_run(p->dirfd, &p->options, &p->probe, p->why, sizeof(p->why));
	return 0;
}

/* SIGCHLD of the helper itself must not count as the signal that ends the run. */
static int probe_in_helper(struct probing *p, int *sig)
{
	sigset_t set;
	int signals, ret;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	ret = helper_run(probe_it, p, PROBE_S, signals);
	if (ret == -EINTR) {
		struct signalfd_siginfo info;

		if (read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
			*sig = (int)info.ssi_signo;
	}
	close(signals);
	return ret;
}

/* The folder that is probed, as the other mount shows it, or if it does not show it yet, the
 * mount; -1 if there is none. */
static int open_view(const struct run *r, const char *name)
{
	const int how = O_RDONLY | O_DIRECTORY;
	int top, run, own;

	if (!r->view.dir)
		return -1;
	top = open(r->view.dir, how | O_CLOEXEC);
	run = top < 0 ? -1 : beneath_open(top, r->view.name, how, 0);
	own = run < 0 ? -1 : beneath_open(run, name, how, 0);
	if (run >= 0)
		close(run);
	if (own < 0)
		return top;
	close(top);
	return own;
}

static int probe_folder(struct run *r, struct probing **out, const struct workdir *w, int dir2fd)
{
	struct probing *p = helper_memory(sizeof(*p));
	char name[] = "probe", why[PATH_MAX + 400];
	int ret = -ENOMEM, sig = 0;

	*out = p;
	if (!p)
		return complain("no memory");
	p->options.dedicated = r->o.dedicated;
	p->options.hooks = r->o.hooks.count ? r->o.hooks.item : NULL;
	p->options.dir2fd = dir2fd;
	p->dirfd = workdir_enter(w->fd, name);
	p->options.viewfd = w == &r->dir ? open_view(r, name) : -1;
	if (p->dirfd >= 0) {
		ret = probe_in_helper(p, &sig);
		close(p->dirfd);
		/* with the run folder it goes in any case */
		workdir_leave(w->fd, name);
	} else {
		ret = p->dirfd;
	}
	if (p->options.viewfd >= 0)
		close(p->options.viewfd);
	if (sig)
		return 128 + sig;
	if (!ret && !p->ret)
		return CMD_GOOD;
	snprintf(why, sizeof(why), "%s: %s", w->dir,
		 ret == -ETIMEDOUT ? "probing does not come to an end"
		 : ret == -ECHILD  ? "probing crashed"
		 : ret < 0	   ? strerror(-ret)
				   : p->why);
	return complain(why);
}

static int find_view(struct run *r)
{
	char why[PATH_MAX + 128];

	if (workdir_view(&r->view, &r->dir, r->o.view, why, sizeof(why)))
		return complain(why);
	return CMD_GOOD;
}

static int prepare_dirs(struct run *r)
{
	int ret;

	if (!r->o.dir) {
		fprintf(stderr, "cowbell run: no --dir, so this is about the current directory\n");
		r->o.dir = ".";
	}
	ret = make_workdir(r, &r->dir, r->o.dir);
	if (!ret && r->o.dir2)
		ret = make_workdir(r, &r->dir2, r->o.dir2);
	if (!ret && r->o.view)
		ret = find_view(r);
	if (!ret)
		ret = probe_folder(r, &r->probing, &r->dir, r->dir2.fd);
	if (!ret && r->o.dir2)
		ret = probe_folder(r, &r->probing2, &r->dir2, -1);
	return ret;
}

static int open_sink(struct run *r)
{
	bool to_stdout = r->o.json && !strcmp(r->o.json, "-");
	char why[PATH_MAX + 128];
	int ret;

	if (r->o.resume && strcmp(r->resume.fs_type, r->probing->probe.fs_type) != 0) {
		snprintf(why, sizeof(why), "%s is of a run on %s, this is %s", r->o.resume,
			 r->resume.fs_type, r->probing->probe.fs_type);
		return complain(why);
	}
	r->sink.report = sink_report(r->o.format);
	r->sink.human = to_stdout ? stderr : stdout;
	ret = r->append && r->o.json && truncate(r->o.json, (off_t)r->resume.whole) ? -errno : 0;
	if (!ret)
		ret = sink_open(&r->sink, r->o.json, r->append);
	if (!ret)
		return CMD_GOOD;
	snprintf(why, sizeof(why), "%s: %s", r->o.json, strerror(-ret));
	return complain(why);
}

static uint64_t choose_seed(const struct run *r)
{
	uint32_t seed = 0;

	if (r->o.seed.set)
		return r->o.seed.value;
	if (r->o.resume)
		return r->resume.seed;
	if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		seed = (uint32_t)clock_ns();
	return seed;
}

static unsigned int choose_jobs(const struct run *r)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (r->o.jobs.set)
		return (unsigned int)r->o.jobs.value;
	return cpus < 1 ? 1 : cpus > JOBS_BY_ITSELF ? JOBS_BY_ITSELF : (unsigned int)cpus;
}

static void fill_supervise(struct run *r)
{
	const struct probe *p = &r->probing->probe;
	const char *slash = strrchr(p->device, '/');

	uname(&r->uts);
	r->kmsg = kmsg_open();
	r->s = (struct supervise){
		.points = r->selection.points,
		.points_count = r->selection.points_count,
		.jobs = choose_jobs(r),
		.repeat = r->o.repeat.set ? (unsigned int)r->o.repeat.value : 1,
		.timeout_s = r->o.timeout.set ? (unsigned int)r->o.timeout.value : TIMEOUT_S,
		.stop_on_fail = r->o.stop_on_fail,
		.keep = r->o.keep,
		.dedicated = r->o.dedicated,
		.announce = r->o.announce,
		.seed = choose_seed(r),
		.budget = r->o.budget,
		.round = r->o.round.value,
		.hooks = r->o.hooks.count ? r->o.hooks.item : NULL,
		.dir = &r->dir,
		.dir2 = r->o.dir2 ? &r->dir2 : NULL,
		.view = r->o.view ? &r->view : NULL,
		.probe = p,
		.quirks = r->quirks,
		.required = r->o.required,
		.despite_quirks = r->o.despite_quirks,
		.resume = r->o.resume ? &r->resume : NULL,
		.sink = &r->sink,
		.kmsg = r->kmsg,
		.device = slash ? slash + 1 : NULL,
		.signals = r->signals,
		/* a file that is gone on with counts as a whole */
		.tally = r->append ? r->resume.tally : (struct tally){ { 0 } },
	};
	r->s.place = (struct quirk_place){
		.fs_type = p->fs_type,
		.second = r->probing2 ? r->probing2->probe.fs_type : NULL,
		.mount_options = p->mount_options,
		.server = r->o.server,
		.unit_bytes = p->units.block,
		.release = r->uts.release,
	};
	r->s.again = (struct emit_command){
		.dir = r->dir.dir,
		.dir2 = r->dir2.dir,
		.view = r->view.dir,
		.server = r->o.server,
		.dedicated = r->o.dedicated,
		.timeout_s = r->o.timeout.set ? r->s.timeout_s : 0,
		.budget = r->o.budget,
		.hooks = r->s.hooks,
		.quirks = r->o.quirks.item,
		.despite_quirks = r->o.despite_quirks,
	};
}

static void begin(struct run *r, int argc, char **argv)
{
	uint64_t all = (uint64_t)r->s.points_count * r->s.repeat;
	uint64_t done = json_object_size(r->resume.done);
	struct run_line line = {
		.argc = argc,
		.argv = argv,
		.dir = r->dir.dir,
		.dir2 = r->dir2.dir,
		.view = r->view.dir,
		.server = r->o.server,
		.probe = &r->probing->probe,
		.probe2 = r->probing2 ? &r->probing2->probe : NULL,
		.seed = r->s.seed,
		.jobs = r->s.jobs,
		.repeat = r->s.repeat,
		.points = all > done ? all - done : 0,
		.resumed = r->o.resume != NULL,
	};

	sink_begin(&r->sink, run_line(&line));
}

/* Only those that end a run. */
static const char *end_name(int sig)
{
	static const struct {
		int sig;
		const char *name;
	} names[] = { { SIGINT, "SIGINT" },
		      { SIGTERM, "SIGTERM" },
		      { SIGHUP, "SIGHUP" },
		      { SIGPIPE, "SIGPIPE" } };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].sig == sig)
			return names[i].name;
	return "signal";
}

/* The last line, and what the run's end means for the exit code. */
static int finish(struct run *r)
{
	struct supervise *s = &r->s;
	int code = tally_exit(&s->tally), lost = sink_lost(&r->sink);
	const char *key = NULL, *text = NULL;

	if (!s->signal && lost == EPIPE && r->sink.fd < 0)
		s->signal = SIGPIPE;
	if (s->signal) {
		key = "interrupted";
		text = end_name(s->signal);
		code = 128 + s->signal;
	} else if (s->aborted[0]) {
		fprintf(stderr, "cowbell run: %s\n", s->aborted);
		key = "aborted";
		text = s->aborted;
		code = CMD_HARNESS;
	} else if (s->stopped[0]) {
		key = "stopped";
		text = s->stopped;
	}
	sink_end(&r->sink, emit_end(&s->tally, clock_ns() - r->start_ns, key, text));
	lost = sink_close(&r->sink);
	if (lost && lost != EPIPE) {
		fprintf(stderr, "cowbell run: results cannot be written: %s\n", strerror(lost));
		code = CMD_HARNESS;
	}
	return code;
}

static int remove_folders(void *arg)
{
	struct run *r = arg;
	int left = 0;

	for (int i = 0; i < 2; i++) {
		struct workdir *w = i ? &r->dir2 : &r->dir;

		if (w->fd < 0)
			continue;
		if (r->s.dedicated)
			workdir_thaw(w);
		if (r->s.kept)
			workdir_keep(w);
		else if (workdir_remove(w))
			left = 1;
	}
	return left;
}

static void tidy(struct run *r)
{
	workdir_unlock(&r->dir);
	workdir_unlock(&r->dir2);
	if ((r->dir.fd >= 0 || r->dir2.fd >= 0) &&
	    helper_run(remove_folders, r, r->s.abandoned ? REMOVE_ABANDONED_S : REMOVE_S, -1) &&
	    !r->s.aborted[0])
		fprintf(stderr, "cowbell run: cannot remove all of %s/%s; the next run will try\n",
			r->dir.dir, r->dir.name);
	workdir_close(&r->dir);
	workdir_close(&r->dir2);
	workdir_close(&r->view);
	sink_close(&r->sink);
	if (r->kmsg >= 0)
		close(r->kmsg);
	if (r->signals >= 0)
		close(r->signals);
	if (r->probing)
		munmap(r->probing, sizeof(*r->probing));
	if (r->probing2)
		munmap(r->probing2, sizeof(*r->probing2));
	json_decref(r->quirks);
	resume_free(&r->resume);
	selection_free(&r->selection);
}

int cmd_run(int argc, char **argv)
{
	struct run r = { .dir = WORKDIR_NONE,
			 .dir2 = WORKDIR_NONE,
			 .view = WORKDIR_NONE,
			 .sink = SINK_NONE,
			 .signals = -1,
			 .kmsg = -1,
			 .start_ns = clock_ns() };
	char why[256];
	int ret = CMD_GOOD;

	if (!options_parse(&r.o, argc, argv))
		return CMD_USAGE;
	if (r.o.help) {
		options_help();
		return CMD_GOOD;
	}
	if (mutant_check(why, sizeof(why)))
		return complain(why);
	if (!select_points(&r.selection, (int)r.o.select_count, r.o.select))
		ret = CMD_USAGE;
	if (!ret)
		ret = load_all_quirks(&r);
	if (!ret)
		ret = load_resume(&r);
	if (!ret)
		ret = catch_signals(&r);
	if (!ret)
		ret = prepare_dirs(&r);
	if (!ret)
		ret = open_sink(&r);
	if (!ret) {
		fill_supervise(&r);
		begin(&r, argc, argv);
		supervise_run(&r.s);
		ret = finish(&r);
	}
	tidy(&r);
	return ret;
}
