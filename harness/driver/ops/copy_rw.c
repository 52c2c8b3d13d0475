/* SPDX-License-Identifier: GPL-2.0-only */
/* copy_rw: the copy that every program can make: pread(2) and pwrite(2) in turn, or a mapping. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../trace.h"
#include "../world.h"

#define CHUNK_MAX (UINT64_C(16) << 20)
#define ALIGN	  4096

struct copy_rw_args {
	int from, to;
	uint64_t from_off, to_off, len, chunk;
	int how;
};

enum { HOW_READ, HOW_MAPPING };

static const struct word hows[] = {
	{ "read", HOW_READ },
	{ "mapping", HOW_MAPPING },
	{ NULL, 0 },
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

/* pwrite(2) out of a mapping of the source: the kernel faults its pages in while it holds locks of
 * the destination, which may be the same file. */
static ssize_t mapped_piece(struct world *w, const struct copy_rw_args *a, uint64_t done)
{
	const uint64_t rest = a->len - done, from = a->from_off + done;
	const uint64_t skip = from % w->units.page;
	const size_t part = (size_t)(rest < a->chunk ? rest : a->chunk);
	const int fd = world_fd(w, a->from);
	uint8_t *map;
	ssize_t put;

	posix_fadvise(fd, (off_t)from, (off_t)part, POSIX_FADV_DONTNEED);
	map = mmap(NULL, part + (size_t)skip, PROT_READ, MAP_SHARED, fd, (off_t)(from - skip));
	if (map == MAP_FAILED)
		return -1;
	put = pwrite(world_fd(w, a->to), map + skip, part, (off_t)(a->to_off + done));
	munmap(map, part + (size_t)skip);
	return put;
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
		last = a->how == HOW_MAPPING ? mapped_piece(w, a, done) : piece(w, a, done, buf);
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
	part = src ? rope_slice(&src->rope, a->from_off, done) : (struct rope){ 0 };
	model_write(&w->model, dst, a->to_off, done, (struct data){ .pattern = PATTERN_ANY });
	if (src && (src != dst || a->how == HOW_MAPPING)) {
		model_content(dst, a->to_off, &part);
	}
	rope_free(&part);
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
	ARG(WORD, struct copy_rw_args, how, .fallback = "read", .words = hows,
	    .doc = "read, or write what a mapping of the source shows"),
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
