/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whole points, run in a folder of the machine's own under a kernel that lies where a test wants it
 * to: is the lie found, and is a kernel that is merely coarse or slow left in peace? Needs files,
 * but neither root nor a filesystem that shares.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "args.h"
#include "exec.h"
#include "load.h"
#include "op.h"

#define HEAD  "{'checks': 'x', 'why': ['contract:F8'], 'strength': 'must', "
#define GRAIN 2

/* What the kernel does wrong, or in another way than usual. */
enum lie { NO_LIE, OLD_MTIME, COARSE_TIMES, NO_STATX, NOT_ZERO };

static enum lie lie;

/* The same calls as libc has them, but for the lie. */
int statx(int dirfd, const char *restrict path, int flags, unsigned int mask,
	  struct statx *restrict st)
{
	const int ret = (int)syscall(SYS_statx, dirfd, path, flags, mask, st);

	if (lie == NO_STATX) {
		errno = EIO;
		return -1;
	}
	if (!ret && lie == COARSE_TIMES) {
		st->stx_mtime.tv_sec -= st->stx_mtime.tv_sec % GRAIN;
		st->stx_ctime.tv_sec -= st->stx_ctime.tv_sec % GRAIN;
		st->stx_mtime.tv_nsec = st->stx_ctime.tv_nsec = 0;
	}
	return ret;
}

int ftruncate(int fd, off_t size)
{
	const struct timespec old[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = 5 } };
	const int ret = (int)syscall(SYS_ftruncate, fd, size);

	if (!ret && lie == OLD_MTIME)
		assert_int_equal(futimens(fd, old), 0);
	return !ret && lie == NOT_ZERO ? 1 : ret;
}

static void empty_folder(int dirfd)
{
	DIR *dir = fdopendir(openat(dirfd, ".", O_RDONLY | O_DIRECTORY));

	assert_non_null(dir);
	for (const struct dirent *e = readdir(dir); e; e = readdir(dir))
		if (e->d_name[0] != '.')
			unlinkat(dirfd, e->d_name, 0);
	closedir(dir);
}

/* Run the only point of a case that is written with apostrophes; its result. */
static json_t *run(const char *text)
{
	static const struct units units = { .block = 4096, .page = 4096 };
	struct probe probe = {
		.units = units,
		.device_kind = "disk",
		.need = { [NEED_MODES].answer = ANSWER_YES, [NEED_TIMES].answer = ANSWER_YES },
	};
	char folder[] = "/tmp/cowbell-core-XXXXXX";
	struct load_error err = { .text = "" };
	struct casefile *c;
	struct point *p;
	json_t *result;
	char *copy = strdup(text);
	struct exec_env env = { .probe = &probe, .dir2fd = -1, .viewfd = -1, .seed = 1 };

	for (char *quote = strchr(copy, '\''); quote; quote = strchr(quote, '\''))
		*quote = '"';
	c = load_case("case.json", "area/case", copy, strlen(copy), &err);
	assert_string_equal(err.text, "");
	p = load_point(c, 0, &units, &err);
	assert_non_null(p);
	assert_non_null(mkdtemp(folder));
	env.dirfd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(env.dirfd >= 0);
	result = exec_point(&env, p);
	lie = NO_LIE;
	empty_folder(env.dirfd);
	close(env.dirfd);
	assert_int_equal(rmdir(folder), 0);
	point_free(p);
	casefile_free(c);
	free(copy);
	return result;
}

static void expect_verdict(const char *text, const char *verdict, const char *seen)
{
	json_t *result = run(text);
	const char *got = json_string_value(json_object_get(result, "seen"));

	if (strcmp(json_string_value(json_object_get(result, "verdict")), verdict))
		json_dumpf(result, stderr, JSON_INDENT(2));
	assert_string_equal(json_string_value(json_object_get(result, "verdict")), verdict);
	if (seen) {
		assert_non_null(got);
		assert_non_null(strstr(got, seen));
	}
	json_decref(result);
}

#define FILE_A "'files': {'a': {'size': '4B'}}, "
#define TICKED \
	HEAD FILE_A "'steps': [{'op': 'tick'}, " \
		    "{'op': 'truncate', 'fd': 'a', 'size': '1B'}, {'op': 'tick'}, " \
		    "{'op': 'truncate', 'fd': 'a', 'size': '2B'}]}"

static void test_core__times_are_of_now(void **state)
{
	(void)state;
	expect_verdict(TICKED, "pass", NULL);
	lie = OLD_MTIME;
	expect_verdict(TICKED, "fail", "before the call");
}

/* Both changes lie within what such a filesystem can tell apart. */
static void test_core__coarse_times_are_no_fault(void **state)
{
	(void)state;
	lie = COARSE_TIMES;
	expect_verdict(TICKED, "pass", NULL);
}

static void test_core__failing_statx_is_seen(void **state)
{
	(void)state;
	lie = NO_STATX;
	expect_verdict(TICKED, "fail", "Input/output error");
}

