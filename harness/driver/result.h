/* SPDX-License-Identifier: GPL-2.0-only */
/* A call's result against what the case expects of it, and both in words. */
#ifndef COWBELL_RESULT_H
#define COWBELL_RESULT_H

#include "op.h"
#include "world.h"

/** result_allowed() - does the case allow this result? */
bool result_allowed(const struct expect *e, const struct op_result *r);

/** result_text() - "ok", "4096", "EINVAL", "SIGBUS", "EFBIG+SIGXFSZ", with the op's own text behind
 */
const char *result_text(const struct world *w, const struct op_result *r);

/** result_wanted() - what the case allows, in the same words: "EINVAL or EXDEV", "4096", "ok" */
const char *result_wanted(const struct world *w, const struct expect *e);

#endif
