/* SPDX-License-Identifier: GPL-2.0-only */
/* read and write, by every path that data can take: system call, vector, O_DIRECT, mapping,
 * io_uring. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <liburing.h>

#include "../guard.h"
#include "../op.h"
#include "../world.h"

/* One call moves at most this much: bounds the driver's memory. */
#define LEN_MAX	  (UINT64_C(16) << 20)
#define BUF_ALIGN 4096
#define IOV_COUNT 3

enum how { HOW_CALL, HOW_VECTORED, HOW_DIRECT, HOW_MMAP, HOW_URING, HOW_URING_DIRECT };

static const struct word hows[] = {
	{ "call", HOW_CALL }, { "vectored", HOW_VECTORED }, { "direct", HOW_DIRECT },
	{ "mmap", HOW_MMAP }, { "uring", HOW_URING },	    { "uring_direct", HOW_URING_DIRECT },
	{ NULL, 0 },
};

static const struct word rwf_words[] = {
	{ "hipri", RWF_HIPRI },	  { "dsync", RWF_DSYNC },   { "sync", RWF_SYNC },
	{ "nowait", RWF_NOWAIT }, { "append", RWF_APPEND }, { NULL, 0 },
};

struct rw_args {
	int fd;
	struct opt_num off;
	uint64_t len;
	struct data data;
	int how;
	uint64_t rwf;
};

static int rw_need(const void *args)
{
	const struct rw_args *a = args;

	if (a->how == HOW_URING)
		return NEED_IO_URING;
	return a->how == HOW_DIRECT || a->how == HOW_URING_DIRECT ? NEED_DIRECT : -1;
}

/* What an O_DIRECT descriptor has in common with the one that it stands for. */
#define KEPT_FLAGS (O_ACCMODE | O_APPEND | O_SYNC | O_DSYNC | O_NOATIME | O_PATH)

/* The same file by an O_DIRECT descriptor of our own; -1 and a result if there is none. */
static int open_direct(int fd, struct op_result *r)
{
	const int flags = fcntl(fd, F_GETFL);
	char self[40];
	int direct;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (flags < 0) {
		RESULT(r, flags);
		r->err = EBADF;
		return -1;
	}
	direct = open(self, (flags & KEPT_FLAGS) | O_DIRECT | O_CLOEXEC);
	/* Somebody has just made it immutable, or a swap file: then it cannot be written either. */
	if (direct < 0 && (errno == EPERM || errno == ETXTBSY)) {
		r->err = errno;
		r->ret = -1;
	} else if (direct < 0) {
		r->harness = errno;
	}
	return direct;
}

static void by_call(int fd, const struct rw_args *a, bool writing, void *buf, struct op_result *r)
{
	const off_t off = (off_t)a->off.value;
	const size_t len = (size_t)a->len;

	if (a->off.set && writing)
		RESULT(r, pwrite(fd, buf, len, off));
	else if (a->off.set)
		RESULT(r, pread(fd, buf, len, off));
	else if (writing)
		RESULT(r, write(fd, buf, len));
	else
		RESULT(r, read(fd, buf, len));
}

/* Three pieces of odd lengths, so that none ends where a block does. */
static void by_vector(int fd, const struct rw_args *a, bool writing, uint8_t *buf,
		      struct op_result *r)
{
	const size_t len = (size_t)a->len, third = len / IOV_COUNT | 1;
	const off_t off = a->off.set ? (off_t)a->off.value : -1;
	struct iovec iov[IOV_COUNT];
	size_t done = 0;

	for (int i = 0; i < IOV_COUNT; i++) {
		size_t part = third < len - done ? third : len - done;

		if (i == IOV_COUNT - 1)
			part = len - done;
		iov[i] = (struct iovec){ .iov_base = buf + done, .iov_len = part };
		done += part;
	}
	if (writing)
		RESULT(r, pwritev2(fd, iov, IOV_COUNT, off, (int)a->rwf));
	else
		RESULT(r, preadv2(fd, iov, IOV_COUNT, off, (int)a->rwf));
}

static void by_mapping(struct world *w, int fd, const struct rw_args *a, bool writing, uint8_t *buf,
		       struct op_result *r)
{
	const uint64_t skip = a->off.value % w->units.page;
	const size_t len = (size_t)(a->len + skip);
	uint8_t *map;

	map = mmap(NULL, len, writing ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd,
		   (off_t)(a->off.value - skip));
	if (map == MAP_FAILED) {
		r->ret = -1;
		r->err = errno;
		return;
	}
	r->sig = writing ? guard_copy(map + skip, buf, (size_t)a->len)
			 : guard_copy(buf, map + skip, (size_t)a->len);
	r->ret = r->sig ? -1 : (int64_t)a->len;
	munmap(map, len);
}

