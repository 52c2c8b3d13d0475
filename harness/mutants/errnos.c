/* SPDX-License-Identifier: GPL-2.0-only */
/* Bugs that are nothing but a wrong errno. Libraries choose what to try next by it. */
#include <errno.h>

#include <linux/fs.h>

#include "hands.h"
#include "kernel.h"
#include "mutants.h"

static long say_wrong_status(struct call *c)
{
	const struct mutant *m = mutant_active();
	struct file_dedupe_range *range = c->arg;
	const long ret = call_real(c);

	for (unsigned int i = 0; c->sound && !ret && i < range->dest_count; i++)
		if (range->info[i].status == -m->real) {
			acted();
			range->info[i].status = -m->wrong;
		}
	return ret;
}

#define WRONG(op_, prefix_, kind_, run_, real_, wrong_) \
	{ \
		.name = prefix_ "-E" #real_ "-as-E" #wrong_, .subject = op_, \
		.loses = "programs take E" #real_ " for E" #wrong_ " and do the wrong thing next", \
		.kind = kind_, .run = run_, .real = E##real_, .wrong = E##wrong_ \
	}
#define CALL(op_, prefix_, kind_, ...) WRONG(op_, prefix_, kind_, call_wrong_errno, __VA_ARGS__)

/* One for each call. */
#define CLONE(...)  CALL("clone", "clone", CALL_CLONE, __VA_ARGS__)
#define RANGE(...)  CALL("clone_range", "clone-range", CALL_CLONE_RANGE, __VA_ARGS__)
#define DEDUPE(...) CALL("dedupe", "dedupe", CALL_DEDUPE, __VA_ARGS__)

#define STATUS(...) WRONG("dedupe", "dedupe-status", CALL_DEDUPE, say_wrong_status, __VA_ARGS__)

#define COPY(...)      CALL("copy_range", "copy-range", CALL_COPY_RANGE, __VA_ARGS__)
#define SENDFILE(...)  CALL("sendfile", "sendfile", CALL_SENDFILE, __VA_ARGS__)
#define SPLICE(...)    CALL("splice", "splice", CALL_SPLICE, __VA_ARGS__)
#define FALLOCATE(...) CALL("fallocate", "fallocate", CALL_FALLOCATE, __VA_ARGS__)
#define TRUNCATE(...)  CALL("truncate", "truncate", CALL_TRUNCATE, __VA_ARGS__)

/* What both clone calls say alike. Errnos stand here without their E: they are macros themselves.
 */
#define CLONES(...) CLONE(__VA_ARGS__), RANGE(__VA_ARGS__)

const struct mutant errno_mutants[] = {
	CLONES(INVAL, OPNOTSUPP),    CLONES(XDEV, INVAL),	  CLONES(BADF, INVAL),
	CLONES(ISDIR, INVAL),	     CLONES(PERM, ACCES),	  CLONES(TXTBSY, PERM),
	RANGE(FBIG, INVAL),	     RANGE(FAULT, INVAL),	  DEDUPE(INVAL, OPNOTSUPP),
	DEDUPE(ISDIR, INVAL),	     DEDUPE(NOMEM, INVAL),	  DEDUPE(FAULT, INVAL),
	DEDUPE(BADF, INVAL),	     STATUS(INVAL, OPNOTSUPP),	  STATUS(XDEV, INVAL),
	STATUS(BADF, INVAL),	     STATUS(ISDIR, INVAL),	  STATUS(PERM, ACCES),
	STATUS(TXTBSY, PERM),	     COPY(INVAL, OPNOTSUPP),	  COPY(XDEV, INVAL),
	COPY(BADF, INVAL),	     COPY(ISDIR, INVAL),	  COPY(PERM, ACCES),
	COPY(TXTBSY, PERM),	     COPY(FBIG, INVAL),		  COPY(OVERFLOW, INVAL),
	COPY(FAULT, INVAL),	     SENDFILE(INVAL, OPNOTSUPP),  SENDFILE(BADF, INVAL),
	SENDFILE(FAULT, INVAL),	     SENDFILE(SPIPE, INVAL),	  SPLICE(INVAL, OPNOTSUPP),
	SPLICE(BADF, INVAL),	     SPLICE(SPIPE, INVAL),	  SPLICE(AGAIN, INVAL),
	FALLOCATE(INVAL, OPNOTSUPP), FALLOCATE(OPNOTSUPP, INVAL), FALLOCATE(BADF, INVAL),
	FALLOCATE(PERM, ACCES),	     FALLOCATE(TXTBSY, PERM),	  FALLOCATE(FBIG, INVAL),
	FALLOCATE(NODEV, INVAL),     TRUNCATE(INVAL, BADF),	  TRUNCATE(FBIG, INVAL),
	TRUNCATE(PERM, ACCES),	     TRUNCATE(TXTBSY, PERM),	  MUTANTS_END,
};
