/* SPDX-License-Identifier: GPL-2.0-only */
/* Kernel interfaces that the C library's headers do not know. */
#ifndef COWBELL_UAPI_H
#define COWBELL_UAPI_H

#include <stdint.h>
#include <sys/ioctl.h>

/** struct ocfs2_reflink - of OCFS2_IOC_REFLINK: addresses of two path names, and whether to keep
 * owner, mode and extended attributes (fs/ocfs2/ocfs2_ioctl.h) */
struct ocfs2_reflink {
	uint64_t old_path, new_path, preserve;
};

#define OCFS2_REFLINK _IOW('o', 4, struct ocfs2_reflink)

#endif
