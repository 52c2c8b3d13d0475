/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The prober: one trial for each need, in an empty folder, with files that are made for it and
 * removed after it. The trials are in probe_data.c and probe_admin.c; here is what they share, and
 * the answers.
 */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "op.h"
#include "probe_lab.h"
#include "stamp.h"

/* What a directory must take for any work to be possible. */
#define FIT_BYTES (128 * 1024)

static void (*const trials[NEED_COUNT])(struct lab *) = {
	[NEED_CLONE] = try_clone,
	[NEED_DEDUPE] = try_dedupe,
	[NEED_COPY_RANGE] = try_copy_range,
	[NEED_SENDFILE] = try_sendfile,
	[NEED_SPLICE] = try_splice,
	[NEED_OCFS2_REFLINK] = try_ocfs2_reflink,
	[NEED_FALLOCATE] = try_falloc,
	[NEED_KEEP_SIZE] = try_falloc,
	[NEED_PUNCH] = try_falloc,
	[NEED_ZERO] = try_falloc,
	[NEED_ZERO_KEEP_SIZE] = try_falloc,
	[NEED_COLLAPSE] = try_falloc,
	[NEED_INSERT] = try_falloc,
	[NEED_UNSHARE] = try_falloc,
	[NEED_DIRECT] = try_direct,
	[NEED_FIEMAP] = try_fiemap,
	[NEED_SEEK_HOLE] = try_seek_hole,
	[NEED_SPARSE] = try_sparse,
	[NEED_FAR_OFFSETS] = try_far_offsets,
	[NEED_IO_URING] = try_io_uring,
	[NEED_TMPFILE] = try_tmpfile,
	[NEED_NAME_FREE] = try_name_free,
	[NEED_LOCKS] = try_locks,
	[NEED_FIFO] = try_fifo,
	[NEED_MKNOD] = try_mknod,
	[NEED_CHATTR] = try_chattr,
	[NEED_XATTR] = try_xattr,
	[NEED_CAPS_XATTR] = try_caps_xattr,
	[NEED_ACL] = try_acl,
	[NEED_EXTSIZE] = try_extsize,
	[NEED_COWEXTSIZE] = try_extsize,
	[NEED_SWAP] = try_swap,
	[NEED_RECLAIM] = try_reclaim,
	[NEED_FREE_TOLD] = try_free_told,
	[NEED_FILL] = try_fill,
	[NEED_QUOTA] = try_quota,
	[NEED_FREEZE] = try_freeze,
	[NEED_DROP_CACHES] = try_drop_caches,
	[NEED_ROOT] = try_root,
	[NEED_MODES] = try_modes,
	[NEED_TIMES] = try_times,
	[NEED_CHOWN] = try_chown,
	[NEED_SECOND_FS] = try_second_fs,
	[NEED_VIEW] = try_view,
	[NEED_SECOND_CLIENT] = try_second_client,
	[NEED_TRAFFIC] = try_traffic,
	[NEED_KMSG] = try_kmsg,
	[NEED_DEDICATED] = try_dedicated,
	[NEED_HOOK] = try_hook,
};

const char *lab_name(const struct lab *l, int i)
{
	return l->name[i];
}

static void name_files(struct lab *l)
{
	for (int i = 0; i < LAB_FILES; i++)
		snprintf(l->name[i], sizeof(l->name[i]), "probe-%c%u", 'a' + i, l->trials);
	l->trials++;
}

int lab_write(struct lab *l, int fd, uint32_t pattern, uint64_t off, uint64_t len)
{
	const uint64_t end = off + len;

	while (off < end) {
		const size_t part = end - off < LAB_SIZE ? (size_t)(end - off) : LAB_SIZE;
		ssize_t n;

		stamp_fill(l->buf, part, pattern, off, 0);
		n = pwrite(fd, l->buf, part, (off_t)off);
		if (n < 0)
			return -errno;
		if (!n)
			return -EIO;
		off += (uint64_t)n;
	}
	return 0;
}

