/* SPDX-License-Identifier: GPL-2.0-only */
/* The value of the extended attributes in which access control lists lie (acl(5)). */
#ifndef COWBELL_ACL_H
#define COWBELL_ACL_H

#include <stddef.h>
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

/* The one user: of lists for files, and of those that folders give to files made in them. */
#define ACL_FILE_USER	65534U
#define ACL_FOLDER_USER 65533U

/** acl_blob() - the owner reads and writes; the group, and @user besides, read */
void acl_blob(uint8_t out[ACL_BLOB_SIZE], uint32_t user);

/** acl_user() - the first user that a list names, UINT32_MAX if it names none */
uint32_t acl_user(const void *blob, size_t size);

#endif