static void by_uring(int fd, const struct rw_args *a, bool writing, void *buf, struct op_result *r)
{
	/* -1 stands for the file position. */
	const uint64_t off = a->off.set ? a->off.value : UINT64_MAX;
	struct io_uring ring;
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	int err = io_uring_queue_init(2, &ring, 0);

	if (err < 0) {
		r->harness = -err;
		return;
	}
	sqe = io_uring_get_sqe(&ring);
	if (writing)
		io_uring_prep_write(sqe, fd, buf, (unsigned int)a->len, off);
	else
		io_uring_prep_read(sqe, fd, buf, (unsigned int)a->len, off);
	err = io_uring_submit_and_wait(&ring, 1);
	if (err >= 0)
		err = io_uring_wait_cqe(&ring, &cqe);
	if (err < 0) {
		r->harness = -err;
	} else {
		r->ret = cqe->res < 0 ? -1 : cqe->res;
		r->err = cqe->res < 0 ? -cqe->res : 0;
	}
	io_uring_queue_exit(&ring);
}

static void transfer(struct world *w, const struct rw_args *a, bool writing, uint8_t *buf,
		     struct op_result *r)
{
	const bool direct = a->how == HOW_DIRECT || a->how == HOW_URING_DIRECT;
	int fd = world_fd(w, a->fd);

	if (!a->off.set && (direct || a->how == HOW_MMAP)) {
		r->harness = ESPIPE;
		return;
	}
	if (a->rwf && a->how != HOW_VECTORED) {
		r->harness = EINVAL;
		return;
	}
	if (direct) {
		fd = open_direct(fd, r);
		if (fd < 0)
			return;
	}
	if (a->how == HOW_CALL || a->how == HOW_DIRECT)
		by_call(fd, a, writing, buf, r);
	else if (a->how == HOW_VECTORED)
		by_vector(fd, a, writing, buf, r);
	else if (a->how == HOW_MMAP)
		by_mapping(w, fd, a, writing, buf, r);
	else
		by_uring(fd, a, writing, buf, r);
	if (direct)
		close(fd);
}

/* Where a call without an offset, or one that appends, begins. */
static uint64_t start_of(struct world *w, const struct rw_args *a, bool writing)
{
	const struct ofd *o = world_ofd(w, a->fd);
	const struct mfile *m = world_model(w, a->fd);

	/* Linux appends even for pwrite(2): its man page, BUGS. */
	if (writing && m && (o->flags & O_APPEND || a->rwf & RWF_APPEND) && a->how != HOW_MMAP)
		return m->rope.size;
	if (a->off.set)
		return a->off.value;
	return o ? o->pos : 0;
}

static struct data data_of(const struct rw_args *a, uint64_t start)
{
	struct data d = a->data;

	if (!d.at) {
		d.at = true;
		d.off = start;
	}
	return d;
}

static uint8_t *buffer(const struct rw_args *a, struct op_result *r)
{
	void *buf = NULL;

	r->harness = posix_memalign(&buf, BUF_ALIGN, a->len ? (size_t)a->len : 1);
	return r->harness ? NULL : buf;
}

static void fill(const struct world *w, uint8_t *buf, size_t len, struct data d)
{
	struct seg s = { .len = len, .pattern = d.pattern, .off = d.off };
	const struct rope r = { .seg = &s, .count = 1, .size = len };

	rope_fill(&r, 0, buf, len, w->tag);
}

static void write_run(struct world *w, const void *args, struct op_result *r)
{
	const struct rw_args *a = args;
	uint8_t *buf = buffer(a, r);

	if (!buf)
		return;
	fill(w, buf, (size_t)a->len, data_of(a, start_of(w, a, true)));
	transfer(w, a, true, buf, r);
	free(buf);
}

static void advance(struct world *w, const struct rw_args *a, uint64_t start, uint64_t done)
{
	struct ofd *o = world_ofd(w, a->fd);

	if (o && !a->off.set)
		o->pos = start + done;
}

/* A store that ended in SIGBUS has written the pages before the one that is missing. */
static void store_cut(struct world *w, const struct rw_args *a, struct mfile *m)
{
	if (!m || a->how != HOW_MMAP)
		return;
	model_fault(&w->model, m);
	model_any(&w->model, m, a->off.value, a->len);
	m->mtime = m->ctime = TOUCH_MAY;
}

/* Where space or a limit runs out, as much is written as there is room for. */
static bool short_allowed(const struct expect *e)
{
	return e->ret.set || e->kind == EXPECT_ANY;
}

static void write_apply(struct world *w, const void *args, const struct op_result *r)
{
	const struct rw_args *a = args;
	const uint64_t start = start_of(w, a, true), done = (uint64_t)r->ret;
	struct mfile *m = world_model(w, a->fd);
	struct ofd *o = world_ofd(w, a->fd);
	const struct data d = data_of(a, start);

	if (r->err)
		return;
	if (r->sig) {
		store_cut(w, a, m);
		return;
	}
	if (done > a->len || (done < a->len && !short_allowed(&w->step->expect))) {
		world_fail(w, world_text(w, "%" PRIu64 " bytes are written", a->len),
			   "write returns %" PRIu64, done);
		return;
	}
	if (o && o->pipe) {
		const struct mfile none = { 0 };
		struct mfile whole = none;

		whole.rope = *o->pipe;
		model_write(&w->model, &whole, whole.rope.size, done, d);
		*o->pipe = whole.rope;
	}
	if (!m || !done)
		return;
	if (a->how == HOW_MMAP) {
		/* What lies beyond the end of file is in the page, but not in the file. */
		const uint64_t room = start < m->rope.size ? m->rope.size - start : 0;

		model_fault(&w->model, m);
		model_write(&w->model, m, start, done < room ? done : room, d);
		m->mtime = m->ctime = TOUCH_MAY;
		return;
	}
	model_write(&w->model, m, start, done, d);
	world_wrote(w, m);
	advance(w, a, start, done);
}

