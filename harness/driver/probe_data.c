/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trials of the calls that move or share data, and of the allocation unit. Every "yes" has read the
 * bytes back: a call that returns 0 and did nothing is broken, not supported.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/falloc.h>
#include <linux/fiemap.h>
#include <linux/fs.h>

#include "fiemap.h"
#include "op.h"
#include "probe_lab.h"
#include "stamp.h"

#define UNIT_MIN     512
#define UNIT_MAX     (1024 * 1024)
#define UNIT_ASSUMED 4096
/* As near to the largest offset as a trial comes. */
#define FAR_AWAY ((UINT64_C(1) << 63) - 1024 * 1024)
/* So far that no unit of allocation covers both that and what is half as far. */
#define BEHIND_THE_END ((off_t)1 << 24)

/* Patterns of the source and of what it must replace. */
enum { SOURCE = 1, OTHER = 2 };

/* A stamped source on the disk and an empty destination; false if that failed, and is answered. */
static bool pair(struct lab *l)
{
	int err = lab_file(l, 0, SOURCE, LAB_SIZE, true);

	if (err >= 0)
		err = lab_file(l, 1, 0, 0, false);
	if (err < 0)
		lab_setup(l, err);
	return err >= 0;
}

void try_clone(struct lab *l)
{
	if (!pair(l))
		return;
	if (ioctl(l->fd[1], FICLONE, l->fd[0]))
		lab_refused(l, "FICLONE", errno);
	else if (lab_whole(l, l->fd[1], SOURCE, "FICLONE"))
		lab_whole(l, l->fd[0], SOURCE, "FICLONE, source");
}

void try_dedupe(struct lab *l)
{
	struct file_dedupe_range *range;
	const struct file_dedupe_range_info *info;
	int err = lab_file(l, 0, SOURCE, LAB_SIZE, true);

	if (err >= 0)
		err = lab_file(l, 1, SOURCE, LAB_SIZE, true);
	if (err < 0) {
		lab_setup(l, err);
		return;
	}
	range = (struct file_dedupe_range *)l->buf;
	memset(range, 0, sizeof(*range) + sizeof(*info));
	range->src_length = LAB_SIZE;
	range->dest_count = 1;
	range->info[0].dest_fd = l->fd[1];
	info = &range->info[0];
	if (ioctl(l->fd[0], FIDEDUPERANGE, range))
		lab_refused(l, "FIDEDUPERANGE", errno);
	else if (info->status < 0)
		lab_refused(l, "FIDEDUPERANGE status", info->status);
	else if (info->status != FILE_DEDUPE_RANGE_SAME)
		lab_broken(l, "FIDEDUPERANGE: equal data said to differ");
	else if (info->bytes_deduped != LAB_SIZE)
		lab_broken(l, "FIDEDUPERANGE: %llu of %d bytes",
			   (unsigned long long)info->bytes_deduped, LAB_SIZE);
	else if (lab_whole(l, l->fd[1], SOURCE, "FIDEDUPERANGE"))
		lab_whole(l, l->fd[0], SOURCE, "FIDEDUPERANGE, source");
}

/* One call of a copying kind at the descriptors' own positions; what copy_loop() repeats. */
typedef ssize_t copy_step(const struct lab *l, size_t len);

static ssize_t copy_file_range_step(const struct lab *l, size_t len)
{
	return syscall(SYS_copy_file_range, l->fd[0], NULL, l->fd[1], NULL, len, 0U);
}

static ssize_t sendfile_step(const struct lab *l, size_t len)
{
	return sendfile(l->fd[1], l->fd[0], NULL, len);
}

/* Short counts are no error; none at all before the end is. */
static void copy_loop(struct lab *l, copy_step *step, const char *what)
{
	size_t done = 0;

	if (!pair(l))
		return;
	if (lseek(l->fd[0], 0, SEEK_SET)) {
		lab_setup(l, errno);
		return;
	}
	while (done < LAB_SIZE) {
		const ssize_t n = step(l, LAB_SIZE - done);

		if (n < 0) {
			lab_refused(l, what, errno);
			return;
		}
		if (!n || (size_t)n > LAB_SIZE - done) {
			lab_broken(l, "%s: %zd after %zu of %d bytes", what, n, done, LAB_SIZE);
			return;
		}
		done += (size_t)n;
	}
	lab_whole(l, l->fd[1], SOURCE, what);
}

void try_copy_range(struct lab *l)
{
	copy_loop(l, copy_file_range_step, "copy_file_range");
}

void try_sendfile(struct lab *l)
{
	copy_loop(l, sendfile_step, "sendfile");
}

