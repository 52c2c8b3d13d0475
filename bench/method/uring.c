/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copies by io_uring, in two ways.
 *
 * In slots: several blocks are in flight, each in a slot of its own that is read, then written,
 * then takes the next block. Each round is one system call, which submits what the last answers led
 * to and waits for more.
 *
 * In a chain: reads and writes of one block are linked in turn, and a whole chain of them is one
 * system call. Through the page cache that is faster where writes do not wait (XFS, tmpfs), since
 * the block stays in the processor's cache; slots are where the kernel hands them to its workers
 * (btrfs).
 *
 * A short result is carried on where it stopped.
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
/* reads and writes of a chain */
#define LINKS 32
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
		ret = io_uring_queue_init(LINKS, ring, ladder[i]);
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

/* Have the job's files in the ring's table, if it has one. */
static int enroll_files(struct ring *r, int from, int to)
{
	const int files[] = { [FILE_FROM] = from, [FILE_TO] = to };
	const int ret = r->registered ? io_uring_register_files_update(&r->ring, 0, files, 2) : 0;

	return ret < 0 ? ret : 0;
}

static int slots_run(void *state, const struct job *j)
{
	struct ring *r = state;
	struct io_uring_cqe *cqe;

	r->job = j;
	r->next = 0;
	r->err = enroll_files(r, r->direct ? j->from_direct : j->from,
			      r->direct ? j->to_direct : j->to);
	if (r->err)
		return r->err;
	/* without room, direct writes beyond the end wait for each other; not all can make it */
	if (r->direct && j->size > r->block && fallocate(j->to, 0, 0, (off_t)j->size) &&
	    errno != EOPNOTSUPP)
		return -errno;
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

/* What comes of a chain, link by link: a read is even, its write odd. */
struct chain {
	uint64_t off[LINKS / 2];
	unsigned int len[LINKS / 2];
	int res[LINKS];
	unsigned int links;
};

/* Queue reads and writes in turn from `off` on, the first block of at most `first` bytes. */
static void chain_queue(struct ring *r, struct chain *c, uint64_t off, unsigned int first)
{
	const struct job *j = r->job;
	struct io_uring_sqe *sqe = NULL;

	for (c->links = 0; c->links < LINKS && (c->links % 2 || off < j->size); c->links++) {
		const unsigned int pair = c->links / 2;

		if (c->links % 2 == 0) {
			const uint64_t left = j->size - off;
			const unsigned int most = pair ? (unsigned int)r->block : first;

			c->off[pair] = off;
			c->len[pair] = left < most ? (unsigned int)left : most;
			off += c->len[pair];
		}
		/* the one before is linked to what follows */
		if (sqe)
			sqe->flags |= IOSQE_IO_LINK;
		sqe = io_uring_get_sqe(&r->ring);
		if (c->links % 2)
			io_uring_prep_write(sqe, j->to, r->memory, c->len[pair], c->off[pair]);
		else
			io_uring_prep_read(sqe, j->from, r->memory, c->len[pair], c->off[pair]);
		io_uring_sqe_set_data64(sqe, c->links);
	}
}

/* Submit a chain and wait for every answer; an error of the ring itself. */
static int chain_submit(struct ring *r, struct chain *c)
{
	for (unsigned int left = c->links; left;) {
		const int ret = io_uring_submit_and_wait(&r->ring, left);
		struct io_uring_cqe *cqe;
		unsigned int head, seen = 0;

		if (ret < 0 && ret != -EINTR && ret != -EAGAIN)
			return ret;
		io_uring_for_each_cqe(&r->ring, head, cqe)
		{
			c->res[io_uring_cqe_get_data64(cqe)] = cqe->res;
			seen++;
		}
		io_uring_cq_advance(&r->ring, seen);
		left -= seen;
	}
	return 0;
}

/*
 * How far a chain got: sets where the next begins, and how long its first block is. What follows a
 * short result in a chain is cancelled.
 */
static int chain_answers(const struct ring *r, const struct chain *c, uint64_t *off,
			 unsigned int *first)
{
	*first = (unsigned int)r->block;
	for (unsigned int i = 0; i < c->links; i++) {
		const unsigned int len = c->len[i / 2];
		const int res = c->res[i];

		if (res == -EINTR || res == -EAGAIN)
			return 0;
		if (res <= 0)
			return res ? res : -EIO;
		if (i % 2)
			*off += (uint64_t)res;
		if ((unsigned int)res < len) {
			/* what was read is still to be written: a chain that reads no more does */
			if (i % 2 == 0)
				*first = (unsigned int)res;
			return 0;
		}
	}
	return 0;
}

static int chain_run(void *state, const struct job *j)
{
	struct ring *r = state;
	unsigned int first = (unsigned int)r->block;
	uint64_t off = 0;
	int ret = 0;

	r->job = j;
	while (!ret && off < j->size) {
		struct chain c;

		chain_queue(r, &c, off, first);
		ret = chain_submit(r, &c);
		if (!ret)
			ret = chain_answers(r, &c, &off, &first);
	}
	return ret;
}

#define URING(id, text, says, is_direct, is_registered, size, depth, how) \
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
		.run = how, \
		.close = ring_close, \
	}

URING(uring, "uring", "io_uring, buffered, linked reads and writes of 1M", false, false, 1 << 20, 1,
      chain_run);
URING(uring_registered, "uring-registered",
      "io_uring, buffered, 2 blocks of 512K in flight, registered buffers and files", false, true,
      512 << 10, 2, slots_run);
URING(uring_direct, "uring-direct", "io_uring with O_DIRECT, 8 blocks of 1M in flight", true, false,
      1 << 20, 8, slots_run);
URING(uring_direct_registered, "uring-direct-registered",
      "the same, with registered buffers and files", true, true, 1 << 20, 8, slots_run);
