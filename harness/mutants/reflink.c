/* SPDX-License-Identifier: GPL-2.0-only */
/* Bugs of OCFS2_IOC_REFLINK, which makes a new name for a file that shares all of another. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "together.h"
#include "uapi.h"

#define NAMES_BYTES  1024
#define LATE_GAPS    40
#define VALUE_BYTES  256
#define CAPABILITIES "security.capability"
#define ACCESS_LIST  "system.posix_acl_access"

static const struct ocfs2_reflink *asked(const struct call *c)
{
	return c->arg;
}

static const char *old_path(const struct call *c)
{
	return (const char *)(uintptr_t)asked(c)->old_path;
}

static const char *new_path(const struct call *c)
{
	return (const char *)(uintptr_t)asked(c)->new_path;
}

/* The call with other arguments. */
static long call_as(struct call *c, const char *from, bool preserve)
{
	struct ocfs2_reflink other = *asked(c);
	struct call changed = *c;

	other.old_path = (uintptr_t)from;
	other.preserve = preserve;
	changed.arg = &other;
	return call_real(&changed);
}

static long never_preserve(struct call *c)
{
	const long ret = call_as(c, old_path(c), false);

	if (!ret && asked(c)->preserve)
		acted();
	return ret;
}

static long always_preserve(struct call *c)
{
	const long ret = call_as(c, old_path(c), true);

	if (!ret && !asked(c)->preserve)
		acted();
	return ret;
}

/** struct made - a call that made a file, and both files open */
struct made {
	struct call *c;
	int from, to;
	/** @at: what the new file said of itself */
	struct stat at;
};

typedef bool damage(const struct made *m);

/* Make the call, and then spoil what it has made. */
static long then(struct call *c, damage *spoil)
{
	struct made m = { .c = c, .from = -1, .to = -1 };
	const long ret = call_real(c);
	const int err = errno;

	if (!ret) {
		m.from = open(old_path(c), O_RDONLY | O_CLOEXEC);
		m.to = open(new_path(c), O_RDWR | O_CLOEXEC);
	}
	if (m.from >= 0 && m.to >= 0 && !fstat(m.to, &m.at) && spoil(&m))
		acted();
	if (m.from >= 0)
		close(m.from);
	if (m.to >= 0)
		close(m.to);
	errno = err;
	return ret;
}

/* The time of modification shall not tell that something was done to the new file. */
static bool quietly(const struct made *m)
{
	return !futimens(m->to, (struct timespec[]){ m->at.st_atim, m->at.st_mtim });
}

static bool zero_last_block(const struct made *m)
{
	const uint64_t size = (uint64_t)m->at.st_size;
	const uint64_t last = size ? round_down(size - 1, block_of(m->to)) : 0;

	return size && poke_zeroes(m->to, last, size - last) && quietly(m);
}

static bool cut_tail(const struct made *m)
{
	const uint64_t size = (uint64_t)m->at.st_size, whole = round_down(size, block_of(m->to));

	if (whole == size)
		return false;
	resize(m->to, whole);
	return quietly(m);
}

static bool take_blocks_of_its_own(const struct made *m)
{
	unshare(m->to, 0, (uint64_t)m->at.st_size);
	return m->at.st_size && !fsync(m->to) && quietly(m);
}

static bool spoil_source(const struct made *m)
{
	return size_of(m->from) && poke_garbage(m->from, 0, 1);
}

static bool move_mtime_of_new(const struct made *m)
{
	if (!asked(m->c)->preserve)
		return false;
	move_mtime(m->to);
	return true;
}

static bool give_mtime_of_source(const struct made *m)
{
	struct stat from;

	return !asked(m->c)->preserve && !fstat(m->from, &from) &&
	       !futimens(m->to, (struct timespec[]){ from.st_atim, from.st_mtim });
}

static bool drop_xattrs(const struct made *m)
{
	char names[NAMES_BYTES];
	const ssize_t size = flistxattr(m->to, names, sizeof(names));
	bool dropped = false;

	for (ssize_t at = 0; at < size; at += (ssize_t)strlen(names + at) + 1)
		if (!strncmp(names + at, "user.", 5))
			dropped |= !fremovexattr(m->to, names + at);
	return dropped;
}

static bool drop_capabilities(const struct made *m)
{
	return !fremovexattr(m->to, CAPABILITIES);
}

static bool keep_capabilities(const struct made *m)
{
	char value[VALUE_BYTES];
	const ssize_t n = fgetxattr(m->from, CAPABILITIES, value, sizeof(value));

	return !asked(m->c)->preserve && n > 0 &&
	       !fsetxattr(m->to, CAPABILITIES, value, (size_t)n, 0);
}

static bool drop_access_list(const struct made *m)
{
	return !fremovexattr(m->to, ACCESS_LIST) && !fchmod(m->to, m->at.st_mode & 07777);
}

/* The list of the source is not a new file's. */
static bool take_access_list(const struct made *m)
{
	char value[VALUE_BYTES];
	const ssize_t n = fgetxattr(m->from, ACCESS_LIST, value, sizeof(value));

	return !asked(m->c)->preserve && n > 0 &&
	       !fsetxattr(m->to, ACCESS_LIST, value, (size_t)n, 0);
}

static bool drop_special_bits(const struct made *m)
{
	return m->at.st_mode & 07000 && !fchmod(m->to, m->at.st_mode & 00777);
}

#define THEN(damage_) \
	static long then_##damage_(struct call *c) \
	{ \
		return then(c, damage_); \
	}
