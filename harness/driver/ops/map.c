/* SPDX-License-Identifier: GPL-2.0-only */
/* Mappings that live across steps: map, store, load, msync, unmap. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../guard.h"
#include "../op.h"
#include "../stamp.h"
#include "../world.h"

#define LEN_MAX (UINT64_C(16) << 20)

static const struct word kinds[] = {
	{ "shared", MAP_SHARED },
	{ "private", MAP_PRIVATE },
	{ NULL, 0 },
};

static const struct word prots[] = {
	{ "read", PROT_READ },
	{ "write", PROT_WRITE },
	{ NULL, 0 },
};

struct map_args {
	int fd;
	uint64_t off, len;
	int kind;
	uint64_t prot;
	int as;
};

static void map_run(struct world *w, const void *args, struct op_result *r)
{
	const struct map_args *a = args;
	void *addr = mmap(NULL, (size_t)a->len, (int)a->prot, a->kind, world_fd(w, a->fd),
			  (off_t)a->off);

	r->ret = addr == MAP_FAILED ? -1 : 0;
	r->err = addr == MAP_FAILED ? errno : 0;
	r->data = addr == MAP_FAILED ? NULL : addr;
}

static void map_apply(struct world *w, const void *args, const struct op_result *r)
{
	const struct map_args *a = args;
	struct wmap *m = &w->maps[a->as];
	struct wfile *f = world_file(w, a->fd);
	const struct seg untouched = { .len = a->len, .pattern = PATTERN_ANY };
	const struct rope own = { .seg = (struct seg[]){ untouched }, .count = 1, .size = a->len };

	*m = (struct wmap){
		.addr = r->data,
		.len = a->len,
		.file = world_ofd(w, a->fd)->file,
		.off = a->off,
		.shared = a->kind == MAP_SHARED,
		.writable = a->prot & PROT_WRITE,
	};
	rope_copy(&m->own, &own);
	if (f && m->shared && m->writable)
		f->maps++;
}

/* A store, load or msync: a range of a mapping. */
struct range_args {
	int map;
	uint64_t off, len;
	struct data data;
	uint64_t flags;
};

/* The range as memory; NULL and a result if it is not within the mapping. */
static uint8_t *range(struct world *w, const struct range_args *a, struct op_result *r)
{
	const struct wmap *m = &w->maps[a->map];

	if (m->addr && a->off <= m->len && a->len <= m->len - a->off)
		return m->addr + a->off;
	r->harness = EINVAL;
	return NULL;
}

static uint64_t file_off(const struct world *w, const struct range_args *a)
{
	return w->maps[a->map].off + a->off;
}

static struct data data_of(const struct world *w, const struct range_args *a)
{
	struct data d = a->data;

	if (!d.at)
		d = (struct data){ .pattern = d.pattern, .off = file_off(w, a), .at = true };
	return d;
}

static void store_run(struct world *w, const void *args, struct op_result *r)
{
	const struct range_args *a = args;
	uint8_t *to = range(w, a, r), *from;
	struct data d;

	if (!to)
		return;
	d = data_of(w, a);
	from = malloc((size_t)a->len + 1);
	if (!from) {
		r->harness = ENOMEM;
		return;
	}
	stamp_fill(from, (size_t)a->len, d.pattern, d.off, w->tag);
	r->sig = guard_copy(to, from, (size_t)a->len);
	r->ret = r->sig ? -1 : (int64_t)a->len;
	free(from);
}

static void store_apply(struct world *w, const void *args, const struct op_result *r)
{
	const struct range_args *a = args;
	struct wmap *m = &w->maps[a->map];
	struct mfile *f = w->files[m->file].model;
	const uint64_t off = file_off(w, a);
	const uint64_t room = !f || off >= f->rope.size ? 0 : f->rope.size - off;
	const uint64_t inside = a->len < room ? a->len : room;
	const uint64_t first = a->off - a->off % w->units.page;
	const uint64_t end = a->off + a->len + w->units.page - 1;
	struct mfile own = { 0 };
	struct rope pages;

	if (!f || r->sig == SIGSEGV)
		return;
	if (m->shared && r->sig) {
		/* Pages before the one that is missing were written. */
		model_any(&w->model, f, off, inside);
		return;
	}
	if (m->shared) {
		model_fault(&w->model, f);
		model_write(&w->model, f, off, inside, data_of(w, a));
		return;
	}
	if (r->sig)
		return;
	/* The first store into a private page takes the file's bytes around it along. */
	pages = rope_slice(&f->rope, m->off + first, end - end % w->units.page - first);
	for (uint64_t at = first; at < first + pages.size && at < m->len; at += w->units.page)
		if (rope_at(&m->own, at).pattern == PATTERN_ANY) {
			struct rope page = rope_slice(&pages, at - first, w->units.page);

			rope_replace(&m->own, at, &page);
			rope_free(&page);
		}
	rope_free(&pages);
	own.rope = m->own;
	model_write(&w->model, &own, a->off, a->len, data_of(w, a));
	m->own = own.rope;
}

