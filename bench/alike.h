/* SPDX-License-Identifier: GPL-2.0-only */
/* Whether two runs measured the same thing in the same circumstances, but for the kernel. */
#ifndef COWBELL_ALIKE_H
#define COWBELL_ALIKE_H

#include <stdbool.h>

#include <jansson.h>

/**
 * alike_differences() - what makes two runs incomparable
 * @a, @b: "run" lines
 * @same_side: they are of one side, so that kernel and mutant must be the same as well
 *
 * Returns a new array of {"what": "filesystem.type", "a": "xfs", "b": "btrfs"}, empty if there is
 * nothing; a value that one of them does not know is left out. What is itself under test, the
 * kernel's release and build, does not count, but for what kind of kernel it is: preemption model,
 * and the configuration if both are of one release. Nor does the seed: it chooses an order and
 * bytes, and what was measured is in the factors of each metric. Orders that differ make noise,
 * which is what orders are drawn for; enum comparison_seeds tells.
 */
json_t *alike_differences(const json_t *a, const json_t *b, bool same_side);

#endif
