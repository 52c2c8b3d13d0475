/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which mount a directory is on, from /proc/self/mountinfo (proc_pid_mountinfo(5)). These are facts
 * for the record; nothing is concluded from them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include <linux/magic.h>

#include "probe_lab.h"

/* Major numbers of Documentation/admin-guide/devices.txt. */
enum { MAJOR_RAM = 1, MAJOR_LOOP = 7 };

/* struct mount_line - what one line of mountinfo says; pointers into the line */
struct mount_line {
	int id;
	unsigned int major, minor;
	const char *options, *type, *source, *super_options;
};

/* "\040" is a blank in these files. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++) {
		if (from[0] == '\\' && strspn(from + 1, "01234567") >= 3) {
			*to = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + from[3] - '0');
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

/* ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAG...] - TYPE SOURCE SUPER_OPTIONS */
static bool parse(char *line, struct mount_line *m)
{
	char *rest = NULL, *tail = strstr(line, " - ");
	char *field[6] = { NULL };

	if (!tail)
		return false;
	*tail = '\0';
	for (int i = 0; i < 6; i++) {
		field[i] = strtok_r(i ? NULL : line, " ", &rest);
		if (!field[i])
			return false;
	}
	m->id = atoi(field[0]);
	if (sscanf(field[2], "%u:%u", &m->major, &m->minor) != 2)
		return false;
	m->options = field[5];
	m->type = strtok_r(tail + 3, " ", &rest);
	m->source = strtok_r(NULL, " ", &rest);
	m->super_options = strtok_r(NULL, " \n", &rest);
	return m->type && m->source && m->super_options;
}

/* From fdinfo because that needs no new kernel. */
int probe_mount_id(int fd)
{
	char path[64], line[128];
	int id = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "mnt_id: %d", &id) == 1)
			break;
	if (f)
		fclose(f);
	return id;
}

/* Finds the mount of a descriptor. *line holds the text that *m points into; the caller frees it.
 */
static bool find(int dirfd, struct mount_line *m, char **line)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	const int id = probe_mount_id(dirfd);
	bool found = false;
	size_t size = 0;

	while (f && !found && getline(line, &size, f) > 0)
		found = parse(*line, m) && m->id == id;
	if (f)
		fclose(f);
	return found;
}

static const char *kind(const struct probe *p, const char *source, const struct mount_line *m)
{
	struct stat st;
	unsigned int number = m->major;

	if (p->fs_magic == TMPFS_MAGIC || p->fs_magic == RAMFS_MAGIC)
		return "memory";
	/* The source comes first: the number in the line is a made-up one on btrfs. */
	if (!stat(source, &st) && S_ISBLK(st.st_mode))
		number = major(st.st_rdev);
	if (number == MAJOR_LOOP)
		return "loop";
	if (number == MAJOR_RAM)
		return "memory";
	return number ? "disk" : "none";
}

/* The options of the mount, then those of the superblock that say something new. */
static void join_options(const struct mount_line *m, char *out, size_t size)
{
	const char *super = m->super_options;
	const size_t skip = strcspn(super, ",");

	if ((skip == 2 && !strncmp(super, m->options, 2)) || !strcmp(super, "rw"))
		super += skip + (super[skip] == ',');
	snprintf(out, size, "%s%s%s", m->options, *super ? "," : "", super);
}

void probe_mount(int dirfd, struct probe *out)
{
	struct mount_line m = { .id = -1 };
	char *line = NULL;
	struct statvfs vfs;
	struct statfs fs;

	snprintf(out->device_kind, sizeof(out->device_kind), "none");
	if (!fstatfs(dirfd, &fs))
		out->fs_magic = (long)fs.f_type;
	if (!fstatvfs(dirfd, &vfs))
		out->free_bytes = (uint64_t)vfs.f_bavail * vfs.f_frsize;
	if (find(dirfd, &m, &line)) {
		snprintf(out->fs_type, sizeof(out->fs_type), "%s", m.type);
		snprintf(out->device, sizeof(out->device), "%s", m.source);
		unescape(out->device);
		join_options(&m, out->mount_options, sizeof(out->mount_options));
		snprintf(out->device_kind, sizeof(out->device_kind), "%s",
			 kind(out, out->device, &m));
	} else {
		snprintf(out->fs_type, sizeof(out->fs_type), "unknown");
	}
	free(line);
}

uint64_t probe_superblock(int dirfd)
{
	struct mount_line m = { .id = -1 };
	char *line = NULL;
	struct stat st = { .st_dev = 0 };
	uint64_t number;

	fstat(dirfd, &st);
	number = find(dirfd, &m, &line) ? makedev(m.major, m.minor) : st.st_dev;
	free(line);
	return number;
}
