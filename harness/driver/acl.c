/* SPDX-License-Identifier: GPL-2.0-only */
/* Access control lists as the kernel takes them: a version, then tag, permissions and user. */
#include "acl.h"

#include <endian.h>
#include <string.h>

#include <linux/posix_acl.h>

static const struct {
	uint16_t tag, perm;
	uint32_t id;
} entries[ACL_ENTRIES] = {
	{ ACL_USER_OBJ, ACL_READ | ACL_WRITE, (uint32_t)ACL_UNDEFINED_ID },
	{ ACL_USER, ACL_READ, 65534 },
	{ ACL_GROUP_OBJ, ACL_READ, (uint32_t)ACL_UNDEFINED_ID },
	{ ACL_MASK, ACL_READ, (uint32_t)ACL_UNDEFINED_ID },
	{ ACL_OTHER, 0, (uint32_t)ACL_UNDEFINED_ID },
};

void acl_blob(uint8_t out[ACL_BLOB_SIZE])
{
	const struct posix_acl_xattr_header head = { htole32(POSIX_ACL_XATTR_VERSION) };

	memcpy(out, &head, sizeof(head));
	out += sizeof(head);
	for (int i = 0; i < ACL_ENTRIES; i++, out += sizeof(struct posix_acl_xattr_entry)) {
		const struct posix_acl_xattr_entry e = {
			.e_tag = htole16(entries[i].tag),
			.e_perm = htole16(entries[i].perm),
			.e_id = htole32(entries[i].id),
		};

		memcpy(out, &e, sizeof(e));
	}
}
