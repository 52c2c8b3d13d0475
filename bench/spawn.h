/* SPDX-License-Identifier: GPL-2.0-only */
/* Runs a command that writes a result file, and leaves no process of it behind. */
#ifndef COWBELL_SPAWN_H
#define COWBELL_SPAWN_H

#include <stdbool.h>
#include <stddef.h>

/** struct spawn - one run of a command */
struct spawn {
	/** @argv: ends with NULL; "{json}" in a word is replaced by @json */
	char *const *argv;
	/** @shell: quote it, as the word is a command of the shell */
	bool shell;
	/** @json: where results go, also in COWBELL_JSON; @log: what the command prints */
	const char *json, *log;
	/** @timeout_s: ends it after that; 0 waits forever */
	double timeout_s;

	/** @status: exit code, or 128 + signal as shells have it; 127 if it could not be started */
	int status;
	/** @timed_out: it was ended; @interrupted: signal that ended us, 0 if none */
	bool timed_out;
	int interrupted;
	double wall_s;
};

/**
 * spawn_guard() - from here on signals that would end us wait for spawn_run() or spawn_unguard()
 *
 * So nothing is left behind whenever they come. A signal that came after the last run ends us in
 * spawn_unguard().
 */
void spawn_guard(void);
void spawn_unguard(void);

/**
 * spawn_run() - run it to its end; between spawn_guard() and spawn_unguard()
 *
 * The command is the leader of a process group of its own. SIGINT, SIGTERM and SIGHUP to us are
 * passed on to the group, which is killed if it does not end within seconds; what is left of the
 * group when the leader has ended is killed in any case. Returns false, with a message on standard
 * error, only if no process or log could be made.
 */
bool spawn_run(struct spawn *s, const char *verb);

/** spawn_folder() - a new folder for results, in $TMPDIR or else /tmp; its name, to be freed, or
 * NULL with a message on standard error
 */
char *spawn_folder(const char *verb);

/** spawn_show_log() - the last lines of the log on standard error, indented */
void spawn_show_log(const char *path);

/** spawn_now() - seconds that never go back */
double spawn_now(void);

#endif
