/* SPDX-License-Identifier: GPL-2.0-only */
/* Sources, destinations, room, quiet, and lines. */
#include "stand.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "beneath.h"
#include "content.h"
#include "series.h"
#include "tick.h"

/* 0.95 is written as 0.95. */
#define LINE_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(12))

/* Quiet: nothing in flight that often in a row, and hardly anything dirty; not longer than this. */
#define QUIET_LOOKS    3
#define QUIET_DIRTY_KB 1024
#define QUIET_MAX_NS   1000000000ULL
/* Dirty pages that do not become fewer for so many looks belong to someone else. */
#define QUIET_STUCK 20
/* What a filesystem needs for itself: so much, and a 32nd. */
#define RESERVE_BYTES (16ULL << 20)

/** struct kept - a destination that is still there */
struct kept {
	char *name;
	const char *from;
	uint64_t size;
	struct measurement *m;
};

static const struct {
	enum flag flag;
	const char *word;
} flag_words[] = {
	{ FLAG_DRIFT, "drift" },
	{ FLAG_BIMODAL, "bimodal" },
	{ FLAG_CLOCK, "clock-not-tsc" },
	{ FLAG_NOT_QUIET, "not-quiet" },
	{ FLAG_NOT_COLD, "not-cold" },
	{ FLAG_NOT_WARM, "not-warm" },
	{ FLAG_DIFFERS, "content-differs" },
	{ FLAG_COPIED, "copied-not-shared" },
	{ FLAG_LATE, "late" },
};

static void *more(void *list, size_t count, size_t *room, size_t size)
{
	if (count < *room)
		return list;
	*room = *room ? *room * 2 : 64;
	list = reallocarray(list, *room, size);
	if (!list)
		abort();
	return list;
}

bool stand_refuse(struct stand *stand, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(stand->why, sizeof(stand->why), fmt, args);
	va_end(args);
	return false;
}

int stand_open(struct stand *stand, const char *name, int flags)
{
	return beneath_open(stand->folder, name, (uint64_t)(unsigned int)flags,
			    flags & O_CREAT ? 0600 : 0);
}

static int make_source(struct stand *stand, struct source *s)
{
	const int fd = stand_open(stand, s->name, O_RDWR | O_CREAT | O_EXCL);
	int ret;

	if (fd < 0)
		return fd;
	ret = s->nocow ? content_nocow(fd) : 0;
	if (!ret && s->wanted_extents)
		ret = content_pieces(fd, s->size, s->wanted_extents, s->seed);
	else if (!ret)
		ret = content_write(fd, 0, s->size, s->seed);
	if (!ret && fsync(fd))
		ret = -errno;
	if (!ret)
		s->extents = content_extents(fd, s->size);
	close(fd);
	if (ret)
		unlinkat(stand->folder, s->name, 0);
	return ret;
}

static uint64_t source_bytes(uint64_t size, uint64_t extents)
{
	return extents ? extents * 4096 : size;
}

const struct source *stand_source(struct stand *stand, const struct cell *c, size_t index)
{
	const uint64_t size = c->value[F_SIZE], extents = c->value[F_EXTENTS];
	const bool nocow = c->value[F_CHATTR] == CHATTR_NOCOW;
	struct source *s;
	int ret;

	for (size_t i = 0; i < stand->sources; i++) {
		const struct source *o = stand->source[i];

		if (o->size == size && o->wanted_extents == extents && o->nocow == nocow &&
		    o->index == index)
			return o;
	}
	if (!stand_room(stand, source_bytes(size, extents)))
		return NULL;
	s = calloc(1, sizeof(*s));
	if (!s || asprintf(&s->name, "source-%" PRIu64 "-%" PRIu64 "-%zu%s", size, extents, index,
			   nocow ? "-nocow" : "") < 0)
		abort();
	s->size = size;
	s->wanted_extents = extents;
	s->index = index;
	s->nocow = nocow;
	s->seed = stand->seed + size * 31 + extents * 7 + index;
	ret = make_source(stand, s);
	if (ret) {
		if (nocow && ret == -EOPNOTSUPP)
			stand_refuse(stand, "chattr +C: %s", strerror(-ret));
		else
			stand_refuse(stand, "%s: %s", s->name,
				     ret == -EINVAL ? "so many pieces would touch"
						    : strerror(-ret));
		free(s->name);
		free(s);
		return NULL;
	}
	stand->source =
		more(stand->source, stand->sources, &stand->sources_room, sizeof(struct source *));
	stand->source[stand->sources++] = s;
	return s;
}

