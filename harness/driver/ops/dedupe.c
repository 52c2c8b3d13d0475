/* SPDX-License-Identifier: GPL-2.0-only */
/* dedupe: FIDEDUPERANGE with any number of destinations (ioctl_fideduperange(2)). */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <linux/fs.h>

#include "../op.h"
#include "../world.h"
#include "pointer.h"

/* The VFS cuts longer requests (contract D7). */
#define CLAMP_BYTES (UINT64_C(1) << 30)

struct target {
	int fd;
	uint64_t off, reserved;
	/* What the output fields hold before the call. */
	uint64_t status, bytes;
};

struct dedupe_args {
	int from;
	uint64_t from_off, len;
	struct list to;
	struct opt_num count;
	uint64_t reserved1, reserved2;
	int arg;
};

/* "expect": {"info": [{"status": "SAME", "bytes": "4B"}]} */
struct info {
	int status;
	struct opt_num bytes;
};

struct dedupe_expect {
	struct list info;
};

static int dedupe_need(const void *args)
{
	(void)args;
	return NEED_DEDUPE;
}

static size_t range_size(size_t count)
{
	return sizeof(struct file_dedupe_range) + count * sizeof(struct file_dedupe_range_info);
}

static const char *status_name(int status)
{
	if (status == FILE_DEDUPE_RANGE_SAME)
		return "SAME";
	if (status == FILE_DEDUPE_RANGE_DIFFERS)
		return "DIFFERS";
	return status < 0 ? errno_name(-status) : "?";
}

/* "[SAME 8192, EINVAL 0]", runs of the same reply as "SAME 8192 x127" */
static const char *reply_text(struct world *w, const struct file_dedupe_range *range, size_t count)
{
	const char *text = "[";

	for (size_t i = 0, n; i < count; i += n) {
		const struct file_dedupe_range_info *info = &range->info[i];

		for (n = 1; i + n < count; n++)
			if (info[n].status != info->status ||
			    info[n].bytes_deduped != info->bytes_deduped)
				break;
		text = world_text(w, "%s%s%s %" PRIu64, text, i ? ", " : "",
				  status_name(info->status), (uint64_t)info->bytes_deduped);
		if (n > 1)
			text = world_text(w, "%s x%zu", text, n);
	}
	return world_text(w, "%s]", text);
}

static void dedupe_run(struct world *w, const void *args, struct op_result *r)
{
	const struct dedupe_args *a = args;
	const struct target *target = a->to.items;
	const size_t count = a->count.set ? (uint16_t)a->count.value : 0;
	/* The call may believe that there are as many as it is told. */
	struct file_dedupe_range *range =
		arena_alloc(w->arena, range_size(count > a->to.count ? count : a->to.count));

	range->src_offset = a->from_off;
	range->src_length = a->len;
	range->dest_count = (uint16_t)(a->count.set ? a->count.value : a->to.count);
	range->reserved1 = (uint16_t)a->reserved1;
	range->reserved2 = (uint32_t)a->reserved2;
	for (size_t i = 0; i < a->to.count; i++) {
		range->info[i].dest_fd = world_fd(w, target[i].fd);
		range->info[i].dest_offset = target[i].off;
		range->info[i].reserved = (uint32_t)target[i].reserved;
		range->info[i].status = (int)target[i].status;
		range->info[i].bytes_deduped = target[i].bytes;
	}
	RESULT(r, ioctl(world_fd(w, a->from), FIDEDUPERANGE, pointer(a->arg, range)));
	r->data = range;
	if (!r->err)
		r->text = reply_text(w, range, a->to.count);
}

/* Which blocks SAME promises to be common: whole ones, and the last of both files (contract D19).
 */
