/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * FS_IOC_FIEMAP in batches. The kernel gives as many extents as there is room for and says with
 * FIEMAP_EXTENT_LAST that there are no more; a batch that ends without it is followed by another
 * that starts where it ended.
 */
#include "fiemap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <linux/fiemap.h>
#include <linux/fs.h>

#define BATCH 256

#define NOT_ALLOCATED \
	(FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC | FIEMAP_EXTENT_NOT_ALIGNED | \
	 FIEMAP_EXTENT_DATA_INLINE | FIEMAP_EXTENT_DATA_TAIL)
#define NOT_LOCATED (NOT_ALLOCATED | FIEMAP_EXTENT_ENCODED | FIEMAP_EXTENT_DATA_ENCRYPTED)

static int append(struct fiemap_list *l, const struct fiemap_extent *e)
{
	if (l->count == FIEMAP_PIECES_MAX)
		return -E2BIG;
	if (l->count == l->room) {
		const size_t room = l->room ? 2 * l->room : BATCH;
		struct fiemap_piece *grown = reallocarray(l->piece, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		l->piece = grown;
		l->room = room;
	}
	l->piece[l->count++] = (struct fiemap_piece){ .logical = e->fe_logical,
						      .physical = e->fe_physical,
						      .len = e->fe_length,
						      .flags = e->fe_flags };
	return 0;
}

/* Takes one batch over. Moves *pos behind its last extent; *done says that there is no other. */
static int take(const struct fiemap *m, uint64_t end, uint64_t *pos, bool *done,
		struct fiemap_list *out)
{
	for (uint32_t i = 0; i < m->fm_mapped_extents && i < m->fm_extent_count; i++) {
		const struct fiemap_extent *e = &m->fm_extents[i];
		const uint64_t next = e->fe_logical + e->fe_length;
		int err;

		if (next <= *pos)
			return -EIO;
		if (e->fe_logical >= end) {
			*done = true;
			return 0;
		}
		err = append(out, e);
		if (err)
			return err;
		*pos = next;
		*done = *done || e->fe_flags & FIEMAP_EXTENT_LAST;
	}
	*done = *done || !m->fm_mapped_extents || *pos >= end;
	return 0;
}

static uint64_t end_of(uint64_t off, uint64_t len)
{
	return len > UINT64_MAX - off ? UINT64_MAX : off + len;
}

size_t fiemap_size(uint32_t room)
{
	return sizeof(struct fiemap) + room * sizeof(struct fiemap_extent);
}

void fiemap_ask(struct fiemap *m, uint32_t room, uint64_t off, uint64_t len, bool sync)
{
	memset(m, 0, fiemap_size(room));
	m->fm_start = off;
	m->fm_length = end_of(off, len) - off;
	m->fm_flags = sync ? FIEMAP_FLAG_SYNC : 0;
	m->fm_extent_count = room;
}

int fiemap_answer(const struct fiemap *m, struct fiemap_list *out)
{
	uint64_t pos = m->fm_start;
	bool done = false;
	int err;

	memset(out, 0, sizeof(*out));
	err = take(m, end_of(m->fm_start, m->fm_length), &pos, &done, out);
	if (err)
		fiemap_free(out);
	return err;
}

int fiemap_read(int fd, uint64_t off, uint64_t len, bool sync, struct fiemap_list *out)
{
	const uint64_t end = end_of(off, len);
	struct fiemap *m = NULL;
	uint64_t pos = off;
	bool done = len == 0;
	int err = 0;

	memset(out, 0, sizeof(*out));
	m = malloc(fiemap_size(BATCH));
	if (!m)
		return -ENOMEM;
	while (!done && !err) {
		fiemap_ask(m, BATCH, pos, end - pos, sync);
		err = ioctl(fd, FS_IOC_FIEMAP, m) ? -errno : take(m, end, &pos, &done, out);
	}
	free(m);
	if (err)
		fiemap_free(out);
	return err;
}

void fiemap_free(struct fiemap_list *l)
{
	free(l->piece);
	memset(l, 0, sizeof(*l));
}

bool fiemap_located(const struct fiemap_piece *p)
{
	return !(p->flags & NOT_LOCATED);
}

bool fiemap_allocated(const struct fiemap_piece *p)
{
	return !(p->flags & NOT_ALLOCATED);
}

bool fiemap_shared(const struct fiemap_piece *p)
{
	return p->flags & FIEMAP_EXTENT_SHARED;
}