/* Through a pipe and out again, page by page at least. */
static void splice_loop(struct lab *l, const int pipe_fd[2])
{
	off_t in = 0, out = 0;

	while (out < LAB_SIZE) {
		ssize_t n = 0;

		if (in == out)
			n = splice(l->fd[0], &in, pipe_fd[1], NULL, (size_t)(LAB_SIZE - in), 0);
		if (n >= 0)
			n = splice(pipe_fd[0], NULL, l->fd[1], &out, (size_t)(in - out), 0);
		if (n < 0) {
			lab_refused(l, "splice", errno);
			return;
		}
		if (!n) {
			lab_broken(l, "splice: 0 after %lld bytes", (long long)out);
			return;
		}
	}
	lab_whole(l, l->fd[1], SOURCE, "splice");
}

void try_splice(struct lab *l)
{
	int pipe_fd[2];

	if (!pair(l))
		return;
	/* A kernel that says it moved what it did not must not leave us waiting. */
	if (pipe2(pipe_fd, O_CLOEXEC | O_NONBLOCK)) {
		lab_setup(l, errno);
		return;
	}
	splice_loop(l, pipe_fd);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
}

/* struct falloc - one mode of fallocate(2), on a file of four pieces; all lengths in pieces */
struct falloc {
	int need, mode;
	const char *name;
	uint64_t off, len;
	/** @after: what the file then holds */
	struct lab_piece after[4];
};

static const struct falloc fallocs[] = {
	{ NEED_FALLOCATE, 0, "fallocate", 4, 1, { { SOURCE, 0, 4 }, { 0, 0, 1 } } },
	{ NEED_KEEP_SIZE, FALLOC_FL_KEEP_SIZE, "KEEP_SIZE", 4, 1, { { SOURCE, 0, 4 } } },
	{ NEED_PUNCH,
	  FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
	  "PUNCH_HOLE",
	  1,
	  1,
	  { { SOURCE, 0, 1 }, { 0, 0, 1 }, { SOURCE, 2, 2 } } },
	{ NEED_ZERO,
	  FALLOC_FL_ZERO_RANGE,
	  "ZERO_RANGE",
	  1,
	  1,
	  { { SOURCE, 0, 1 }, { 0, 0, 1 }, { SOURCE, 2, 2 } } },
	{ NEED_ZERO_KEEP_SIZE,
	  FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
	  "ZERO_RANGE with KEEP_SIZE",
	  1,
	  1,
	  { { SOURCE, 0, 1 }, { 0, 0, 1 }, { SOURCE, 2, 2 } } },
	{ NEED_COLLAPSE,
	  FALLOC_FL_COLLAPSE_RANGE,
	  "COLLAPSE_RANGE",
	  1,
	  /* A part that fits where the one before it was: to move one that overlaps that is refused
	   * by some servers, and costs the client the copies that servers make (bug:B-cifs-16). The
	   * same holds for INSERT_RANGE. */
	  2,
	  { { SOURCE, 0, 1 }, { SOURCE, 3, 1 } } },
	{ NEED_INSERT,
	  FALLOC_FL_INSERT_RANGE,
	  "INSERT_RANGE",
	  2,
	  2,
	  { { SOURCE, 0, 2 }, { 0, 0, 2 }, { SOURCE, 2, 2 } } },
	{ NEED_UNSHARE, FALLOC_FL_UNSHARE_RANGE, "UNSHARE_RANGE", 0, 4, { { SOURCE, 0, 4 } } },
};

/* Does anybody else still own a part of the file? Not, where nobody can tell. */
static bool still_shared(const struct lab *l, uint64_t size)
{
	struct fiemap_list list = { NULL, 0, 0 };
	bool shared = false;

	if (fiemap_read(l->fd[0], 0, size, true, &list))
		return false;
	for (size_t i = 0; i < list.count; i++)
		shared |= fiemap_shared(&list.piece[i]);
	fiemap_free(&list);
	return shared;
}

