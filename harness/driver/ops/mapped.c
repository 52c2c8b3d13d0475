/* SPDX-License-Identifier: GPL-2.0-only */
#include "mapped.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../op.h"

void *mapped_place(struct world *w, int fd, uint64_t off, const void *bytes, size_t len,
		   struct mapped *m, struct op_result *r)
{
	const uint64_t start = off - off % w->units.page;
	const int file = world_fd(w, fd);
	void *map;

	if (pwrite(file, bytes, len, (off_t)off) != (ssize_t)len || fdatasync(file) < 0) {
		r->harness = errno ? errno : ENOSPC;
		return NULL;
	}
	posix_fadvise(file, (off_t)start, (off_t)w->units.page, POSIX_FADV_DONTNEED);
	m->map_len = (size_t)(off - start) + len;
	map = mmap(NULL, m->map_len, PROT_READ | PROT_WRITE, MAP_SHARED, file, (off_t)start);
	if (map == MAP_FAILED) {
		r->harness = errno;
		return NULL;
	}
	m->map = map;
	return m->map + (off - start);
}

void mapped_take(struct mapped *m, void *bytes, size_t len, const void *at)
{
	memcpy(bytes, at, len);
	munmap(m->map, m->map_len);
}

void mapped_apply(struct world *w, int fd, uint64_t off, size_t len)
{
	struct mfile *f = world_model(w, fd);

	if (!f)
		return;
	model_write(&w->model, f, off, len, (struct data){ .pattern = PATTERN_ANY });
	world_wrote(w, f);
}
