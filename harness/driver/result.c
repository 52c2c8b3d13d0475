/* SPDX-License-Identifier: GPL-2.0-only */
#include "result.h"

#include <inttypes.h>

const char *result_text(const struct world *w, const struct op_result *r)
{
	const char *more = r->text ? r->text : "";
	const char *gap = r->text ? " " : "";

	if (r->err && r->sig)
		return world_text(w, "%s+%s", errno_name(r->err), signal_name(r->sig));
	if (r->sig && r->ret > 0)
		return world_text(w, "%" PRId64 "+%s", r->ret, signal_name(r->sig));
	if (r->sig)
		return signal_name(r->sig);
	if (r->err)
		return world_text(w, "%s%s%s", errno_name(r->err), gap, more);
	if (r->ret)
		return world_text(w, "%" PRId64 "%s%s", r->ret, gap, more);
	return r->text ? r->text : "ok";
}

const char *result_wanted(const struct world *w, const struct expect *e)
{
	const char *sig = e->sig ? world_text(w, "+%s", signal_name(e->sig)) : "";
	const char *text = e->kind == EXPECT_EITHER ? "ok" : "";

	for (const int *err = e->errs; *err; err++)
		text = world_text(w, "%s%s%s%s", text, *text ? " or " : "", errno_name(*err), sig);
	if (*text)
		return text;
	if (e->kind == EXPECT_SIGNAL)
		return signal_name(e->sig);
	return e->ret.set ? world_text(w, "%" PRIu64, e->ret.value) : "ok";
}

static bool errno_allowed(const struct expect *e, int err)
{
	for (const int *allowed = e->errs; *allowed; allowed++)
		if (*allowed == err)
			return true;
	return false;
}

bool result_allowed(const struct expect *e, const struct op_result *r)
{
	switch (e->kind) {
	case EXPECT_OK:
		return !r->err && r->sig == e->sig &&
		       (!e->ret.set || (uint64_t)r->ret == e->ret.value);
	case EXPECT_ERR:
		return errno_allowed(e, r->err) && r->sig == e->sig;
	case EXPECT_EITHER:
		if (r->err)
			return errno_allowed(e, r->err) && !r->sig;
		return !r->sig && (!e->ret.set || (uint64_t)r->ret == e->ret.value);
	case EXPECT_SIGNAL:
		return !r->err && r->sig == e->sig;
	case EXPECT_ANY:
		return true;
	}
	return false;
}
