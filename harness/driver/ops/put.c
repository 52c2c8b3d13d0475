/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * put and get: what the actors of a race write and read. A put stamps every sector with the actor
 * and a sequence number (sector.h), so that whoever sees the sector knows which put it saw.
 */
#include "put.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../actor.h"
#include "../clock.h"
#include "../guard.h"
#include "../must.h"
#include "../uapi.h"
#include "subject.h"

#define LEN_MAX	     (UINT64_C(4) << 20)
#define BUFFER_ALIGN 4096
#define IOV_COUNT    4
#define RING_ENTRIES 4

enum how {
	HOW_CALL,
	HOW_DIRECT,
	HOW_VECTORED,
	HOW_MMAP,
	HOW_URING,
	HOW_URING_DIRECT,
	HOW_APPEND,
	HOW_REFLINK,
};

static const struct word put_hows[] = {
	{ "call", HOW_CALL },	      { "direct", HOW_DIRECT },
	{ "vectored", HOW_VECTORED }, { "mmap", HOW_MMAP },
	{ "uring", HOW_URING },	      { "uring-direct", HOW_URING_DIRECT },
	{ "append", HOW_APPEND },     { NULL, 0 },
};

static const struct word get_hows[] = {
	{ "call", HOW_CALL }, { "direct", HOW_DIRECT },
	{ "mmap", HOW_MMAP }, { "reflink", HOW_REFLINK },
	{ NULL, 0 },
};

struct put_args {
	int fd;
	uint64_t off, len;
	struct opt_num within;
	int how;
	bool whole, times, preserve, disk;
};

/** struct view - what is kept of one descriptor */
struct view {
	int direct;
	uint8_t *map;
	size_t map_len;
};

struct put_cache {
	struct view view[SECTOR_FILES_MAX];
	uint8_t *buffer;
	struct io_uring ring;
	bool ring_there;
};

static struct put_cache *cache_of(struct actor *a)
{
	if (a->put)
		return a->put;
	a->put = must(calloc(1, sizeof(*a->put)));
	a->put->buffer = must(aligned_alloc(BUFFER_ALIGN, LEN_MAX));
	for (size_t i = 0; i < SECTOR_FILES_MAX; i++)
		a->put->view[i].direct = -1;
	return a->put;
}

void put_forget(struct actor *a)
{
	if (!a->put)
		return;
	for (size_t i = 0; i < SECTOR_FILES_MAX; i++) {
		struct view *v = &a->put->view[i];

		if (v->direct >= 0)
			close(v->direct);
		if (v->map)
			munmap(v->map, v->map_len);
		*v = (struct view){ .direct = -1 };
	}
}

void put_end(struct actor *a)
{
	if (!a->put)
		return;
	put_forget(a);
	if (a->put->ring_there)
		io_uring_queue_exit(&a->put->ring);
	free(a->put->buffer);
	free(a->put);
	a->put = NULL;
}

static int file_of(struct world *w, int fd)
{
	const struct ofd *o = world_ofd(w, fd);

	return o && o->file >= 0 && o->file < SECTOR_FILES_MAX ? o->file : -1;
}

/* The same file for O_DIRECT; -1 and errno if it cannot be had. */
static int direct_fd(struct world *w, int fd, struct view *v)
{
	char self[40];

	if (v->direct < 0) {
		snprintf(self, sizeof(self), "/proc/self/fd/%d", world_fd(w, fd));
		v->direct = open(self, O_RDWR | O_DIRECT | O_CLOEXEC);
	}
	return v->direct;
}

/* The file up to @end as shared memory; NULL and errno if it cannot be had. */
static uint8_t *mapping(struct world *w, int fd, uint64_t end, struct view *v)
{
	if (v->map && v->map_len < end) {
		munmap(v->map, v->map_len);
		v->map = NULL;
	}
	if (!v->map) {
		void *map = mmap(NULL, (size_t)end, PROT_READ | PROT_WRITE, MAP_SHARED,
				 world_fd(w, fd), 0);

		if (map == MAP_FAILED)
			return NULL;
		v->map = map;
		v->map_len = (size_t)end;
	}
	return v->map;
}

/* Where in its window this call writes or reads. */
static uint64_t choose(struct actor *a, const struct put_args *args, uint64_t unit)
{
	const uint64_t window = args->within.set ? args->within.value : args->len;

	if (window <= args->len)
		return args->off;
	return args->off + unit * actor_random(a, (window - args->len) / unit + 1);
}

/** struct transfer - one call, ready to be made */
struct transfer {
	struct actor *actor;
	struct op_result *r;
	int fd;
	uint8_t *buffer, *map;
	uint64_t off, len;
	struct sector_stamp stamp;
	bool writing;
};

