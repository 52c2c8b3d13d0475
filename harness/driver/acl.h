/* SPDX-License-Identifier: GPL-2.0-only */
/* The value of the extended attributes in which access control lists lie (acl(5)). */
#ifndef COWBELL_ACL_H
#define COWBELL_ACL_H

#include <stdint.h>

#include <linux/posix_acl_xattr.h>

#define ACL_ACCESS  "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"

/* Owner, the one user, group, mask, others. */
#define ACL_ENTRIES 5
#define ACL_BLOB_SIZE \
	(sizeof(struct posix_acl_xattr_header) + ACL_ENTRIES * sizeof(struct posix_acl_xattr_entry))
/* The permission bits of a file that has it. */
#define ACL_MODE 0640U

/** acl_blob() - the owner reads and writes; the group, and user 65534 besides, read */
void acl_blob(uint8_t out[ACL_BLOB_SIZE]);

#endif
