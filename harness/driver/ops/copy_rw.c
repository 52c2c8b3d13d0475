/* SPDX-License-Identifier: GPL-2.0-only */
/* copy_rw: the copy that every program makes who knows no other: pread(2) and pwrite(2) in turn. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "../trace.h"
#include "../world.h"

#define CHUNK_MAX (UINT64_C(16) << 20)
#define ALIGN	  4096

struct copy_rw_args {
	int from, to;
	uint64_t from_off, to_off, len, chunk;
};

/* One piece; returns how much of it was written, 0 at the end of file, -1 and errno. */
static ssize_t piece(struct world *w, const struct copy_rw_args *a, uint64_t done, void *buf)
{
	const uint64_t rest = a->len - done;
	const size_t part = (size_t)(rest < a->chunk ? rest : a->chunk);
	const ssize_t got = pread(world_fd(w, a->from), buf, part, (off_t)(a->from_off + done));

	if (got <= 0)
		return got;
	return pwrite(world_fd(w, a->to), buf, (size_t)got, (off_t)(a->to_off + done));
}

static void copy_rw_run(struct world *w, const void *args, struct op_result *r)
{
	const struct copy_rw_args *a = args;
	uint64_t done = 0;
	ssize_t last = 1;
	void *buf;

	r->harness = a->chunk ? posix_memalign(&buf, ALIGN, (size_t)a->chunk) : EINVAL;
	if (r->harness)
		return;
	errno = 0;
	while (last > 0 && done < a->len) {
		last = piece(w, a, done, buf);
		done += last > 0 ? (uint64_t)last : 0;
	}
	free(buf);
	r->ret = last < 0 && !done ? -1 : (int64_t)done;
	r->err = r->ret < 0 ? errno : 0;
}

static void copy_rw_apply(struct world *w, const void *args, const struct op_result *r)
{
	const struct copy_rw_args *a = args;
	const struct mfile *src = world_model(w, a->from);
	struct mfile *dst = world_model(w, a->to);
	const uint64_t done = (uint64_t)r->ret;
	struct rope part;

	if (!dst || !done)
		return;
	model_write(&w->model, dst, a->to_off, done, (struct data){ .pattern = PATTERN_ANY });
	if (src && src != dst) {
		part = rope_slice(&src->rope, a->from_off, done);
		model_content(dst, a->to_off, &part);
		rope_free(&part);
	}
	world_wrote(w, dst);
}

static size_t copy_rw_effects(struct world *w, const void *args, const struct op_result *r,
			      struct effect *out)
{
	const struct copy_rw_args *a = args;

	if (r->ret <= 0)
		return 0;
	*out = (struct effect){
		.kind = EFFECT_CLONE,
		.from = world_ofd(w, a->from)->file,
		.file = world_ofd(w, a->to)->file,
		.from_off = a->from_off,
		.off = a->to_off,
		.len = (uint64_t)r->ret,
	};
	return 1;
}

static const struct argspec copy_rw_args[] = {
	ARG(FD, struct copy_rw_args, from, .required = true, .doc = "source"),
	ARG(NUM, struct copy_rw_args, from_off, .fallback = "0",
	    .doc = "where it begins, in bytes"),
	ARG(FD, struct copy_rw_args, to, .required = true, .doc = "destination"),
	ARG(NUM, struct copy_rw_args, to_off, .fallback = "0", .doc = "where it begins, in bytes"),
	ARG(NUM, struct copy_rw_args, len, .required = true, .doc = "bytes"),
	ARG(NUM, struct copy_rw_args, chunk, .fallback = "128K", .max = CHUNK_MAX,
	    .doc = "bytes of each read and write"),
	ARG_END,
};

const struct op op_copy_rw = {
	.name = "copy_rw",
	.doc = "copy by pread(2) and pwrite(2), piece by piece",
	.args_size = sizeof(struct copy_rw_args),
	.args = copy_rw_args,
	.run = copy_rw_run,
	.apply = copy_rw_apply,
	.effects = copy_rw_effects,
};
