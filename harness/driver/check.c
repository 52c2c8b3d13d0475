/* SPDX-License-Identifier: GPL-2.0-only */
/* The list of all oracles. */
#include "check.h"

#include <stdint.h>
#include <string.h>

/* One line for each oracle; the struct is oracle_NAME in a file of check/. Sorted. */
/* clang-format off */
#define ORACLE_LIST(X) \
	X(isolation) \
	X(kmsg) \
	X(linear) \
	X(no_hang) \
	X(origin) \
	X(serial) \
	X(sharing) \
	X(space)
/* clang-format on */

#define ORACLE_DECLARE(name) extern const struct oracle oracle_##name;
ORACLE_LIST(ORACLE_DECLARE)

#define ORACLE_ENTRY(name) &oracle_##name,
static const struct oracle *const oracles[] = { ORACLE_LIST(ORACLE_ENTRY) };

#define ORACLES_COUNT (sizeof(oracles) / sizeof(oracles[0]))

const struct oracle *oracle_at(size_t i)
{
	return i < ORACLES_COUNT ? oracles[i] : NULL;
}

const struct oracle *oracle_find(const char *name)
{
	for (size_t i = 0; i < ORACLES_COUNT; i++)
		if (!strcmp(oracles[i]->name, name))
			return oracles[i];
	return NULL;
}
