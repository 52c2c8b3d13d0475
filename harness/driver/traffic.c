/* SPDX-License-Identifier: GPL-2.0-only */
#include "traffic.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A line that begins a mount's statistics: is it that of the source? -1 if it begins none. */
typedef int begins(const char *line, const char *source);

/* The line that says what was read and written: both. */
typedef bool counts(const char *line, uint64_t *in, uint64_t *out);

/** struct counter - a file that counts, and what its lines are */
struct counter {
	const char *fs_type, *path;
	begins *begins;
	counts *counts;
};

/* "device localhost:/x mounted on /y with fstype nfs4 statvers=1.1", fs/nfs/super.c */
static int begins_nfs(const char *line, const char *source)
{
	const size_t len = strlen(source);

	if (strncmp(line, "device ", 7) != 0)
		return -1;
	return !strncmp(line + 7, source, len) && !strncmp(line + 7 + len, " mounted on ", 12);
}

/* Eight numbers: what read(2) and write(2) asked for, the same with O_DIRECT, what the server was
 * asked for, and pages. */
static bool counts_nfs(const char *line, uint64_t *in, uint64_t *out)
{
	return sscanf(line, " bytes: %*u %*u %*u %*u %" SCNu64 " %" SCNu64, in, out) == 2;
}

/* "1) \\localhost\x", fs/smb/client/cifs_debug.c */
static int begins_smb(const char *line, const char *source)
{
	const char *name = line + strspn(line, "0123456789");

	if (name == line || strncmp(name, ") ", 2) != 0)
		return -1;
	for (name += 2; *source && (*name == *source || (*name == '\\' && *source == '/')); name++)
		source++;
	return !*source && strspn(name, "\t \n") > 0;
}

static bool counts_smb(const char *line, uint64_t *in, uint64_t *out)
{
	return sscanf(line, "Bytes read: %" SCNu64 " Bytes written: %" SCNu64, in, out) == 2;
}

static const struct counter counters[] = {
	{ "nfs4", "/proc/self/mountstats", begins_nfs, counts_nfs },
	{ "cifs", "/proc/fs/cifs/Stats", begins_smb, counts_smb },
};

static const struct counter *find(const char *fs_type)
{
	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		if (!strcmp(counters[i].fs_type, fs_type))
			return &counters[i];
	return NULL;
}

bool traffic_parse(FILE *f, const char *fs_type, const char *source, uint64_t *bytes)
{
	const struct counter *c = find(fs_type);
	bool ours = false, found = false;
	char *line = NULL;
	size_t size = 0;

	*bytes = 0;
	while (c && getline(&line, &size, f) > 0) {
		const int begun = c->begins(line, source);
		uint64_t in, out;

		if (begun >= 0)
			ours = begun;
		if (!ours || !c->counts(line, &in, &out))
			continue;
		*bytes += in + out;
		found = true;
	}
	free(line);
	fclose(f);
	return found;
}

int traffic_read(const char *fs_type, const char *source, uint64_t *bytes)
{
	const struct counter *c = find(fs_type);
	FILE *f = c ? fopen(c->path, "re") : NULL;

	if (!c)
		return -ENODATA;
	if (!f)
		return -errno;
	return traffic_parse(f, fs_type, source, bytes) ? 0 : -ENODATA;
}