THEN(zero_last_block)
THEN(cut_tail)
THEN(take_blocks_of_its_own)
THEN(spoil_source)
THEN(move_mtime_of_new)
THEN(give_mtime_of_source)
THEN(drop_xattrs)
THEN(drop_capabilities)
THEN(keep_capabilities)
THEN(drop_access_list)
THEN(take_access_list)
THEN(drop_special_bits)

/* One file under two names is what link(2) makes. */
static long link_only(struct call *c)
{
	const long ret = call_real(c);

	if (!ret && !unlink(new_path(c)) && !link(old_path(c), new_path(c)))
		acted();
	return ret;
}

/* rename(2) would replace it. */
static long replace_file(struct call *c)
{
	const long ret = call_real(c);
	struct stat st;

	if (!ret || errno != EEXIST || lstat(new_path(c), &st) || S_ISDIR(st.st_mode))
		return ret;
	acted();
	unlink(new_path(c));
	return call_real(c);
}

static long follow_symlink(struct call *c)
{
	const long ret = call_real(c);
	char target[PATH_MAX];
	struct stat st;

	if (!ret || errno != EPERM || lstat(old_path(c), &st) || !S_ISLNK(st.st_mode))
		return ret;
	if (!realpath(old_path(c), target)) {
		errno = EPERM;
		return ret;
	}
	acted();
	return call_as(c, target, asked(c)->preserve);
}

/* A file of that name, with nothing in it. */
static bool make_name(const struct call *c)
{
	const int fd = open(new_path(c), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* The new file is its maker's, and for some time without attributes: a crash leaves it so. */
static long attributes_late(struct call *c)
{
	long ret;

	if (!asked(c)->preserve)
		return call_real(c);
	ret = call_as(c, old_path(c), false);
	if (ret)
		return ret;
	acted();
	for (int i = 0; i < LATE_GAPS; i++)
		gap();
	unlink(new_path(c));
	return call_real(c);
}

/* A call that fails makes the new name all the same. */
static long leave_name(struct call *c)
{
	const long ret = call_real(c);
	const int err = errno;

	if (ret && err != EEXIST && make_name(c))
		acted();
	errno = err;
	return ret;
}

/* Nobody asks whether the caller may. */
static long grant_all(struct call *c)
{
	const long ret = call_real(c);
	const int err = errno;

	if (ret && (err == EACCES || err == EPERM) && make_name(c)) {
		acted();
		return 0;
	}
	errno = err;
	return ret;
}

#define REFLINK(name_, run_, loses_) \
	{ \
		.name = "reflink-" name_, .subject = "ocfs2_reflink", .loses = loses_, \
		.kind = CALL_REFLINK, .run = run_, .needs = "ocfs2_reflink" \
	}
#define WRONG(real_, wrong_) \
	{ \
		.name = "reflink-E" #real_ "-as-E" #wrong_, .subject = "ocfs2_reflink", \
		.loses = "programs take E" #real_ " for E" #wrong_ " and do the wrong thing next", \
		.kind = CALL_REFLINK, .run = call_wrong_errno, .real = E##real_, \
		.wrong = E##wrong_, .needs = "ocfs2_reflink" \
	}

const struct mutant reflink_mutants[] = {
	REFLINK("loses-last-block", then_zero_last_block, "a snapshot lacks the end of the file"),
	REFLINK("leaves-tail-out", then_cut_tail, "a file that fills no whole block loses its end"),
	REFLINK("shares-nothing", then_take_blocks_of_its_own,
		"a snapshot takes as much space as a copy"),
	REFLINK("spoils-source", then_spoil_source, "making a snapshot changes the file"),
	REFLINK("makes-a-hard-link", link_only, "what is written to one file is in the other"),
	REFLINK("loses-mtime", then_move_mtime_of_new,
		"a snapshot looks changed to backup and make"),
	REFLINK("keeps-mtime", then_give_mtime_of_source, "a new file looks older than it is"),
	REFLINK("drops-xattrs", then_drop_xattrs, "a snapshot lacks attributes of the file"),
	REFLINK("drops-capabilities", then_drop_capabilities, "a program put back does not work"),
	REFLINK("keeps-capabilities", then_keep_capabilities,
		"anybody who may read a program with privileges makes another one"),
	REFLINK("drops-access-list", then_drop_access_list,
		"who was let in by name is locked out of the snapshot"),
	REFLINK("keeps-access-list", then_take_access_list,
		"a new file lets in people that its maker never named"),
	REFLINK("drops-special-bits", then_drop_special_bits, "a program put back does not work"),
	REFLINK("never-preserves", never_preserve, "snapshots belong to root and not to the owner"),
	REFLINK("always-preserves", always_preserve, "a new file belongs to somebody else"),
	REFLINK("replaces-existing", replace_file, "a file is gone, and its name means another"),
	REFLINK("follows-symlinks", follow_symlink, "a snapshot is of a file that was not named"),
	REFLINK("takes-attributes-late", attributes_late,
		"a snapshot whose making was ended belongs to root and lacks attributes"),
	REFLINK("grants-all", grant_all, "everybody makes snapshots of everything"),
	{ "reflink-leaves-a-name", "ocfs2_reflink",
	  "a program that tries one way after the other finds the name taken", CALL_REFLINK,
	  .run = leave_name },
	WRONG(EXIST, INVAL),
	WRONG(PERM, ACCES),
	WRONG(ACCES, PERM),
	WRONG(XDEV, INVAL),
	WRONG(NOENT, ACCES),
	WRONG(NOTDIR, INVAL),
	WRONG(FAULT, INVAL),
	MUTANTS_END,
};
