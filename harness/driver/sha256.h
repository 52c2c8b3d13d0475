/* SPDX-License-Identifier: GPL-2.0-only */
/* SHA-256 (FIPS 180-4), for the digest of the kernel's configuration. Pure. */
#ifndef COWBELL_SHA256_H
#define COWBELL_SHA256_H

#include <stddef.h>

/** sha256_hex() - the digest of a buffer as 64 digits and a final zero */
void sha256_hex(const void *data, size_t len, char out[65]);

#endif
