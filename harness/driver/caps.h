/* SPDX-License-Identifier: GPL-2.0-only */
/* The value of the extended attribute security.capability (capabilities(7)). */
#ifndef COWBELL_CAPS_H
#define COWBELL_CAPS_H

#include <stdint.h>

/* Size of a version 2 value: magic, and two pairs of words. */
#define CAPS_BLOB_SIZE 20

/** caps_blob() - file capabilities that permit CAP_NET_RAW, effective at once: harmless, and seen
 * to be there */
void caps_blob(uint8_t out[CAPS_BLOB_SIZE]);

#endif
