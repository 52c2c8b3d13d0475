/* SPDX-License-Identifier: GPL-2.0-only */
/* From what became of a child to a result line: hangs, crashes, the kernel log, quirks. Pure. */
#ifndef COWBELL_OUTCOME_H
#define COWBELL_OUTCOME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "emit.h"
#include "exec.h"
#include "quirk.h"

/** struct outcome - what the supervisor has seen of one child */
struct outcome {
	struct emit_point point;
	/** @again: the SELECT argument that means the point */
	const char *again;
	/** @text, @len: what the child sent */
	const char *text;
	size_t len;
	/** @status: as waitpid says; of no meaning if @abandoned */
	int status;
	/** @hang: it did not end in @timeout_s and was killed; @abandoned: nor could it be killed
	 */
	bool hang, abandoned;
	unsigned int timeout_s;
	/** @stacks: of a hang, or NULL; @kmsg: what the kernel complained about meanwhile, or NULL
	 */
	json_t *stacks, *kmsg;
	/** @now: what it last did */
	const struct exec_now *now;
	uint64_t wall_ns;
	/** @kept: folder that was kept, or NULL */
	const char *kept;
};

/** struct outcome_rules - what is the same for all points of a run */
struct outcome_rules {
	const json_t *quirks;
	const struct quirk_place *place;
	const struct emit_command *again;
	/** @emulated: by software, in a guest; what that spoils is nobody else's fault */
	bool emulated;
};

/** outcome_line() - the result line, a new reference; *v is set to its verdict */
json_t *outcome_line(const struct outcome *o, const struct outcome_rules *rules, enum verdict *v);

#endif
