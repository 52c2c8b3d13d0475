/* SPDX-License-Identifier: GPL-2.0-only */
/* What the first line of a result file says about kernel and machine. What is unknown is absent. */
#ifndef COWBELL_MACHINE_H
#define COWBELL_MACHINE_H

#include <jansson.h>

/** machine_kernel() - {"release", "version", "machine", "config_sha256", "config_from", "taint"} */
json_t *machine_kernel(void);

/** machine_hardware() - {"cpu", "cpus", "memory_bytes", "governor", "clock"} */
json_t *machine_hardware(void);

#endif
