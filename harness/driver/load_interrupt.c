/* SPDX-License-Identifier: GPL-2.0-only */
/* "interrupt": a call, what restores the files before each time, and the signal that meets it. */
#include "load_internal.h"

#include <signal.h>

#include "left.h"

/* More would take longer than any case should. */
#define SHOTS_MAX 100000

static const struct word signals[] = {
	{ "SIGKILL", SIGKILL }, { "SIGSTOP", SIGSTOP }, { "SIGTERM", SIGTERM },
	{ "SIGUSR1", SIGUSR1 }, { "SIGALRM", SIGALRM }, { NULL, 0 },
};

static const struct word handlers[] = {
	{ "none", HANDLER_NONE },
	{ "plain", HANDLER_PLAIN },
	{ "restart", HANDLER_RESTART },
	{ NULL, 0 },
};

static const struct word lefts[] = {
	{ "nothing", 1 << LEFT_NOTHING },
	{ "prefix", 1 << LEFT_PREFIX },
	{ "all", 1 << LEFT_ALL },
	{ "other", 1 << LEFT_OTHER },
	{ NULL, 0 },
};

const struct argspec interrupt_args[] = {
	ARG(WORD, struct interrupt, signal, .required = true, .words = signals,
	    .doc = "the signal; SIGSTOP is followed by SIGCONT a millisecond later"),
	ARG(WORD, struct interrupt, handler, .fallback = "none", .words = handlers,
	    .doc = "how the process that makes the call takes it: not at all, by a handler, by one "
		   "installed with SA_RESTART"),
	ARG(NUM, struct interrupt, shots, .fallback = "24", .max = SHOTS_MAX,
	    .doc = "how many signals are sent, each in a call of its own"),
	ARG(FLAGS, struct interrupt, allow, .fallback = "nothing+all", .words = lefts,
	    .doc = "what a file that the call changes may hold after a signal"),
	ARG(BOOL, struct interrupt, cuts,
	    .doc = "at least half of the signals must end the call before all is done"),
	ARG(BOOL, struct interrupt, once,
	    .doc = "no second attempt follows: the call uses up what it reads"),
	ARG_END,
};

static const char *const step_keys[] = { "each", "call", "then", "made", NULL };

/* The data that the next step writes if it names none. */
static const char *own_pattern(struct loader *l, const struct interrupt *in)
{
	return arena_printf(l->arena, "step%zu",
			    l->p->steps_count + in->each_count + in->then_count + in->made_count);
}

static bool read_list(struct loader *l, const struct at *at, json_t *list, struct interrupt *in,
		      struct step **steps, size_t *count)
{
	json_t *object;
	size_t i;

	if (!list)
		return true;
	if (!json_is_array(list) || !json_array_size(list))
		return load_wrong(l, at, "must be a list of steps, not empty");
	if (json_array_size(list) > LOAD_STEPS_MAX)
		return load_wrong(l, at, "at most %d steps", LOAD_STEPS_MAX);
	*steps = arena_alloc(l->arena, json_array_size(list) * sizeof(**steps));
	json_array_foreach (list, i, object) {
		const char *pattern = own_pattern(l, in);

		if (json_is_null(object))
			continue;
		if (!load_step(l, AT_INDEX(at, i), object, pattern, &(*steps)[(*count)++]))
			return false;
	}
	return *count || load_wrong(l, at, "vary leaves no step");
}

static bool read_call(struct loader *l, const struct at *at, json_t *object, struct interrupt *in)
{
	struct nearest n;

	if (!load_step(l, at, object, own_pattern(l, in), &in->call))
		return false;
	if (in->call.op->interruptible)
		return true;
	nearest_start(&n, in->call.op->name);
	for (size_t i = 0; op_at(i); i++)
		if (op_at(i)->interruptible)
			nearest_try(&n, op_at(i)->name);
	return load_wrong(l, AT_KEY(at, "op"), "\"%s\" cannot be interrupted, only %s",
			  in->call.op->name, n.all);
}

static bool read_made(struct loader *l, const struct at *at, json_t *list, struct interrupt *in)
{
	if (list && !op_makes_names(in->call.op))
		return load_wrong(l, at, "has no use: \"%s\" makes no name", in->call.op->name);
	return read_list(l, at, list, in, &in->made, &in->made_count);
}

bool interrupt_read(struct loader *l, json_t *object)
{
	const struct at *at = AT_KEY(NULL, "interrupt");
	struct interrupt *in;
	uint64_t set;

	if (!object)
		return true;
	if (!json_is_object(object))
		return load_wrong(l, at, "must be an object, not %s", load_type(object));
	if (!load_table_keys(l, at, interrupt_args, object, step_keys))
		return false;
	in = arena_alloc(l->arena, sizeof(*in));
	if (!load_args(l, at, interrupt_args, object, in, &set))
		return false;
	if ((in->signal == SIGKILL || in->signal == SIGSTOP) && in->handler != HANDLER_NONE)
		return load_wrong(l, AT_KEY(at, "handler"), "no handler can take this signal");
	if (!in->shots)
		return load_wrong(l, AT_KEY(at, "shots"), "must be at least 1");
	if (!in->allow)
		return load_wrong(l, AT_KEY(at, "allow"), "must allow something");
	if (!json_object_get(object, "call"))
		return load_wrong(l, at, "\"call\" is missing");
	if (!json_object_get(object, "each"))
		return load_wrong(l, at,
				  "\"each\" is missing: what the call has changed is to be "
				  "restored before the next");
	l->p->interrupt = in;
	/* Where one CPU makes the call and another sends the signal, a third process disturbs. */
	l->p->alone = true;
	return read_list(l, AT_KEY(at, "each"), json_object_get(object, "each"), in, &in->each,
			 &in->each_count) &&
	       read_call(l, AT_KEY(at, "call"), json_object_get(object, "call"), in) &&
	       read_list(l, AT_KEY(at, "then"), json_object_get(object, "then"), in, &in->then,
			 &in->then_count) &&
	       read_made(l, AT_KEY(at, "made"), json_object_get(object, "made"), in);
}
