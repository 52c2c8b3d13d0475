/* SPDX-License-Identifier: GPL-2.0-only */
/* Ops on what a file says of itself: chmod, chown, chattr, setxattr, getxattr, removexattr, utimes.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <linux/fs.h>

#include "../acl.h"
#include "../caps.h"
#include "../op.h"
#include "../world.h"
#include "subject.h"

#define MODE_BITS  07777U
#define SUID	   04000U
#define SGID	   02000U
#define GROUP_EXEC 00010U
#define ANY_EXEC   00111U

/* The time stamps of the file move only as far as somebody promises that they do. */
static struct mfile *attributes_changed(struct world *w, const struct subject *s, enum touch ctime)
{
	struct wfile *f = subject_file(w, s);

	if (!f || !f->model)
		return NULL;
	f->model->ctime = ctime;
	return f->model;
}

struct chmod_args {
	struct subject on;
	uint32_t mode;
};

static const struct argspec chmod_args[] = {
	SUBJECT_ARGS(struct chmod_args, on),
	ARG(MODE, struct chmod_args, mode, .required = true, .doc = "permission bits"),
	ARG_END,
};

static int chmod_need(const void *args)
{
	(void)args;
	return NEED_MODES;
}

static void chmod_run(struct world *w, const void *args, struct op_result *r)
{
	const struct chmod_args *a = args;

	if (!subject_good(w, r))
		return;
	if (subject_by_fd(w))
		RESULT(r, fchmod(world_fd(w, a->on.fd), a->mode));
	else
		RESULT(r, chmod(subject_path(w, &a->on), a->mode));
}

static void chmod_apply(struct world *w, const void *args, const struct op_result *r)
{
	const struct chmod_args *a = args;
	struct mfile *m = attributes_changed(w, &a->on, TOUCH_MUST);

	(void)r;
	if (!m)
		return;
	m->mode = a->mode & MODE_BITS;
	/* chmod(2): not for those outside the file's group. */
	if (!w->fsetid)
		m->mode_may_lose |= m->mode & SGID;
}

const struct op op_chmod = {
	.name = "chmod",
	.doc = "change permission bits: chmod(2), fchmod(2)",
	.args_size = sizeof(struct chmod_args),
	.args = chmod_args,
	.need = chmod_need,
	.run = chmod_run,
	.apply = chmod_apply,
};

struct chown_args {
	struct subject on;
	struct opt_num uid, gid;
};

static const struct argspec chown_args[] = {
	SUBJECT_ARGS(struct chown_args, on),
	ARG(OPT_NUM, struct chown_args, uid, .max = UINT32_MAX, .doc = "new owner; absent: stays"),
	ARG(OPT_NUM, struct chown_args, gid, .max = UINT32_MAX, .doc = "new group; absent: stays"),
	ARG_END,
};

static int chown_need(const void *args)
{
	(void)args;
	return NEED_CHOWN;
}

static void chown_run(struct world *w, const void *args, struct op_result *r)
{
	const struct chown_args *a = args;
	const uid_t uid = a->uid.set ? (uid_t)a->uid.value : (uid_t)-1;
	const gid_t gid = a->gid.set ? (gid_t)a->gid.value : (gid_t)-1;

	if (!subject_good(w, r))
		return;
	if (subject_by_fd(w))
		RESULT(r, fchown(world_fd(w, a->on.fd), uid, gid));
	else
		RESULT(r, lchown(subject_path(w, &a->on), uid, gid));
}

/* chown(2): an executable loses set-user-ID and, with group execution, set-group-ID, root's own
 * call not excepted. What else may go is the kernel's affair. */
static void chown_apply(struct world *w, const void *args, const struct op_result *r)
{
	const struct chown_args *a = args;
	struct mfile *m = attributes_changed(w, &a->on, TOUCH_MUST);
	uint32_t lost = 0;

	(void)r;
	if (!m)
		return;
	if (a->uid.set)
		m->uid = (uint32_t)a->uid.value;
	if (a->gid.set)
		m->gid = (uint32_t)a->gid.value;
	if (!a->uid.set && !a->gid.set)
		m->ctime = TOUCH_MAY;
	else if (m->mode & ANY_EXEC)
		lost = SUID | (m->mode & GROUP_EXEC ? SGID : 0);
	m->mode &= ~lost;
	m->mode_may_lose |= m->mode & (SUID | SGID);
}