#define TIMED(t, call) \
	do { \
		(t)->actor->inv = clock_ns(); \
		RESULT((t)->r, call); \
		(t)->actor->ret = clock_ns(); \
	} while (0)

static void by_vector(struct transfer *t)
{
	struct iovec iov[IOV_COUNT];
	/* pieces that end in the middle of sectors and pages */
	const size_t part = (size_t)t->len / IOV_COUNT + 8;
	size_t done = 0, count = 0;

	while (done < t->len) {
		const size_t rest = (size_t)t->len - done;

		iov[count] = (struct iovec){ t->buffer + done, rest < part ? rest : part };
		done += iov[count++].iov_len;
	}
	TIMED(t, pwritev2(t->fd, iov, (int)count, (off_t)t->off, 0));
}

static void by_append(struct transfer *t)
{
	struct iovec iov = { t->buffer, (size_t)t->len };

	TIMED(t, pwritev2(t->fd, &iov, 1, -1, RWF_APPEND));
	if (t->r->ret > 0)
		t->off = (uint64_t)(lseek(t->fd, 0, SEEK_CUR) - t->r->ret);
}

static void stores(void *arg)
{
	struct transfer *t = arg;

	sector_store((volatile uint64_t *)(void *)(t->map + t->off), (size_t)(t->len / SECTOR_SIZE),
		     &t->stamp, t->actor->world.tag);
}

static void loads(void *arg)
{
	struct transfer *t = arg;

	memcpy(t->buffer, t->map + t->off, (size_t)t->len);
}

/*
 * Reading the clock waits for no store to be seen by other CPUs, and no load waits for it: only
 * fences put the loads and stores between the two times. A call goes through the kernel, which has
 * its own.
 */
static void by_mapping(struct transfer *t)
{
	t->actor->inv = clock_ns();
	atomic_thread_fence(memory_order_seq_cst);
	t->r->sig = guard_call(t->writing ? stores : loads, t);
	atomic_thread_fence(memory_order_seq_cst);
	t->actor->ret = clock_ns();
	t->r->ret = t->r->sig ? -1 : (int64_t)t->len;
}

/* The write in as many requests as the ring takes, all in flight at once. */
static void by_uring(struct transfer *t)
{
	struct put_cache *c = t->actor->put;
	const uint64_t part =
		(t->len / RING_ENTRIES + BUFFER_ALIGN - 1) / BUFFER_ALIGN * BUFFER_ALIGN;
	struct io_uring_cqe *cqe;
	unsigned int sent = 0;
	int err = c->ring_there ? 0 : io_uring_queue_init(RING_ENTRIES, &c->ring, 0);

	if (err < 0) {
		t->r->harness = -err;
		return;
	}
	c->ring_there = true;
	for (uint64_t done = 0; done < t->len; done += part, sent++) {
		const uint64_t rest = t->len - done;
		struct io_uring_sqe *sqe = io_uring_get_sqe(&c->ring);

		if (!sqe)
			abort();
		io_uring_prep_write(sqe, t->fd, t->buffer + done,
				    (unsigned int)(rest < part ? rest : part), t->off + done);
	}
	t->actor->inv = clock_ns();
	err = io_uring_submit_and_wait(&c->ring, sent);
	for (unsigned int i = 0; err >= 0 && i < sent; i++) {
		err = io_uring_wait_cqe(&c->ring, &cqe);
		if (err < 0)
			break;
		if (cqe->res < 0)
			t->r->err = -cqe->res;
		else
			t->r->ret += cqe->res;
		io_uring_cqe_seen(&c->ring, cqe);
	}
	t->actor->ret = clock_ns();
	if (err < 0)
		t->r->harness = -err;
	if (t->r->err)
		t->r->ret = -1;
}

static bool is_direct(int how)
{
	return how == HOW_DIRECT || how == HOW_URING_DIRECT;
}

/* Everything but the call itself; false after an error of ours. */
static bool ready(struct world *w, const struct put_args *args, bool writing, struct op_result *r,
		  struct transfer *t)
{
	const uint64_t unit = is_direct(args->how) ? w->units.block : SECTOR_SIZE;
	const int file = file_of(w, args->fd);
	struct put_cache *c = cache_of(w->actor);