int lab_file(struct lab *l, int i, uint32_t pattern, uint64_t size, bool sync)
{
	int err;

	l->fd[i] = openat(l->dirfd, lab_name(l, i), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (l->fd[i] < 0)
		return -errno;
	err = lab_write(l, l->fd[i], pattern, 0, size);
	if (!err && sync && fsync(l->fd[i]))
		err = -errno;
	return err ? err : l->fd[i];
}

bool lab_holds_bytes(struct lab *l, uint32_t pattern, uint64_t off, size_t len, const char *what)
{
	uint8_t want[4096];

	for (size_t at = 0; at < len; at += sizeof(want)) {
		const size_t part = len - at < sizeof(want) ? len - at : sizeof(want);

		stamp_fill(want, part, pattern, off + at, 0);
		if (memcmp(want, l->buf + at, part)) {
			lab_broken(l, "%s: wrong bytes", what);
			return false;
		}
	}
	return true;
}

bool lab_holds(struct lab *l, int fd, const struct lab_piece *pieces, size_t count,
	       const char *what)
{
	uint64_t at = 0;

	for (size_t i = 0; i < count; i++) {
		const struct lab_piece *p = &pieces[i];

		for (uint64_t done = 0; done < p->len;) {
			const uint64_t left = p->len - done;
			const size_t part = left < LAB_SIZE ? (size_t)left : LAB_SIZE;
			const ssize_t n = pread(fd, l->buf, part, (off_t)at);

			if (n <= 0) {
				lab_broken(l, "%s: read back at %llu: %s", what,
					   (unsigned long long)at,
					   n ? errno_name(errno) : "end of file");
				return false;
			}
			if (!lab_holds_bytes(l, p->pattern, p->off + done, (size_t)n, what))
				return false;
			done += (uint64_t)n;
			at += (uint64_t)n;
		}
	}
	if (pread(fd, l->buf, 1, (off_t)at) != 0) {
		lab_broken(l, "%s: the file is longer than %llu", what, (unsigned long long)at);
		return false;
	}
	return true;
}

bool lab_whole(struct lab *l, int fd, uint32_t pattern, const char *what)
{
	const struct lab_piece whole = { pattern, 0, LAB_SIZE };

	return lab_holds(l, fd, &whole, 1, what);
}

void lab_clear(struct lab *l)
{
	for (int i = 0; i < LAB_FILES; i++) {
		if (l->fd[i] >= 0)
			close(l->fd[i]);
		l->fd[i] = -1;
		unlinkat(l->dirfd, lab_name(l, i), 0);
	}
	name_files(l);
}

static void __attribute__((format(printf, 3, 0)))
answer(struct lab *l, enum answer a, const char *fmt, va_list args)
{
	l->answer = a;
	vsnprintf(l->why, sizeof(l->why), fmt, args);
}

void lab_no(struct lab *l, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	answer(l, ANSWER_NO, fmt, args);
	va_end(args);
}

void lab_broken(struct lab *l, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	answer(l, ANSWER_BROKEN, fmt, args);
	va_end(args);
}

void lab_refused(struct lab *l, const char *what, int err)
{
	const int e = err < 0 ? -err : err;

	if (e == EOPNOTSUPP || e == ENOTTY || e == ENOSYS)
		lab_no(l, "%s: %s", what, errno_name(e));
	else
		lab_broken(l, "%s: %s", what, errno_name(e));
}

void lab_setup(struct lab *l, int err)
{
	lab_broken(l, "making a file to try it on: %s", errno_name(err < 0 ? -err : err));
}

/* Can anything be written at all? The message is for those who gave us the directory. */
static int fit(struct lab *l, char *why, size_t why_size)
{
	const int fd = lab_file(l, 0, 1, FIT_BYTES, true);
	const char *text;

	lab_clear(l);
	if (fd >= 0)
		return 0;
	switch (-fd) {
	case EROFS:
		text = "the filesystem is read-only";
		break;
	case ENOSPC:
	case EDQUOT:
		text = "no space left to work in";
		break;
	case EACCES:
	case EPERM:
		text = "not permitted to make files here";
		break;
	default:
		text = "cannot write a file and flush it to disk";
		break;
	}
	snprintf(why, why_size, "%s (%s)", text, errno_name(-fd));
	return fd;
}

int probe_run(int dirfd, const struct probe_options *o, struct probe *out, char *why,
	      size_t why_size)
{
	struct lab l = { .dirfd = dirfd, .o = o, .p = out, .fd = { -1, -1, -1 } };
	void *buf = NULL;
	int err;

	memset(out, 0, sizeof(*out));
	out->hooks = o->hooks;
	out->units.page = (uint64_t)sysconf(_SC_PAGESIZE);
	if (posix_memalign(&buf, LAB_SIZE, LAB_SIZE)) {
		snprintf(why, why_size, "out of memory");
		return -ENOMEM;
	}
	l.buf = buf;
	name_files(&l);
	probe_mount(dirfd, out);
	err = fit(&l, why, why_size);
	if (err)
		goto out;
	out->units.block = probe_unit(&l, &out->unit_how);
	for (l.need = 0; l.need < NEED_COUNT; l.need++) {
		l.answer = ANSWER_YES;
		l.why[0] = '\0';
		trials[l.need](&l);
		lab_clear(&l);
		out->need[l.need].answer = l.answer;
		out->late_times = l.late_times;
		memcpy(out->need[l.need].why, l.why, sizeof(l.why));
	}
out:
	free(buf);
	return err;
}

/* Was --hook NAME=COMMAND given? */
static bool has_hook(const struct probe *p, const char *name)
{
	const size_t len = strlen(name);

	for (const char *const *h = p->hooks; h && *h; h++)
		if (!strncmp(*h, name, len) && (*h)[len] == '=')
			return true;
	return false;
}

bool probe_meets(const struct probe *p, int need, bool negated, const char *param, const char **why)
{
	static char text[200];
	const enum answer a = p->need[need].answer;

	*why = text;
	if (need == NEED_HOOK && param) {
		snprintf(text, sizeof(text), "hook:%s: --hook %s=COMMAND was %sgiven", param, param,
			 negated ? "" : "not ");
		return has_hook(p, param) != negated;
	}
	/* Broken counts as there, either way: what is broken must not hide as unsupported. */
	if (negated)
		snprintf(text, sizeof(text), "!%s: it is there", need_word(need));
	else
		snprintf(text, sizeof(text), "%s: %s", need_word(need), p->need[need].why);
	return (a != ANSWER_NO) != negated;
}

json_t *probe_filesystem_json(const struct probe *p)
{
	json_t *fs = json_object();

	json_object_set_new(fs, "type", json_string(p->fs_type));
	if (p->mount_options[0])
		json_object_set_new(fs, "mount_options", json_string(p->mount_options));
	if (p->device[0])
		json_object_set_new(fs, "device", json_string(p->device));
	json_object_set_new(fs, "device_kind", json_string(p->device_kind));
	json_object_set_new(fs, "unit_bytes", json_integer((json_int_t)p->units.block));
	json_object_set_new(fs, "unit_how", json_string(p->unit_how));
	json_object_set_new(fs, "page_bytes", json_integer((json_int_t)p->units.page));
	json_object_set_new(fs, "free_bytes", json_integer((json_int_t)p->free_bytes));
	return fs;
}

json_t *probe_json(const struct probe *p)
{
	static const char *const words[] = {
		[ANSWER_NO] = "no: ",
		[ANSWER_YES] = "yes",
		[ANSWER_BROKEN] = "broken: ",
	};
	json_t *all = json_object();

	for (int i = 0; i < NEED_COUNT; i++)
		json_object_set_new(all, need_word(i),
				    json_sprintf("%s%s", words[p->need[i].answer], p->need[i].why));
	for (const char *const *h = p->hooks; h && *h; h++) {
		char key[64];

		snprintf(key, sizeof(key), "hook:%.*s", (int)strcspn(*h, "="), *h);
		json_object_set_new(all, key, json_string("yes"));
	}
	return all;
}