static void test_core__success_is_zero(void **state)
{
	(void)state;
	lie = NOT_ZERO;
	expect_verdict(TICKED, "fail", "truncate returns 1");
}

static void test_core__store_beyond_the_end(void **state)
{
	(void)state;
	expect_verdict(HEAD "'files': {'a': {'size': '1P'}}, 'steps': ["
			    "{'op': 'write', 'fd': 'a', 'off': '0', 'len': '3P', 'how': 'mmap',"
			    " 'expect': {'signal': 'SIGBUS'}, 'twin': 'none', 'reason': 'x'}]}",
		       "pass", NULL);
}

/* A mapping that is gone needs no file any more. */
static void test_core__unlink_after_unmap(void **state)
{
	(void)state;
	expect_verdict(HEAD "'files': {'a': {'size': '1P'}, 'b': {}}, 'steps': ["
			    "{'op': 'map', 'fd': 'a', 'len': '1P', 'as': 'm'},"
			    "{'op': 'unmap', 'map': 'm'}, {'op': 'close', 'fd': 'a'},"
			    "{'op': 'unlink', 'file': 'a'},"
			    "{'op': 'write', 'fd': 'b', 'off': '0', 'len': '1'}]}",
		       "pass", NULL);
}

static void test_core__truncate_takes_private_pages(void **state)
{
	(void)state;
	expect_verdict(HEAD "'files': {'a': {'size': '2P'}}, 'steps': ["
			    "{'op': 'map', 'fd': 'a', 'len': '2P', 'kind': 'private', 'as': 'm'},"
			    "{'op': 'store', 'map': 'm', 'len': '1P'},"
			    "{'op': 'store', 'map': 'm', 'off': '1P', 'len': '100'},"
			    "{'op': 'truncate', 'fd': 'a', 'size': '100'},"
			    "{'op': 'truncate', 'fd': 'a', 'size': '2P'}]}",
		       "pass", NULL);
}

/* What was copied before the limit was met counts: bytes, offsets and size. */
static void test_core__loop_that_ends_in_an_error(void **state)
{
	(void)state;
	expect_verdict(
		HEAD "'files': {'a': {'size': '4B'}, 'b': {}}, 'steps': ["
		     "{'op': 'rlimit', 'what': 'fsize', 'value': '1B'},"
		     "{'op': 'copy_range', 'from': 'a', 'from_off': '0', 'to': 'b', 'to_off': '0',"
		     " 'len': '4B', 'loop': true, 'twin': 'none', 'reason': 'x',"
		     " 'expect': {'err': 'EFBIG', 'signal': 'SIGXFSZ'}}]}",
		"pass", NULL);
}

static void test_core__one_position_on_both_sides(void **state)
{
	(void)state;
	expect_verdict(HEAD FILE_A "'steps': ["
				   "{'op': 'sendfile', 'from': 'a', 'to': 'a', 'len': '100'}]}",
		       "pass", NULL);
}

struct three {
	int first, second, third;
};

static void add_value(void *context, const struct argspec *spec, const void *value)
{
	(void)spec;
	*(int *)context += *(const int *)value;
}

static void test_core__what_is_not_given_is_not_named(void **state)
{
	static const struct argspec spec[] = {
		ARG(FILE, struct three, first),
		ARG(FD, struct three, second),
		ARG(FD, struct three, third),
		ARG_END,
	};
	const struct three values = { .first = 1, .second = 10, .third = 100 };
	int sum = 0;

	(void)state;
	args_each(spec, &values, 5, add_value, &sum);
	assert_int_equal(sum, 101);
}

/* A kernel that lets out an errno of its own (512 is ERESTARTSYS) is told by its number. */
static void test_core__names_of_errnos(void **state)
{
	(void)state;
	for (int i = 1; i <= EHWPOISON; i++)
		if (strerrorname_np(i))
			assert_int_equal(errno_number(errno_name(i)), i);
	assert_string_equal(errno_name(EOPNOTSUPP), "EOPNOTSUPP");
	assert_string_equal(errno_name(512), "errno 512");
	assert_int_equal(errno_number("errno 512"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_core__times_are_of_now),
		cmocka_unit_test(test_core__coarse_times_are_no_fault),
		cmocka_unit_test(test_core__failing_statx_is_seen),
		cmocka_unit_test(test_core__success_is_zero),
		cmocka_unit_test(test_core__store_beyond_the_end),
		cmocka_unit_test(test_core__unlink_after_unmap),
		cmocka_unit_test(test_core__truncate_takes_private_pages),
		cmocka_unit_test(test_core__loop_that_ends_in_an_error),
		cmocka_unit_test(test_core__one_position_on_both_sides),
		cmocka_unit_test(test_core__what_is_not_given_is_not_named),
		cmocka_unit_test(test_core__names_of_errnos),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