void stand_drop_sources(struct stand *stand)
{
	for (size_t i = 0; i < stand->sources; i++) {
		unlinkat(stand->folder, stand->source[i]->name, 0);
		free(stand->source[i]->name);
		free(stand->source[i]);
	}
	stand->sources = 0;
}

char *stand_name(struct stand *stand)
{
	char *name = NULL;

	if (asprintf(&name, "copy-%" PRIu64, stand->names++) < 0)
		abort();
	return name;
}

int stand_copy(int from, int to, uint64_t size)
{
	const size_t step = 1 << 20;
	char *chunk = malloc(step);
	uint64_t off = 0;
	int ret = 0;

	if (!chunk)
		return -ENOMEM;
	while (off < size && !ret) {
		const ssize_t n = pread(from, chunk, step, (off_t)off);

		if (n <= 0)
			ret = n ? -errno : -EIO;
		else if (pwrite(to, chunk, (size_t)n, (off_t)off) != n)
			ret = -ENOSPC;
		off += n > 0 ? (uint64_t)n : 0;
	}
	free(chunk);
	return ret;
}

/* Runs a method once; its state lives as long. */
static int run_once(const struct method *m, const struct job *j)
{
	void *state = NULL;
	int ret;

	if (m->open) {
		state = m->open(m, j);
		if (!state)
			return -errno;
	}
	ret = m->run(state, j);
	if (m->close && state)
		m->close(state);
	return ret;
}

char *stand_make(struct stand *stand, const struct method *m, const struct source *from)
{
	char *name = stand_name(stand);
	struct job j = { .from = stand_open(stand, from->name, O_RDONLY),
			 .to = stand_open(stand, name, O_RDWR | O_CREAT | O_EXCL),
			 .from_direct = -1,
			 .to_direct = -1,
			 .size = from->size,
			 .folder = stand->folder,
			 .from_name = from->name,
			 .to_name = name };
	int ret = j.from < 0 ? j.from : j.to < 0 ? j.to : 0;

	/* what one has and the other has not cannot be shared */
	if (!ret && from->nocow)
		ret = content_nocow(j.to);
	if (!ret && m->flags & METHOD_DIRECT) {
		j.from_direct = stand_open(stand, from->name, O_RDONLY | O_DIRECT);
		j.to_direct = stand_open(stand, name, O_RDWR | O_DIRECT);
		ret = j.from_direct < 0 || j.to_direct < 0 ? -EINVAL : 0;
	}
	if (!ret)
		ret = m->batch ? -EOPNOTSUPP : run_once(m, &j);
	if (!ret && fsync(j.to))
		ret = -errno;
	for (size_t i = 0; i < 4; i++) {
		const int fd = (const int[]){ j.from, j.to, j.from_direct, j.to_direct }[i];

		if (fd >= 0)
			close(fd);
	}
	if (!ret)
		return name;
	stand_refuse(stand, "%s: %s", m->name, strerror(-ret));
	unlinkat(stand->folder, name, 0);
	free(name);
	return NULL;
}

static uint64_t free_bytes(const struct stand *stand)
{
	struct statvfs v;

	return fstatvfs(stand->folder, &v) ? 0 : (uint64_t)v.f_bavail * v.f_frsize;
}

static uint64_t memory_bytes(void)
{
	struct sysinfo s;

	return sysinfo(&s) ? 0 : (uint64_t)s.totalram * s.mem_unit;
}

bool stand_room(struct stand *stand, uint64_t bytes)
{
	const uint64_t need = bytes + bytes / 32 + RESERVE_BYTES;
	uint64_t have;

	/* what is kept is in memory too, where it must not crowd out the sources */
	if (stand->kepts &&
	    (free_bytes(stand) < need || stand->kept_bytes + bytes > memory_bytes() / 8))
		stand_settle(stand);
	have = free_bytes(stand);
	if (have >= need)
		return true;
	return stand_refuse(stand, "needs %" PRIu64 " bytes free, has %" PRIu64, need, have);
}

/* Dirty and Writeback of /proc/meminfo, in KiB; 0 if that is unknown. */
static unsigned long dirty_kb(void)
{
	unsigned long sum = 0, n;
	char line[128];
	FILE *f = fopen("/proc/meminfo", "re");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Dirty: %lu", &n) == 1 || sscanf(line, "Writeback: %lu", &n) == 1)
			sum += n;
	if (f)
		fclose(f);
	return sum;
}