void try_falloc(struct lab *l)
{
	const uint64_t piece = l->p->units.block > LAB_SIZE / 4 ? l->p->units.block : LAB_SIZE / 4;
	const struct falloc *f = fallocs;
	struct lab_piece after[4];
	int err = lab_file(l, 0, SOURCE, 4 * piece, true);

	while (f->need != l->need)
		f++;
	/* Something to unshare, where that can be had. */
	if (err >= 0 && l->need == NEED_UNSHARE) {
		err = lab_file(l, 1, 0, 0, false);
		if (err >= 0)
			(void)ioctl(l->fd[1], FICLONE, l->fd[0]);
	}
	if (err < 0) {
		lab_setup(l, err);
		return;
	}
	for (int i = 0; i < 4; i++)
		after[i] = (struct lab_piece){ f->after[i].pattern, f->after[i].off * piece,
					       f->after[i].len * piece };
	if (fallocate(l->fd[0], f->mode, (off_t)(f->off * piece), (off_t)(f->len * piece)))
		lab_refused(l, f->name, errno);
	else if (l->need == NEED_UNSHARE && still_shared(l, 4 * piece))
		lab_broken(l, "%s: said to be done, but FIEMAP_EXTENT_SHARED is set", f->name);
	else
		lab_holds(l, l->fd[0], after, 4, f->name);
}

void try_direct(struct lab *l)
{
	int fd = lab_file(l, 0, OTHER, LAB_SIZE, true);
	ssize_t n;

	if (fd < 0) {
		lab_setup(l, fd);
		return;
	}
	fd = openat(l->dirfd, lab_name(l, 0), O_RDWR | O_DIRECT | O_CLOEXEC);
	if (fd < 0) {
		/* open(2): EINVAL is how a filesystem says that it has no O_DIRECT. */
		if (errno == EINVAL)
			lab_no(l, "open with O_DIRECT: EINVAL");
		else
			lab_refused(l, "open with O_DIRECT", errno);
		return;
	}
	close(l->fd[0]);
	l->fd[0] = fd;
	stamp_fill(l->buf, LAB_SIZE, SOURCE, 0, 0);
	n = pwrite(fd, l->buf, LAB_SIZE, 0);
	if (n < 0) {
		lab_refused(l, "direct write", errno);
	} else if (n != LAB_SIZE) {
		lab_broken(l, "direct write: %zd of %d bytes", n, LAB_SIZE);
	} else {
		memset(l->buf, 0, LAB_SIZE);
		n = pread(fd, l->buf, LAB_SIZE, 0);
		if (n == LAB_SIZE)
			lab_holds_bytes(l, SOURCE, 0, LAB_SIZE, "direct read");
		else
			lab_broken(l, "direct read: %zd of %d bytes", n, LAB_SIZE);
	}
}

/* Are two files, each written for itself, told to be at one place? A cifs client, which knows no
 * places, puts the offset in the file there: 0 for the first. */
static bool told_as_one(struct lab *l, const struct fiemap_list *first)
{
	const uint32_t placeless = FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DATA_INLINE;
	struct fiemap_list other = { NULL, 0, 0 };
	bool same = false;

	if (first->count && lab_file(l, 1, OTHER, LAB_SIZE, true) >= 0 &&
	    !fiemap_read(l->fd[1], 0, LAB_SIZE, true, &other))
		same = other.count && other.piece[0].physical == first->piece[0].physical &&
		       !(other.piece[0].flags & placeless);
	fiemap_free(&other);
	return same;
}

void try_fiemap(struct lab *l)
{
	struct fiemap_list list = { NULL, 0, 0 };
	uint64_t covered = 0;
	int err = lab_file(l, 0, SOURCE, LAB_SIZE, true);

	if (err < 0) {
		lab_setup(l, err);
		return;
	}
	err = fiemap_read(l->fd[0], 0, LAB_SIZE, true, &list);
	if (err) {
		lab_refused(l, "FS_IOC_FIEMAP", err);
		return;
	}
	for (size_t i = 0; i < list.count && list.piece[i].logical <= covered; i++)
		covered = list.piece[i].logical + list.piece[i].len;
	if (covered < LAB_SIZE)
		lab_broken(l, "FS_IOC_FIEMAP: %llu of %d written bytes are mapped",
			   (unsigned long long)covered, LAB_SIZE);
	else if (told_as_one(l, &list))
		lab_no(l, "FS_IOC_FIEMAP: two files are told to be at one place");
	fiemap_free(&list);
}

void try_seek_hole(struct lab *l)
{
	const off_t hole =
		(off_t)l->p->units.block > LAB_SIZE ? (off_t)l->p->units.block : LAB_SIZE;
	const off_t size = 16 * hole;
	int fd = lab_file(l, 0, SOURCE, (uint64_t)hole, true);
	off_t at;

	if (fd < 0 || ftruncate(fd, size) || fsync(fd)) {
		lab_setup(l, fd < 0 ? fd : errno);
		return;
	}
	at = lseek(fd, 0, SEEK_HOLE);
	if (at < 0 && errno == EINVAL)
		lab_no(l, "SEEK_HOLE: EINVAL");
	else if (at < 0)
		lab_refused(l, "SEEK_HOLE", errno);
	else if (at == size)
		lab_no(l, "SEEK_HOLE finds only the end of the file");
	else if (at < hole || at > size)
		lab_broken(l, "SEEK_HOLE: %lld, which is data", (long long)at);
}

