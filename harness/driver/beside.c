/* SPDX-License-Identifier: GPL-2.0-only */
#include "beside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RELATIVE_MAX 64

void beside(const char *variable, const char *relative, const char *installed, char out[PATH_MAX])
{
	const char *named = getenv(variable);
	char self[PATH_MAX - RELATIVE_MAX];
	const ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (named && *named) {
		snprintf(out, PATH_MAX, "%s", named);
		return;
	}
	if (len > 0) {
		self[len] = '\0';
		*strrchr(self, '/') = '\0';
		snprintf(out, PATH_MAX, "%s/../%.*s", self, RELATIVE_MAX - 8, relative);
		if (access(out, X_OK) == 0)
			return;
	}
	snprintf(out, PATH_MAX, "%s", installed);
}
