/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The experiment "dedupe": requests of one chunk with one or more destinations, each on a range of
 * its own. Of 100 chunks, "match" are equal; the others differ in every byte. The destinations must
 * hold after what they held before: a model, made like them and never deduplicated, says what.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "content.h"
#include "need.h"
#include "stand.h"
#include "tick.h"

/** struct set - files of a cell */
struct set {
	const struct cell *cell;
	const struct source *source;
	int from, *to;
	char **name, *model;
	size_t count, chunks;
	/** @differs: of each chunk */
	bool *differs;
	uint64_t deduped, different, spent_ns;
};

static uint64_t dedupe_bytes(const struct cell *c)
{
	return (2 + c->value[F_DESTINATIONS]) * c->value[F_SIZE];
}

/* Which chunks differ: exactly as many as were asked for, at random. */
static void choose(struct stand *stand, struct set *s)
{
	const size_t equal = (size_t)(s->cell->value[F_MATCH] * s->chunks + 50) / 100;
	size_t *order = calloc(s->chunks + 1, sizeof(*order));

	s->differs = calloc(s->chunks + 1, sizeof(*s->differs));
	if (!order || !s->differs)
		abort();
	for (size_t i = 0; i < s->chunks; i++)
		order[i] = i;
	chance_shuffle(&stand->chance, order, s->chunks);
	for (size_t i = equal; i < s->chunks; i++)
		s->differs[order[i]] = true;
	free(order);
}

static int make_file(struct stand *stand, const struct set *s, const char *name)
{
	const uint64_t chunk = s->cell->value[F_CHUNK];
	const int fd = stand_open(stand, name, O_RDWR | O_CREAT | O_EXCL);
	int ret;

	if (fd < 0)
		return fd;
	ret = stand_copy(s->from, fd, s->source->size);
	for (size_t i = 0; i < s->chunks && !ret; i++)
		if (s->differs[i])
			ret = content_write(fd, i * chunk, chunk, ~s->source->seed);
	if (!ret && fsync(fd))
		ret = -errno;
	if (!ret)
		return fd;
	close(fd);
	return ret;
}

static bool make_files(struct stand *stand, struct set *s)
{
	int fd;

	s->from = stand_open(stand, s->source->name, O_RDONLY);
	s->model = stand_name(stand);
	fd = s->from < 0 ? s->from : make_file(stand, s, s->model);
	if (fd >= 0)
		close(fd);
	while (fd >= 0 && s->count < s->cell->value[F_DESTINATIONS]) {
		s->name[s->count] = stand_name(stand);
		fd = s->to[s->count] = make_file(stand, s, s->name[s->count]);
		s->count++;
	}
	return fd < 0 ? stand_refuse(stand, "destination: %s", strerror(-fd)) : true;
}

static void set_caches(const struct set *s)
{
	const bool cold = s->cell->value[F_CACHE] == CACHE_COLD;

	for (size_t i = 0; i <= s->count; i++) {
		const int fd = i ? s->to[i - 1] : s->from;

		if (cold)
			content_cool(fd);
		else
			content_warm(fd, s->source->size);
	}
}

/* One request for one chunk; 0 or a negative errno. What a call leaves undone is not asked again:
 * the number of bytes is what is observed. */
static int request(struct set *s, struct file_dedupe_range *r, size_t chunk, struct measurement *m)
{
	const uint64_t len = s->cell->value[F_CHUNK];
	uint64_t before;
	int ret;

	memset(r->info, 0, s->count * sizeof(r->info[0]));
	r->src_offset = chunk * len;
	r->src_length = len;
	r->dest_count = (uint16_t)s->count;
	for (size_t i = 0; i < s->count; i++) {
		r->info[i].dest_fd = s->to[i];
		r->info[i].dest_offset = chunk * len;
	}
	before = tick_ns();
	ret = ioctl(s->from, FIDEDUPERANGE, r) ? -errno : 0;
	stand_sample(m, tick_ns() - before);
	s->spent_ns += m->sample[m->count - 1];
	for (size_t i = 0; i < s->count && !ret; i++) {
		if (r->info[i].status < 0)
			ret = r->info[i].status;
		else if (r->info[i].status == FILE_DEDUPE_RANGE_DIFFERS)
			s->different++;
		else
			s->deduped += r->info[i].bytes_deduped;
	}
	return ret;
}

