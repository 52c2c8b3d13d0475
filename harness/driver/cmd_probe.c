/* SPDX-License-Identifier: GPL-2.0-only */
/* cowbell probe: what the filesystem behind a directory can do, for people and as JSON. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"
#include "op.h"
#include "probe.h"

static const struct option options[] = {
	{ "dir", required_argument, NULL, 'd' }, { "dir2", required_argument, NULL, '2' },
	{ "dedicated", no_argument, NULL, 'D' }, { "json", required_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },	 { NULL, 0, NULL, 0 },
};

/* struct wish - the command line */
struct wish {
	const char *dir, *dir2, *json;
	bool dedicated;
};

static void usage(FILE *to)
{
	fputs("usage: cowbell probe --dir DIR [--dir2 DIR] [--dedicated] [--json FILE|-]\n"
	      "\n"
	      "Finds out by trying what the filesystem behind DIR can do. Works in a folder of "
	      "its\n"
	      "own below DIR and removes it again.\n"
	      "\n"
	      "  --dir2 DIR    a directory on another filesystem\n"
	      "  --dedicated   the filesystem is ours: try swapping, freezing, dropping caches, "
	      "too\n"
	      "  --json FILE   write JSON instead of a table; - is the standard output\n",
	      to);
}

/* A descriptor of DIR, -1 and a message if there is none. */
static int open_dir(const char *dir)
{
	const int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		fprintf(stderr, "cowbell probe: %s: %s\n", dir, strerror(errno));
	return fd;
}

static void print_table(const struct probe *p)
{
	static const char *const words[] = {
		[ANSWER_NO] = "no", [ANSWER_YES] = "yes", [ANSWER_BROKEN] = "BROKEN"
	};

	printf("filesystem    %s on %s (%s), %s\n", p->fs_type, p->device[0] ? p->device : "-",
	       p->device_kind, p->mount_options);
	printf("unit          B = %llu bytes (%s), P = %llu bytes\n",
	       (unsigned long long)p->units.block, p->unit_how, (unsigned long long)p->units.page);
	printf("free          %llu MiB\n\n", (unsigned long long)p->free_bytes >> 20);
	for (int i = 0; i < NEED_COUNT; i++)
		if (p->need[i].why[0])
			printf("%-14s %-7s %s\n", need_word(i), words[p->need[i].answer],
			       p->need[i].why);
		else
			printf("%-14s %-7s (%s)\n", need_word(i), words[p->need[i].answer],
			       need_doc(i));
}

static int print_json(const struct probe *p, const char *path)
{
	const bool standard = !strcmp(path, "-");
	FILE *to = standard ? stdout : fopen(path, "we");
	json_t *all = json_object();
	bool done = to != NULL;

	json_object_set_new(all, "filesystem", probe_filesystem_json(p));
	json_object_set_new(all, "needs", probe_json(p));
	done = done && !json_dumpf(all, to, JSON_INDENT(2)) && fputc('\n', to) != EOF;
	if (to)
		done = (standard ? fflush(to) : fclose(to)) == 0 && done;
	if (!done)
		fprintf(stderr, "cowbell probe: %s: %s\n", path, strerror(errno));
	json_decref(all);
	return done ? CMD_GOOD : CMD_USAGE;
}

/* Makes a folder below an open directory and opens it; a negative errno if that fails. */
static int make_folder(int parent, const char *name)
{
	int fd;

	if (mkdirat(parent, name, 0700))
		return -errno;
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Exit code if the directory is fit for nothing, else CMD_GOOD and the answers. */
static int probe(const struct wish *wish, struct probe *out)
{
	struct probe_options o = {
		.dedicated = wish->dedicated, .hooks = NULL, .dir2fd = -1, .viewfd = -1
	};
	int parent = open_dir(wish->dir), folder = -1, exit_code = CMD_USAGE;
	char name[32], why[160] = "";

	snprintf(name, sizeof(name), "cowbell-probe-%d", getpid());
	if (parent < 0)
		goto out;
	if (wish->dir2) {
		o.dir2fd = open_dir(wish->dir2);
		if (o.dir2fd < 0)
			goto out;
	}
	folder = make_folder(parent, name);
	if (folder < 0) {
		fprintf(stderr, "cowbell probe: %s: cannot make a folder: %s\n", wish->dir,
			strerror(-folder));
		goto out;
	}
	if (probe_run(folder, &o, out, why, sizeof(why)))
		fprintf(stderr, "cowbell probe: %s: %s\n", wish->dir, why);
	else
		exit_code = CMD_GOOD;
	close(folder);
	if (unlinkat(parent, name, AT_REMOVEDIR)) {
		fprintf(stderr, "cowbell probe: %s/%s: cannot remove: %s\n", wish->dir, name,
			strerror(errno));
		exit_code = CMD_HARNESS;
	}
out:
	if (o.dir2fd >= 0)
		close(o.dir2fd);
	if (parent >= 0)
		close(parent);
	return exit_code;
}

int cmd_probe(int argc, char **argv)
{
	struct wish wish = { NULL, NULL, NULL, false };
	struct probe *p;
	int c, exit_code;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			wish.dir = optarg;
			break;
		case '2':
			wish.dir2 = optarg;
			break;
		case 'D':
			wish.dedicated = true;
			break;
		case 'j':
			wish.json = optarg;
			break;
		case 'h':
			usage(stdout);
			return CMD_GOOD;
		default:
			usage(stderr);
			return CMD_USAGE;
		}
	}
	if (!wish.dir || optind < argc) {
		usage(stderr);
		return CMD_USAGE;
	}
	p = calloc(1, sizeof(*p));
	if (!p)
		return CMD_HARNESS;
	exit_code = probe(&wish, p);
	if (exit_code == CMD_GOOD) {
		if (wish.json)
			exit_code = print_json(p, wish.json);
		else
			print_table(p);
	}
	free(p);
	return exit_code;
}