static void load_run(struct world *w, const void *args, struct op_result *r)
{
	const struct range_args *a = args;
	const uint8_t *from = range(w, a, r);

	if (!from)
		return;
	r->bytes = malloc((size_t)a->len + 1);
	if (!r->bytes) {
		r->harness = ENOMEM;
		return;
	}
	r->sig = guard_copy(r->bytes, from, (size_t)a->len);
	r->ret = r->sig ? -1 : (int64_t)a->len;
}

static void load_apply(struct world *w, const void *args, const struct op_result *r)
{
	const struct range_args *a = args;
	const struct wmap *m = &w->maps[a->map];
	const char *how = world_text(w, "mapping %s", w->point->maps[a->map]);
	struct rope wanted;

	if (!w->files[m->file].model)
		return;
	wanted = m->shared ? rope_slice(&w->files[m->file].model->rope, file_off(w, a), a->len)
			   : rope_slice(&m->own, a->off, a->len);
	world_compare(w, m->shared ? w->files[m->file].path : "private mapping", how,
		      m->shared ? file_off(w, a) : a->off, r->bytes, (size_t)a->len, &wanted, 0);
	rope_free(&wanted);
}

static void msync_run(struct world *w, const void *args, struct op_result *r)
{
	const struct range_args *a = args;
	void *start = range(w, a, r);

	if (start)
		RESULT(r, msync(start, (size_t)a->len, MS_SYNC));
}

static void unmap_run(struct world *w, const void *args, struct op_result *r)
{
	const struct range_args *a = args;
	const struct wmap *m = &w->maps[a->map];

	if (m->addr)
		RESULT(r, munmap(m->addr, (size_t)m->len));
	else
		r->harness = EINVAL;
}

static void unmap_apply(struct world *w, const void *args, const struct op_result *r)
{
	const struct range_args *a = args;
	struct wmap *m = &w->maps[a->map];

	(void)r;
	m->addr = NULL;
	if (!m->shared || !m->writable)
		return;
	/* What was stored may show only now. */
	w->files[m->file].maps--;
	if (w->files[m->file].model)
		w->files[m->file].model->mtime = w->files[m->file].model->ctime = TOUCH_MAY;
}

static const struct argspec map_args[] = {
	ARG(FD, struct map_args, fd, .required = true, .doc = "descriptor of the file"),
	ARG(NUM, struct map_args, off, .fallback = "0", .doc = "offset in the file, whole pages"),
	ARG(NUM, struct map_args, len, .required = true, .max = LEN_MAX, .doc = "bytes"),
	ARG(WORD, struct map_args, kind, .fallback = "shared", .words = kinds, .doc = "MAP_ flag"),
	ARG(FLAGS, struct map_args, prot, .fallback = "read+write", .words = prots,
	    .doc = "PROT_ flags"),
	ARG(NEW_MAP, struct map_args, as, .required = true, .doc = "name of the mapping"),
	ARG_END,
};

static const struct argspec store_args[] = {
	ARG(MAP, struct range_args, map, .required = true, .doc = "mapping"),
	ARG(NUM, struct range_args, off, .fallback = "0", .doc = "offset in the mapping"),
	ARG(NUM, struct range_args, len, .required = true, .max = LEN_MAX, .doc = "bytes"),
	ARG(DATA, struct range_args, data, .doc = "what to store"),
	ARG_END,
};

static const struct argspec load_args[] = {
	ARG(MAP, struct range_args, map, .required = true, .doc = "mapping"),
	ARG(NUM, struct range_args, off, .fallback = "0", .doc = "offset in the mapping"),
	ARG(NUM, struct range_args, len, .required = true, .max = LEN_MAX, .doc = "bytes"),
	ARG_END,
};

static const struct argspec unmap_args[] = {
	ARG(MAP, struct range_args, map, .required = true, .doc = "mapping"),
	ARG_END,
};

const struct op op_map = {
	.name = "map",
	.doc = "mmap(2) a file; the mapping stays until unmap or the end",
	.args_size = sizeof(struct map_args),
	.args = map_args,
	.run = map_run,
	.apply = map_apply,
};

const struct op op_store = {
	.name = "store",
	.doc = "store into a mapping; SIGBUS beyond the end of file is a result",
	.args_size = sizeof(struct range_args),
	.args = store_args,
	.run = store_run,
	.apply = store_apply,
	.apply_errors = true,
};

const struct op op_load = {
	.name = "load",
	.doc = "load from a mapping and compare",
	.args_size = sizeof(struct range_args),
	.args = load_args,
	.run = load_run,
	.apply = load_apply,
};

const struct op op_msync = {
	.name = "msync",
	.doc = "msync(2) with MS_SYNC",
	.args_size = sizeof(struct range_args),
	.args = load_args,
	.run = msync_run,
	.settles = true,
};

const struct op op_unmap = {
	.name = "unmap",
	.doc = "munmap(2) a whole mapping",
	.args_size = sizeof(struct range_args),
	.args = unmap_args,
	.run = unmap_run,
	.apply = unmap_apply,
};
