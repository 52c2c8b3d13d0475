/* SPDX-License-Identifier: GPL-2.0-only */
/* Unit tests of kmsg.c: which lines of the kernel log are complaints. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kmsg.h"

static void test_kmsg_bad__knows_a_complaint(void **state)
{
	static const char *const bad[] = {
		"4,1,2,-;WARNING: CPU: 0 PID: 12 at fs/xfs/xfs_reflink.c:123 xfs_x+0x1/0x2",
		"1,1,2,-;BUG: kernel NULL pointer dereference, address: 0000000000000008",
		"4,1,2,-;BUG: KASAN: slab-use-after-free in x+0x1/0x2",
		"0,1,2,-;watchdog: BUG: soft lockup - CPU#1 stuck for 22s!",
		"4,1,2,-;Oops: 0000 [#1] PREEMPT SMP",
		"4,1,2,-;Oops: general protection fault, probably for non-canonical address",
		"2,1,2,-;kernel BUG at fs/btrfs/inode.c:1!",
		"4,1,2,-;invalid opcode: 0000 [#1] SMP NOPTI",
		"4,1,2,-;divide error: 0000 [#1] SMP NOPTI",
		"0,1,2,-;NMI watchdog: Watchdog detected hard LOCKUP on cpu 1",
		"3,1,2,-;INFO: task cowbell:12 blocked for more than 120 seconds.",
		"4,1,2,-;WARNING: possible circular locking dependency detected",
		"3,1,2,-;rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
		"3,1,2,-;UBSAN: shift-out-of-bounds in fs/ext4/super.c:1:2",
		"1,1,2,-;XFS (loop0): Internal error ltrec > 1 at line 5 of file x.c.",
		"1,1,2,-;XFS (loop0): Corruption of in-memory data (0x8) detected at x",
		"1,1,2,-;XFS (loop0): Metadata corruption detected at x",
		"4,1,2,-;XFS: Assertion failed: x, file: fs/xfs/xfs_inode.c, line: 1",
		"2,1,2,-;BTRFS critical (device loop9): corrupt leaf, root=5",
		"3,1,2,-;BTRFS error (device loop9): block=1 read time tree block corruption",
		"4,1,2,-;BTRFS warning (device loop9): csum failed root 5 ino 257",
		"2,1,2,-;EXT4-fs error (device loop0): ext4_lookup:1: inode #2: comm x",
		"2,1,2,-;OCFS2: ERROR (device loop0): ocfs2_read_blocks: Inode 5: bad",
		"2,1,2,-;OCFS2: abort (device loop0): ocfs2_start_trans: Detected aborted journal",
		"4,1,2,-;F2FS-fs (loop0): corrupted inode i_blocks i_ino=4 iblocks=1",
		"4,1,2,c;EXT4-fs error (device loop0) in x\n SUBSYSTEM=block\n DEVICE=b7:0",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (!kmsg_bad(bad[i], "loop0") || !kmsg_bad(bad[i], NULL))
			fail_msg("not found bad: %s", bad[i]);
}

static void test_kmsg_pid__finds_who_it_was(void **state)
{
	static const struct {
		const char *first, *second;
		pid_t pid;
	} rows[] = {
		{ "WARNING: CPU: 0 PID: 344 at fs/x.c:1 x+0x1/0x2", "CPU: 0 PID: 345", 344 },
		{ "BUG: kernel NULL pointer", "CPU: 1 UID: 0 PID: 12 Comm: cp Not tainted", 12 },
		{ "INFO: task cp:9 blocked for more than 120 seconds.", "more", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *lines = json_pack("[s, s]", rows[i].first, rows[i].second);

		assert_int_equal(kmsg_pid(lines), rows[i].pid);
		json_decref(lines);
	}
}

static void test_kmsg_bad__lets_chatter_pass(void **state)
{
	static const char *const good[] = {
		"6,1,2,-;XFS (loop0): Mounting V5 Filesystem",
		"5,1,2,-;XFS (loop0): Ending clean mount",
		"6,1,2,-;OCFS2: Mounting device (7,0) on (node local, slot 0) with ordered data",
		"3,1,2,-;(cowbell,31,0):ocfs2_remap_file_range:2714 ERROR: status = -22",
		"6,1,2,-;EXT4-fs (loop0): mounted filesystem with ordered data mode.",
		"6,1,2,-;BTRFS info (device loop0): using crc32c checksum algorithm",
		"4,1,2,-;cowbell: this file says WARNING: loudly",
		"12,1,2,-;BUG: says a program of user space",
		"12,1,2,-;a program quotes cowbell-kmsg-test (loop0): hello",
		"30,1,2,-;systemd: WARNING: something",
		"6,1,2,-;INFO: task force is ready",
		"6,1,2,-;traps: a.out[12] trap divide error ip:1 sp:2 error:0 in a.out[3+4]",
		"6,1,2,-;loop0: detected capacity change from 0 to 8\n BUG: in a property",
		"",
		"no record at all",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (kmsg_bad(good[i], "loop0"))
			fail_msg("taken for bad: %s", good[i]);
}

static void test_kmsg_bad__can_be_tested_for_one_device(void **state)
{
	static const char line[] = "12,1,2,-;cowbell-kmsg-test (loop0): hello";

	(void)state;
	assert_true(kmsg_bad(line, "loop0"));
	assert_false(kmsg_bad(line, "loop1"));
	assert_false(kmsg_bad(line, NULL));
}

static void test_kmsg_bad__leaves_other_devices_to_their_users(void **state)
{
	static const char xfs[] = "1,1,2,-;XFS (loop10): Internal error x";
	static const char ext4[] = "2,1,2,-;EXT4-fs error (device loop10): ext4_x:1: x";
	static const char any[] = "4,1,2,-;WARNING: CPU: 0 PID: 12 at x";

	(void)state;
	assert_true(kmsg_bad(xfs, "loop10"));
	assert_false(kmsg_bad(xfs, "loop1"));
	assert_false(kmsg_bad(xfs, "loop100"));
	assert_true(kmsg_bad(ext4, "loop10"));
	assert_false(kmsg_bad(ext4, "sda1"));
	assert_true(kmsg_bad(any, "sda1"));
}

static void test_kmsg_bad__survives_a_long_line(void **state)
{
	char line[8192] = "4,1,2,-;WARNING: ";
	size_t at = strlen(line);

	(void)state;
	memset(line + at, 'x', sizeof(line) - at - 1);
	line[sizeof(line) - 1] = '\0';
	assert_true(kmsg_bad(line, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kmsg_pid__finds_who_it_was),
		cmocka_unit_test(test_kmsg_bad__knows_a_complaint),
		cmocka_unit_test(test_kmsg_bad__lets_chatter_pass),
		cmocka_unit_test(test_kmsg_bad__can_be_tested_for_one_device),
		cmocka_unit_test(test_kmsg_bad__leaves_other_devices_to_their_users),
		cmocka_unit_test(test_kmsg_bad__survives_a_long_line),
	};

	return cmocka_run_group_tests_name("kmsg", tests, NULL, NULL);
}