void stand_quiet(struct stand *stand)
{
	const uint64_t start = tick_ns();
	unsigned int calm = 0, stuck = 0;
	unsigned long least = ULONG_MAX;

	syncfs(stand->folder);
	stand->flags &= ~(unsigned int)FLAG_NOT_QUIET;
	while (calm < QUIET_LOOKS) {
		const unsigned long dirty = dirty_kb();
		const bool idle = cost_in_flight(&stand->watch) == 0;

		if (dirty < least) {
			least = dirty;
			stuck = 0;
		} else {
			stuck++;
		}
		calm = idle && (dirty <= QUIET_DIRTY_KB || stuck > QUIET_STUCK) ? calm + 1 : 0;
		if (tick_ns() - start > QUIET_MAX_NS || (calm && stuck > QUIET_STUCK)) {
			if (!idle || dirty > QUIET_DIRTY_KB)
				stand->flags |= FLAG_NOT_QUIET;
			break;
		}
		poll(NULL, 0, 1);
	}
}

struct measurement *stand_measurement(struct stand *stand, const struct cell *c, const char *metric,
				      const char *better)
{
	struct measurement *m = calloc(1, sizeof(*m));

	if (!m)
		abort();
	m->cell = c;
	m->metric = metric;
	m->better = better;
	m->flags = stand->flags;
	m->block = stand->block;
	m->order = stand->order;
	return m;
}

bool stand_give_up(struct measurement *m)
{
	json_decref(m->observed);
	free(m->sample);
	free(m);
	return false;
}

void stand_sample(struct measurement *m, uint64_t value)
{
	m->sample = more(m->sample, m->count, &m->room, sizeof(*m->sample));
	m->sample[m->count++] = value;
}

void stand_keep(struct stand *stand, struct measurement *m, char *name, const char *from,
		uint64_t size)
{
	stand->kept = more(stand->kept, stand->kepts, &stand->kepts_room, sizeof(*stand->kept));
	stand->kept[stand->kepts++] =
		(struct kept){ .name = name, .from = from, .size = size, .m = m };
}

void stand_take(struct stand *stand, struct measurement *m)
{
	stand->pending = more(stand->pending, stand->pendings, &stand->pendings_room,
			      sizeof(struct measurement *));
	stand->pending[stand->pendings++] = m;
	if (!(m->cell->method->flags & METHOD_SHARES))
		stand->kept_bytes += m->work_bytes * m->count;
}

/* The map first: comparing reads, which changes nothing on disk, but let it be the second thing. */
static void verify(struct stand *stand, const struct kept *k)
{
	const int from = stand_open(stand, k->from, O_RDONLY),
		  to = stand_open(stand, k->name, O_RDONLY);
	struct placement p = { 0 };
	int same = 0;

	if (from >= 0 && to >= 0) {
		content_place(from, to, k->size, &p);
		same = k->m->cell->method->flags & METHOD_OTHER_DATA
			       ? 1
			       : content_same(from, to, k->size);
	}
	k->m->copies++;
	if (same != 1) {
		k->m->flags |= FLAG_DIFFERS;
		stand->wrong++;
	}
	if (p.known) {
		k->m->maps++;
		k->m->shared += p.shared;
		k->m->copied += p.copied;
		k->m->unknown += p.unknown;
		k->m->extents += p.extents;
		if (p.copied && !k->m->may_copy && k->m->cell->method->flags & METHOD_SHARES)
			k->m->flags |= FLAG_COPIED;
	}
	if (from >= 0)
		close(from);
	if (to >= 0)
		close(to);
}

static void put(json_t *o, const char *key, uint64_t value)
{
	json_object_set_new(o, key, json_integer((json_int_t)value));
}

static const char *mechanism(const struct measurement *m)
{
	if (!m->maps || (!m->shared && !m->copied))
		return "unknown";
	if (m->shared && m->copied)
		return "mixed";
	return m->shared ? "shared" : "copied";
}

static json_t *observed_json(const struct measurement *m)
{
	json_t *o = m->observed ? json_incref(m->observed) : json_object();

	if (m->copies) {
		json_object_set_new(o, "mechanism", json_string(mechanism(m)));
		if (!(m->cell->method->flags & METHOD_OTHER_DATA))
			json_object_set_new(o, "verified",
					    json_boolean(!(m->flags & FLAG_DIFFERS)));
	}
	if (m->maps) {
		put(o, "shared_bytes", m->shared / m->maps);
		put(o, "copied_bytes", m->copied / m->maps);
		put(o, "extents", m->extents / m->maps);
	}
	if (m->source_extents)
		put(o, "source_extents", m->source_extents);
	if (m->has_cost)
		cost_put(o, &m->cost);
	return o;
}

