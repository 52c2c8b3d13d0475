/* SPDX-License-Identifier: GPL-2.0-only */
#include "tool.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "method.h"

bool tool_there(const char *name)
{
	const char *path = getenv("PATH");
	char whole[PATH_MAX];

	while (path && *path) {
		const size_t len = strcspn(path, ":");

		snprintf(whole, sizeof(whole), "%.*s/%s", (int)len, path, name);
		if (len && access(whole, X_OK) == 0)
			return true;
		path += len;
		path += *path == ':';
	}
	return false;
}

bool tool_version(const char *name, char *out, size_t size)
{
	const char *const argv[] = { name, "--version", NULL };
	const int fd = memfd_create("version", MFD_CLOEXEC);
	ssize_t n = 0;

	if (fd < 0)
		return false;
	if (tool_there(name) && method_start(argv, AT_FDCWD, fd) == 0)
		n = pread(fd, out, size - 1, 0);
	close(fd);
	out[n > 0 ? n : 0] = '\0';
	out[strcspn(out, "\n")] = '\0';
	return *out != '\0';
}
