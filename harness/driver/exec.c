/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Walks the steps of a point: make the call, hold its result against what the case expects, let the
 * contract advance the model, and see that everything is as the model says. Silence is no success:
 * a point that compared nothing is an error.
 */
#include "exec.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "args.h"
#include "check.h"
#include "interrupt.h"
#include "machine.h"
#include "op.h"
#include "ops/process.h"
#include "race.h"
#include "result.h"
#include "world.h"

#define MESSAGE_BYTES 1024
/* Refused calls have all files they name read back; beyond this size only at the end. */
#define REREAD_BYTES_MAX (UINT64_C(64) << 20)

/** struct exec - the verdict in the making */
struct exec {
	const struct exec_env *env;
	json_t *trace, *observed;
	/** @answers: of the calls, for profiles of filesystems; @asked: not all were plain success
	 */
	json_t *answers;
	bool asked;
	/** @failed: world_fail() was called; @broken: world_error() was, or with @unproven
	 * world_unproven() */
	bool failed, broken, unproven;
	char seen[MESSAGE_BYTES], allowed[MESSAGE_BYTES], error[MESSAGE_BYTES];
	/** @done: the step that was running then, as text; @place: its path */
	const char *done, *place;
	/** @doing: text of the step that runs now, NULL at the end of the point */
	const char *doing;
	/** @trying: complaints are only noted in @tried, which is NULL if there was none */
	bool trying;
	const char *tried;
	/** @history: of the round of a race that failed */
	json_t *history;
};

/* A signal that the running call raised against its own process (SIGXFSZ, SIGPIPE). */
static volatile sig_atomic_t raised;

static void note_signal(int sig)
{
	raised = sig;
}

static void note_signals(void)
{
	const struct sigaction note = { .sa_handler = note_signal };

	sigaction(SIGXFSZ, &note, NULL);
	sigaction(SIGPIPE, &note, NULL);
}

static void blame(struct world *w)
{
	struct exec *x = w->exec;

	/* a race takes its texts back after every round */
	x->done = world_text(w, "%s", x->doing ? x->doing : "all steps");
	x->place = w->step ? w->step->path : "end";
}

void world_fail(struct world *w, const char *allowed, const char *seen, ...)
{
	struct exec *x = w->exec;
	va_list args;

	if (x->failed || x->broken || x->tried)
		return;
	if (x->trying) {
		char text[MESSAGE_BYTES];

		va_start(args, seen);
		vsnprintf(text, sizeof(text), seen, args);
		va_end(args);
		x->tried = world_text(w, "%s", text);
		return;
	}
	x->failed = true;
	va_start(args, seen);
	vsnprintf(x->seen, sizeof(x->seen), seen, args);
	va_end(args);
	snprintf(x->allowed, sizeof(x->allowed), "%s", allowed);
	blame(w);
}

void world_error(struct world *w, const char *what, ...)
{
	struct exec *x = w->exec;
	va_list args;

	if (x->failed || x->broken)
		return;
	x->broken = true;
	va_start(args, what);
	vsnprintf(x->error, sizeof(x->error), what, args);
	va_end(args);
	blame(w);
}

void world_unproven(struct world *w, const char *what)
{
	w->exec->unproven = !world_stopped(w);
	world_error(w, "%s", what);
}

void world_try(struct world *w)
{
	w->exec->trying = true;
	w->exec->tried = NULL;
}

const char *world_tried(struct world *w)
{
	const char *tried = w->exec->tried;

	w->exec->trying = false;
	w->exec->tried = NULL;
	return tried;
}

bool world_stopped(const struct world *w)
{
	return w->exec->failed || w->exec->broken || w->exec->tried;
}

void world_history(struct world *w, json_t *history)
{
	json_decref(w->exec->history);
	w->exec->history = history;
}

void world_observe(struct world *w, const char *key, json_t *value)
{
	json_object_set_new(w->exec->observed, key, value);
}

/* A child that dies cannot say where it was; this is what the supervisor finds then. */
static void tell_now(const struct world *w)
{
	struct exec_now *now = w->exec->env->now;

	if (!now)
		return;
	snprintf(now->place, sizeof(now->place), "%s", w->step ? w->step->path : "end");
	snprintf(now->done, sizeof(now->done), "%s", w->exec->doing ? w->exec->doing : "");
}

