/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All mutants, and which of them is active. The constructor ends the program if there is none of
 * the name asked for: a run without its mutant must not look like a run with it.
 *
 *   COWBELL_MUTANT=NAME         be this kernel
 *   COWBELL_MUTANT=list         print all, one a line: name, subject, loss, need
 *   COWBELL_MUTANT=list-race    print those of races
 *   COWBELL_MUTANT_ACTED=FILE   count in this file, in binary, how often the mutant acted
 */
#include "mutants.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel.h"
#include "track.h"

#define EXPORT	     __attribute__((visibility("default")))
#define NEAREST	     4
#define USAGE_STATUS 2

static const struct mutant *const tables[] = {
	clone_mutants, dedupe_mutants,	   copy_mutants,      stream_mutants, space_mutants,
	write_mutants, query_mutants,	   errno_mutants,     rare_mutants,   side_mutants,
	race_mutants,  race_write_mutants, interrupt_mutants, slow_mutants,   reflink_mutants,
};

/* Those whose bug shows only while something else goes on. */
static const struct mutant *const race_tables[] = { race_mutants, race_write_mutants };

static const struct mutant *active;
/* The active one is of races. */
static bool racing;
/* How often the mutant acted, in all processes: memory that they share. */
static _Atomic uint64_t *acts;

const char *cowbell_mutant_active(void);

const struct mutant *mutant_active(void)
{
	return active;
}

const struct mutant *mutant_at(size_t i)
{
	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
		for (const struct mutant *m = tables[t]; m->name; m++)
			if (!i--)
				return m;
	return NULL;
}

/* The driver asks for this to be sure that the mutant is there. */
EXPORT const char *cowbell_mutant_active(void)
{
	return active ? active->name : NULL;
}

void acted(void)
{
	if (acts)
		atomic_fetch_add(acts, 1);
}

long mutate(struct call *c)
{
	const bool bad = active && active->kind == c->kind && (c->sound || active->wrong);
	const bool also = active && active->run_also && active->also == c->kind && c->sound;
	const long ret = bad ? active->run(c) : also ? active->run_also(c) : call_real(c);
	const int err = errno;

	/* what one actor remembers is of no use to the others */
	if (active && !racing && !active->timing && ret >= 0 && c->sound)
		track_call(c, ret);
	errno = err;
	return ret;
}

static bool is_of_races(const struct mutant *asked)
{
	for (size_t t = 0; t < sizeof(race_tables) / sizeof(race_tables[0]); t++)
		for (const struct mutant *m = race_tables[t]; m->name; m++)
			if (m == asked)
				return true;
	return false;
}

static void list(bool races)
{
	const struct mutant *m;

	for (size_t i = 0; (m = mutant_at(i)); i++)
		if (!m->timing && (!races || is_of_races(m)))
			printf("%s\t%s\t%s\t%s\n", m->name, m->subject, m->loses,
			       m->needs ? m->needs : "");
	fflush(stdout);
}

/* Words that two names have in common: what a user remembers of a name. */
static size_t likeness(const char *asked, const char *name)
{
	char words[128], *rest = words, *word;
	size_t count = 0;

	snprintf(words, sizeof(words), "%s", asked);
	while ((word = strsep(&rest, "-")))
		count += *word && strstr(name, word);
	return count;
}

static void complain_of(const char *asked)
{
	const struct mutant *m;
	size_t told = 0;

	fprintf(stderr, "cowbell: no mutant '%s'; nearest:", asked);
	for (size_t common = 8; common > 0 && told < NEAREST; common--)
		for (size_t i = 0; told < NEAREST && (m = mutant_at(i)); i++)
			if (likeness(asked, m->name) == common)
				told += fprintf(stderr, "%s %s", told ? "," : "", m->name) > 0;
	fprintf(stderr, "%s (COWBELL_MUTANT=list prints all)\n", told ? "" : " none");
}

static void count_in(const char *path)
{
	const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	void *map = MAP_FAILED;

	if (fd >= 0 && !kernel()->ftruncate(fd, sizeof(*acts)))
		map = mmap(NULL, sizeof(*acts), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		fprintf(stderr, "cowbell: %s: %s\n", path, strerror(errno));
		_exit(USAGE_STATUS);
	}
	close(fd);
	acts = map;
}

static __attribute__((constructor)) void choose(void)
{
	const char *asked = getenv("COWBELL_MUTANT"), *log = getenv("COWBELL_MUTANT_ACTED");

	(void)kernel();
	/* The bug is in this program's kernel, not in that of mount(8) and whatever it starts. */
	unsetenv("LD_PRELOAD");
	if (!asked)
		return;
	if (!strcmp(asked, "list") || !strcmp(asked, "list-race")) {
		list(!strcmp(asked, "list-race"));
		_exit(0);
	}
	for (size_t i = 0; !active && mutant_at(i); i++)
		if (!strcmp(mutant_at(i)->name, asked))
			active = mutant_at(i);
	if (!active) {
		complain_of(asked);
		_exit(USAGE_STATUS);
	}
	racing = is_of_races(active);
	if (log)
		count_in(log);
}
