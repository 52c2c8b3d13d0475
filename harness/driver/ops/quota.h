/* SPDX-License-Identifier: GPL-2.0-only */
/* Limits that outlive a process. */
#ifndef COWBELL_OPS_QUOTA_H
#define COWBELL_OPS_QUOTA_H

/** quota_teardown() - lift the limit of this point; harmless if there was none */
void quota_teardown(void);

#endif