	*t = (struct transfer){ .actor = w->actor, .r = r, .writing = writing };
	if (file < 0 || !args->len || args->len % unit || args->off % unit) {
		r->harness = EINVAL;
		return false;
	}
	t->fd = is_direct(args->how) ? direct_fd(w, args->fd, &c->view[file])
				     : world_fd(w, args->fd);
	t->buffer = c->buffer;
	t->len = args->len;
	t->off = choose(w->actor, args, unit);
	if (args->how == HOW_MMAP)
		t->map = mapping(w, args->fd, t->off + t->len, &c->view[file]);
	if (t->fd < 0 || (args->how == HOW_MMAP && !t->map)) {
		r->harness = errno;
		return false;
	}
	t->stamp = (struct sector_stamp){
		.actor = w->actor->id,
		.file = (uint32_t)file,
		.place = (uint32_t)(t->off / SECTOR_SIZE),
	};
	return true;
}

static void note(struct world *w, const struct transfer *t, struct op_result *r)
{
	struct put_done *done = arena_alloc(w->arena, sizeof(*done));

	*done = (struct put_done){
		.off = t->off,
		.len = r->ret > 0 ? (uint64_t)r->ret : 0,
		.actor = t->stamp.actor,
		.seq = t->stamp.seq,
	};
	r->data = done;
}

static void put_run(struct world *w, const void *args, struct op_result *r)
{
	const struct put_args *a = args;
	struct transfer t;

	if (!ready(w, a, true, r, &t))
		return;
	/* after so many, nothing is left of the first ones */
	w->actor->seq = w->actor->seq % (SECTOR_SEQ_MAX - 1) + 1;
	t.stamp.seq = w->actor->seq;
	/* Nobody knows where an append will land: the place is that in the put. */
	if (a->how == HOW_APPEND)
		t.stamp.place = 0;
	if (a->how != HOW_MMAP)
		sector_fill(t.buffer, (size_t)(t.len / SECTOR_SIZE), &t.stamp, w->tag);
	switch ((enum how)a->how) {
	case HOW_CALL:
	case HOW_DIRECT:
		TIMED(&t, pwrite(t.fd, t.buffer, (size_t)t.len, (off_t)t.off));
		break;
	case HOW_VECTORED:
		by_vector(&t);
		break;
	case HOW_MMAP:
		by_mapping(&t);
		break;
	case HOW_URING:
	case HOW_URING_DIRECT:
		by_uring(&t);
		break;
	case HOW_APPEND:
		by_append(&t);
		break;
	case HOW_REFLINK:
		break;
	}
	/* whoever wants to judge it would have to know where it ended */
	if (r->ret > 0 && (uint64_t)r->ret < t.len)
		r->harness = ENOSPC;
	note(w, &t, r);
}

static size_t put_effects(struct world *w, const void *args, const struct op_result *r,
			  struct effect *out)
{
	const struct put_args *a = args;
	const struct put_done *done = r->data;

	if (!done || !done->len)
		return 0;
	*out = (struct effect){
		.kind = EFFECT_PUT,
		.grain = a->how == HOW_MMAP				     ? GRAIN_WORD
			 : a->how == HOW_URING || a->how == HOW_URING_DIRECT ? GRAIN_SECTOR
									     : GRAIN_WHOLE,
		.file = world_ofd(w, a->fd)->file,
		.off = done->off,
		.len = done->len,
		.actor = done->actor,
		.seq = done->seq,
		.grows = a->how == HOW_APPEND,
	};
	return 1;
}

/*
 * Have the kernel make a copy of the file under a name that lives for this get only; what is read
 * is the copy. Returns its descriptor, or -1 with the result of the call that was refused.
 */
static int snapshot(struct world *w, const struct put_args *a, struct transfer *t)
{
	const struct wfile *f = world_file(w, a->fd);
	const char *name = world_text(w, "snapshot-of-%u", w->actor->id);
	const struct ocfs2_reflink reflink = {
		.old_path = (uintptr_t)subject_path_of(w, f),
		.new_path = (uintptr_t)world_text(w, "/proc/self/fd/%d/%s", f->dirfd, name),
		.preserve = a->preserve,
	};
	int fd;

	TIMED(t, ioctl(f->dirfd, OCFS2_REFLINK, &reflink));
	if (t->r->err)
		return -1;
	fd = world_open_beneath(f->dirfd, name, O_RDONLY, 0);
	if (fd < 0 || unlinkat(f->dirfd, name, 0) < 0 ||
	    (a->disk && (fsync(world_fd(w, a->fd)) || fsync(fd))))
		t->r->harness = errno;
	else if (a->disk)
		t->r->harness = posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	return fd;
}

