/* SPDX-License-Identifier: GPL-2.0-only */
/* Methods that take the data through memory of ours: read and write, O_DIRECT, mappings. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guard.h"
#include "method.h"
#include "need.h"

/* O_DIRECT wants this of offsets, lengths and addresses, on every filesystem we know. */
#define ALIGN 4096ULL

/** struct buffer - memory for one transfer */
struct buffer {
	char *memory;
	size_t bytes;
};

static void *buffer_open(const struct method *m, const struct job *first)
{
	struct buffer *b = calloc(1, sizeof(*b));

	(void)first;
	if (!b)
		return NULL;
	b->bytes = m->bytes;
	b->memory = method_buffer(m->bytes);
	if (b->memory)
		return b;
	free(b);
	errno = ENOMEM;
	return NULL;
}

static void buffer_close(void *state)
{
	struct buffer *b = state;

	method_buffer_free(b->memory, b->bytes);
	free(b);
}

/* All of it, whatever the kernel takes at once. */
static int put(int fd, const char *memory, size_t len, uint64_t off)
{
	while (len) {
		const ssize_t n = pwrite(fd, memory, len, (off_t)off);

		if (n <= 0)
			return n ? -errno : -EIO;
		memory += n;
		len -= (size_t)n;
		off += (uint64_t)n;
	}
	return 0;
}

static int rw_run(void *state, const struct job *j)
{
	const struct buffer *b = state;
	uint64_t off = 0;
	int ret = 0;

	while (!ret && off < j->size) {
		const uint64_t left = j->size - off;
		const size_t want = left < b->bytes ? (size_t)left : b->bytes;
		const ssize_t n = pread(j->from, b->memory, want, (off_t)off);

		if (n <= 0)
			return n ? -errno : -EIO;
		ret = put(j->to, b->memory, (size_t)n, off);
		off += (uint64_t)n;
	}
	return ret;
}

#define RW(id, text, size) \
	const struct method method_rw_##id = { \
		.name = "rw-" text, \
		.doc = "read(2) and write(2) of " text, \
		.kind = METHOD_COPY, \
		.role = "measure", \
		.need = -1, \
		.bytes = size, \
		.open = buffer_open, \
		.run = rw_run, \
		.close = buffer_close, \
	}

RW(4k, "4K", 4 << 10);
RW(128k, "128K", 128 << 10);
RW(256k, "256K", 256 << 10);
RW(1m, "1M", 1 << 20);

/* The end of a file that ends amid a unit is written as a whole unit and cut off then. */
static int direct_run(void *state, const struct job *j)
{
	const struct buffer *b = state;
	uint64_t off = 0;
	int ret = 0;

	while (!ret && off < j->size) {
		const ssize_t n = pread(j->from_direct, b->memory, b->bytes, (off_t)off);
		size_t len = (size_t)n;

		if (n <= 0)
			return n ? -errno : -EIO;
		if (off + len < j->size)
			len -= len % ALIGN;
		else
			len = (len + ALIGN - 1) / ALIGN * ALIGN;
		if (!len)
			return -EIO;
		ret = put(j->to_direct, b->memory, len, off);
		off += len;
	}
	if (!ret && off > j->size && ftruncate(j->to_direct, (off_t)j->size))
		ret = -errno;
	return ret;
}

const struct method method_direct = {
	.name = "direct-1M",
	.doc = "read(2) and write(2) of 1M with O_DIRECT",
	.kind = METHOD_COPY,
	.flags = METHOD_DIRECT,
	.role = "measure",
	.need = NEED_DIRECT,
	.bytes = 1 << 20,
	.open = buffer_open,
	.run = direct_run,
	.close = buffer_close,
};

static int source_run(void *state, const struct job *j)
{
	const char *map = mmap(NULL, j->size, PROT_READ, MAP_SHARED, j->from, 0);
	const size_t step = 1 << 20;
	int ret = 0;

	(void)state;
	if (map == MAP_FAILED)
		return -errno;
	for (uint64_t off = 0; !ret && off < j->size; off += step) {
		const uint64_t left = j->size - off;

		ret = put(j->to, map + off, left < step ? (size_t)left : step, off);
	}
	munmap((void *)(uintptr_t)map, j->size);
	return ret;
}

const struct method method_mmap_source = {
	.name = "mmap-source",
	.doc = "write(2) of 1M from a mapping of the source",
	.kind = METHOD_COPY,
	.role = "measure",
	.need = -1,
	.run = source_run,
};

static int both_run(void *state, const struct job *j)
{
	char *from, *to = MAP_FAILED;
	int ret = 0;

	(void)state;
	if (ftruncate(j->to, (off_t)j->size))
		return -errno;
	from = mmap(NULL, j->size, PROT_READ, MAP_SHARED, j->from, 0);
	if (from != MAP_FAILED)
		to = mmap(NULL, j->size, PROT_READ | PROT_WRITE, MAP_SHARED, j->to, 0);
	if (to == MAP_FAILED)
		ret = -errno;
	/* no room left is a signal here */
	else if (guard_copy(to, from, j->size))
		ret = -ENOSPC;
	if (to != MAP_FAILED)
		munmap(to, j->size);
	if (from != MAP_FAILED)
		munmap(from, j->size);
	return ret;
}

const struct method method_mmap_both = {
	.name = "mmap-both",
	.doc = "memcpy(3) between mappings of both",
	.kind = METHOD_COPY,
	.role = "measure",
	.need = -1,
	.run = both_run,
};
