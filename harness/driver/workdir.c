/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The run folder. Its marker file bears the lock (some network filesystems cannot lock a folder)
 * and names the process that made it: while a hook remounts the filesystem the lock cannot be held.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "beneath.h"
#include "probe.h"
#include "rmtree.h"
#include "workdir.h"

#define PREFIX	"cowbell-run."
#define LETTERS 6
#define MARKER	".cowbell-marker"
#define TRIES	64

#define REMOVE_TRIES   100
#define REMOVE_WAIT_MS 10
#define VIEW_TRIES     300

static int open_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static void shut(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* When a process was started, in clock ticks since boot; 0 if there is no such process. */
static unsigned long long started(long pid)
{
	unsigned long long when = 0;
	char path[40], text[1024];
	size_t got = 0;
	char *at;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	f = fopen(path, "re");
	if (f) {
		got = fread(text, 1, sizeof(text) - 1, f);
		fclose(f);
	}
	text[got] = '\0';
	/* the name, in brackets, may hold anything; field 22 counts from there */
	at = strrchr(text, ')');
	for (int field = 2; at && field < 22; field++) {
		at = strchr(at, ' ');
		at = at ? at + 1 : NULL;
	}
	if (at)
		when = strtoull(at, NULL, 10);
	return when;
}

static bool is_run_name(const char *name)
{
	if (strncmp(name, PREFIX, strlen(PREFIX)) != 0 || strlen(name) != strlen(PREFIX) + LETTERS)
		return false;
	for (const char *c = name + strlen(PREFIX); *c; c++)
		if (!isalnum((unsigned char)*c))
			return false;
	return true;
}

/* Lock without waiting. A filesystem without locks has only the process in the marker. */
static bool take_lock(int fd)
{
	return flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

static bool maker_lives(int marker)
{
	char text[64];
	ssize_t got = pread(marker, text, sizeof(text) - 1, 0);
	unsigned long long when;
	char *end;
	long pid;

	if (got <= 0)
		return false;
	text[got] = '\0';
	pid = strtol(text, &end, 10);
	when = strtoull(end, NULL, 10);
	return pid > 0 && when && started(pid) == when;
}

/*
 * Remove a run folder that no one holds locked. Filesystems that only hide what is removed while it
 * is open (nfs, FUSE) may see the last close a moment later, and so may whoever was left behind on
 * a filesystem that did not answer come back and make a file.
 */
static int remove_run(int dirfd, int fd, const char *name)
{
	int ret = -ENOTEMPTY;

	for (int i = 0; ret == -ENOTEMPTY && i < REMOVE_TRIES; i++) {
		if (i > 0)
			poll(NULL, 0, REMOVE_WAIT_MS);
		ret = rmtree_inside(fd, MARKER);
		if (ret)
			continue;
		unlinkat(fd, MARKER, 0);
		if (unlinkat(dirfd, name, AT_REMOVEDIR) && errno != ENOENT)
			ret = errno == EEXIST ? -ENOTEMPTY : -errno;
	}
	return ret;
}

/* Remove one run folder unless it lives. */
static int tear_down(int dirfd, const char *name)
{
	int fd, marker, ret = 0;
	struct stat st;

	fd = beneath_open(dirfd, name, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return 0;
	marker = beneath_open(fd, MARKER, O_RDWR, 0);
	if (fstat(fd, &st) || st.st_uid != geteuid()) {
		/* someone else's: leave it alone */
	} else if (marker < 0) {
		/* without a marker it is ours only if it is empty: killed just after mkdir */
		unlinkat(dirfd, name, AT_REMOVEDIR);
	} else if (take_lock(marker) && !maker_lives(marker)) {
		/* open, it could not be removed everywhere; whoever comes now joins in */
		shut(&marker);
		ret = remove_run(dirfd, fd, name);
	}
	shut(&marker);
	close(fd);
	return ret;
}

int workdir_teardown(const char *path, bool dedicated)
{
	struct dirent *e;
	int ret = 0;
	DIR *d;

	d = opendir(path);
	if (!d)
		return 0;
	if (dedicated)
		ioctl(dirfd(d), FITHAW, 0);
	while ((e = readdir(d)))
		if (is_run_name(e->d_name) && tear_down(dirfd(d), e->d_name))
			ret = 1;
	closedir(d);
	return ret;
}

static void random_name(char name[32])
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	unsigned char bytes[LETTERS];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		memset(bytes, 0, sizeof(bytes));
	memcpy(name, PREFIX, sizeof(PREFIX));
	for (int i = 0; i < LETTERS; i++)
		name[strlen(PREFIX) + i] = letters[bytes[i] % (sizeof(letters) - 1)];
	name[strlen(PREFIX) + LETTERS] = '\0';
}

/* One try; -EAGAIN if another run took our new folder for a stale one before it was locked. */
static int try_make(struct workdir *w, int dirfd)
{
	struct stat ours, there;
	char text[64];

	random_name(w->name);
	if (mkdirat(dirfd, w->name, 0700))
		return errno == EEXIST ? -EAGAIN : -errno;
	w->fd = beneath_open(dirfd, w->name, O_RDONLY | O_DIRECTORY, 0);
	if (w->fd < 0)
		return w->fd == -ENOENT ? -EAGAIN : w->fd;
	w->lock = beneath_open(w->fd, MARKER, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (w->lock < 0)
		return w->lock == -ENOENT ? -EAGAIN : w->lock;
	if (!take_lock(w->lock) || fstat(w->lock, &ours) ||
	    fstatat(w->fd, MARKER, &there, AT_SYMLINK_NOFOLLOW) || ours.st_ino != there.st_ino)
		return -EAGAIN;
	snprintf(text, sizeof(text), "%d %llu\n", getpid(), started(getpid()));
	/* a full filesystem cannot take it; then there is only the lock */
	if (write(w->lock, text, strlen(text)) < 0)
		return 0;
	return 0;
}

int workdir_make(struct workdir *w, const char *path, char *why, size_t why_size)
{
	int dirfd, ret;

	w->dir = realpath(path, NULL);
	dirfd = w->dir ? open_dir(w->dir) : -errno;
	ret = dirfd < 0 ? dirfd : -EAGAIN;
	for (int i = 0; ret == -EAGAIN && i < TRIES; i++) {
		workdir_drop(w);
		ret = try_make(w, dirfd);
	}
	if (dirfd >= 0)
		close(dirfd);
	if (ret)
		snprintf(why, why_size, "%s: %s: %s", path,
			 dirfd < 0 ? "cannot be opened" : "cannot make a folder in it",
			 strerror(-ret));
	return ret ? -1 : 0;
}

#define SEEN "cowbell-view"

/* Does the file made as @fd show the same through the other mount? A client may be slow to look. */
static bool shows(int viewfd, const char *name, const unsigned char *want, size_t len)
{
	unsigned char got[32];
	bool same = false;

	for (int i = 0; !same && i < VIEW_TRIES; i++) {
		int run = beneath_open(viewfd, name, O_RDONLY | O_DIRECTORY, 0);
		int fd = run < 0 ? run : beneath_open(run, SEEN, O_RDONLY, 0);

		if (i > 0)
			poll(NULL, 0, REMOVE_WAIT_MS);
		same = fd >= 0 && read(fd, got, sizeof(got)) == (ssize_t)len &&
		       !memcmp(got, want, len);
		shut(&fd);
		shut(&run);
	}
	return same;
}

int workdir_view(struct workdir *view, const struct workdir *dir, const char *path, char *why,
		 size_t why_size)
{
	unsigned char bytes[16];
	const char *wrong = NULL;
	int viewfd, fd;

	view->dir = realpath(path, NULL);
	viewfd = view->dir ? open_dir(view->dir) : -errno;
	if (viewfd < 0) {
		snprintf(why, why_size, "%s: cannot be opened: %s", path, strerror(-viewfd));
		return -1;
	}
	memcpy(view->name, dir->name, sizeof(view->name));
	fd = beneath_open(dir->fd, SEEN, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0 || getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes) ||
	    write(fd, bytes, sizeof(bytes)) != (ssize_t)sizeof(bytes))
		wrong = "cannot be looked for: no file can be written";
	/* it is on the server when it is closed */
	shut(&fd);
	if (!wrong && !shows(viewfd, dir->name, bytes, sizeof(bytes)))
		wrong = "does not show what is made in --dir, so it is no mount of the same";
	else if (!wrong && probe_mount_id(viewfd) == probe_mount_id(dir->fd))
		wrong = "is the same mount as that of --dir";
	if (wrong)
		snprintf(why, why_size, "--view %s %s", path, wrong);
	unlinkat(dir->fd, SEEN, 0);
	close(viewfd);
	return wrong ? -1 : 0;
}

void workdir_drop(struct workdir *w)
{
	shut(&w->fd);
	shut(&w->lock);
}

int workdir_again(struct workdir *w)
{
	int dirfd = open_dir(w->dir);
	int ret = 0;

	if (dirfd < 0)
		return dirfd;
	w->fd = beneath_open(dirfd, w->name, O_RDONLY | O_DIRECTORY, 0);
	w->lock = w->fd < 0 ? w->fd : beneath_open(w->fd, MARKER, O_RDWR, 0);
	if (w->lock < 0)
		ret = w->lock;
	else if (!take_lock(w->lock))
		ret = -EBUSY;
	close(dirfd);
	if (ret) {
		w->fd = w->fd < 0 ? -1 : w->fd;
		w->lock = w->lock < 0 ? -1 : w->lock;
		workdir_drop(w);
	}
	return ret;
}

void workdir_unlock(struct workdir *w)
{
	shut(&w->lock);
}

int workdir_remove(struct workdir *w)
{
	int dirfd = open_dir(w->dir);
	int ret = dirfd < 0 ? dirfd : w->fd < 0 ? -EBADF : remove_run(dirfd, w->fd, w->name);

	if (dirfd >= 0)
		close(dirfd);
	return ret ? 1 : 0;
}

void workdir_keep(struct workdir *w)
{
	if (w->fd >= 0)
		unlinkat(w->fd, MARKER, 0);
}

void workdir_close(struct workdir *w)
{
	workdir_drop(w);
	free(w->dir);
	w->dir = NULL;
}

int workdir_gone(const struct workdir *w)
{
	static const char trial[] = ".cowbell-trial";
	int err = 0;

	if (mkdirat(w->fd, trial, 0700) && errno != EEXIST && errno != ENOSPC && errno != EDQUOT)
		err = errno;
	unlinkat(w->fd, trial, AT_REMOVEDIR);
	return err;
}

int workdir_enter(int fd, const char *name)
{
	int own;

	if (mkdirat(fd, name, 0777))
		return -errno;
	own = beneath_open(fd, name, O_RDONLY | O_DIRECTORY, 0);
	/* a point may become another user; only this folder, reached by its descriptor, is open */
	if (own >= 0)
		fchmod(own, 0777);
	return own;
}

int workdir_reopen(struct workdir *w, const char *name)
{
	int dirfd = open_dir(w->dir);
	int own;

	shut(&w->fd);
	w->fd = dirfd < 0 ? dirfd : beneath_open(dirfd, w->name, O_RDONLY | O_DIRECTORY, 0);
	own = w->fd < 0 ? w->fd : beneath_open(w->fd, name, O_RDONLY | O_DIRECTORY, 0);
	shut(&dirfd);
	return own;
}

int workdir_leave(int fd, const char *name)
{
	return rmtree(fd, name);
}

void workdir_thaw(const struct workdir *w)
{
	if (w->fd >= 0)
		ioctl(w->fd, FITHAW, 0);
}
