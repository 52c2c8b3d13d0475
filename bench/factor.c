/* SPDX-License-Identifier: GPL-2.0-only */
#include "factor.h"

#include <string.h>

static const struct row {
	const char *word;
	enum factor_kind kind;
	uint64_t usual;
	const char *words, *doc;
} rows[FACTORS] = {
#define ROW(id, word, kind, usual, words, doc) { word, FACTOR_##kind, usual, words, doc },
	FACTOR_LIST(ROW)
#undef ROW
};

int factor_find(const char *word)
{
	for (int f = 0; f < FACTORS; f++)
		if (!strcmp(rows[f].word, word))
			return f;
	return -1;
}

const char *factor_word(enum factor f)
{
	return rows[f].word;
}

const char *factor_doc(enum factor f)
{
	return rows[f].doc;
}

enum factor_kind factor_kind(enum factor f)
{
	return rows[f].kind;
}

uint64_t factor_default(enum factor f)
{
	return rows[f].usual;
}

const char *factor_value_word(enum factor f, uint64_t i, char out[16])
{
	const char *at = rows[f].words;
	size_t len;

	for (; i && *at; i--) {
		at += strcspn(at, " ");
		at += *at == ' ';
	}
	len = strcspn(at, " ");
	if (!len || len > 15)
		return NULL;
	memcpy(out, at, len);
	out[len] = '\0';
	return out;
}
