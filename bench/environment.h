/* SPDX-License-Identifier: GPL-2.0-only */
/* The circumstances of a measurement: what two runs must have in common to be compared. */
#ifndef COWBELL_ENVIRONMENT_H
#define COWBELL_ENVIRONMENT_H

#include <stdbool.h>

#include <jansson.h>

#include "probe.h"

/** environment_json() - beside what the run line has anyway; a new reference. What is unknown is
 * absent. */
json_t *environment_json(const struct probe *p, bool dedicated);

/** environment_clock_is_tsc() - does the kernel read its clock from the TSC? */
bool environment_clock_is_tsc(void);

#endif
