/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzzes the loader: any bytes end in a message or in a case, and every point of a case that was
 * taken loads, in units that differ from those that it was checked with.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Checking has loaded every point already; so a few again will do. */
#define POINTS_MAX 64

/* Does the point do anything, and do all of its actors? */
static bool does_something(const struct point *p)
{
	const struct race *race = p->race;

	for (size_t i = 0; race && i < race->actors_count; i++)
		if (!race->actors[i].steps_count || !race->actors[i].times)
			return false;
	return race ? race->actors_count >= 2 : p->steps_count || p->interrupt;
}

static void check_point(const struct casefile *c, size_t i)
{
	static const struct units units = { .block = 1024, .page = 4096 };
	struct load_error err;
	struct point *p = load_point(c, i, &units, &err);

	/* Sizes are smaller than those that were checked, but a sum may wrap. */
	if (p && (strcmp(p->name, load_point_name(c, i)) || !does_something(p) ||
		  p->fds_count < p->files_count))
		abort();
	if (!p && (!err.text[0] || strchr(err.text, '\n')))
		abort();
	point_free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const struct units nominal = { .block = 4096, .page = 4096 };
	struct load_error err;
	struct casefile *c = load_case("case.json", "case", (const char *)bytes, size, &err);

	if (!c && (!err.text[0] || strchr(err.text, '\n')))
		abort();
	for (size_t i = 0; c && i < c->points && i < POINTS_MAX; i++) {
		struct point *p = load_point(c, i, &nominal, &err);

		if (!p)
			abort();
		point_free(p);
		check_point(c, i);
	}
	casefile_free(c);
	return 0;
}
