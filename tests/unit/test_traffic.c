/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "traffic.h"

static const char nfs[] = "device /dev/loop0 mounted on /a with fstype xfs\n"
			  "device localhost:/x mounted on /b with fstype nfs4 statvers=1.1\n"
			  "\topts:\trw,vers=4.2\n"
			  "\tbytes:\t1 2 3 4 500 60 7 8 \n"
			  "\tRPC iostats version: 1.1  p/v: 100003/4 (nfs)\n"
			  "\t        READ: 8 8 0 1 2 3 4 5 0\n"
			  "device localhost:/xy mounted on /c with fstype nfs4 statvers=1.1\n"
			  "\tbytes:\t1 2 3 4 9000 9000 7 8 \n"
			  "device localhost:/x mounted on /d with fstype nfs4 statvers=1.1\n"
			  "\tbytes:\t1 2 3 4 1000 0 7 8 \n";

static const char smb[] = "Resources in use\n"
			  "CIFS Session: 1\n"
			  "1) \\\\localhost\\IPC$\n"
			  "SMBs: 3\n"
			  "Bytes read: 7  Bytes written: 7\n"
			  "2) \\\\localhost\\x\n"
			  "SMBs: 30 Oplocks breaks: 0\n"
			  "Bytes read: 500  Bytes written: 60\n"
			  "Open files: 1 total (local), 0 open on server\n"
			  "3) \\\\localhost\\xy\n"
			  "Bytes read: 9000  Bytes written: 9000\n"
			  "12) \\\\localhost\\x\n"
			  "Bytes read: 1000  Bytes written: 0\n";

static const char *text_of(const char *fs_type)
{
	return !strcmp(fs_type, "cifs") ? smb : nfs;
}

static void test_traffic_parse__adds_up_all_mounts_of_a_source(void **state)
{
	static const struct {
		const char *fs_type, *source;
		bool found;
		uint64_t bytes;
	} rows[] = {
		{ "nfs4", "localhost:/x", true, 1560 },	  { "nfs4", "localhost:/xy", true, 18000 },
		{ "nfs4", "localhost:/", false, 0 },	  { "nfs4", "/dev/loop0", false, 0 },
		{ "cifs", "//localhost/x", true, 1560 },  { "cifs", "//localhost/xy", true, 18000 },
		{ "cifs", "//localhost/IPC$", true, 14 }, { "cifs", "//localhost/", false, 0 },
		{ "xfs", "/dev/loop0", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *text = text_of(rows[i].fs_type);
		FILE *f = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
		uint64_t bytes = 1;

		assert_non_null(f);
		assert_int_equal(traffic_parse(f, rows[i].fs_type, rows[i].source, &bytes),
				 rows[i].found);
		assert_int_equal(bytes, rows[i].bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_traffic_parse__adds_up_all_mounts_of_a_source),
	};

	return cmocka_run_group_tests_name("traffic", tests, NULL, NULL);
}
