/* SPDX-License-Identifier: GPL-2.0-only */
/* Access control lists as the kernel takes them: a version, then tag, permissions and user. */
#include "acl.h"

#include <endian.h>
#include <string.h>

#include <linux/posix_acl.h>

static const struct {
	uint16_t tag, perm;
} entries[ACL_ENTRIES] = {
	{ ACL_USER_OBJ, ACL_READ | ACL_WRITE },
	{ ACL_USER, ACL_READ },
	{ ACL_GROUP_OBJ, ACL_READ },
	{ ACL_MASK, ACL_READ },
	{ ACL_OTHER, 0 },
};

uint32_t acl_user(const void *blob, size_t size)
{
	struct posix_acl_xattr_entry e;

	for (size_t at = sizeof(struct posix_acl_xattr_header); at + sizeof(e) <= size;
	     at += sizeof(e)) {
		memcpy(&e, (const uint8_t *)blob + at, sizeof(e));
		if (le16toh(e.e_tag) == ACL_USER)
			return le32toh(e.e_id);
	}
	return UINT32_MAX;
}

void acl_blob(uint8_t out[ACL_BLOB_SIZE], uint32_t user)
{
	const struct posix_acl_xattr_header head = { htole32(POSIX_ACL_XATTR_VERSION) };

	memcpy(out, &head, sizeof(head));
	out += sizeof(head);
	for (int i = 0; i < ACL_ENTRIES; i++, out += sizeof(struct posix_acl_xattr_entry)) {
		const struct posix_acl_xattr_entry e = {
			.e_tag = htole16(entries[i].tag),
			.e_perm = htole16(entries[i].perm),
			.e_id = htole32(entries[i].tag == ACL_USER ? user
								   : (uint32_t)ACL_UNDEFINED_ID),
		};

		memcpy(out, &e, sizeof(e));
	}
}