static bool request_all(struct stand *stand, struct set *s, struct measurement *m)
{
	struct file_dedupe_range *r =
		calloc(1, sizeof(*r) + s->count * sizeof(struct file_dedupe_range_info));
	size_t *order = calloc(s->chunks + 1, sizeof(*order));
	struct cost before;
	int ret = 0;

	if (!r || !order)
		abort();
	for (size_t i = 0; i < s->chunks; i++)
		order[i] = i;
	cost_now(&stand->watch, &before);
	for (size_t i = 0; i < s->chunks && !ret; i++)
		ret = request(s, r, order[i], m);
	m->cost = cost_since(&stand->watch, &before);
	m->has_cost = true;
	m->observed = json_pack("{s:I,s:I}", "deduped_bytes", (json_int_t)s->deduped, "differs",
				(json_int_t)s->different);
	free(order);
	free(r);
	return ret ? stand_refuse(stand, "FIDEDUPERANGE: %s", strerror(-ret)) : true;
}

static void leave(struct stand *stand, struct set *s, struct measurement *m)
{
	for (size_t i = 0; i < s->count; i++) {
		if (s->to[i] >= 0)
			close(s->to[i]);
		stand_keep(stand, m, s->name[i], s->model, s->source->size);
	}
	/* the last, for its name is in use until all are verified */
	if (s->model)
		stand_keep(stand, NULL, s->model, "", 0);
	if (s->from >= 0)
		close(s->from);
	free(s->to);
	free(s->name);
	free(s->differs);
}

static bool dedupe_measure(struct stand *stand, const struct cell *c)
{
	struct set s = { .cell = c, .from = -1 };
	struct measurement *m, *rate;
	bool good;

	s.source = stand_room(stand, dedupe_bytes(c)) ? stand_source(stand, c, 0) : NULL;
	if (!s.source)
		return false;
	s.chunks = (size_t)(c->value[F_SIZE] / c->value[F_CHUNK]);
	if (!s.chunks)
		return stand_refuse(stand, "a chunk is larger than the file");
	if (s.chunks > c->samples)
		s.chunks = c->samples;
	s.to = calloc(c->value[F_DESTINATIONS], sizeof(*s.to));
	s.name = calloc(c->value[F_DESTINATIONS], sizeof(*s.name));
	if (!s.to || !s.name)
		abort();
	choose(stand, &s);
	m = stand_measurement(stand, c, "time_ns", "lower");
	m->work_bytes = c->value[F_CHUNK] * c->value[F_DESTINATIONS];
	m->may_copy = true;
	good = make_files(stand, &s);
	if (good) {
		set_caches(&s);
		stand_quiet(stand);
		good = request_all(stand, &s, m);
	}
	leave(stand, &s, good ? m : NULL);
	if (!good)
		return stand_give_up(m);
	rate = stand_measurement(stand, c, "bytes_per_s", "higher");
	rate->work_bytes = m->work_bytes * m->count;
	stand_sample(rate, (uint64_t)((double)rate->work_bytes * 1e9 / (double)s.spent_ns));
	stand_take(stand, m);
	stand_take(stand, rate);
	return true;
}

const struct experiment experiment_dedupe = {
	.name = "dedupe",
	.doc = "FIDEDUPERANGE of one chunk",
	.factors = FACTOR_BIT(SIZE) | FACTOR_BIT(CACHE) | FACTOR_BIT(MATCH) | FACTOR_BIT(CHUNK) |
		   FACTOR_BIT(DESTINATIONS),
	.methods = METHOD_DEDUPE,
	.bytes = dedupe_bytes,
	.measure = dedupe_measure,
};
