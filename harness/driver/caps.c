/* SPDX-License-Identifier: GPL-2.0-only */
/* File capabilities as the kernel stores them: struct vfs_cap_data, version 2, little-endian. */
#include "caps.h"

#include <endian.h>
#include <string.h>

#include <linux/capability.h>

void caps_blob(uint8_t out[CAPS_BLOB_SIZE])
{
	const uint32_t words[CAPS_BLOB_SIZE / 4] = {
		htole32(VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE),
		htole32(1U << CAP_NET_RAW),
	};

	memcpy(out, words, CAPS_BLOB_SIZE);
}