void world_doing(struct world *w, const struct step *s, const char *text)
{
	w->step = s;
	w->exec->doing = text;
	tell_now(w);
}

/* A search for one file among the arguments of a step. */
struct search {
	struct world *w;
	int file;
	bool found;
};

static void meet_name(void *context, const struct argspec *spec, const void *value)
{
	struct search *search = context;
	/* what is no name may be smaller than one */
	const int *name = value;

	if (spec->type == ARG_FD || spec->type == ARG_NEW_FD) {
		const struct ofd *o = world_ofd(search->w, *name);

		search->found |= o && o->file == search->file;
	}
	if (spec->type == ARG_MAP || spec->type == ARG_NEW_MAP)
		search->found |= *name >= 0 && search->w->maps[*name].file == search->file;
	if (spec->type == ARG_FILE || spec->type == ARG_NEW_FILE)
		search->found |= *name == search->file;
}

bool world_step_names(struct world *w, int file)
{
	struct search search = { .w = w, .file = file };

	if (w->step)
		args_each(w->step->op->args, w->step->args, w->step->args_set, meet_name, &search);
	return search.found;
}

/* A call that was refused has changed nothing; sizes, modes and times are seen to by
 * world_settle(). */
static void check_untouched(struct world *w)
{
	for (size_t i = 0; i < w->point->files_count; i++) {
		struct wfile *f = &w->files[i];

		if (f->model && f->model->rope.size <= REREAD_BYTES_MAX &&
		    world_step_names(w, (int)i))
			world_read_back(w, f, false);
	}
}

/*
 * A call that was refused has not moved any time stamp. But one that ran into trouble on its way
 * may have marked the file as modified before: write(2) and clones do so before they allocate.
 * Btrfs then leaves the mark in memory only, and a remount takes it back (seen on 6.18; its
 * btrfs_write_check() has the inode updated by the end of a write that this one never gets to).
 */
static void allow_touch(struct world *w, int err)
{
	static const int midway[] = { ENOSPC, EDQUOT, EIO, ENOMEM, EINTR };
	bool met = false;

	for (size_t i = 0; i < sizeof(midway) / sizeof(midway[0]); i++)
		met |= err == midway[i];
	for (size_t i = 0; met && i < w->point->files_count; i++) {
		struct mfile *m = w->files[i].model;

		if (!m || !world_step_names(w, (int)i))
			continue;
		m->mtime = m->ctime = TOUCH_MAY;
		w->files[i].midway = true;
		if (!w->fsetid)
			m->mode_may_lose |= m->mode & 06000;
	}
}

static void judge(struct world *w, const struct step *s, const struct op_result *r)
{
	const bool refused = r->err || r->sig;

	if (s->expect.kind != EXPECT_ANY)
		w->checked.results++;
	if (!result_allowed(&s->expect, r)) {
		world_fail(w, result_wanted(w, &s->expect), "%s", result_text(w, r));
		return;
	}
	if (refused)
		allow_touch(w, r->err);
	if (s->op->apply && (!refused || s->op->apply_errors))
		s->op->apply(w, s->args, r);
	if (s->expect.more && s->op->check)
		s->op->check(w, s->args, &s->expect, r);
	world_settle(w);
	if (refused)
		check_untouched(w);
}

static void trace(struct world *w, const char *result)
{
	json_array_append_new(w->exec->trace, json_sprintf("%s -> %s", w->exec->doing, result));
}

/* Is this one of the calls that cowbell is about? What else a case does only leads up to them. */
static bool is_subject(const struct step *s)
{
	static const char *const subjects[] = {
		"clone",    "clone_range", "dedupe",	"copy_range",
		"sendfile", "splice",	   "fallocate", "reflink",
	};

	for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++)
		if (!strcmp(s->op->name, subjects[i]))
			return true;
	return false;
}

/*
 * A profile tells what nobody can know without asking: which errno, which reply, how much. It tells
 * nothing of twins, which are only there to succeed.
 */
static void note_answer(struct world *w, const struct step *s, const struct op_result *r)
{
	const struct point *p = w->point;
	const bool subject = is_subject(s);
	const bool asked = s->observe || s->expect.kind != EXPECT_OK || r->err || r->sig ||
			   (subject && s->expect.more);
	const char *key;

	if ((!asked && !subject) || s < p->steps || s >= p->steps + p->steps_count)
		return;
	w->exec->asked |= asked;
	key = world_text(w, "%s %s%s%s", s->path, s->op->name, s->observe ? " " : "",
			 s->observe ? s->observe : "");
	json_object_set_new(w->exec->answers, key, json_string(result_text(w, r)));
}

