/* SPDX-License-Identifier: GPL-2.0-only */
/* copy_range, sendfile, splice: copies that the kernel makes. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../op.h"
#include "../world.h"
#include "pointer.h"

/* The kernel moves no more at once (contract C29). */
#define COUNT_MAX UINT64_C(0x7ffff000)

struct copy_args {
	int from, to;
	/* Absent: a NULL pointer, the call uses and moves the file position. */
	struct opt_num from_off, to_off;
	uint64_t len, flags;
	int from_ptr, to_ptr;
	bool loop;
};

/** struct copied - what the call left in its offset arguments */
struct copied {
	off_t from_off, to_off;
	/* What calls in a loop have moved before the one that failed. */
	uint64_t done;
};

static int copy_range_need(const void *args)
{
	(void)args;
	return NEED_COPY_RANGE;
}

static int sendfile_need(const void *args)
{
	(void)args;
	return NEED_SENDFILE;
}

static int splice_need(const void *args)
{
	(void)args;
	return NEED_SPLICE;
}

static off_t *offset(const struct opt_num *off, int kind, off_t *value)
{
	*value = (off_t)off->value;
	if (kind == POINTER_BAD)
		return pointer(kind, value);
	return off->set ? value : NULL;
}

/* Through syscall(2): two releases of glibc cut the result to an int (bug B-glibc). */
static ssize_t copy_range_once(struct world *w, const struct copy_args *a, off_t *from_off,
			       off_t *to_off, uint64_t len)
{
	return syscall(SYS_copy_file_range, world_fd(w, a->from), from_off, world_fd(w, a->to),
		       to_off, (size_t)len, (unsigned int)a->flags);
}

static void copy_range_run(struct world *w, const void *args, struct op_result *r)
{
	const struct copy_args *a = args;
	struct copied *c = arena_alloc(w->arena, sizeof(*c));
	off_t *from_off = offset(&a->from_off, a->from_ptr, &c->from_off);
	off_t *to_off = offset(&a->to_off, a->to_ptr, &c->to_off);

	r->data = c;
	/* A caller's loop: short counts must lead to the end (contract C6). */
	do {
		RESULT(r, copy_range_once(w, a, from_off, to_off, a->len - c->done));
		if (r->ret > 0)
			c->done += (uint64_t)r->ret;
	} while (a->loop && r->ret > 0 && c->done < a->len);
	if (r->ret >= 0)
		r->ret = (int64_t)c->done;
}

/* An offset argument moves by what was copied, and by nothing if the call failed (contract C3). */
static void check_pointer(struct world *w, const char *name, const struct opt_num *off, off_t after,
			  uint64_t done)
{
	if (!off->set)
		return;
	w->checked.positions++;
	if ((uint64_t)after != off->value + done)
		world_fail(
			w,
			world_text(w, "*%s becomes %" PRId64, name, (int64_t)(off->value + done)),
			"*%s is %" PRId64, name, (int64_t)after);
}

static uint64_t start_of(struct world *w, int fd, const struct opt_num *off)
{
	const struct ofd *o = world_ofd(w, fd);

	return off->set ? off->value : o ? o->pos : 0;
}

/* One description may be on both sides: it then goes to one place, not two lengths on. */
static void move_to(struct world *w, int fd, const struct opt_num *off, uint64_t pos)
{
	struct ofd *o = world_ofd(w, fd);

	if (o && !off->set && !o->pipe)
		o->pos = pos;
}

/* What a source without a model gave is not known: procfs, a device. */
static struct rope *source(struct world *w, int fd)
{
	struct ofd *o = world_ofd(w, fd);
	struct mfile *m = world_model(w, fd);

	return m ? &m->rope : o ? o->pipe : NULL;
}

/* @done bytes from the source, as a rope to be freed; blocks are not of the source's. */
static struct rope taken(struct world *w, int fd, const struct opt_num *off, uint64_t done)
{
	struct ofd *o = world_ofd(w, fd);
	struct rope *from = source(w, fd), part, rest;

	if (!from) {
		struct seg any = { .len = done, .pattern = PATTERN_ANY };
		const struct rope r = { .seg = &any, .count = 1, .size = done };

		part = (struct rope){ 0 };
		rope_copy(&part, &r);
		return part;
	}
	if (!o->pipe)
		return rope_slice(from, start_of(w, fd, off), done);
	part = rope_slice(from, 0, done);
	rest = rope_slice(from, done, from->size - done);
	rope_free(from);
	*from = rest;
	return part;
}

