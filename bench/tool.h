/* SPDX-License-Identifier: GPL-2.0-only */
/* Programs that measurements compare with. */
#ifndef COWBELL_TOOL_H
#define COWBELL_TOOL_H

#include <stdbool.h>
#include <stddef.h>

/** tool_there() - is it in PATH? */
bool tool_there(const char *name);

/** tool_version() - the first line of what it says of its version; false if there is none */
bool tool_version(const char *name, char *out, size_t size);

#endif
