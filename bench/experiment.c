/* SPDX-License-Identifier: GPL-2.0-only */
#include "experiment.h"

#include <string.h>

static const struct experiment *const experiments[] = {
#define ENTRY(id) &experiment_##id,
	EXPERIMENT_LIST(ENTRY)
#undef ENTRY
};

const struct experiment *experiment_at(size_t i)
{
	return i < sizeof(experiments) / sizeof(experiments[0]) ? experiments[i] : NULL;
}

const struct experiment *experiment_find(const char *name)
{
	const struct experiment *e = NULL;

	for (size_t i = 0; (e = experiment_at(i)); i++)
		if (!strcmp(e->name, name))
			break;
	return e;
}