const struct op op_chown = {
	.name = "chown",
	.doc = "give a file away: lchown(2), fchown(2)",
	.args_size = sizeof(struct chown_args),
	.args = chown_args,
	.need = chown_need,
	.run = chown_run,
	.apply = chown_apply,
};

static const struct word attribute_words[] = {
	{ "immutable", FS_IMMUTABLE_FL },
	{ "append", FS_APPEND_FL },
	{ "nocow", FS_NOCOW_FL },
	{ "sync", FS_SYNC_FL },
	{ "noatime", FS_NOATIME_FL },
	{ "compress", FS_COMPR_FL },
	{ NULL, 0 },
};

struct chattr_args {
	int fd;
	uint64_t set, clear;
};

static const struct argspec chattr_args[] = {
	ARG(FD, struct chattr_args, fd, .required = true, .doc = "the descriptor"),
	ARG(FLAGS, struct chattr_args, set, .words = attribute_words, .doc = "to be set"),
	ARG(FLAGS, struct chattr_args, clear, .words = attribute_words, .doc = "to be cleared"),
	ARG_END,
};

static int chattr_need(const void *args)
{
	const struct chattr_args *a = args;

	return (a->set | a->clear) & (FS_IMMUTABLE_FL | FS_APPEND_FL) ? NEED_CHATTR : -1;
}

static void chattr_run(struct world *w, const void *args, struct op_result *r)
{
	const struct chattr_args *a = args;
	const int fd = world_fd(w, a->fd);
	int flags = 0;

	RESULT(r, ioctl(fd, FS_IOC_GETFLAGS, &flags));
	if (r->err)
		return;
	flags = (flags | (int)a->set) & ~(int)a->clear;
	RESULT(r, ioctl(fd, FS_IOC_SETFLAGS, &flags));
}

/* Filesystems differ in whether this is a change of the inode. */
static void chattr_apply(struct world *w, const void *args, const struct op_result *r)
{
	const struct chattr_args *a = args;
	struct mfile *m = world_model(w, a->fd);

	(void)r;
	if (m)
		m->ctime = TOUCH_MAY;
}

const struct op op_chattr = {
	.name = "chattr",
	.doc = "change inode flags: ioctl_iflags(2) FS_IOC_SETFLAGS",
	.args_size = sizeof(struct chattr_args),
	.args = chattr_args,
	.need = chattr_need,
	.run = chattr_run,
	.apply = chattr_apply,
};

enum acl { ACL_OF_FILE = 1, ACL_OF_FOLDER };

static const struct word acl_words[] = {
	{ "access", ACL_OF_FILE },
	{ "default", ACL_OF_FOLDER },
	{ NULL, 0 },
};

struct xattr_args {
	struct subject on;
	const char *name;
	bool caps;
	int acl;
	const char *value;
};

#define XATTR_NAME_ARGS \
	SUBJECT_ARGS(struct xattr_args, on), \
		ARG(TEXT, struct xattr_args, name, .doc = "name, with its namespace"), \
		ARG(BOOL, struct xattr_args, caps, \
		    .doc = "file capabilities (security.capability) in place of a name"), \
		ARG(WORD, struct xattr_args, acl, .words = acl_words, \
		    .doc = "access control list in place of a name: of a file, or the one that a " \
			   "folder gives to files made in it")

static const struct argspec xattr_args[] = { XATTR_NAME_ARGS, ARG_END };

static const struct argspec setxattr_args[] = {
	XATTR_NAME_ARGS,
	ARG(TEXT, struct xattr_args, value,
	    .doc = "value; not with caps and acl, which have their own: CAP_NET_RAW, and user "
		   "65534 reads, 65533 in the list that a folder gives"),
	ARG_END,
};

static const char *xattr_name(const struct xattr_args *a)
{
	if (a->acl)
		return a->acl == ACL_OF_FOLDER ? ACL_DEFAULT : ACL_ACCESS;
	return a->caps || !a->name ? "security.capability" : a->name;
}

