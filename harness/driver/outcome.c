/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Judges what became of a child. The child's own verdict stands unless it hung, died, or the kernel
 * complained; a quirk has the last word.
 */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "kmsg.h"
#include "outcome.h"

/** struct judged - a result on its way to a line */
struct judged {
	enum verdict verdict;
	char reason[1024];
	bool has_reason;
	/* the child's part, and what is added to it */
	json_t *more;
	/* which kind of failure a quirk must cover by name; NULL is any */
	const char *kind;
};

static void say(struct judged *j, enum verdict v, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void say(struct judged *j, enum verdict v, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(j->reason, sizeof(j->reason), fmt, ap);
	va_end(ap);
	j->verdict = v;
	j->has_reason = true;
}

static void put(struct judged *j, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void put(struct judged *j, const char *key, const char *fmt, ...)
{
	char text[600];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_object_set_new(j->more, key, emit_text(text, strlen(text)));
}

/* Where it was and what it did when it stopped. The child may have died while it wrote this. */
static void put_now(struct judged *j, const struct exec_now *now)
{
	int place = (int)strnlen(now->place, sizeof(now->place));
	int done = (int)strnlen(now->done, sizeof(now->done));

	if (place)
		put(j, "place", "%.*s", place, now->place);
	if (done)
		put(j, "done", "%.*s", done, now->done);
}

static void judge_hang(struct judged *j, const struct outcome *o)
{
	say(j, VERDICT_FAIL, "hang");
	j->kind = "hang";
	put_now(j, o->now);
	put(j, "allowed", "an end within %u s", o->timeout_s);
	put(j, "seen", "no end after %u s; %s", o->timeout_s,
	    o->abandoned ? "it could not even be killed, and was left behind" : "it was killed");
	if (o->stacks)
		json_object_set(j->more, "stacks", o->stacks);
}

static void judge_death(struct judged *j, const struct outcome *o)
{
	int sig = WIFSIGNALED(o->status) ? WTERMSIG(o->status) : 0;
	const char *abbreviated = sigabbrev_np(sig);

	put_now(j, o->now);
	j->kind = "crash";
	if (sig == SIGKILL)
		say(j, VERDICT_ERROR, "killed: by SIGKILL from elsewhere (out of memory?)");
	else if (sig)
		say(j, VERDICT_ERROR, "crash: SIG%s%s%.*s", abbreviated ? abbreviated : "?",
		    o->now->place[0] ? " at " : "",
		    (int)strnlen(o->now->place, sizeof(o->now->place)), o->now->place);
	else
		say(j, VERDICT_ERROR, "no result: the child ended with exit code %d",
		    WEXITSTATUS(o->status));
}

static void judge_result(struct judged *j)
{
	const char *reason = json_string_value(json_object_get(j->more, "reason"));
	enum verdict v = verdict_find(json_string_value(json_object_get(j->more, "verdict")));

	if (v == VERDICT_COUNT)
		say(j, VERDICT_ERROR, "no result: the child named no known verdict");
	else if (reason)
		say(j, v, "%s", reason);
	else
		j->verdict = v;
}

static void judge_kmsg(struct judged *j, const struct outcome *o, bool emulated)
{
	const char *trip = emulated ? kmsg_trip(o->kmsg) : NULL;

	if (!o->kmsg)
		return;
	json_object_set(j->more, "kmsg", o->kmsg);
	if (trip) {
		say(j, VERDICT_ERROR, "the emulation failed: %s", trip);
	} else if (j->verdict != VERDICT_FAIL) {
		if (j->has_reason)
			put(j, "seen", "%s", j->reason);
		else
			put(j, "seen", "%s", json_string_value(json_array_get(o->kmsg, 0)));
		put(j, "allowed", "no complaint in the kernel log");
		say(j, VERDICT_FAIL, "kmsg");
	}
	j->kind = "kmsg";
}

static void apply_quirk(struct judged *j, const struct outcome *o, const struct outcome_rules *r)
{
	const char *seen = json_string_value(json_object_get(j->more, "seen"));
	json_t *quirk = NULL;

	if (j->verdict == VERDICT_FAIL)
		quirk = quirk_find(r->quirks, r->place, o->point.name, j->kind, seen);
	else if (j->verdict == VERDICT_PASS)
		quirk = quirk_find(r->quirks, r->place, o->point.name, QUIRK_PASS, NULL);
	if (!quirk)
		return;
	if (j->verdict == VERDICT_PASS)
		say(j, VERDICT_XPASS, "passed, although a quirk says that it fails");
	else
		j->verdict = VERDICT_XFAIL;
	json_object_set_new(j->more, "quirk", quirk);
}

json_t *outcome_line(const struct outcome *o, const struct outcome_rules *rules, enum verdict *v)
{
	struct judged j = { .verdict = VERDICT_ERROR };
	json_t *line;

	j.more = o->len ? json_loadb(o->text, o->len, 0, NULL) : NULL;
	if (o->hang) {
		json_decref(j.more);
		j.more = json_object();
		judge_hang(&j, o);
	} else if (!json_is_object(j.more) || WIFSIGNALED(o->status)) {
		json_decref(j.more);
		j.more = json_object();
		judge_death(&j, o);
	} else {
		judge_result(&j);
	}
	judge_kmsg(&j, o, rules->emulated);
	apply_quirk(&j, o, rules);
	if (!json_object_get(j.more, "wall_ns"))
		json_object_set_new(j.more, "wall_ns", json_integer((json_int_t)o->wall_ns));
	if (o->kept)
		put(&j, "kept", "%s", o->kept);
	if (j.verdict <= VERDICT_XFAIL) {
		const json_t *history = json_object_get(j.more, "history");
		const json_int_t round = json_integer_value(json_object_get(history, "round"));
		char *again = emit_repeat(rules->again, o->point.seed, (uint64_t)round, o->again);

		json_object_set_new(j.more, "repeat", emit_text(again, strlen(again)));
		free(again);
	}
	line = emit_case(&o->point, j.verdict, j.has_reason ? j.reason : NULL, j.more);
	json_decref(j.more);
	*v = j.verdict;
	return line;
}
