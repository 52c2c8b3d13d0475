/* SPDX-License-Identifier: GPL-2.0-only */
#include "args.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "op.h"

static const char *fd_name(const struct point *p, int fd)
{
	if (fd == FD_CLOSED)
		return "closed";
	return fd == FD_NEGATIVE ? "negative" : p->fds[fd];
}

static void put_words(FILE *out, const struct word *words, uint64_t value)
{
	const char *between = "";
	uint64_t rest = value;

	for (; words && words->name; words++) {
		if (words->value ? (rest & words->value) != words->value : value != 0)
			continue;
		fprintf(out, "%s%s", between, words->name);
		between = "+";
		rest &= ~words->value;
	}
	if (rest)
		fprintf(out, "%s0x%" PRIx64, between, rest);
}

static void put_word(FILE *out, const struct word *words, int value)
{
	for (; words->name; words++)
		if ((int)words->value == value)
			fputs(words->name, out);
}

static void put_data(FILE *out, const struct point *p, const struct data *d)
{
	fputs(p->patterns[d->pattern], out);
	if (d->at)
		fprintf(out, "@%" PRIu64, d->off);
}

static void put_list(FILE *out, const struct point *p, const struct argspec *spec,
		     const struct list *list);

/* Sizes are shown signed, so that "-1" looks like what the author wrote. */
static void put_value(FILE *out, const struct point *p, const struct argspec *spec,
		      const void *value)
{
	switch (spec->type) {
	case ARG_NUM:
		fprintf(out, "%" PRId64, (int64_t) * (const uint64_t *)value);
		break;
	case ARG_OPT_NUM:
		fprintf(out, "%" PRId64, (int64_t)((const struct opt_num *)value)->value);
		break;
	case ARG_FD:
	case ARG_NEW_FD:
		fputs(fd_name(p, *(const int *)value), out);
		break;
	case ARG_FILE:
	case ARG_NEW_FILE:
		fputs(p->files[*(const int *)value].name, out);
		break;
	case ARG_MAP:
	case ARG_NEW_MAP:
		fputs(p->maps[*(const int *)value], out);
		break;
	case ARG_DATA:
		put_data(out, p, value);
		break;
	case ARG_WORD:
		put_word(out, spec->words, *(const int *)value);
		break;
	case ARG_FLAGS:
		put_words(out, spec->words, *(const uint64_t *)value);
		break;
	case ARG_MODE:
		fprintf(out, "%04o", *(const uint32_t *)value);
		break;
	case ARG_BOOL:
		fputs(*(const bool *)value ? "true" : "false", out);
		break;
	case ARG_TEXT:
		fputs(*(const char *const *)value, out);
		break;
	case ARG_LIST:
		put_list(out, p, spec, value);
		break;
	}
}

/* Is there nothing to show? Zeroes in a list's items are left out, whether written or not. */
static bool is_empty(const struct argspec *spec, const void *value)
{
	if (spec->type == ARG_NUM || spec->type == ARG_FLAGS)
		return *(const uint64_t *)value == 0;
	if (spec->type == ARG_OPT_NUM)
		return !((const struct opt_num *)value)->set;
	if (spec->type == ARG_TEXT)
		return *(const char *const *)value == NULL;
	return spec->type == ARG_BOOL && !*(const bool *)value;
}

static void put_list(FILE *out, const struct point *p, const struct argspec *spec,
		     const struct list *list)
{
	fputc('[', out);
	for (size_t i = 0; i < list->count; i++) {
		const char *item = (const char *)list->items + i * spec->item_size;
		const char *between = "";

		fputs(i ? ", {" : "{", out);
		for (const struct argspec *s = spec->nested; s->name; s++) {
			if (is_empty(s, item + s->offset))
				continue;
			fprintf(out, "%s%s=", between, s->name);
			put_value(out, p, s, item + s->offset);
			between = " ";
		}
		fputc('}', out);
	}
	fputc(']', out);
}

/* A word that is there only because it is what one gets without asking. */
static bool is_usual(const struct argspec *spec, const void *value)
{
	if (spec->type != ARG_WORD || !spec->fallback)
		return false;
	for (const struct word *word = spec->words; word->name; word++)
		if (!strcmp(word->name, spec->fallback))
			return (int)word->value == *(const int *)value;
	return false;
}

const char *args_text(struct arena *a, const struct point *p, const struct step *s)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	const char *copy;

	if (!out)
		return s->op->name;
	fputs(s->op->name, out);
	for (size_t i = 0; s->op->args[i].name; i++) {
		const struct argspec *spec = &s->op->args[i];

		if (!(s->args_set >> i & 1) || is_usual(spec, (const char *)s->args + spec->offset))
			continue;
		fprintf(out, " %s=", spec->name);
		put_value(out, p, spec, (const char *)s->args + spec->offset);
	}
	fclose(out);
	copy = arena_dup(a, text);
	free(text);
	return copy;
}

void args_each(const struct argspec *spec, const void *args, uint64_t set,
	       void (*visit)(void *context, const struct argspec *spec, const void *value),
	       void *context)
{
	for (; spec->name; spec++, set >>= 1) {
		const void *value = (const char *)args + spec->offset;
		const struct list *list = value;

		if (!(set & 1))
			continue;
		if (spec->type != ARG_LIST) {
			visit(context, spec, value);
			continue;
		}
		for (size_t i = 0; i < list->count; i++)
			args_each(spec->nested, (const char *)list->items + i * spec->item_size,
				  UINT64_MAX, visit, context);
	}
}