static void call_and_judge(struct world *w, const struct step *s)
{
	struct op_result r = { 0 };

	raised = 0;
	s->op->run(w, s->args, &r);
	if (!r.sig)
		r.sig = raised;
	trace(w, result_text(w, &r));
	if (r.harness) {
		world_error(w, "%s: the harness's own part failed: %s", s->op->name,
			    strerror(r.harness));
	} else {
		if (s->observe)
			world_observe(w, s->observe, json_string(result_text(w, &r)));
		note_answer(w, s, &r);
		judge(w, s, &r);
	}
	free(r.bytes);
}

static void run_steps(struct world *w, const struct step *steps, size_t count);

static void run_step(struct world *w, const struct step *s)
{
	run_steps(w, s->first, s->first_count);
	if (world_stopped(w))
		return;
	world_doing(w, s, args_text(w->arena, w->point, s));
	world_look(w);
	call_and_judge(w, s);
	for (size_t i = 0; i < w->point->after_count && !world_stopped(w); i++)
		if (w->point->after[i]->step)
			w->point->after[i]->step(w);
	if (s->twin && !world_stopped(w))
		run_step(w, s->twin);
}

static void run_steps(struct world *w, const struct step *steps, size_t count)
{
	for (size_t i = 0; i < count && !world_stopped(w); i++)
		run_step(w, &steps[i]);
}

bool exec_steps(struct world *w, const struct step *steps, size_t count)
{
	run_steps(w, steps, count);
	return !world_stopped(w);
}

void exec_begin(struct world *w, const struct step *s, const char *how)
{
	w->step = s;
	w->exec->doing = world_text(w, "%s%s", args_text(w->arena, w->point, s), how);
	tell_now(w);
	world_look(w);
}

const char *exec_result(const struct world *w, const struct op_result *r)
{
	return result_text(w, r);
}

bool exec_apply(struct world *w, const struct op_result *r)
{
	if (r->err)
		allow_touch(w, r->err);
	w->checked.results++;
	if (w->step->op->apply && (!r->err || w->step->op->apply_errors))
		w->step->op->apply(w, w->step->args, r);
	world_settle(w);
	return !world_stopped(w);
}

void exec_trace(struct world *w, const char *result)
{
	trace(w, result);
}

size_t exec_trace_length(const struct world *w)
{
	return json_array_size(w->exec->trace);
}

void exec_trace_cut(struct world *w, size_t length)
{
	while (json_array_size(w->exec->trace) > length)
		json_array_remove(w->exec->trace, json_array_size(w->exec->trace) - 1);
}

bool exec_over(const struct world *w)
{
	return world_stopped(w);
}

/* Everything is read back: through the cache, through what is still mapped, and from the disk. */
static void read_all(struct world *w)
{
	const bool direct = w->probe->need[NEED_DIRECT].answer != ANSWER_NO;

	for (size_t i = 0; i < w->point->maps_count && !world_stopped(w); i++)
		world_read_map(w, (int)i);
	for (size_t i = 0; i < w->point->files_count && !world_stopped(w); i++)
		if (!w->files[i].raced)
			world_read_back(w, &w->files[i], false);
	for (size_t i = 0; i < w->point->files_count && !world_stopped(w) && direct; i++)
		if (!w->files[i].raced && world_is_here(w, &w->files[i]))
			world_read_back(w, &w->files[i], true);
}

static void run_point(struct world *w)
{
	const struct exec_env *env = w->exec->env;
	const struct point *p = w->point;

	w->exec->doing = "set-up";
	world_setup(w);
	for (size_t i = 0; i < p->after_count && !world_stopped(w); i++)
		if (p->after[i]->start)
			p->after[i]->start(w);
	run_steps(w, p->steps, p->steps_count);
	if (p->race && !world_stopped(w))
		race_run(w, &(struct race_options){ env->budget, env->round });
	if (p->interrupt && !world_stopped(w))
		interrupt_run(w, env->budget);
	world_doing(w, NULL, NULL);
	process_teardown(w);
	if (!world_stopped(w))
		read_all(w);
	for (size_t i = 0; i < p->after_count && !world_stopped(w); i++)
		if (p->after[i]->finish)
			p->after[i]->finish(w);
}

