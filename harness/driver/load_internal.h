/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of the loader share. load.c reads the top level, load_expand.c makes the points of
 * the cross product, load_files.c reads "files", load_step.c steps and their twins, load_race.c
 * actors, load_interrupt.c "interrupt", load_args.c the arguments of ops, load_why.c sources,
 * load_text.c has names and messages.
 */
#ifndef COWBELL_LOAD_INTERNAL_H
#define COWBELL_LOAD_INTERNAL_H

#include <stdarg.h>

#include "arena.h"
#include "load.h"
#include "need.h"
#include "op.h"

/* Longest label of "vary", and longest string that a message quotes. */
#define LABEL_MAX 64

/** struct at - a place in the file, from the inside out; lives on the stack */
struct at {
	const struct at *up;
	/** @key: of an object, or NULL for an item of an array, number @index */
	const char *key;
	size_t index;
};

#define AT_KEY(up_, key_)     (&(struct at){ .up = (up_), .key = (key_) })
#define AT_INDEX(up_, index_) (&(struct at){ .up = (up_), .index = (index_) })

/** struct name - one name of a namespace of the case */
struct name {
	const char *text;
	/** @used: something refers to it */
	bool used;
	/** @owed: it is a mistake if nothing refers to it */
	bool owed;
	/** @step: the step that declared it, NULL if none did */
	const struct step *step;
	/** @place: where it was declared */
	const char *place;
};

/** struct names - a namespace; numbers are places in it */
struct names {
	struct name *name;
	size_t count, room;
};

/** struct loader - reads one file or one point of it */
struct loader {
	const char *path;
	struct load_error *err;
	bool wrong;
	struct arena *arena;
	const struct units *units;
	struct point *p;
	struct names files, fds, maps, patterns;
	/** @observed: keys of "observe" */
	struct names observed;
	struct names tags;
	/** @slots: arguments that hold a descriptor's number, shifted when the number of files is
	 * known */
	int **slots;
	size_t slots_count, slots_room;
	/** @files_before: number of files before the first step */
	size_t files_before;
	/** @steps_total: steps, twins and first steps so far */
	size_t steps_total;
	/** @step: the step whose arguments are read; @parent: the step that it is the twin of */
	struct step *step;
	const struct step *parent;
	/** @in_actor: it is an actor's */
	bool in_actor;
	/** @only_known_data: data must have been named before: what is expected, not what is made
	 */
	bool only_known_data;
	/** @values: how many JSON values substitution made for this point */
	size_t values;
};

/* load_text.c */

