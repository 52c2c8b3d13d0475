/* SPDX-License-Identifier: GPL-2.0-only */
/* The verbs of the command line that this program knows itself. argv[0] is the verb. */
#ifndef COWBELL_CMD_H
#define COWBELL_CMD_H

/** enum cmd_exit - exit codes, docs/results.md */
enum cmd_exit {
	CMD_GOOD = 0,
	CMD_FAILED = 1,
	CMD_USAGE = 2,
	CMD_SKIPPED = 77,
	CMD_HARNESS = 99,
};

int cmd_run(int argc, char **argv);
int cmd_probe(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_lint(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_compare(int argc, char **argv);
int cmd_alternate(int argc, char **argv);
int cmd_gate(int argc, char **argv);

#endif
