/* SPDX-License-Identifier: GPL-2.0-only */
#include "trace.h"

#include <inttypes.h>
#include <stdio.h>

/* Part of a put by single stores that had got there, and then what was there before. */
static uint64_t torn_value(const struct sector *s, uint32_t at, uint32_t strange)
{
	if (s->kind == SECTOR_TORN && !s->stamp_zero)
		return VALUE_PARTIAL | trace_value(&s->stamp, at);
	return (s->kind == SECTOR_TORN	  ? VALUE_PARTIAL
		: s->kind == SECTOR_ALIEN ? VALUE_FOREIGN
					  : 0) |
	       VALUE_STRANGE | strange;
}

size_t trace_look(const void *bytes, size_t count, uint32_t first, uint32_t tag, uint32_t *strange,
		  struct sector_run *runs)
{
	size_t runs_count = 0;

	for (size_t i = 0; i < count; i++) {
		const uint32_t at = first + (uint32_t)i;
		struct sector s;
		uint64_t value;

		sector_look((const uint8_t *)bytes + i * SECTOR_SIZE, tag, &s);
		if (s.kind == SECTOR_STAMP)
			value = trace_value(&s.stamp, at);
		else if (s.kind == SECTOR_ZERO)
			value = VALUE_ZERO;
		else
			value = torn_value(&s, at, ++*strange);
		if (runs_count && runs[runs_count - 1].value == value)
			runs[runs_count - 1].count++;
		else
			runs[runs_count++] =
				(struct sector_run){ .first = at, .count = 1, .value = value };
	}
	return runs_count;
}

void trace_value_text(const struct point *p, uint64_t value, char *out, size_t size)
{
	const uint32_t actor = value_actor(value), file = value_file(value);
	const int shift = (int)(value << 8 & 0xffffff00) / 256;

	if (value == VALUE_ZERO) {
		snprintf(out, size, "zeroes");
	} else if (value == VALUE_NOTHING) {
		snprintf(out, size, "nothing (beyond the end)");
	} else if (value & VALUE_STRANGE) {
		snprintf(out, size, "bytes of no one put");
	} else {
		char moved[40] = "";

		if (shift)
			snprintf(moved, sizeof(moved), ", moved by %d sectors", -shift);
		snprintf(out, size, "%sput %" PRIu32 " of %s into %s%s",
			 value & VALUE_PARTIAL ? "a part of " : "", value_seq(value),
			 actor && p->race && actor <= p->race->actors_count
				 ? p->race->actors[actor - 1].name
				 : "set-up",
			 file < p->files_count ? p->files[file].name : "?", moved);
	}
}
