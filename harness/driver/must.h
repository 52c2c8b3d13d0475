/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory without which there is no way on. */
#ifndef COWBELL_MUST_H
#define COWBELL_MUST_H

/** must() - @p as it is; if it is NULL, the program ends with one line on standard error */
void *must(void *p);

#endif
