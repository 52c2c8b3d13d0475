/* SPDX-License-Identifier: GPL-2.0-only */
/* Unit tests of bench/: suites and their order, statistics of one series, content, and methods on
 * files of odd sizes, where reads and writes fall short. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "content.h"
#include "series.h"
#include "suite.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define TOP  "'measures': 'x', 'why': ['y']"
#define PART "'experiment': 'copy', 'methods': ['clone', 'rw-4K']"

/* JSON with ' for ". */
static struct suite *load(const char *shape, struct load_error *err)
{
	char *text = strdup(shape);
	struct suite *s;

	assert_non_null(text);
	for (char *c = text; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	s = suite_load("t.json", "t", text, strlen(text), err);
	free(text);
	return s;
}

static void test_suite__cells(void **state)
{
	struct load_error err;
	struct suite *s = load("{" TOP ", 'blocks': 3, 'parts': [{" PART
			       ", 'factors': {'size': ['4K', 8192], 'cache': 'cold'}, "
			       "'samples': 9, 'block_bytes': '32K'}]}",
			       &err);

	(void)state;
	if (!s)
		fail_msg("%s", err.text);
	assert_int_equal(s->blocks, 3);
	assert_int_equal(s->cells, 4);
	assert_int_equal(s->points, 2);
	assert_string_equal(s->cell[0].name, "t/clone[size=4K]");
	assert_string_equal(s->cell[3].name, "t/rw-4K[size=8192]");
	assert_int_equal(s->cell[0].value[F_SIZE], 4096);
	assert_int_equal(s->cell[0].value[F_CACHE], CACHE_COLD);
	assert_int_equal(s->cell[0].value[F_DURABLE], DURABLE_NONE);
	/* the block may hold so many bytes, but one sample at least */
	assert_int_equal(s->cell[0].samples, 8);
	assert_int_equal(s->cell[2].samples, 4);
	suite_free(s);
}

static void test_suite__refuses(void **state)
{
	static const struct {
		const char *shape, *message;
	} rows[] = {
		{ "[]", "t.json: must be an object, not a list" },
		{ "{" TOP ", 'parts': [{" PART "}], 'x': 1}", "t.json: unknown key \"x\"" },
		{ "{" TOP ", 'part': []}", "unknown key \"part\" (did you mean \"parts\"?)" },
		{ "{" TOP ", " TOP ", 'parts': [{" PART "}]}", "duplicate object key" },
		{ "{'why': ['y'], 'parts': [{" PART "}]}", "measures: must be a string" },
		{ "{" TOP ", 'parts': []}", "parts: must be a list of 1 to" },
		{ "{" TOP ", 'parts': [{" PART ", 'y': 1}]}", "parts[0]: unknown key \"y\"" },
		{ "{" TOP ", 'parts': [{'experiment': 'copi', 'methods': ['clone']}]}",
		  "parts[0].experiment: unknown experiment \"copi\" (did you mean \"copy\"?)" },
		{ "{" TOP ", 'parts': [{'experiment': 'copy', 'methods': ['clonk']}]}",
		  "parts[0].methods[0]: unknown method \"clonk\" (did you mean \"clone\"?)" },
		{ "{" TOP ", 'parts': [{'experiment': 'copy', 'methods': ['clone', 'clone']}]}",
		  "parts[0].methods[1]: \"clone\" is there twice" },
		{ "{" TOP ", 'parts': [{'experiment': 'copy', 'methods': []}]}",
		  "parts[0].methods: must be a list of methods, not empty" },
		{ "{" TOP ", 'parts': [{'experiment': 'dedupe', 'methods': ['cp']}]}",
		  "parts[0].methods[0]: the experiment \"dedupe\" cannot use \"cp\"" },
		{ "{" TOP ", 'parts': [{" PART ", 'factors': {'sise': 1}}]}",
		  "parts[0].factors: unknown factor \"sise\" (did you mean \"size\"?)" },
		{ "{" TOP ", 'parts': [{" PART ", 'factors': {'chunk': 1}}]}",
		  "parts[0].factors.chunk: the experiment \"copy\" has no such factor" },
		{ "{" TOP ", 'parts': [{" PART ", 'factors': {'size': []}}]}",
		  "parts[0].factors.size: a list has 1 to" },
		{ "{" TOP ", 'parts': [{" PART ", 'factors': {'size': [4096, '4K']}}]}",
		  "parts[0].factors.size[1]: is there twice" },
		{ "{" TOP ", 'parts': [{" PART ", 'factors': {'size': 0}}]}",
		  "parts[0].factors.size: must be from 1" },
		{ "{" TOP ", 'parts': [{" PART ", 'factors': {'size': '2B'}}]}",
		  "the units B and P are not for suites" },
		{ "{" TOP ", 'parts': [{" PART ", 'factors': {'size': '4Q'}}]}",
		  "parts[0].factors.size: \"4Q\"" },
		{ "{" TOP ", 'parts': [{" PART ", 'factors': {'cache': 'hot'}}]}",
		  "parts[0].factors.cache: unknown word \"hot\"" },
		{ "{" TOP ", 'parts': [{" PART ", 'factors': {'cache': 1}}]}",
		  "parts[0].factors.cache: must be a string, not a number" },
		{ "{" TOP ", 'parts': [{" PART ", 'samples': 0}]}",
		  "parts[0].samples: must be from 1" },
		{ "{" TOP ", 'parts': [{" PART ", 'derive': 'slop'}]}",
		  "parts[0].derive: unknown word \"slop\" (did you mean \"slope\"?)" },
		{ "{" TOP ", 'parts': [{" PART ", 'needs': ['root']}]}",
		  "parts[0].needs[0]: unknown need \"root\" (known: dedicated)" },
		{ "{" TOP ", 'parts': [{" PART "}, {" PART "}]}",
		  "parts[1]: there are two cells \"t/clone\"" },
		{ "{" TOP ", 'blocks': '3', 'parts': [{" PART "}]}",
		  "blocks: must be a number, not a string" },
		{ "{" TOP ", 'time_s': -1, 'parts': [{" PART "}]}", "time_s: must be from 1" },
		{ "{" TOP ", 'parts': [{" PART "}]", "t.json:1:" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct load_error err;
		struct suite *s = load(rows[i].shape, &err);

		if (s)
			fail_msg("not refused: %s", rows[i].shape);
		if (strncmp(err.text, "t.json", 6) != 0 || !strstr(err.text, rows[i].message) ||
		    strchr(err.text, '\n'))
			fail_msg("row %zu: \"%s\" is not \"%s\"", i, err.text, rows[i].message);
	}
}

static void test_suite__order(void **state)
{
	struct load_error err;
	struct suite *s = load("{" TOP ", 'parts': [{" PART ", 'factors': {'size': "
			       "['4K', '8K', '16K', '32K', '64K', '128K', '256K', '512K']}}]}",
			       &err);
	size_t one[16], again[16], next[16], other[16];
	bool seen[16] = { false };

	(void)state;
	assert_non_null(s);
	suite_order(s, 7, 0, one);
	suite_order(s, 7, 0, again);
	suite_order(s, 7, 1, next);
	suite_order(s, 8, 0, other);
	assert_memory_equal(one, again, sizeof(one));
	assert_memory_not_equal(one, next, sizeof(one));
	assert_memory_not_equal(one, other, sizeof(one));
	/* complete, and the methods of a point side by side */
	for (size_t i = 0; i < 16; i++) {
		assert_false(seen[one[i]]);
		seen[one[i]] = true;
		assert_int_equal(s->cell[one[i]].point, s->cell[one[i / 2 * 2]].point);
	}
	suite_free(s);
}

static void test_series__medians(void **state)
{
	static const uint64_t odd[] = { 9, 1, 5 }, even[] = { 4, 1, 3, 2 };
	static const uint64_t six[] = { 6, 5, 4, 3, 2, 1 };
	static const uint64_t nine[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
	struct range r;

	(void)state;
	assert_true(series_median(odd, 3) == 5);
	assert_true(series_median(even, 4) == 2.5);
	assert_int_equal(series_quantile(nine, 9, 0.99), 9);
	assert_int_equal(series_quantile(nine, 9, 0.5), 5);
	/* tables of order statistics: none for 5, extremes for 6 to 8, the second of 9 */
	assert_false(series_median_range(nine, 5, &r));
	assert_true(series_median_range(six, 6, &r));
	assert_true(r.low == 1 && r.high == 6);
	assert_true(series_median_range(nine, 8, &r));
	assert_true(r.low == 1 && r.high == 8);
	assert_true(series_median_range(nine, 9, &r));
	assert_true(r.low == 2 && r.high == 8);
}

static void test_series__flags(void **state)
{
	uint64_t flat[40], rising[40], humps[40];
	struct chance c = { 3 };
	size_t far[40];

	(void)state;
	for (size_t i = 0; i < 40; i++) {
		flat[i] = 1000 + chance_below(&c, 100);
		rising[i] = 1000 + 5 * i + chance_below(&c, 20);
		humps[i] = (i % 2 ? 1000 : 2000) + chance_below(&c, 50);
	}
	assert_false(series_drifts(flat, 40));
	assert_true(series_drifts(rising, 40));
	assert_false(series_two_humps(flat, 40));
	assert_false(series_two_humps(rising, 40));
	assert_true(series_two_humps(humps, 40));
	assert_int_equal(series_outliers(flat, 40, far), 0);
	flat[17] = 10000;
	assert_int_equal(series_outliers(flat, 40, far), 1);
	assert_int_equal(far[0], 17);
}

/* Of series without drift 1 in 100 may be called drifting. */
static void test_series__drift_false_alarms(void **state)
{
	struct chance c = { 11 };
	unsigned int alarms = 0;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		uint64_t s[20];

		for (size_t i = 0; i < 20; i++)
			s[i] = chance_below(&c, 1000000);
		alarms += series_drifts(s, 20);
	}
	assert_in_range(alarms, 2, 40);
}

/* A file without a name beside the build, where O_DIRECT works on most machines. */
static int file(char name[64])
{
	int fd;

	snprintf(name, 64, "test-bench-XXXXXX");
	fd = mkstemp(name);
	assert_true(fd >= 0);
	return fd;
}

static void test_content__same(void **state)
{
	char a_name[64], b_name[64];
	const int a = file(a_name), b = file(b_name);
	const uint64_t size = (3 << 20) + 77;

	(void)state;
	unlink(a_name);
	unlink(b_name);
	assert_int_equal(content_write(a, 0, size, 1), 0);
	assert_int_equal(content_write(b, 0, size, 1), 0);
	assert_int_equal(content_same(a, b, size), 1);
	assert_int_equal(pwrite(b, "x", 1, (off_t)size - 1), 1);
	assert_int_equal(content_same(a, b, size), 0);
	assert_int_equal(content_write(b, 0, size, 1), 0);
	assert_int_equal(ftruncate(b, (off_t)size + 1), 0);
	assert_int_equal(content_same(a, b, size), 0);
	/* a hole is not data, and equal to another hole */
	assert_int_equal(ftruncate(a, 0), 0);
	assert_int_equal(ftruncate(b, 0), 0);
	assert_int_equal(content_pieces(a, size, 4, 1), 0);
	assert_int_equal(ftruncate(b, (off_t)size), 0);
	assert_int_equal(content_same(a, b, size), 0);
	assert_int_equal(content_pieces(b, size, 4, 1), 0);
	assert_int_equal(content_same(a, b, size), 1);
	assert_int_equal(content_pieces(b, size, 1 << 10, 1), -EINVAL);
	close(a);
	close(b);
}

/* Runs one method from a source of @have bytes that is said to have @size; @limit: no file may
 * become larger meanwhile, 0 for no limit. */
static int copy(const struct method *m, uint64_t have, uint64_t size, rlim_t limit, bool *same)
{
	char from[64], to[64];
	struct job j = { .from = file(from), .to = file(to), .size = size, .folder = AT_FDCWD };
	struct rlimit before;
	void *state;
	int ret;

	j.from_direct = open(from, O_RDONLY | O_DIRECT);
	j.to_direct = open(to, O_RDWR | O_DIRECT);
	unlink(from);
	unlink(to);
	assert_int_equal(content_write(j.from, 0, have, 9), 0);
	state = m->open ? m->open(m, &j) : NULL;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	if (limit)
		setrlimit(RLIMIT_FSIZE, &(struct rlimit){ limit, before.rlim_max });
	if (m->flags & METHOD_DIRECT && j.from_direct < 0)
		ret = -EOPNOTSUPP;
	else
		ret = m->run(state, &j);
	setrlimit(RLIMIT_FSIZE, &before);
	if (m->close && state)
		m->close(state);
	*same = !ret && content_same(j.from, j.to, size) == 1;
	close(j.from);
	close(j.to);
	close(j.from_direct);
	close(j.to_direct);
	return ret;
}

static bool copies_data(const struct method *m)
{
	return m->kind == METHOD_COPY && !(m->flags & METHOD_SHARES);
}

static void test_method__odd_sizes(void **state)
{
	static const uint64_t sizes[] = { 1, 4095, 4096, 12289, (1 << 20) + 17, (9 << 20) + 513 };
	const struct method *m;

	(void)state;
	for (size_t i = 0; (m = method_at(i)); i++) {
		if (!copies_data(m))
			continue;
		for (size_t k = 0; k < COUNT(sizes); k++) {
			bool same;
			const int ret = copy(m, sizes[k], sizes[k], 0, &same);

			if (ret != -EOPNOTSUPP && (ret || !same))
				fail_msg("%s of %llu bytes: %s", m->name,
					 (unsigned long long)sizes[k],
					 ret ? strerror(-ret) : "another content");
		}
	}
}

/* A source that ends early is an error, and no method waits for more for ever. */
static void test_method__source_too_short(void **state)
{
	const struct method *m;
	bool same;

	(void)state;
	for (size_t i = 0; (m = method_at(i)); i++) {
		/* beyond its end a mapping is a signal; our sources do not shrink */
		if (!copies_data(m) || m == &method_mmap_both || m == &method_mmap_source)
			continue;
		if (copy(m, (2 << 20) + 100, 4 << 20, 0, &same) == 0)
			fail_msg("%s does not notice", m->name);
	}
}

/* With a limit on the size of files a write stops amid: short at first, then refused. */
static void test_method__destination_limited(void **state)
{
	const uint64_t size = 3 << 20;
	const struct method *m;
	bool same;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	for (size_t i = 0; (m = method_at(i)); i++) {
		if (!copies_data(m))
			continue;
		if (copy(m, size, size, (1 << 20) + 5000, &same) == 0)
			fail_msg("%s does not notice", m->name);
		/* and the state that it leaves is fit for another call */
		assert_int_not_equal(copy(m, size, size, size, &same), -EFBIG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_suite__cells),
		cmocka_unit_test(test_suite__refuses),
		cmocka_unit_test(test_suite__order),
		cmocka_unit_test(test_series__medians),
		cmocka_unit_test(test_series__flags),
		cmocka_unit_test(test_series__drift_false_alarms),
		cmocka_unit_test(test_content__same),
		cmocka_unit_test(test_method__odd_sizes),
		cmocka_unit_test(test_method__source_too_short),
		cmocka_unit_test(test_method__destination_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
