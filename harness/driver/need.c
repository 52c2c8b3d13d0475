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

int need_find(const char *word)
{
	for (int i = 0; i < NEED_COUNT; i++)
		if (!strcmp(needs[i].word, word))
			return i;
	return -1;
}

const char *need_list(const char *text, bool listed[NEED_COUNT])
{
	while (true) {
		const size_t len = strcspn(text, ",");
		int need = NEED_COUNT;

		while (--need >= 0)
			if (strlen(needs[need].word) == len &&
			    !strncmp(needs[need].word, text, len))
				break;
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
