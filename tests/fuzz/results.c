/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzzes the reader of benchmark results, and the comparison: any bytes end in a message of one
 * line or in a file; the file, held against itself and a part of itself, makes only finite numbers.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "comparison.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* A bootstrap of many blocks takes long, and is another test's business. */
#define BLOCKS_MAX 8

static bool is_small(const struct results *r)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->metrics[i].count > BLOCKS_MAX)
			return false;
	return r->count <= 2;
}

static void compare(struct results *a, struct results *b)
{
	const struct side x = { a, 1 }, y = { b, 1 };
	struct comparison c = { .design = { .confidence = 0.99, .threshold = 0.02 }, .glob = "*" };

	json_decref(comparison_differences(&x, &y));
	if (comparison_run(&c, &x, &y)) {
		for (size_t i = 0; i < c.count; i++) {
			const struct compared *item = &c.items[i];

			if (item->measured &&
			    (!isfinite(item->ratio.value) || !(item->p >= 0 && item->p <= 1) ||
			     !(item->p_holm >= item->p && item->p_holm <= 1)))
				abort();
			if (item->verdict >= COMPARED_COUNT)
				abort();
		}
	}
	comparison_free(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct results whole = { 0 }, part = { 0 };
	char why[1024] = "";
	bool good;

	good = results_parse(&whole, "a.json", (const char *)bytes, size, false, why, sizeof(why));
	if (!good && (strncmp(why, "a.json:", 7) || strchr(why, '\n')))
		abort();
	if (good && is_small(&whole) &&
	    results_parse(&part, "b.json", (const char *)bytes, size, true, why, sizeof(why)))
		compare(&whole, &part);
	results_free(&whole);
	results_free(&part);
	return 0;
}