static uint64_t checked_total(const struct checked *c)
{
	return c->results + c->bytes + c->positions + c->attributes + c->times + c->shared_blocks +
	       c->space;
}

static json_t *checked_json(const struct checked *c)
{
	const struct {
		const char *key;
		uint64_t count;
	} counts[] = {
		{ "results", c->results },     { "bytes", c->bytes },
		{ "positions", c->positions }, { "attributes", c->attributes },
		{ "times", c->times },	       { "shared_blocks", c->shared_blocks },
		{ "space_bytes", c->space },   { "rounds", c->rounds },
		{ "overlaps", c->overlaps },
	};
	json_t *out = json_object();

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		if (counts[i].count)
			json_object_set_new(out, counts[i].key,
					    json_integer((json_int_t)counts[i].count));
	return out;
}

static void set_text(json_t *out, const char *key, const char *text)
{
	json_object_set_new(out, key, json_string(text));
}

/* An observing case has no wrong answers, only set-ups that failed. */
static const char *verdict(struct world *w, json_t *out)
{
	struct exec *x = w->exec;

	if (w->point->strength == STRENGTH_OBSERVE && x->failed && (!w->step || w->step->observe)) {
		world_observe(w, "beyond_model",
			      json_sprintf("%s; by the model: %s", x->seen, x->allowed));
		return "done";
	}
	if (x->failed && w->point->strength != STRENGTH_OBSERVE) {
		json_object_set_new(
			out, "reason",
			json_sprintf("%s: seen %s, allowed %s", x->done, x->seen, x->allowed));
		return "fail";
	}
	if (x->failed || x->broken) {
		json_object_set_new(out, "reason",
				    x->broken ? json_string(x->error)
					      : json_sprintf("%s: %s", x->done, x->seen));
		return x->unproven && machine_emulated() ? "skip" : "error";
	}
	if (!checked_total(&w->checked)) {
		set_text(out, "reason", "nothing was compared");
		return "error";
	}
	return w->point->strength == STRENGTH_OBSERVE ? "done" : "pass";
}

static json_t *result_json(struct world *w)
{
	struct exec *x = w->exec;
	json_t *out = json_object();
	const char *word = verdict(w, out);

	set_text(out, "verdict", word);
	json_object_set_new(out, "checked", checked_json(&w->checked));
	if (x->asked || x->failed || json_object_size(x->observed)) {
		set_text(out, "checks", w->point->checks);
		json_object_set(out, "answers", x->answers);
	}
	if (json_object_size(x->observed))
		json_object_set(out, "observed", x->observed);
	if (!strcmp(word, "fail") || !strcmp(word, "error")) {
		if (x->done)
			set_text(out, "done", x->done);
		if (x->place)
			set_text(out, "place", x->place);
		if (x->failed) {
			set_text(out, "seen", x->seen);
			set_text(out, "allowed", x->allowed);
		}
		json_object_set(out, "trace", x->trace);
		if (x->history)
			json_object_set(out, "history", x->history);
	}
	json_decref(x->history);
	json_decref(x->trace);
	json_decref(x->observed);
	json_decref(x->answers);
	return out;
}

static int ask_hook(struct world *w, const char *name)
{
	const struct exec_env *env = w->exec->env;

	if (!env->hook)
		return -ENOSYS;
	return env->hook(env->hook_context, name, &w->dirfd, &w->dir2fd, &w->viewfd);
}

json_t *exec_point(const struct exec_env *env, const struct point *p)
{
	struct exec x = {
		.env = env,
		.trace = json_array(),
		.observed = json_object(),
		.answers = json_object(),
	};
	struct world w = {
		.point = p,
		.probe = env->probe,
		.units = env->probe->units,
		.arena = arena_new(),
		.dirfd = env->dirfd,
		.dir2fd = env->dir2fd,
		.viewfd = env->viewfd,
		.seed = env->seed,
		.tag = (uint32_t)(env->seed ^ env->seed >> 16 ^ env->seed >> 32) & 0xffff,
		.hook = ask_hook,
		.exec = &x,
	};
	json_t *out;

	umask(0);
	note_signals();
	model_init(&w.model, w.units.block);
	process_setup(&w);
	run_point(&w);
	out = result_json(&w);
	world_teardown(&w);
	arena_free(w.arena);
	return out;
}