static int xattr_need(const void *args)
{
	const struct xattr_args *a = args;

	if (a->acl)
		return NEED_ACL;
	return strcmp(xattr_name(a), "security.capability") ? NEED_XATTR : NEED_CAPS_XATTR;
}

/* A name, caps or acl, and one of them only. */
static bool xattr_good(const struct world *w, const struct xattr_args *a, struct op_result *r)
{
	if (!!a->name + !!a->caps + !!a->acl != 1 || (a->value && !a->name))
		r->harness = EINVAL;
	return subject_good(w, r);
}

static void setxattr_run(struct world *w, const void *args, struct op_result *r)
{
	const struct xattr_args *a = args;
	const char *name = xattr_name(a), *value = a->value ? a->value : "";
	size_t size = strlen(value);
	uint8_t caps[CAPS_BLOB_SIZE], acl[ACL_BLOB_SIZE];
	const void *bytes = value;

	if (!xattr_good(w, a, r))
		return;
	if (a->caps) {
		caps_blob(caps);
		bytes = caps;
		size = sizeof(caps);
	} else if (a->acl) {
		acl_blob(acl, a->acl == ACL_OF_FILE ? ACL_FILE_USER : ACL_FOLDER_USER);
		bytes = acl;
		size = sizeof(acl);
	}
	if (subject_by_fd(w))
		RESULT(r, fsetxattr(world_fd(w, a->on.fd), name, bytes, size, 0));
	else
		RESULT(r, lsetxattr(subject_path(w, &a->on), name, bytes, size, 0));
}

static void xattr_apply(struct world *w, const void *args, const struct op_result *r)
{
	const struct xattr_args *a = args;

	(void)r;
	/* setxattr(2) promises nothing about time stamps. */
	attributes_changed(w, &a->on, TOUCH_MAY);
}

static void setxattr_apply(struct world *w, const void *args, const struct op_result *r)
{
	const struct xattr_args *a = args;
	const struct wfile *f = subject_file(w, &a->on);

	xattr_apply(w, args, r);
	/* acl(5): permission bits and list say the same. */
	if (a->acl == ACL_OF_FILE && f && f->model)
		f->model->mode = (f->model->mode & ~0777U) | ACL_MODE;
}

const struct op op_setxattr = {
	.name = "setxattr",
	.doc = "set an extended attribute: lsetxattr(2), fsetxattr(2)",
	.args_size = sizeof(struct xattr_args),
	.args = setxattr_args,
	.need = xattr_need,
	.run = setxattr_run,
	.apply = setxattr_apply,
};

static void removexattr_run(struct world *w, const void *args, struct op_result *r)
{
	const struct xattr_args *a = args;
	const char *name = xattr_name(a);

	if (!xattr_good(w, a, r))
		return;
	if (subject_by_fd(w))
		RESULT(r, fremovexattr(world_fd(w, a->on.fd), name));
	else
		RESULT(r, lremovexattr(subject_path(w, &a->on), name));
}

const struct op op_removexattr = {
	.name = "removexattr",
	.doc = "remove an extended attribute: lremovexattr(2), fremovexattr(2)",
	.args_size = sizeof(struct xattr_args),
	.args = xattr_args,
	.need = xattr_need,
	.run = removexattr_run,
	.apply = xattr_apply,
};

struct getxattr_expects {
	bool present;
	const char *value;
	uint64_t user;
};

/* Bits of more_set, by the table's order. */
enum { XATTR_HAS_PRESENT = 1 << 0, XATTR_HAS_VALUE = 1 << 1, XATTR_HAS_USER = 1 << 2 };

static const struct argspec getxattr_expects[] = {
	ARG(BOOL, struct getxattr_expects, present, .doc = "there is such an attribute"),
	ARG(TEXT, struct getxattr_expects, value, .doc = "and this is its value"),
	ARG(NUM, struct getxattr_expects, user,
	    .doc = "and it is an access control list whose first user is this one"),
	ARG_END,
};

#define XATTR_SHOWN 4096

/* struct xattr_answer - what there is, or that there is none */
struct xattr_answer {
	bool present;
	size_t size;
	char value[XATTR_SHOWN];
};

