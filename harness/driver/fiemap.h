/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads the extent map of a file by FS_IOC_FIEMAP, all of it, whatever the kernel gives at once. */
#ifndef COWBELL_FIEMAP_H
#define COWBELL_FIEMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fiemap;

/* A file with more extents than this is not read to its end: -E2BIG. */
#define FIEMAP_PIECES_MAX (1U << 20)

/** struct fiemap_piece - one extent, in bytes */
struct fiemap_piece {
	uint64_t logical, physical, len;
	/** @flags: FIEMAP_EXTENT_* of linux/fiemap.h */
	uint32_t flags;
};

/** struct fiemap_list - extents in the order of the file; holes are what lies between them */
struct fiemap_list {
	struct fiemap_piece *piece;
	size_t count, room;
};

/**
 * fiemap_read() - the extents that touch [off, off + len)
 * @len: cut where off + len would wrap; 0 gives an empty list
 * @sync: have delayed allocation written first (FIEMAP_FLAG_SYNC)
 *
 * The first and the last extent are whole ones: they may reach out of the range, as the kernel
 * answers. Returns 0 and a list for fiemap_free(), or a negative errno and an empty list: the
 * call's own, -ENOMEM, -E2BIG beyond the bound, or -EIO where the answers go back in the file (a
 * kernel that would keep us here for ever).
 */
int fiemap_read(int fd, uint64_t off, uint64_t len, bool sync, struct fiemap_list *out);

/** fiemap_size() - the size in bytes of the argument of a call that has room for @room extents */
size_t fiemap_size(uint32_t room);

/** fiemap_ask() - fill in the argument, of fiemap_size() bytes, of one call; as fiemap_read() */
void fiemap_ask(struct fiemap *m, uint32_t room, uint64_t off, uint64_t len, bool sync);

/**
 * fiemap_answer() - the extents that one call has answered, the first ones that it had room for
 *
 * Returns 0 and a list for fiemap_free(), or as fiemap_read().
 */
int fiemap_answer(const struct fiemap *m, struct fiemap_list *out);

/** fiemap_free() - give a list back; it is empty after */
void fiemap_free(struct fiemap_list *l);

/**
 * fiemap_located() - does the physical address say where each byte of the piece is?
 *
 * Not so for data that has no place yet (delayed), no block of its own (inline, packed tails) or
 * lies there in another form (compressed, encrypted): two equal addresses prove nothing there.
 */
bool fiemap_located(const struct fiemap_piece *p);

/**
 * fiemap_allocated() - does the piece have blocks, though not each byte need be where the address
 * says (compressed, encrypted)?
 */
bool fiemap_allocated(const struct fiemap_piece *p);

/** fiemap_shared() - does the kernel say that others share the piece? */
bool fiemap_shared(const struct fiemap_piece *p);

#endif
