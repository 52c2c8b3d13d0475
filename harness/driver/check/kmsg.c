/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kmsg: the kernel logs no warning, oops or hung task. The supervisor watches the log of all points
 * where it can (kmsg.c of the driver); a case that names this oracle insists on it.
 */
#include "../check.h"
#include "../need.h"

const struct oracle oracle_kmsg = {
	.name = "kmsg",
	.doc = "the kernel log shows no warning, oops or hung task; insists that the log can be "
	       "read",
	.need = NEED_KMSG,
};
