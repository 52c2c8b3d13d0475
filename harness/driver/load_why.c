/* SPDX-License-Identifier: GPL-2.0-only */
/* "why": the forms that a source may have. */
#include "load_internal.h"

#include <string.h>

static const char digits[] = "0123456789";
static const char hex_digits[] = "0123456789abcdef";
static const char id_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-";

/* Decimal number without leading zeroes, at least @low and at most @high. */
static bool is_number(const char *text, unsigned int low, unsigned int high)
{
	unsigned int value = 0;

	if (!*text || strlen(text) > 4 || strspn(text, digits) != strlen(text) ||
	    (text[0] == '0' && text[1]))
		return false;
	for (; *text; text++)
		value = value * 10 + (unsigned int)(*text - '0');
	return value >= low && value <= high;
}

static bool is_contract(const char *text)
{
	return *text && strchr("CFDSPO", *text) && is_number(text + 1, 1, 999);
}

static bool is_property(const char *text)
{
	return is_number(text, 1, 158);
}

static bool is_gap(const char *text)
{
	return *text == 'N' && is_number(text + 1, 1, 38);
}

static bool is_bug(const char *text)
{
	return !strncmp(text, "B-", 2) && text[2] && strspn(text, id_letters) == strlen(text);
}

static bool is_man(const char *text)
{
	const size_t name = strcspn(text, "( ");
	const char *section = text + name;

	return name && strlen(section) >= 3 && section[0] == '(' && section[1] >= '1' &&
	       section[1] <= '9' && section[strlen(section) - 1] == ')' &&
	       strchr(section, ')') == section + strlen(section) - 1;
}

static bool is_commit(const char *text)
{
	const size_t len = strlen(text);

	return len >= 7 && len <= 40 && strspn(text, hex_digits) == len;
}

static bool is_seed(const char *text)
{
	return is_number(text, 0, 4);
}

static bool is_url(const char *text)
{
	return !strncmp(text, "//", 2) && text[2] && !strpbrk(text, " \"<>");
}

static const struct {
	const char *prefix;
	bool (*fits)(const char *rest);
	const char *form;
} forms[] = {
	{ "contract", is_contract, "contract:F8" },
	{ "property", is_property, "property:1 to property:158" },
	{ "gap", is_gap, "gap:N1 to gap:N38" },
	{ "bug", is_bug, "bug:B-vfs-1" },
	{ "man", is_man, "man:copy_file_range(2)" },
	{ "commit", is_commit, "commit: and 7 to 40 hexadecimal digits" },
	{ "seed", is_seed, "seed:0 to seed:4" },
	{ "https", is_url, "https://example.org/thread" },
};

bool load_why(struct loader *l, const struct at *at, const json_t *value)
{
	const char *text = load_string(l, at, value);
	const char *colon, *prefix;
	struct nearest n;

	if (!text)
		return false;
	colon = strchr(text, ':');
	if (!colon)
		return load_wrong(l, at, "\"%.64s\" must be KIND:WHAT, like \"contract:F8\"", text);
	prefix = arena_printf(l->arena, "%.*s", (int)(colon - text), text);
	nearest_start(&n, prefix);
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		nearest_try(&n, forms[i].prefix);
		if (strcmp(forms[i].prefix, prefix))
			continue;
		return forms[i].fits(colon + 1) ||
		       load_wrong(l, at, "\"%.64s\" must be like %s", text, forms[i].form);
	}
	return load_unknown(l, at, "kind of source", &n);
}
