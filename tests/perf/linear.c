/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How fast is the snapshot oracle, and how does its time grow with the history?
 *
 * Histories are made up: four writers of runs of 1..8 sectors, a puncher among them, each in
 * sectors of its own, and two cloners of whole files of 16..128 sectors, which really happened
 * that way. Exits 1 if a million operations take longer than LIMIT_S or if the time grows faster
 * than n log n, with a margin.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "linear.h"

#define FILES	    16
#define SECTORS	    128
#define WRITERS	    4
#define CLONERS	    2
#define ACTORS	    (WRITERS + CLONERS)
#define CLONE_EVERY 16
#define BUDGET	    100000000
#define LIMIT_S	    2.0
/* of n log n between 1e4 and 1e6 it is 1.2; the rest is for caches */
#define EXPONENT_MAX 1.4

/** struct made - a history that is being made */
struct made {
	struct linear_op *op;
	struct linear_access *access;
	size_t ops, accesses, room;
	uint64_t content[FILES][SECTORS], value;
	uint64_t clock[ACTORS];
	uint32_t sectors[FILES];
};

static uint64_t random_state = 88172645463325252;

static uint64_t below(uint64_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % n;
}

static void add_access(struct made *m, bool write, uint32_t file, uint32_t first, uint32_t count,
		       uint64_t value)
{
	if (m->accesses == m->room) {
		m->room = m->room ? 2 * m->room : 1024;
		m->access = realloc(m->access, m->room * sizeof(*m->access));
		if (!m->access)
			abort();
	}
	m->access[m->accesses++] = (struct linear_access){
		.file = file, .first = first, .count = count, .write = write, .value = value
	};
	m->op[m->ops].access_count++;
}

/* A run of sectors that are this writer's own: every file has a part for each. */
static void make_write(struct made *m, uint32_t writer)
{
	const uint32_t file = (uint32_t)below(FILES / 2);
	const uint32_t share = m->sectors[file] / WRITERS;
	const uint32_t at = (uint32_t)below(share), most = share - at < 8 ? share - at : 8;
	const uint32_t count = 1 + (uint32_t)below(most), first = writer * share + at;
	const uint64_t value = below(16) ? ++m->value : 0;

	for (uint32_t s = first; s < first + count; s++)
		m->content[file][s] = value;
	add_access(m, true, file, first, count, value);
}

/* The second half of the files are the first half's clones. */
static void make_clone(struct made *m, uint32_t cloner)
{
	const uint32_t from = (uint32_t)below(FILES / 2 / CLONERS) * CLONERS + cloner;
	const uint32_t to = FILES / 2 + from;

	for (int write = 0; write < 2; write++) {
		for (uint32_t s = 0, end; s < m->sectors[from]; s = end) {
			const uint64_t value = m->content[from][s];

			for (end = s; end < m->sectors[from] && m->content[from][end] == value;)
				end++;
			add_access(m, write, write ? to : from, s, end - s, value);
		}
	}
	memcpy(m->content[to], m->content[from], sizeof(m->content[to]));
}

/*
 * One operation after the other takes place, at @now; it began before, when its actor was free,
 * and ends after.
 */
static void make(struct made *m, size_t ops)
{
	uint64_t now = 10000;

	m->op = calloc(ops + 1, sizeof(*m->op));
	if (!m->op)
		abort();
	for (uint32_t f = 0; f < FILES; f++) {
		m->sectors[f] = f < FILES / 2 ? (uint32_t)(16 << f % 4) : m->sectors[f - FILES / 2];
		add_access(m, true, f, 0, m->sectors[f], 0);
	}
	m->op[m->ops++].actor = ACTORS;
	for (; m->ops <= ops; m->ops++, now += 1000) {
		struct linear_op *o = &m->op[m->ops];
		const bool clone = !below(CLONE_EVERY);
		const uint32_t actor =
			(uint32_t)(clone ? WRITERS + below(CLONERS) : below(WRITERS));
		const uint64_t before = below(3000), after = below(3000);

		o->access = m->accesses;
		o->actor = actor;
		if (now <= m->clock[actor])
			now = m->clock[actor] + 1;
		o->inv = now - before > m->clock[actor] ? now - before : m->clock[actor] + 1;
		o->ret = now + after;
		m->clock[actor] = o->ret;
		if (clone)
			make_clone(m, actor - WRITERS);
		else
			make_write(m, actor);
	}
}

/* Of this process alone, so that it does not matter what else runs. */
static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The fastest of a few, in seconds; negative if the verdict is wrong. */
static double judge(size_t ops, int times)
{
	struct made m = { .value = 0 };
	struct linear_result r = { .verdict = LINEAR_UNKNOWN };
	double best = -1;

	make(&m, ops);
	for (int i = 0; i < times; i++) {
		const struct linear_history h = { .ops = m.op,
						  .ops_count = m.ops,
						  .accesses = m.access };
		const double start = seconds();
		double took;

		linear_check(&h, BUDGET, &r);
		took = seconds() - start;
		if (best < 0 || took < best)
			best = took;
	}
	printf("%9zu operations %10zu accesses %10" PRIu64 " registers read: %9.3f ms, %6.2f M/s\n",
	       ops, m.accesses, r.reads, best * 1e3, (double)ops / best / 1e6);
	free(m.op);
	free(m.access);
	if (r.verdict == LINEAR_LEGAL)
		return best;
	printf("verdict %d: %s\n", r.verdict, r.why);
	return -1;
}

int main(void)
{
	static const size_t sizes[] = { 50, 200, 10000, 100000, 1000000 };
	double took[5], exponent;
	bool good = true;

	for (int i = 0; i < 5; i++) {
		took[i] = judge(sizes[i], sizes[i] > 100000 ? 3 : 20);
		good &= took[i] > 0;
	}
	if (!good)
		return 1;
	for (int i = 3; i < 5; i++)
		printf("growth from %zu to %zu: n^%.2f\n", sizes[i - 1], sizes[i],
		       log10(took[i] / took[i - 1]));
	exponent = log10(took[4] / took[2]) / 2;
	printf("growth from %zu to %zu: n^%.2f, at most %.2f; a million: %.2f s, at most %.2f\n",
	       sizes[2], sizes[4], exponent, EXPONENT_MAX, took[4], LIMIT_S);
	return exponent > EXPONENT_MAX || took[4] > LIMIT_S;
}
