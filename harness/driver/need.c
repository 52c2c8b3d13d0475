/* SPDX-License-Identifier: GPL-2.0-only */
/* The words of "needs" by number and back. */
#include "need.h"

#include <stddef.h>
#include <string.h>

#define NEED_ROW(id, word_, doc_) [NEED_##id] = { .word = (word_), .doc = (doc_) },

static const struct {
	const char *word;
	const char *doc;
} needs[NEED_COUNT] = { NEED_LIST(NEED_ROW) };

static int find(const char *word, size_t len)
{
	for (int i = 0; i < NEED_COUNT; i++)
		if (strlen(needs[i].word) == len && !strncmp(needs[i].word, word, len))
			return i;
	return -1;
}

int need_find(const char *word)
{
	return find(word, strlen(word));
}

const char *need_list(const char *text, bool listed[NEED_COUNT])
{
	while (true) {
		const size_t len = strcspn(text, ",");
		const int need = find(text, len);

		if (need < 0 || need == NEED_HOOK)
			return text;
		listed[need] = true;
		if (!text[len])
			return NULL;
		text += len + 1;
	}
}

const char *need_word(int need)
{
	return need >= 0 && need < NEED_COUNT ? needs[need].word : "?";
}

const char *need_doc(int need)
{
	return need >= 0 && need < NEED_COUNT ? needs[need].doc : "";
}
