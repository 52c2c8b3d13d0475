/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * no-hang: every call comes back. The supervisor ends any point that takes longer than its time and
 * reports where its actors stood, with their kernel stacks (watchdog.c); a case that names this
 * oracle is about just that.
 */
#include "../check.h"

const struct oracle oracle_no_hang = {
	.name = "no-hang",
	.doc = "of races: all calls of all actors come back; a hang is reported with kernel stacks",
	.need = -1,
	.races = true,
};
