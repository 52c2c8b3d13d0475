/* SPDX-License-Identifier: GPL-2.0-only */
/* Runs a command, and leaves no process of it behind. */
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "emit.h"

#define PLACE	    "{json}"
#define GRACE_S	    10
#define LOG_LINES   8
#define NOT_STARTED 127
#define SIGNAL_BASE 128
#define LINE_BYTES  512
#define NS_PER_S    1000000000.0

double spawn_now(void)
{
	return (double)clock_ns() / NS_PER_S;
}

/* A word with every {json} replaced. */
static char *fill_in(const char *word, const char *json)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	const char *found;

	if (!out)
		abort();
	while ((found = strstr(word, PLACE))) {
		fprintf(out, "%.*s%s", (int)(found - word), word, json);
		word = found + strlen(PLACE);
	}
	fputs(word, out);
	if (fclose(out))
		abort();
	return text;
}

/* Signals that end us, and the one that says that a child has ended. */
static sigset_t waited_for, before;

void spawn_guard(void)
{
	/* a shell starts what runs in the background with SIGINT ignored; we are to end all the
	 * same */
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	sigemptyset(&waited_for);
	sigaddset(&waited_for, SIGINT);
	sigaddset(&waited_for, SIGTERM);
	sigaddset(&waited_for, SIGHUP);
	sigaddset(&waited_for, SIGCHLD);
	sigprocmask(SIG_BLOCK, &waited_for, &before);
	/* children of a command that has ended become ours, so that we can wait for their end */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
}

void spawn_unguard(void)
{
	sigprocmask(SIG_SETMASK, &before, NULL);
}

static void become(const struct spawn *s, int log)
{
	const int null = open("/dev/null", O_RDONLY);
	char *quoted = s->shell ? emit_quote(s->json) : NULL;
	size_t count = 0;
	char **argv;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	setpgid(0, 0);
	sigprocmask(SIG_SETMASK, &before, NULL);
	while (s->argv[count])
		count++;
	argv = calloc(count + 1, sizeof(*argv));
	if (!argv || !count || null < 0 || dup2(null, 0) < 0 || dup2(log, 1) < 0 ||
	    dup2(log, 2) < 0 || setenv("COWBELL_JSON", s->json, 1))
		_exit(NOT_STARTED);
	for (size_t i = 0; i < count; i++)
		argv[i] = fill_in(s->argv[i], quoted ? quoted : s->json);
	execvp(argv[0], argv);
	fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
	_exit(NOT_STARTED);
}

/* Waits for a signal of the set; 0 if none came in time. A time below 0 waits forever. */
static int wait_signal(double seconds)
{
	struct timespec t = { .tv_sec = (time_t)seconds,
			      .tv_nsec = (long)((seconds - (double)(time_t)seconds) * NS_PER_S) };
	int got;

	do {
		got = seconds < 0 ? sigwaitinfo(&waited_for, NULL)
				  : sigtimedwait(&waited_for, NULL, &t);
	} while (got < 0 && errno == EINTR);
	return got < 0 ? 0 : got;
}

static double left(double end)
{
	const double now = spawn_now();

	return now < end ? end - now : 0;
}

/* Waits until the leader has ended; what else comes ends it. */
static int supervise(struct spawn *s, pid_t leader)
{
	double end = s->timeout_s > 0 ? spawn_now() + s->timeout_s : -1;
	bool dying = false;
	int status, got;

	while (waitpid(leader, &status, WNOHANG) != leader) {
		got = wait_signal(end < 0 ? -1 : left(end));
		if (got == SIGCHLD)
			continue;
		if (got)
			s->interrupted = got;
		if (dying) {
			kill(-leader, SIGKILL);
			continue;
		}
		dying = true;
		s->timed_out = !got;
		kill(-leader, got ? got : SIGTERM);
		end = spawn_now() + GRACE_S;
	}
	return status;
}

/* Kills what is left of a group, and waits until it is gone. */
static void sweep(pid_t group)
{
	const double end = spawn_now() + GRACE_S;
	pid_t got = 0;

	kill(-group, SIGKILL);
	while (got >= 0 && left(end) > 0) {
		got = waitpid(-group, NULL, WNOHANG);
		if (got == 0)
			wait_signal(left(end) < 0.1 ? left(end) : 0.1);
	}
}

bool spawn_run(struct spawn *s, const char *verb)
{
	const int log = open(s->log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	const double start = spawn_now();
	pid_t leader;
	int status;

	if (log < 0) {
		fprintf(stderr, "cowbell %s: %s: %s\n", verb, s->log, strerror(errno));
		return false;
	}
	fflush(NULL);
	leader = fork();
	if (leader == 0)
		become(s, log);
	close(log);
	if (leader > 0) {
		/* whichever of the two does it first */
		setpgid(leader, leader);
		status = supervise(s, leader);
		sweep(leader);
		s->status =
			WIFEXITED(status) ? WEXITSTATUS(status) : SIGNAL_BASE + WTERMSIG(status);
		s->wall_s = spawn_now() - start;
	} else {
		fprintf(stderr, "cowbell %s: fork: %s\n", verb, strerror(errno));
	}
	return leader > 0;
}

char *spawn_folder(const char *verb)
{
	const char *given = getenv("TMPDIR"), *in = given && *given ? given : "/tmp";
	char *name;

	if (asprintf(&name, "%s/cowbell-%s-XXXXXX", in, verb) < 0)
		abort();
	if (mkdtemp(name))
		return name;
	fprintf(stderr, "cowbell %s: %s: cannot make a folder in it: %s\n", verb, in,
		strerror(errno));
	free(name);
	return NULL;
}

void spawn_show_log(const char *path)
{
	char lines[LOG_LINES][LINE_BYTES];
	FILE *f = fopen(path, "re");
	size_t count = 0;

	while (f && fgets(lines[count % LOG_LINES], LINE_BYTES, f))
		count++;
	for (size_t i = count > LOG_LINES ? count - LOG_LINES : 0; i < count; i++) {
		char *line = lines[i % LOG_LINES];

		line[strcspn(line, "\n")] = '\0';
		fprintf(stderr, "    %s\n", line);
	}
	if (f)
		fclose(f);
}