static void share(struct world *w, struct mfile *dst, uint64_t dst_off, const struct mfile *src,
		  uint64_t src_off, uint64_t len)
{
	const uint64_t block = w->model.block;
	const bool ends = src_off + len == src->rope.size && dst_off + len == dst->rope.size;
	const uint64_t whole = ends ? len : len - len % block;

	if (src_off % block || dst_off % block)
		return;
	model_share(&w->model, dst, dst_off, src, src_off, whole, ORIGIN_SURE);
	if (whole < len)
		model_unsure(&w->model, dst, dst_off + whole, len - whole);
}

/* One reply must be true of what both files held (contract D1-D3, D17). */
static void apply_one(struct world *w, const struct dedupe_args *a, size_t i,
		      const struct file_dedupe_range_info *info)
{
	const struct target *t = (const struct target *)a->to.items + i;
	const struct mfile *src = world_model(w, a->from);
	struct mfile *dst = world_model(w, t->fd);
	const uint64_t done = info->bytes_deduped;
	const uint64_t len = a->len > CLAMP_BYTES ? CLAMP_BYTES : a->len;

	if (info->status != FILE_DEDUPE_RANGE_SAME) {
		if (done)
			world_fail(w, "0 bytes are deduped where the reply is no SAME",
				   "info[%zu]: %s, %" PRIu64 " bytes", i, status_name(info->status),
				   done);
		if (info->status == FILE_DEDUPE_RANGE_DIFFERS && src && dst &&
		    rope_compare(&src->rope, a->from_off, &dst->rope, t->off, len, w->tag) ==
			    BYTES_EQUAL)
			world_fail(w, "SAME, as the bytes are equal", "info[%zu]: DIFFERS", i);
		return;
	}
	/* Nothing is an honest count where the range has no whole block. */
	if (done > a->len || (!done && a->len >= w->units.block)) {
		world_fail(w, world_text(w, "from 1 to %" PRIu64 " bytes are deduped", a->len),
			   "info[%zu]: SAME, %" PRIu64 " bytes", i, done);
		return;
	}
	if (!src || !dst)
		return;
	if (rope_compare(&src->rope, a->from_off, &dst->rope, t->off, done, w->tag) ==
	    BYTES_DIFFER) {
		world_fail(w, "DIFFERS, as the bytes are not equal",
			   "info[%zu]: SAME, %" PRIu64 " bytes", i, done);
		return;
	}
	share(w, dst, t->off, src, a->from_off, done);
}

static void dedupe_apply(struct world *w, const void *args, const struct op_result *r)
{
	const struct dedupe_args *a = args;
	const struct file_dedupe_range *range = r->data;
	const struct target *t = a->to.items;
	size_t count = a->count.set ? (uint16_t)a->count.value : a->to.count;

	if (count > a->to.count)
		count = a->to.count;
	/* A call that fails as a whole answers nothing (contract D20). */
	if (r->err)
		count = 0;
	else if (r->ret)
		world_fail(w, "0, the one result of success", "ioctl returns %" PRId64, r->ret);
	for (size_t i = 0; i < count; i++)
		apply_one(w, a, i, &range->info[i]);
	for (size_t i = count; i < a->to.count; i++)
		if (range->info[i].status != (int)t[i].status ||
		    range->info[i].bytes_deduped != t[i].bytes)
			world_fail(w, "the output fields stay as they were",
				   "info[%zu] became %s, %" PRIu64 " bytes", i,
				   status_name(range->info[i].status),
				   (uint64_t)range->info[i].bytes_deduped);
}

/* A list shorter than the targets repeats its last reply, so that 127 need one line. */
static void dedupe_check(struct world *w, const void *args, const struct expect *e,
			 const struct op_result *r)
{
	const struct dedupe_args *a = args;
	const struct file_dedupe_range *range = r->data;
	const struct list *info = &((const struct dedupe_expect *)e->more)->info;

	if (r->err || !info->count)
		return;
	for (size_t i = 0; i < a->to.count; i++) {
		const size_t at = i < info->count ? i : info->count - 1;
		const struct info *want = (const struct info *)info->items + at;

		w->checked.results++;
		if (range->info[i].status != want->status ||
		    (want->bytes.set && range->info[i].bytes_deduped != want->bytes.value))
			world_fail(w,
				   world_text(w, "info[%zu]: %s %" PRId64, i,
					      status_name(want->status),
					      want->bytes.set ? (int64_t)want->bytes.value : -1),
				   "info[%zu]: %s %" PRIu64, i, status_name(range->info[i].status),
				   (uint64_t)range->info[i].bytes_deduped);
	}
}

