/* SPDX-License-Identifier: GPL-2.0-only */
/* Folders that belong to this program: cases, suites, further verbs. */
#ifndef COWBELL_BESIDE_H
#define COWBELL_BESIDE_H

#include <limits.h>

/**
 * beside() - find a folder: named by the environment, beside the build folder, or installed
 * @variable: of the environment; it counts even if there is no such folder
 * @relative: from the top of the source tree, "cases"
 * @installed: absolute
 */
void beside(const char *variable, const char *relative, const char *installed, char out[PATH_MAX]);

#endif
