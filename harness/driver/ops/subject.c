/* SPDX-License-Identifier: GPL-2.0-only */
/* Paths go through /proc/self/fd, because not every call has a form that takes a folder. */
#include "subject.h"

#include <errno.h>

#include "../op.h"
#include "../world.h"

const struct word subject_via[] = { { "dir", 0 }, { "view", 1 }, { NULL, 0 } };

enum { BY_FILE = 1, BY_FD = 2 };

bool subject_by_fd(const struct world *w)
{
	return w->step->args_set & BY_FD;
}

bool subject_good(const struct world *w, struct op_result *r)
{
	const uint64_t given = w->step->args_set & (BY_FILE | BY_FD);

	if (given != BY_FILE && given != BY_FD)
		r->harness = EINVAL;
	return !r->harness;
}

struct wfile *subject_file(struct world *w, const struct subject *s)
{
	return subject_by_fd(w) ? world_file(w, s->fd) : &w->files[s->file];
}

const char *subject_path_of(struct world *w, const struct wfile *f)
{
	if (!f->linked && f->keep >= 0)
		return world_text(w, "/proc/self/fd/%d", f->keep);
	return world_text(w, "/proc/self/fd/%d/%s", f->dirfd, f->path);
}

const char *subject_path(struct world *w, const struct subject *s)
{
	return subject_path_of(w, &w->files[s->file]);
}