static const struct word statuses[] = {
	{ "SAME", FILE_DEDUPE_RANGE_SAME },
	{ "DIFFERS", FILE_DEDUPE_RANGE_DIFFERS },
	{ "EBADF", (uint64_t)-EBADF },
	{ "EINVAL", (uint64_t)-EINVAL },
	{ "EISDIR", (uint64_t)-EISDIR },
	{ "EXDEV", (uint64_t)-EXDEV },
	{ "EPERM", (uint64_t)-EPERM },
	{ "ETXTBSY", (uint64_t)-ETXTBSY },
	{ "EROFS", (uint64_t)-EROFS },
	{ "EOPNOTSUPP", (uint64_t)-EOPNOTSUPP },
	{ "EACCES", (uint64_t)-EACCES },
	{ "EIO", (uint64_t)-EIO },
	{ "ENOSPC", (uint64_t)-ENOSPC },
	{ "EAGAIN", (uint64_t)-EAGAIN },
	{ NULL, 0 },
};

static const struct argspec target_args[] = {
	ARG(FD, struct target, fd, .required = true, .doc = "destination, dest_fd"),
	ARG(NUM, struct target, off, .fallback = "0", .doc = "dest_offset in bytes"),
	ARG(NUM, struct target, reserved, .doc = "reserved"),
	ARG(NUM, struct target, status, .doc = "status before the call"),
	ARG(NUM, struct target, bytes, .doc = "bytes_deduped before the call"),
	ARG_END,
};

static const struct argspec dedupe_args[] = {
	ARG(FD, struct dedupe_args, from, .required = true,
	    .doc = "source: the descriptor of the call"),
	ARG(NUM, struct dedupe_args, from_off, .fallback = "0", .doc = "src_offset in bytes"),
	ARG(NUM, struct dedupe_args, len, .required = true, .doc = "src_length in bytes"),
	ARG(LIST, struct dedupe_args, to, .required = true, .nested = target_args,
	    .item_size = sizeof(struct target), .doc = "destinations, in order"),
	ARG(OPT_NUM, struct dedupe_args, count,
	    .doc = "dest_count, if it is not the number of destinations"),
	ARG(NUM, struct dedupe_args, reserved1, .doc = "reserved1"),
	ARG(NUM, struct dedupe_args, reserved2, .doc = "reserved2"),
	ARG(WORD, struct dedupe_args, arg, .fallback = "good", .words = pointer_words,
	    .doc = "where the argument struct is"),
	ARG_END,
};

static const struct argspec info_args[] = {
	ARG(WORD, struct info, status, .required = true, .words = statuses,
	    .doc = "status of the reply"),
	ARG(OPT_NUM, struct info, bytes, .doc = "bytes_deduped of the reply"),
	ARG_END,
};

static const struct argspec dedupe_expects[] = {
	ARG(LIST, struct dedupe_expect, info, .nested = info_args, .item_size = sizeof(struct info),
	    .doc = "replies, in order; the last stands for all that follow"),
	ARG_END,
};

const struct op op_dedupe = {
	.name = "dedupe",
	.doc = "ioctl(2) FIDEDUPERANGE",
	.args_size = sizeof(struct dedupe_args),
	.args = dedupe_args,
	.expects_size = sizeof(struct dedupe_expect),
	.expects = dedupe_expects,
	.need = dedupe_need,
	.interruptible = true,
	.run = dedupe_run,
	.apply = dedupe_apply,
	.apply_errors = true,
	.check = dedupe_check,
};