/* May the call have moved @done bytes? Short is allowed, nothing is only right at the end (C6-C8).
 */
static bool count_allowed(struct world *w, const struct copy_args *a, uint64_t done, bool failed)
{
	const struct rope *from = source(w, a->from);
	const struct ofd *o = world_ofd(w, a->from);
	const uint64_t start = o && o->pipe ? 0 : start_of(w, a->from, &a->from_off);
	uint64_t most = a->len;

	if (from)
		most = start >= from->size ? 0 : from->size - start;
	if (most > a->len)
		most = a->len;
	if (most > COUNT_MAX && !a->loop)
		most = COUNT_MAX;
	if (done <= most && (done || !most || !from) &&
	    (!a->loop || failed || !from || done == most))
		return true;
	world_fail(w, world_text(w, "from %d to %" PRIu64 " bytes", most > 0, most),
		   "%s returns %" PRIu64, w->step->op->name, done);
	return false;
}

static void copy_range_apply(struct world *w, const void *args, const struct op_result *r)
{
	const struct copy_args *a = args;
	const struct copied *c = r->data;
	const uint64_t done = r->err ? c->done : (uint64_t)r->ret;
	const uint64_t from = start_of(w, a->from, &a->from_off);
	const uint64_t to = start_of(w, a->to, &a->to_off);
	const struct mfile *src = world_model(w, a->from);
	struct mfile *dst = world_model(w, a->to);

	check_pointer(w, "off_in", &a->from_off, c->from_off, done);
	check_pointer(w, "off_out", &a->to_off, c->to_off, done);
	if ((r->err && !done) || !count_allowed(w, a, done, r->err) || !done)
		return;
	if (src && dst) {
		model_clone(&w->model, dst, to, src, from, done, ORIGIN_MAYBE);
		world_wrote(w, dst);
	} else if (dst) {
		model_write(&w->model, dst, to, done, (struct data){ .pattern = PATTERN_ANY });
		world_wrote(w, dst);
	}
	move_to(w, a->from, &a->from_off, from + done);
	move_to(w, a->to, &a->to_off, to + done);
}

static void sendfile_run(struct world *w, const void *args, struct op_result *r)
{
	const struct copy_args *a = args;
	struct copied *c = arena_alloc(w->arena, sizeof(*c));

	r->data = c;
	RESULT(r, sendfile(world_fd(w, a->to), world_fd(w, a->from),
			   offset(&a->from_off, a->from_ptr, &c->from_off), (size_t)a->len));
}

static void splice_run(struct world *w, const void *args, struct op_result *r)
{
	const struct copy_args *a = args;
	struct copied *c = arena_alloc(w->arena, sizeof(*c));

	r->data = c;
	RESULT(r, splice(world_fd(w, a->from), offset(&a->from_off, a->from_ptr, &c->from_off),
			 world_fd(w, a->to), offset(&a->to_off, a->to_ptr, &c->to_off),
			 (size_t)a->len, (unsigned int)a->flags));
}

/* Copy within one file onto itself: bytes may be read that the call has just written. */
static bool overlaps(struct world *w, const struct copy_args *a, uint64_t done)
{
	const uint64_t from = start_of(w, a->from, &a->from_off);
	const uint64_t to = start_of(w, a->to, &a->to_off);

	return world_model(w, a->from) && world_model(w, a->from) == world_model(w, a->to) &&
	       from < to + done && to < from + done;
}

/* sendfile and splice write to where @to is; what they write is never shared. */
static void stream_apply(struct world *w, const void *args, const struct op_result *r)
{
	const struct copy_args *a = args;
	const struct copied *c = r->data;
	const uint64_t done = r->ret > 0 ? (uint64_t)r->ret : 0;
	struct mfile *dst = world_model(w, a->to);
	struct ofd *out = world_ofd(w, a->to);
	const uint64_t from_off = start_of(w, a->from, &a->from_off);
	const uint64_t to_off = start_of(w, a->to, &a->to_off);
	bool torn;
	struct rope part;

	check_pointer(w, "offset", &a->from_off, c->from_off, done);
	check_pointer(w, "off_out", &a->to_off, c->to_off, done);
	if (r->err || !count_allowed(w, a, done, false) || !done)
		return;
	torn = overlaps(w, a, done);
	part = taken(w, a->from, &a->from_off, done);
	if (out && out->pipe)
		rope_replace(out->pipe, out->pipe->size, &part);
	if (dst) {
		model_write(&w->model, dst, to_off, done, (struct data){ .pattern = PATTERN_ANY });
		if (!torn)
			model_content(dst, to_off, &part);
		world_wrote(w, dst);
	}
	rope_free(&part);
	move_to(w, a->from, &a->from_off, from_off + done);
	move_to(w, a->to, &a->to_off, to_off + done);
}

