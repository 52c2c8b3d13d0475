/* SPDX-License-Identifier: GPL-2.0-only */
/* What the first line of a result file says about kernel and machine. What is unknown is absent. */
#ifndef COWBELL_MACHINE_H
#define COWBELL_MACHINE_H

#include <stdbool.h>

#include <jansson.h>

/** machine_vm() - "kvm" or "tcg" (emulated) in a guest of cowbell vm, else NULL: COWBELL_VM */
const char *machine_vm(void);

/** machine_emulated() - does software run this machine's instructions? */
bool machine_emulated(void);

/** machine_kernel() - {"release", "version", "machine", "config_sha256", "config_from", "taint"} */
json_t *machine_kernel(void);

/** machine_hardware() - {"cpu", "cpus", "memory_bytes", "governor", "clock"} */
json_t *machine_hardware(void);

#endif