/** load_wrong() - the first complaint is kept; always false */
bool load_wrong(struct loader *l, const struct at *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/** load_place() - "steps[2].twin", from the arena */
const char *load_place(struct loader *l, const struct at *at);

/** struct nearest - looks for the known word that a misspelt one may have been meant to be */
struct nearest {
	const char *wanted, *best;
	unsigned int distance;
	/** @all: all known words, for messages, if they fit */
	char all[160];
};

void nearest_start(struct nearest *n, const char *wanted);
void nearest_try(struct nearest *n, const char *known);

/** load_unknown() - complain of an unknown word, with what may have been meant; always false */
bool load_unknown(struct loader *l, const struct at *at, const char *what, const struct nearest *n);

/** load_keys() - is every key of an object in a list that ends with NULL? */
bool load_keys(struct loader *l, const struct at *at, json_t *object, const char *const *known);

/** load_plain_name() - is it a name that files, descriptors and so on may have? */
bool load_plain_name(struct loader *l, const struct at *at, const char *name);

/** load_string() - the text of a JSON string, NULL after a complaint if it is none or empty */
const char *load_string(struct loader *l, const struct at *at, const json_t *value);

/** load_type() - "a string", for messages */
const char *load_type(const json_t *value);

/** names_find() - number of a name, -1 if there is none; names_add() - number of a new one */
int names_find(const struct names *n, const char *text);
int names_add(struct loader *l, struct names *n, const char *text);

/** names_texts() - all of a namespace as an array of strings */
const char **names_texts(struct loader *l, const struct names *n);

/* load_expand.c */

/** expand_read() - read "vary" and "except", count the points */
bool expand_read(struct loader *l, struct casefile *c);

/** expand_part() - one key of the top level with the values of point @i put in; a new reference,
 * NULL if there is no such key or after a complaint */
json_t *expand_part(struct loader *l, const struct casefile *c, size_t i, const char *key);

/** expand_name() - name of point @i */
const char *expand_name(const struct casefile *c, size_t i);

/** expand_unused() - complain of a key of "vary" that nothing uses; false if there is one */
bool expand_unused(struct loader *l, const struct casefile *c);

/** expand_tags() - where point @i keeps its tags, an array that ends with NULL */
const char ***expand_tags(const struct casefile *c, size_t i);

/* load_files.c */

/** files_read() - "files" into l->p and the namespaces; @files may be NULL */
bool files_read(struct loader *l, json_t *files);

/** files_type() - word number @i of "type", NULL past the end; files_type_has() - can such a file
 * have this key? */
const char *files_type(size_t i);
bool files_type_has(size_t i, const char *key);

/** files_open_word(), files_layout_word() - word number @i, NULL past the end */
const char *files_open_word(size_t i);
const char *files_layout_word(size_t i);

/* load_args.c */

/** load_args() - the arguments of a table from an object; keys that the table lacks are skipped */
bool load_args(struct loader *l, const struct at *at, const struct argspec *table, json_t *object,
	       void *out, uint64_t *set);

/** load_arg() - one value from text in the words of the language */
bool load_arg(struct loader *l, const struct at *at, const struct argspec *spec, const char *text,
	      void *out);

/** load_expect() - "expect" of a step; @value may be NULL */
bool load_expect(struct loader *l, const struct at *at, struct step *s, json_t *value);

/** load_table_find() - entry of a table by name, -1 if there is none; load_table_keys() - is every
 * key of an object in a table, or among others, a list that ends with NULL? */
int load_table_find(const struct argspec *table, const char *name);
bool load_table_keys(struct loader *l, const struct at *at, const struct argspec *table,
		     json_t *object, const char *const *others);

/* load_why.c */

/** load_why() - has one source of "why" a form that it may have? */
bool load_why(struct loader *l, const struct at *at, const json_t *value);

/* load_step.c */

/** steps_read() - "steps" into l->p; @steps may be NULL. steps_finish() - after all other parts
 * that have steps */
bool steps_read(struct loader *l, json_t *steps);
bool steps_finish(struct loader *l);

/** step_read_plain() - a step without a twin; @pattern names the data that it writes */
bool step_read_plain(struct loader *l, const struct at *at, json_t *object, const char *pattern,
		     struct step *s);

/**
 * load_step() - a step outside of "steps": an op that succeeds, without a twin
 * @pattern: name of the data that it writes if it names none
 */
bool load_step(struct loader *l, const struct at *at, json_t *object, const char *pattern,
	       struct step *s);

/* load_interrupt.c */

/** interrupt_read() - "interrupt" into l->p; @object may be NULL */
bool interrupt_read(struct loader *l, json_t *object);

/* load_race.c */

/** actors_read(), before_read(), then_read(), race_read() - "actors", "before", "then" and "race"
 * into l->p->race; the value may be NULL */
bool actors_read(struct loader *l, json_t *actors);
bool before_read(struct loader *l, json_t *list);
bool then_read(struct loader *l, json_t *list);
bool race_read(struct loader *l, json_t *value);

/* load.c */

/** load_parse() - bounded text as a JSON object, a new reference; NULL after a complaint */
json_t *load_parse(struct loader *l, const char *text, size_t len);

/** load_need() - one need of the point, unless it is there already; false if its opposite is */
bool load_need(struct loader *l, const struct at *at, int need, bool negated, const char *param);

/** load_lacks() - does the case ask for a filesystem that has no such thing? */
bool load_lacks(const struct loader *l, int need);

#endif