static const struct word splice_flags[] = {
	{ "move", SPLICE_F_MOVE },
	{ "nonblock", SPLICE_F_NONBLOCK },
	{ "more", SPLICE_F_MORE },
	{ NULL, 0 },
};

static const struct argspec copy_range_args[] = {
	ARG(FD, struct copy_args, from, .required = true, .doc = "fd_in"),
	ARG(OPT_NUM, struct copy_args, from_off,
	    .doc = "*off_in; absent: a NULL pointer, the file position is used and moved"),
	ARG(FD, struct copy_args, to, .required = true, .doc = "fd_out"),
	ARG(OPT_NUM, struct copy_args, to_off,
	    .doc = "*off_out; absent: a NULL pointer, the file position is used and moved"),
	ARG(NUM, struct copy_args, len, .required = true, .doc = "bytes"),
	ARG(NUM, struct copy_args, flags, .doc = "flags; all are reserved"),
	ARG(WORD, struct copy_args, from_ptr, .fallback = "good", .words = pointer_words,
	    .doc = "off_in itself"),
	ARG(WORD, struct copy_args, to_ptr, .fallback = "good", .words = pointer_words,
	    .doc = "off_out itself"),
	ARG(BOOL, struct copy_args, loop,
	    .doc = "call again until all is copied or nothing more comes"),
	ARG_END,
};

static const struct argspec sendfile_args[] = {
	ARG(FD, struct copy_args, from, .required = true, .doc = "in_fd"),
	ARG(OPT_NUM, struct copy_args, from_off,
	    .doc = "*offset; absent: a NULL pointer, the file position is used and moved"),
	ARG(FD, struct copy_args, to, .required = true, .doc = "out_fd"),
	ARG(NUM, struct copy_args, len, .required = true, .doc = "count in bytes"),
	ARG(WORD, struct copy_args, from_ptr, .fallback = "good", .words = pointer_words,
	    .doc = "offset itself"),
	ARG_END,
};

static const struct argspec splice_args[] = {
	ARG(FD, struct copy_args, from, .required = true, .doc = "fd_in"),
	ARG(OPT_NUM, struct copy_args, from_off, .doc = "*off_in; absent: a NULL pointer"),
	ARG(FD, struct copy_args, to, .required = true, .doc = "fd_out"),
	ARG(OPT_NUM, struct copy_args, to_off, .doc = "*off_out; absent: a NULL pointer"),
	ARG(NUM, struct copy_args, len, .required = true, .doc = "bytes"),
	ARG(FLAGS, struct copy_args, flags, .words = splice_flags, .doc = "SPLICE_F_ flags"),
	ARG(WORD, struct copy_args, from_ptr, .fallback = "good", .words = pointer_words,
	    .doc = "off_in itself"),
	ARG(WORD, struct copy_args, to_ptr, .fallback = "good", .words = pointer_words,
	    .doc = "off_out itself"),
	ARG_END,
};

const struct op op_copy_range = {
	.name = "copy_range",
	.doc = "copy_file_range(2)",
	.args_size = sizeof(struct copy_args),
	.args = copy_range_args,
	.need = copy_range_need,
	.interruptible = true,
	.run = copy_range_run,
	.apply = copy_range_apply,
	.apply_errors = true,
};

const struct op op_sendfile = {
	.name = "sendfile",
	.doc = "sendfile(2)",
	.args_size = sizeof(struct copy_args),
	.args = sendfile_args,
	.need = sendfile_need,
	.interruptible = true,
	.run = sendfile_run,
	.apply = stream_apply,
	.apply_errors = true,
};

const struct op op_splice = {
	.name = "splice",
	.doc = "splice(2), one side a pipe",
	.args_size = sizeof(struct copy_args),
	.args = splice_args,
	.need = splice_need,
	.interruptible = true,
	.run = splice_run,
	.apply = stream_apply,
	.apply_errors = true,
};