void try_sparse(struct lab *l)
{
	const off_t far = BEHIND_THE_END;
	int err = lab_file(l, 0, SOURCE, LAB_SIZE, false);
	off_t at;

	if (err >= 0)
		err = lab_write(l, l->fd[0], SOURCE, (uint64_t)far, LAB_SIZE);
	if (err < 0 || fsync(l->fd[0])) {
		lab_setup(l, err < 0 ? err : errno);
		return;
	}
	at = lseek(l->fd[0], far / 2, SEEK_DATA);
	if (at < 0 && errno == EINVAL)
		lab_no(l, "SEEK_DATA: EINVAL");
	else if (at < 0)
		lab_refused(l, "SEEK_DATA", errno);
	else if (at < far)
		lab_no(l, "SEEK_DATA takes a hole for data");
	else if (at > far)
		lab_broken(l, "SEEK_DATA: %lld, with data at %lld", (long long)at, (long long)far);
}

void try_far_offsets(struct lab *l)
{
	int err = lab_file(l, 0, 0, 0, false);
	ssize_t n;

	if (err < 0) {
		lab_setup(l, err);
		return;
	}
	err = lab_write(l, l->fd[0], SOURCE, FAR_AWAY, LAB_SIZE);
	if (err < 0) {
		if (err == -EFBIG)
			lab_no(l, "write at 2^63 - 1M: EFBIG");
		else
			lab_refused(l, "write at 2^63 - 1M", err);
		return;
	}
	/* A server may have a limit that its client does not know of. Else a case's syncfs(2) would
	 * be told of it. */
	if (fsync(l->fd[0])) {
		lab_no(l, "fsync of a write at 2^63 - 1M: %s", errno_name(errno));
		syncfs(l->dirfd);
		return;
	}
	n = pread(l->fd[0], l->buf, LAB_SIZE, (off_t)FAR_AWAY);
	if (n == LAB_SIZE)
		lab_holds_bytes(l, SOURCE, FAR_AWAY, LAB_SIZE, "read at 2^63 - 1M");
	else
		lab_broken(l, "read at 2^63 - 1M: %zd of %d bytes", n, LAB_SIZE);
}

/* One transfer of all of ->buf; false if it failed, and is answered. */
static bool ring_transfer(struct lab *l, struct io_uring *ring, bool write)
{
	const char *what = write ? "io_uring write" : "io_uring read";
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	struct io_uring_cqe *cqe = NULL;
	int res;

	if (!sqe) {
		lab_setup(l, ENOMEM);
		return false;
	}
	if (write)
		io_uring_prep_write(sqe, l->fd[0], l->buf, LAB_SIZE, 0);
	else
		io_uring_prep_read(sqe, l->fd[0], l->buf, LAB_SIZE, 0);
	res = io_uring_submit(ring);
	if (res >= 0)
		res = io_uring_wait_cqe(ring, &cqe);
	if (!res && cqe) {
		res = cqe->res;
		io_uring_cqe_seen(ring, cqe);
	}
	if (res < 0)
		lab_refused(l, what, res);
	else if (res != LAB_SIZE)
		lab_broken(l, "%s: %d of %d bytes", what, res, LAB_SIZE);
	return res == LAB_SIZE;
}

void try_io_uring(struct lab *l)
{
	struct io_uring ring;
	int err = lab_file(l, 0, OTHER, LAB_SIZE, false);

	if (err < 0) {
		lab_setup(l, err);
		return;
	}
	/* Any refusal here is the machine's (old kernel, sysctl, seccomp, locked memory). */
	err = io_uring_queue_init(2, &ring, 0);
	if (err) {
		lab_no(l, "io_uring_setup: %s", strerrorname_np(-err));
		return;
	}
	stamp_fill(l->buf, LAB_SIZE, SOURCE, 0, 0);
	if (ring_transfer(l, &ring, true)) {
		memset(l->buf, 0, LAB_SIZE);
		if (ring_transfer(l, &ring, false) &&
		    lab_holds_bytes(l, SOURCE, 0, LAB_SIZE, "io_uring read"))
			lab_whole(l, l->fd[0], SOURCE, "io_uring write");
	}
	io_uring_queue_exit(&ring);
}