static void get_run(struct world *w, const void *args, struct op_result *r)
{
	const struct put_args *a = args;
	uint32_t strange = w->actor->id << 16;
	struct glimpse *g;
	struct transfer t;
	struct stat st;

	if (!ready(w, a, false, r, &t))
		return;
	t.actor->inv = clock_ns();
	if (a->how == HOW_REFLINK) {
		t.fd = snapshot(w, a, &t);
		if (t.fd < 0)
			return;
	}
	if (fstat(t.fd, &st) < 0) {
		r->harness = errno;
		return;
	}
	if (a->how == HOW_MMAP) {
		by_mapping(&t);
	} else if (a->how == HOW_REFLINK) {
		RESULT(r, pread(t.fd, t.buffer, (size_t)t.len, (off_t)t.off));
		close(t.fd);
	} else {
		RESULT(r, pread(t.fd, t.buffer, (size_t)t.len, (off_t)t.off));
		t.actor->ret = clock_ns();
	}
	if (r->ret < 0)
		return;
	g = arena_alloc(w->arena, sizeof(*g));
	g->off = t.off;
	g->len = (uint64_t)r->ret;
	g->size = (uint64_t)st.st_size;
	g->mtime_ns = clock_to_ns(&st.st_mtim);
	g->timed = a->times;
	g->runs = arena_alloc(w->arena, (size_t)(g->len / SECTOR_SIZE + 1) * sizeof(*g->runs));
	g->runs_count = trace_look(t.buffer, (size_t)(g->len / SECTOR_SIZE), t.stamp.place, w->tag,
				   &strange, g->runs);
	r->data = g;
}

static size_t get_effects(struct world *w, const void *args, const struct op_result *r,
			  struct effect *out)
{
	const struct put_args *a = args;

	if (!r->data)
		return 0;
	*out = (struct effect){
		.kind = EFFECT_SEEN,
		.grain = a->whole || a->how == HOW_REFLINK ? GRAIN_WHOLE
			 : a->how == HOW_MMAP		   ? GRAIN_WORD
							   : GRAIN_SECTOR,
		.snapshot = a->how == HOW_REFLINK,
		.file = world_ofd(w, a->fd)->file,
		.seen = r->data,
	};
	return 1;
}

static int put_need(const void *args)
{
	const struct put_args *a = args;

	if (is_direct(a->how))
		return NEED_DIRECT;
	if (a->how == HOW_REFLINK)
		return NEED_OCFS2_REFLINK;
	return a->how == HOW_URING ? NEED_IO_URING : -1;
}

static const struct argspec put_args[] = {
	ARG(FD, struct put_args, fd, .required = true, .doc = "descriptor to write to"),
	ARG(NUM, struct put_args, off, .fallback = "0", .doc = "where the window starts, in bytes"),
	ARG(OPT_NUM, struct put_args, within,
	    .doc = "bytes of the window in which the put takes a place by chance; absent: len"),
	ARG(NUM, struct put_args, len, .required = true, .max = LEN_MAX,
	    .doc = "bytes, whole sectors of 512"),
	ARG(WORD, struct put_args, how, .fallback = "call", .words = put_hows,
	    .doc = "by which path"),
	ARG_END,
};

static const struct argspec get_args[] = {
	ARG(FD, struct put_args, fd, .required = true, .doc = "descriptor to read from"),
	ARG(NUM, struct put_args, off, .fallback = "0", .doc = "where the window starts, in bytes"),
	ARG(OPT_NUM, struct put_args, within,
	    .doc = "bytes of the window in which the get takes a place by chance; absent: len"),
	ARG(NUM, struct put_args, len, .required = true, .max = LEN_MAX,
	    .doc = "bytes, whole sectors of 512"),
	ARG(WORD, struct put_args, how, .fallback = "call", .words = get_hows,
	    .doc = "by which path; reflink: from a copy that OCFS2_IOC_REFLINK makes for it"),
	ARG(BOOL, struct put_args, preserve, .doc = "reflink: as a snapshot, with all attributes"),
	ARG(BOOL, struct put_args, disk,
	    .doc = "reflink: when both files are written out, and from the disk"),
	ARG(BOOL, struct put_args, whole,
	    .doc = "judge it as if all of it were read at one instant, which nobody promises"),
	ARG(BOOL, struct put_args, times,
	    .doc = "judge the time of modification, too, which nobody promises to keep up"),
	ARG_END,
};

const struct op op_put = {
	.name = "put",
	.doc = "of actors: write(2) in any way, with a stamp in every sector that says whose it is",
	.args_size = sizeof(struct put_args),
	.args = put_args,
	.need = put_need,
	.run = put_run,
	.effects = put_effects,
	.actor = true,
};

const struct op op_get = {
	.name = "get",
	.doc = "of actors: fstat(2) and read(2), and what every sector says",
	.args_size = sizeof(struct put_args),
	.args = get_args,
	.need = put_need,
	.run = get_run,
	.effects = get_effects,
	.actor = true,
};