static void read_run(struct world *w, const void *args, struct op_result *r)
{
	const struct rw_args *a = args;

	r->bytes = buffer(a, r);
	if (r->bytes)
		transfer(w, a, false, r->bytes, r);
}

static void read_pipe(struct world *w, const struct rw_args *a, struct rope *pipe,
		      const struct op_result *r)
{
	const uint64_t done = (uint64_t)r->ret;
	struct rope rest;

	if (done > pipe->size || (!done && a->len && pipe->size)) {
		world_fail(w, world_text(w, "the pipe gives up to %" PRIu64 " bytes", pipe->size),
			   "read returns %" PRIu64, done);
		return;
	}
	if (!world_compare(w, w->point->fds[a->fd], "pipe", 0, r->bytes, (size_t)done, pipe, 0))
		return;
	rest = rope_slice(pipe, done, pipe->size - done);
	rope_free(pipe);
	*pipe = rest;
}

static void read_apply(struct world *w, const void *args, const struct op_result *r)
{
	const struct rw_args *a = args;
	const uint64_t start = start_of(w, a, false), done = (uint64_t)r->ret;
	const struct mfile *m = world_model(w, a->fd);
	const struct ofd *o = world_ofd(w, a->fd);
	uint64_t want;

	if (done > a->len) {
		world_fail(w, world_text(w, "up to %" PRIu64 " bytes are read", a->len),
			   "read returns %" PRIu64, done);
		return;
	}
	if (o && o->pipe)
		read_pipe(w, a, o->pipe, r);
	if (!m)
		return;
	want = start >= m->rope.size ? 0 : m->rope.size - start;
	want = a->len < want ? a->len : want;
	/* A mapping shows the rest of the last page, too; it must be zeroes. */
	if (a->how == HOW_MMAP)
		want = a->len;
	if (done != want) {
		world_fail(w, world_text(w, "%" PRIu64 " bytes are read", want),
			   "read returns %" PRIu64, done);
		return;
	}
	if (done) {
		struct rope wanted = rope_slice(&m->rope, start, done);

		world_compare(w, world_file(w, a->fd)->path, "read", start, r->bytes, (size_t)done,
			      &wanted, 0);
		rope_free(&wanted);
	}
	advance(w, a, start, done);
}

static const struct argspec write_args[] = {
	ARG(FD, struct rw_args, fd, .required = true, .doc = "descriptor to write to"),
	ARG(OPT_NUM, struct rw_args, off, .doc = "offset in bytes; absent: at the file position"),
	ARG(NUM, struct rw_args, len, .required = true, .max = LEN_MAX, .doc = "bytes"),
	ARG(DATA, struct rw_args, data, .doc = "what to write"),
	ARG(WORD, struct rw_args, how, .fallback = "call", .words = hows,
	    .doc = "by which path; direct and mmap need an off"),
	ARG(FLAGS, struct rw_args, rwf, .words = rwf_words, .doc = "RWF_ flags, with how=vectored"),
	ARG_END,
};

static const struct argspec read_args[] = {
	ARG(FD, struct rw_args, fd, .required = true, .doc = "descriptor to read from"),
	ARG(OPT_NUM, struct rw_args, off, .doc = "offset in bytes; absent: at the file position"),
	ARG(NUM, struct rw_args, len, .required = true, .max = LEN_MAX, .doc = "bytes"),
	ARG(WORD, struct rw_args, how, .fallback = "call", .words = hows,
	    .doc = "by which path; direct and mmap need an off"),
	ARG(FLAGS, struct rw_args, rwf, .words = rwf_words, .doc = "RWF_ flags, with how=vectored"),
	ARG_END,
};

const struct op op_write = {
	.name = "write",
	.doc = "write(2), pwrite(2), pwritev2(2), a store into a mapping, or io_uring",
	.args_size = sizeof(struct rw_args),
	.args = write_args,
	.need = rw_need,
	.run = write_run,
	.apply = write_apply,
	.apply_errors = true,
};

const struct op op_read = {
	.name = "read",
	.doc = "read(2), pread(2), preadv2(2), a load from a mapping, or io_uring; what is read is "
	       "compared",
	.args_size = sizeof(struct rw_args),
	.args = read_args,
	.need = rw_need,
	.run = read_run,
	.apply = read_apply,
};