/* Makes file @i, of *size bytes so far, reach to 4 * unit with data on the disk. */
static bool grow(struct lab *l, int i, uint64_t size, uint64_t unit)
{
	const uint32_t pattern = i ? OTHER : SOURCE;

	if (size >= 4 * unit)
		return true;
	return !lab_write(l, l->fd[i], pattern, size, 4 * unit - size) && !fsync(l->fd[i]);
}

/* Does the destination hold @unit bytes of the pattern at @off? */
static bool there(struct lab *l, uint32_t pattern, uint64_t off, uint64_t unit)
{
	const size_t len = unit < LAB_SIZE ? (size_t)unit : LAB_SIZE;

	return pread(l->fd[1], l->buf, len, (off_t)off) == (ssize_t)len &&
	       lab_holds_bytes(l, pattern, off, len, "FICLONERANGE");
}

/*
 * Is the source's data where it was cloned to, and nowhere else? If not, success says nothing about
 * the unit: ocfs2 takes any block for an answer, and clones the whole cluster that it lies in.
 */
static bool cloned(struct lab *l, uint64_t unit)
{
	return there(l, OTHER, 0, unit) && there(l, SOURCE, unit, unit) &&
	       there(l, OTHER, 2 * unit, unit);
}

/*
 * Is a range taken that lies on no grid? A server that copies what it cannot share does that
 * (ksmbd), and success says nothing about the unit.
 */
static bool takes_any_range(struct lab *l)
{
	struct file_clone_range range = {
		.src_fd = l->fd[0], .src_offset = 1, .src_length = 9, .dest_offset = 1
	};

	return !ioctl(l->fd[1], FICLONERANGE, &range);
}

/* The smallest range that can be cloned from the middle of a file into that of another. */
static uint64_t unit_by_clone(struct lab *l)
{
	uint64_t size = LAB_SIZE;

	if (lab_file(l, 0, SOURCE, size, true) < 0 || lab_file(l, 1, OTHER, size, true) < 0 ||
	    takes_any_range(l))
		return 0;
	for (uint64_t unit = UNIT_MIN; unit <= UNIT_MAX; unit *= 2) {
		struct file_clone_range range = { .src_fd = l->fd[0],
						  .src_offset = unit,
						  .src_length = unit,
						  .dest_offset = unit };

		if (!grow(l, 0, size, unit) || !grow(l, 1, size, unit))
			return 0;
		if (4 * unit > size)
			size = 4 * unit;
		if (!ioctl(l->fd[1], FICLONERANGE, &range)) {
			if (cloned(l, unit))
				return unit;
			if (lab_write(l, l->fd[1], OTHER, 0, size) || fsync(l->fd[1]))
				return 0;
		} else if (errno != EINVAL) {
			/* Other errnos than that of a bad alignment will not get better. */
			return 0;
		}
	}
	return 0;
}

/* The smallest hole that gives space back. The holes lie one after the other, not in each other. */
static uint64_t unit_by_punch(struct lab *l)
{
	const int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	const int fd = lab_file(l, 0, SOURCE, LAB_SIZE, true);
	struct stat before, after;
	uint64_t size = LAB_SIZE;

	for (uint64_t unit = UNIT_MIN; fd >= 0 && unit <= UNIT_MAX; unit *= 2) {
		if (!grow(l, 0, size, unit))
			return 0;
		if (4 * unit > size)
			size = 4 * unit;
		if (fstat(fd, &before) || fallocate(fd, mode, (off_t)unit, (off_t)unit) ||
		    fsync(fd) || fstat(fd, &after))
			return 0;
		if (after.st_blocks < before.st_blocks)
			return unit;
	}
	return 0;
}

/* What one byte takes. */
static uint64_t unit_by_blocks(struct lab *l)
{
	struct stat st;
	const int fd = lab_file(l, 0, SOURCE, 1, true);
	uint64_t bytes;

	if (fd < 0 || fstat(fd, &st))
		return 0;
	bytes = (uint64_t)st.st_blocks * 512;
	return bytes >= UNIT_MIN && bytes <= UNIT_MAX && !(bytes & (bytes - 1)) ? bytes : 0;
}

uint64_t probe_unit(struct lab *l, const char **how)
{
	static const struct {
		const char *how;
		uint64_t (*find)(struct lab *l);
	} ways[] = { { "clone", unit_by_clone },
		     { "punch", unit_by_punch },
		     { "st_blocks", unit_by_blocks } };

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		const uint64_t unit = ways[i].find(l);

		lab_clear(l);
		*how = ways[i].how;
		if (unit)
			return unit;
	}
	*how = "assumed";
	return UNIT_ASSUMED;
}