/* That there is none is an answer, not an error. */
static void getxattr_run(struct world *w, const void *args, struct op_result *r)
{
	const struct xattr_args *a = args;
	const char *name = xattr_name(a);
	struct xattr_answer *x = arena_alloc(w->arena, sizeof(*x));

	r->data = x;
	if (!xattr_good(w, a, r))
		return;
	if (subject_by_fd(w))
		RESULT(r, fgetxattr(world_fd(w, a->on.fd), name, x->value, sizeof(x->value)));
	else
		RESULT(r, lgetxattr(subject_path(w, &a->on), name, x->value, sizeof(x->value)));
	x->present = !r->err;
	x->size = r->err ? 0 : (size_t)r->ret;
	if (r->err == ENODATA) {
		r->ret = 0;
		r->err = 0;
		r->text = "absent";
	}
}

static void getxattr_check(struct world *w, const void *args, const struct expect *e,
			   const struct op_result *r)
{
	const struct getxattr_expects *want = e->more;
	const struct xattr_answer *x = r->data;
	bool good = true;

	(void)args;
	if (e->more_set & XATTR_HAS_PRESENT)
		good = x->present == want->present;
	if (e->more_set & XATTR_HAS_VALUE)
		good = good && x->size == strlen(want->value) &&
		       !memcmp(x->value, want->value, x->size);
	if (e->more_set & XATTR_HAS_USER)
		good = good && x->present && acl_user(x->value, x->size) == want->user;
	w->checked.attributes++;
	if (!good)
		world_fail(w, e->text, x->present ? "present: \"%.*s\"" : "absent", (int)x->size,
			   x->value);
}

const struct op op_getxattr = {
	.name = "getxattr",
	.doc = "look for an extended attribute: lgetxattr(2), fgetxattr(2)",
	.args_size = sizeof(struct xattr_args),
	.args = xattr_args,
	.expects_size = sizeof(struct getxattr_expects),
	.expects = getxattr_expects,
	.need = xattr_need,
	.run = getxattr_run,
	.check = getxattr_check,
};

struct utimes_args {
	struct subject on;
	struct opt_num mtime, atime;
};

static const struct argspec utimes_args[] = {
	SUBJECT_ARGS(struct utimes_args, on),
	ARG(OPT_NUM, struct utimes_args, mtime, .max = INT32_MAX,
	    .doc = "time of last modification, seconds since 1970; absent: stays"),
	ARG(OPT_NUM, struct utimes_args, atime, .max = INT32_MAX,
	    .doc = "time of last access; absent: stays"),
	ARG_END,
};

static struct timespec utimes_value(const struct opt_num *n)
{
	return (struct timespec){ .tv_sec = (time_t)n->value, .tv_nsec = n->set ? 0 : UTIME_OMIT };
}

static void utimes_run(struct world *w, const void *args, struct op_result *r)
{
	const struct utimes_args *a = args;
	const struct timespec times[2] = { utimes_value(&a->atime), utimes_value(&a->mtime) };

	if (!subject_good(w, r))
		return;
	if (subject_by_fd(w))
		RESULT(r, futimens(world_fd(w, a->on.fd), times));
	else
		RESULT(r, utimensat(AT_FDCWD, subject_path(w, &a->on), times, AT_SYMLINK_NOFOLLOW));
}

static void utimes_apply(struct world *w, const void *args, const struct op_result *r)
{
	const struct utimes_args *a = args;
	struct wfile *f = subject_file(w, &a->on);
	struct stat st;

	(void)r;
	if (!f || !f->model || (!a->mtime.set && !a->atime.set))
		return;
	f->model->ctime = TOUCH_MUST;
	if (!a->mtime.set)
		return;
	f->model->mtime = TOUCH_MAY;
	f->dated = true;
	if (fstatat(f->keep, "", &st, AT_EMPTY_PATH))
		return;
	w->checked.times++;
	if (st.st_mtim.tv_sec != (time_t)a->mtime.value || st.st_mtim.tv_nsec)
		world_fail(w, world_text(w, "mtime %" PRIu64, a->mtime.value), "mtime %lld.%09ld",
			   (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

const struct op op_utimes = {
	.name = "utimes",
	.doc = "set time stamps: utimensat(2), futimens(3)",
	.args_size = sizeof(struct utimes_args),
	.args = utimes_args,
	.run = utimes_run,
	.apply = utimes_apply,
};
