/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copies by io_uring: several blocks are in flight, each in a slot of its own that is read, then
 * written, then takes the next block. A short result is carried on where it stopped. Each round is
 * one system call, which submits what the last answers led to and waits for more.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "method.h"
#include "need.h"

#define SLOTS 16
#define ALIGN 4096ULL

/* places in the table of registered files */
enum { FILE_FROM, FILE_TO };

/** struct slot - one block on its way */
struct slot {
	char *memory;
	/** @off: of the block; @len: its length; @done: how much of the present step is done */
	uint64_t off, len, done;
	bool writing;
};

/** struct ring - all of it */
struct ring {
	struct io_uring ring;
	size_t block;
	unsigned int slots;
	bool direct, registered;
	char *memory;
	struct slot slot[SLOTS];
	/* of the present call */
	const struct job *job;
	uint64_t next;
	unsigned int flying;
	int err;
};

/* The newest way of setting up that this kernel knows. */
static int set_up(struct io_uring *ring)
{
	static const unsigned int ladder[] = {
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		IORING_SETUP_COOP_TASKRUN,
		0,
	};
	int ret = -EINVAL;

	for (size_t i = 0; ret == -EINVAL && i < sizeof(ladder) / sizeof(ladder[0]); i++)
		ret = io_uring_queue_init(2 * SLOTS, ring, ladder[i]);
	return ret;
}

static int enroll(struct ring *r)
{
	const int none[] = { [FILE_FROM] = -1, [FILE_TO] = -1 };
	struct iovec all[SLOTS];
	int ret;

	for (unsigned int i = 0; i < r->slots; i++)
		all[i] = (struct iovec){ r->slot[i].memory, r->block };
	ret = io_uring_register_buffers(&r->ring, all, r->slots);
	if (!ret)
		ret = io_uring_register_files(&r->ring, none, 2);
	return ret < 0 ? ret : 0;
}

static void ring_close(void *state)
{
	struct ring *r = state;

	io_uring_queue_exit(&r->ring);
	method_buffer_free(r->memory, r->block * r->slots);
	free(r);
}

static struct ring *ring_open(const struct method *m, unsigned int slots, bool direct,
			      bool registered)
{
	struct ring *r = calloc(1, sizeof(*r));
	int ret;

	if (!r)
		return NULL;
	r->block = m->bytes;
	r->slots = slots;
	r->direct = direct;
	r->registered = registered;
	r->memory = method_buffer(r->block * slots);
	ret = r->memory ? set_up(&r->ring) : -ENOMEM;
	if (ret) {
		method_buffer_free(r->memory, r->block * slots);
		free(r);
		errno = -ret;
		return NULL;
	}
	for (unsigned int i = 0; i < slots; i++)
		r->slot[i].memory = r->memory + i * r->block;
	ret = registered ? enroll(r) : 0;
	if (!ret)
		return r;
	ring_close(r);
	errno = -ret;
	return NULL;
}

/* Queue what is left of a slot's present step. There are more entries than slots. */
static void queue(struct ring *r, struct slot *s)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&r->ring);
	const struct job *j = r->job;
	const int from = r->direct ? j->from_direct : j->from;
	const int to = r->direct ? j->to_direct : j->to;
	char *at = s->memory + s->done;
	unsigned int len = (unsigned int)(s->len - s->done);
	const uint64_t off = s->off + s->done;
	const int number = (int)(s - r->slot);

	/* the end of a file is moved in whole units, as O_DIRECT wants it */
	if (r->direct)
		len = (unsigned int)((len + ALIGN - 1) / ALIGN * ALIGN);
	if (r->registered && s->writing)
		io_uring_prep_write_fixed(sqe, FILE_TO, at, len, off, number);
	else if (r->registered)
		io_uring_prep_read_fixed(sqe, FILE_FROM, at, len, off, number);
	else if (s->writing)
		io_uring_prep_write(sqe, to, at, len, off);
	else
		io_uring_prep_read(sqe, from, at, len, off);
	if (r->registered)
		sqe->flags |= IOSQE_FIXED_FILE;
	io_uring_sqe_set_data(sqe, s);
	r->flying++;
}

/* Give the slot the next block, if there is one. */
static void take_next(struct ring *r, struct slot *s)
{
	const uint64_t left = r->job->size - r->next;

	if (!left || r->err)
		return;
	s->off = r->next;
	s->len = left < r->block ? left : r->block;
	s->done = 0;
	s->writing = false;
	r->next += s->len;
	queue(r, s);
}

/* One answer: carry on, go over to writing, or take the next block. */
static void answer(struct ring *r, struct slot *s, int res)
{
	r->flying--;
	if (res == -EAGAIN || res == -EINTR)
		res = 0;
	else if (res <= 0)
		r->err = r->err ? r->err : res ? res : -EIO;
	if (r->err)
		return;
	s->done += (uint64_t)res;
	if (s->done < s->len) {
		/* what O_DIRECT has left of a unit is moved again; less than one is no way on */
		if (r->direct && res && (uint64_t)res < ALIGN)
			r->err = -EIO;
		if (r->direct)
			s->done -= s->done % ALIGN;
		if (!r->err)
			queue(r, s);
	} else if (!s->writing) {
		s->writing = true;
		s->done = 0;
		queue(r, s);
	} else {
		take_next(r, s);
	}
}

static int ring_run(void *state, const struct job *j)
{
	struct ring *r = state;
	struct io_uring_cqe *cqe;

	r->job = j;
	r->next = 0;
	r->err = 0;
	if (r->registered) {
		const int files[] = { [FILE_FROM] = r->direct ? j->from_direct : j->from,
				      [FILE_TO] = r->direct ? j->to_direct : j->to };
		const int ret = io_uring_register_files_update(&r->ring, 0, files, 2);

		if (ret < 0)
			return ret;
	}
	for (unsigned int i = 0; i < r->slots; i++)
		take_next(r, &r->slot[i]);
	while (r->flying) {
		const int ret = io_uring_submit_and_wait(&r->ring, 1);
		unsigned int head, seen = 0;

		if (ret < 0 && ret != -EINTR && ret != -EAGAIN)
			return ret;
		io_uring_for_each_cqe(&r->ring, head, cqe)
		{
			answer(r, io_uring_cqe_get_data(cqe), cqe->res);
			seen++;
		}
		io_uring_cq_advance(&r->ring, seen);
	}
	if (!r->err && r->direct && j->size % ALIGN && ftruncate(j->to, (off_t)j->size))
		r->err = -errno;
	return r->err;
}

#define URING(id, text, says, is_direct, is_registered, size, depth) \
	static void *id##_open(const struct method *m, const struct job *first) \
	{ \
		(void)first; \
		return ring_open(m, depth, is_direct, is_registered); \
	} \
	const struct method method_##id = { \
		.name = text, \
		.doc = says, \
		.kind = METHOD_COPY, \
		.flags = (is_direct) ? METHOD_DIRECT : 0, \
		.role = "measure", \
		.need = NEED_IO_URING, \
		.bytes = size, \
		.open = id##_open, \
		.run = ring_run, \
		.close = ring_close, \
	}

URING(uring, "uring", "io_uring, buffered, 4 blocks of 256K in flight", false, false, 256 << 10, 4);
URING(uring_registered, "uring-registered", "the same, with registered buffers and files", false,
      true, 256 << 10, 4);
URING(uring_direct, "uring-direct", "io_uring with O_DIRECT, 8 blocks of 1M in flight", true, false,
      1 << 20, 8);
URING(uring_direct_registered, "uring-direct-registered",
      "the same, with registered buffers and files", true, true, 1 << 20, 8);
