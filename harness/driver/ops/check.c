/* SPDX-License-Identifier: GPL-2.0-only */
/* The op "check": an oracle's judgement midway, where the end would be too late. */
#include "../check.h"

#include "../op.h"
#include "../world.h"

/* The oracles by number: an op's words must be known before the program runs. */
enum { SHARING, SPACE, ISOLATION, KMSG };

static const struct word oracle_words[] = {
	{ "sharing", SHARING }, { "space", SPACE }, { "isolation", ISOLATION },
	{ "kmsg", KMSG },	{ NULL, 0 },
};

struct check_args {
	int oracle;
};

static const struct argspec check_args[] = {
	ARG(WORD, struct check_args, oracle, .words = oracle_words, .required = true,
	    .doc = "the oracle; one that measures from the start must stand in \"after\", too"),
	ARG_END,
};

static const struct oracle *wanted(const void *args)
{
	const struct check_args *a = args;

	return oracle_find(oracle_words[a->oracle].name);
}

static int check_need(const void *args)
{
	const struct oracle *o = wanted(args);

	if (!o)
		return -1;
	return o->dedicated ? NEED_DEDICATED : o->need;
}

static bool named_after(const struct world *w, const struct oracle *o)
{
	for (size_t i = 0; i < w->point->after_count; i++)
		if (w->point->after[i] == o)
			return true;
	return false;
}

static void check_run(struct world *w, const void *args, struct op_result *r)
{
	(void)w;
	(void)args;
	r->ret = 0;
}

static void check_apply(struct world *w, const void *args, const struct op_result *r)
{
	const struct oracle *o = wanted(args);

	(void)r;
	if (!o || !o->finish)
		world_error(w, "this oracle has nothing to say midway");
	else if ((o->start || o->dedicated) && !named_after(w, o))
		world_error(w, "check: \"%s\" must stand in \"after\", too", o->name);
	else
		o->finish(w);
}

const struct op op_check = {
	.name = "check",
	.doc = "have an oracle judge here and now what it otherwise judges at the end",
	.args_size = sizeof(struct check_args),
	.args = check_args,
	.need = check_need,
	.run = check_run,
	.apply = check_apply,
};