json_t *stand_cell_json(const struct cell *c)
{
	json_t *line = json_object(), *factors = json_object();
	const uint32_t has = c->part->experiment->factors;
	char word[16];

	for (enum factor f = 0; f < FACTORS; f++) {
		if (!(has & 1U << f))
			continue;
		if (factor_kind(f) == FACTOR_WORD)
			json_object_set_new(factors, factor_word(f),
					    json_string(factor_value_word(f, c->value[f], word)));
		else
			put(factors, factor_word(f), c->value[f]);
	}
	if (has & FACTOR_BIT(DIRTY))
		json_object_set_new(factors, "source",
				    json_string(c->value[F_DIRTY] ? "dirty" : "clean"));
	json_object_set_new(line, "kind", json_string("bench"));
	json_object_set_new(line, "name", json_string(c->name));
	json_object_set_new(line, "method", json_string(c->method->name));
	json_object_set_new(line, "role", json_string(c->method->role));
	json_object_set_new(line, "experiment", json_string(c->part->experiment->name));
	json_object_set_new(line, "factors", factors);
	return line;
}

static json_t *flags_json(unsigned int flags)
{
	json_t *list = json_array();

	for (size_t i = 0; i < sizeof(flag_words) / sizeof(flag_words[0]); i++)
		if (flags & flag_words[i].flag)
			json_array_append_new(list, json_string(flag_words[i].word));
	return list;
}

static json_t *measurement_json(const struct stand *stand, const struct measurement *m)
{
	json_t *line = stand_cell_json(m->cell), *samples = json_array(), *outliers = json_array();
	size_t *far = malloc((m->count + 1) * sizeof(*far)), n;

	if (!far)
		abort();
	for (size_t i = 0; i < m->count; i++)
		json_array_append_new(samples, json_integer((json_int_t)m->sample[i]));
	n = series_outliers(m->sample, m->count, far);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(outliers, json_integer((json_int_t)far[i]));
	free(far);
	json_object_set_new(line, "suite", json_string(stand->suite->name));
	json_object_set_new(line, "metric", json_string(m->metric));
	json_object_set_new(line, "better", json_string(m->better));
	put(line, "block", m->block);
	put(line, "order", m->order);
	json_object_set_new(line, "samples", samples);
	if (m->batch)
		put(line, "batch", m->batch);
	if (m->work_bytes)
		put(line, "work_bytes", m->work_bytes);
	json_object_set_new(line, "flags", flags_json(m->flags));
	json_object_set_new(line, "outliers", outliers);
	json_object_set_new(line, "observed", observed_json(m));
	return line;
}

void stand_line(struct stand *stand, json_t *line)
{
	size_t len = json_dumpb(line, NULL, 0, LINE_FLAGS);
	char *text = malloc(len + 1), *at = text;

	if (!text)
		abort();
	json_dumpb(line, text, len, LINE_FLAGS);
	text[len++] = '\n';
	while (len) {
		const ssize_t n = write(stand->out, at, len);

		/* whoever read it is gone, and so is the run */
		if (n < 0 && errno != EINTR)
			_exit(1);
		at += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	free(text);
	json_decref(line);
}

static void finish(struct stand *stand, struct measurement *m)
{
	if (series_drifts(m->sample, m->count))
		m->flags |= FLAG_DRIFT;
	if (series_two_humps(m->sample, m->count))
		m->flags |= FLAG_BIMODAL;
	stand_line(stand, measurement_json(stand, m));
	if (stand->done)
		stand->done(stand, m);
	stand_give_up(m);
}

void stand_settle(struct stand *stand)
{
	if (!stand->kepts && !stand->pendings)
		return;
	syncfs(stand->folder);
	for (size_t i = 0; i < stand->kepts; i++)
		if (stand->kept[i].m)
			verify(stand, &stand->kept[i]);
	for (size_t i = 0; i < stand->kepts; i++) {
		unlinkat(stand->folder, stand->kept[i].name, 0);
		free(stand->kept[i].name);
	}
	stand->kepts = 0;
	stand->kept_bytes = 0;
	for (size_t i = 0; i < stand->pendings; i++)
		finish(stand, stand->pending[i]);
	stand->pendings = 0;
	stand_quiet(stand);
}

void stand_init(struct stand *stand)
{
	cost_open(&stand->watch, stand->probe->device);
}

void stand_free(struct stand *stand)
{
	stand_drop_sources(stand);
	cost_close(&stand->watch);
	free(stand->source);
	free(stand->kept);
	free(stand->pending);
}
