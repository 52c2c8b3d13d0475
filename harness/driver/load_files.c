/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * "files": what exists before the first step. Entries come first, in order, then the hidden
 * bystanders of layouts with shared pieces.
 */
#include "load_internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* Keys of an entry that only some types of file have. */
enum {
	HAS_DATA = 1 << 0,
	HAS_LAYOUT = 1 << 1,
	HAS_MODE = 1 << 2,
	HAS_PLACE = 1 << 3,
	HAS_PATH = 1 << 4,
};

#define IN_FOLDER (HAS_MODE | HAS_PLACE)

/* What "type" may be; .open is how the descriptor is opened if "open" does not say. */
static const struct type {
	const char *word;
	enum file_kind kind;
	unsigned int has;
	uint64_t open;
	bool open_none;
} types[] = {
	{ "file", FILE_REGULAR, HAS_DATA | HAS_LAYOUT | IN_FOLDER, O_RDWR, false },
	{ "dir", FILE_DIR, IN_FOLDER, O_RDONLY, false },
	{ "fifo", FILE_FIFO, IN_FOLDER, O_RDWR, false },
	{ "socket", FILE_SOCKET, IN_FOLDER, O_RDWR, false },
	{ "chrdev", FILE_CHRDEV, IN_FOLDER, O_RDWR, false },
	{ "blkdev", FILE_BLKDEV, IN_FOLDER, O_RDWR, false },
	{ "symlink", FILE_SYMLINK, HAS_PLACE | HAS_PATH, 0, true },
	{ "tmpfile", FILE_TMPFILE, HAS_DATA | HAS_LAYOUT | IN_FOLDER, O_RDWR, false },
	{ "memfd", FILE_MEMFD, HAS_DATA, O_RDWR, false },
	{ "pipe-read", FILE_PIPE_READ, 0, O_RDONLY, false },
	{ "pipe-write", FILE_PIPE_WRITE, 0, O_WRONLY, false },
	{ "eventfd", FILE_EVENTFD, 0, O_RDWR, false },
	{ "host", FILE_HOST, HAS_PATH, O_RDONLY, false },
};

#define TYPES_COUNT (sizeof(types) / sizeof(types[0]))

/* Which keys each bit stands for. */
static const struct {
	unsigned int bit;
	const char *key;
} key_bits[] = {
	{ HAS_DATA, "size" }, { HAS_DATA, "data" },  { HAS_DATA, "sync" }, { HAS_LAYOUT, "layout" },
	{ HAS_MODE, "mode" }, { HAS_MODE, "owner" }, { HAS_PLACE, "on" },  { HAS_PATH, "path" },
};

static const char *const file_keys[] = { "size", "data", "layout", "sync", "mode", "owner",
					 "on",	 "open", "type",   "path", NULL };

static const struct word open_words[] = {
	{ "rdwr", O_RDWR },	    { "rdonly", O_RDONLY }, { "wronly", O_WRONLY },
	{ "append", O_APPEND },	    { "direct", O_DIRECT }, { "sync", O_SYNC },
	{ "dsync", O_DSYNC },	    { "path", O_PATH },	    { "noatime", O_NOATIME },
	{ "nonblock", O_NONBLOCK },
};

#define OPEN_WORDS_COUNT (sizeof(open_words) / sizeof(open_words[0]))
/* The first three say how to open; only one of them can be said. */
#define OPEN_HOWS 3

static const struct word layout_words[] = {
	{ "hole", LAYOUT_HOLE },	   { "written", LAYOUT_WRITTEN }, { "zero", LAYOUT_ZERO },
	{ "unwritten", LAYOUT_UNWRITTEN }, { "shared", LAYOUT_SHARED },	  { "dirty", LAYOUT_DIRTY },
};

#define LAYOUT_WORDS_COUNT (sizeof(layout_words) / sizeof(layout_words[0]))

/* A host file must be one that reading or writing cannot harm. */
static bool host_path_fits(const char *path)
{
	static const char *const devices[] = { "/dev/zero", "/dev/null", "/dev/full" };

	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++)
		if (!strcmp(path, devices[i]))
			return true;
	if (strstr(path, "..") || strlen(path) > 200)
		return false;
	return !strncmp(path, "/proc/", 6) || !strncmp(path, "/sys/", 5);
}

static bool read_type(struct loader *l, const struct at *at, const json_t *value,
		      const struct type **type)
{
	const char *word;
	struct nearest n;

	*type = &types[0];
	if (!value)
		return true;
	word = load_string(l, at, value);
	if (!word)
		return false;
	nearest_start(&n, word);
	for (size_t i = 0; i < TYPES_COUNT; i++) {
		if (!strcmp(types[i].word, word)) {
			*type = &types[i];
			return true;
		}
		nearest_try(&n, types[i].word);
	}
	return load_unknown(l, at, "type", &n);
}

/* The file of this type cannot have all keys. */
static bool keys_fit(struct loader *l, const struct at *at, json_t *object, const struct type *type)
{
	for (size_t i = 0; i < sizeof(key_bits) / sizeof(key_bits[0]); i++)
		if (json_object_get(object, key_bits[i].key) && !(type->has & key_bits[i].bit))
			return load_wrong(l, AT_KEY(at, key_bits[i].key), "a %s has no %s",
					  type->word, key_bits[i].key);
	if ((type->has & HAS_PATH) && !json_object_get(object, "path"))
		return load_wrong(l, at, "\"path\" is missing: a %s needs one", type->word);
	if (json_object_get(object, "size") && json_object_get(object, "layout"))
		return load_wrong(l, at, "\"size\" and \"layout\" exclude each other");
	if (json_object_get(object, "sync") && json_object_get(object, "layout"))
		return load_wrong(l, at,
				  "\"sync\" and \"layout\" exclude each other: "
				  "all pieces but dirty ones are on disk");
	return true;
}

/* One word of "open". */
static bool open_word(struct loader *l, const struct at *at, const char *word, uint64_t *flags,
		      bool *how)
{
	struct nearest n;

	nearest_start(&n, word);
	for (size_t i = 0; i < OPEN_WORDS_COUNT; i++) {
		nearest_try(&n, open_words[i].name);
		if (strcmp(open_words[i].name, word))
			continue;
		if (i >= OPEN_HOWS && (*flags & open_words[i].value) == open_words[i].value)
			return load_wrong(l, at, "\"%s\" is there twice", word);
		if (i < OPEN_HOWS && *how)
			return load_wrong(l, at, "rdwr, rdonly and wronly exclude each other");
		if (i < OPEN_HOWS) {
			*flags &= ~(uint64_t)O_ACCMODE;
			*how = true;
		}
		*flags |= open_words[i].value;
		return true;
	}
	return load_unknown(l, at, "word of open", &n);
}

static bool read_open(struct loader *l, const struct at *at, const json_t *value,
		      const struct type *type, struct filespec *f)
{
	const char *text;
	bool how = false;

	f->open = type->open;
	f->open_none = type->open_none;
	if (!value)
		return true;
	text = load_string(l, at, value);
	if (!text)
		return false;
	f->open_none = !strcmp(text, "none");
	if (f->open_none)
		return true;
	if (f->kind == FILE_SYMLINK)
		f->open = O_RDWR;
	while (text) {
		const char *plus = strchr(text, '+');
		const int len = plus ? (int)(plus - text) : (int)strlen(text);

		if (!open_word(l, at, arena_printf(l->arena, "%.*s", len, text), &f->open, &how))
			return false;
		text = plus ? plus + 1 : NULL;
	}
	/* openat2(2) refuses O_PATH with an access mode. */
	if ((f->open & O_PATH) && !how)
		f->open &= ~(uint64_t)O_ACCMODE;
	if ((f->open & O_DIRECT) && !load_need(l, at, NEED_DIRECT, false, NULL))
		return false;
	return true;
}

static bool read_owner(struct loader *l, const struct at *at, const json_t *value,
		       struct filespec *f)
{
	const char *text;
	uint64_t ids[2];

	if (!value)
		return true;
	text = load_string(l, at, value);
	if (!text)
		return false;
	for (int i = 0; i < 2; i++) {
		char *end = NULL;

		ids[i] = *text >= '0' && *text <= '9' ? strtoull(text, &end, 10) : UINT64_MAX;
		/* 2^32-1 means "leave it as it is" to chown(2). */
		if (!end || ids[i] >= UINT32_MAX || *end != (i ? '\0' : ':'))
			return load_wrong(l, at, "must be two numbers, \"UID:GID\"");
		text = end + 1;
	}
	f->uid = ids[0];
	f->gid = ids[1];
	f->owner_set = true;
	return load_need(l, at, NEED_CHOWN, false, NULL);
}

static bool read_place(struct loader *l, const struct at *at, const json_t *value,
		       struct filespec *f)
{
	if (!value)
		return true;
	if (!json_is_string(value) || strcmp(json_string_value(value), "second"))
		return load_wrong(l, at, "must be \"second\"");
	f->second = true;
	return load_need(l, at, NEED_SECOND_FS, false, NULL);
}

static bool read_path(struct loader *l, const struct at *at, const json_t *value,
		      struct filespec *f)
{
	const char *text;
	int target;

	if (!value)
		return true;
	text = load_string(l, at, value);
	if (!text)
		return false;
	if (f->kind == FILE_SYMLINK && !load_plain_name(l, at, text))
		return false;
	if (f->kind == FILE_HOST && !host_path_fits(text))
		return load_wrong(
			l, at, "must be below /proc or /sys, or /dev/zero, /dev/null, /dev/full");
	f->path = arena_dup(l->arena, text);
	target = names_find(&l->files, text);
	if (f->kind == FILE_SYMLINK && target >= 0)
		l->files.name[target].used = true;
	return true;
}

/* One piece of "layout", "written:2B". */
static bool layout_piece(struct loader *l, const struct at *at, const char *text,
			 struct layout *piece)
{
	const char *colon = strchr(text, ':');
	const char *word, *why;
	struct nearest n;

	if (!colon)
		return load_wrong(l, at, "\"%.64s\" must be KIND:SIZE, like \"written:2B\"", text);
	word = arena_printf(l->arena, "%.*s", (int)(colon - text), text);
	nearest_start(&n, word);
	for (size_t i = 0; i < LAYOUT_WORDS_COUNT; i++) {
		nearest_try(&n, layout_words[i].name);
		if (strcmp(layout_words[i].name, word))
			continue;
		piece->kind = (enum layout_kind)layout_words[i].value;
		if (!units_parse(colon + 1, l->units, &piece->len, &why))
			return load_wrong(l, at, "\"%.64s\": %s", text, why);
		if (!piece->len)
			return load_wrong(l, at, "\"%.64s\" is empty", text);
		return true;
	}
	return load_unknown(l, at, "kind of piece", &n);
}

/* What the pieces imply, and whether their sum is a size that a file can have. */
static bool layout_fits(struct loader *l, const struct at *at, const struct filespec *f)
{
	uint64_t size = 0, data = 0;

	for (size_t i = 0; i < f->layout_count; i++) {
		const struct layout *piece = &f->layout[i];
		int need = -1;

		if (__builtin_add_overflow(size, piece->len, &size) || size > INT64_MAX)
			return load_wrong(l, at, "the file would be larger than any can be");
		if (piece->kind != LAYOUT_HOLE && piece->len > LOAD_FILE_DATA_MAX - data)
			return load_wrong(l, at, "at most %llu bytes of data", LOAD_FILE_DATA_MAX);
		if (piece->kind != LAYOUT_HOLE)
			data += piece->len;
		if (piece->kind == LAYOUT_SHARED)
			need = NEED_CLONE;
		if (piece->kind == LAYOUT_UNWRITTEN)
			need = NEED_FALLOCATE;
		if (need >= 0 && !load_need(l, at, need, false, NULL))
			return false;
	}
	return true;
}

static bool read_layout(struct loader *l, const struct at *at, const json_t *value,
			struct filespec *f)
{
	char *rest, *piece;

	if (!value)
		return true;
	if (!load_string(l, at, value))
		return false;
	f->layout = arena_alloc(l->arena, LOAD_LIST_MAX * sizeof(*f->layout));
	rest = arena_dup(l->arena, json_string_value(value));
	while ((piece = strsep(&rest, " "))) {
		if (f->layout_count == LOAD_LIST_MAX)
			return load_wrong(l, at, "at most %d pieces", LOAD_LIST_MAX);
		if (!*piece)
			return load_wrong(l, at, "one blank stands between pieces, none around");
		if (!layout_piece(l, at, piece, &f->layout[f->layout_count++]))
			return false;
	}
	return layout_fits(l, at, f);
}

static bool read_size(struct loader *l, const struct at *at, json_t *object,
		      const struct type *type, struct filespec *f)
{
	static const struct argspec table[] = {
		ARG(NUM, struct filespec, size),
		ARG(DATA, struct filespec, data),
		ARG(BOOL, struct filespec, sync),
		ARG(MODE, struct filespec, mode),
		ARG_END,
	};
	uint64_t set = 0;

	/* The file's own name is its pattern unless it says otherwise. */
	if ((type->has & HAS_DATA) && !json_object_get(object, "data") &&
	    !load_arg(l, at, &table[1], f->name, &f->data))
		return false;
	if (!load_args(l, at, table, object, f, &set))
		return false;
	if (f->size > LOAD_FILE_DATA_MAX)
		return load_wrong(l, AT_KEY(at, "size"),
				  "at most %llu bytes of data (a hole in \"layout\" may be larger)",
				  LOAD_FILE_DATA_MAX);
	f->mode_set = json_object_get(object, "mode");
	return !f->mode_set || load_need(l, AT_KEY(at, "mode"), NEED_MODES, false, NULL);
}

static bool read_file(struct loader *l, const struct at *at, json_t *object, struct filespec *f)
{
	const struct type *type;

	if (!json_is_object(object))
		return load_wrong(l, at, "must be an object, not %s", load_type(object));
	if (!load_keys(l, at, object, file_keys) ||
	    !read_type(l, AT_KEY(at, "type"), json_object_get(object, "type"), &type) ||
	    !keys_fit(l, at, object, type))
		return false;
	f->kind = type->kind;
	f->sharer = -1;
	if (type->kind == FILE_TMPFILE && !load_need(l, at, NEED_TMPFILE, false, NULL))
		return false;
	if ((type->kind == FILE_FIFO || type->kind == FILE_SOCKET) &&
	    !load_need(l, at, NEED_FIFO, false, NULL))
		return false;
	if ((type->kind == FILE_CHRDEV || type->kind == FILE_BLKDEV) &&
	    !load_need(l, at, NEED_MKNOD, false, NULL))
		return false;
	return read_size(l, at, object, type, f) &&
	       read_open(l, AT_KEY(at, "open"), json_object_get(object, "open"), type, f) &&
	       read_owner(l, AT_KEY(at, "owner"), json_object_get(object, "owner"), f) &&
	       read_place(l, AT_KEY(at, "on"), json_object_get(object, "on"), f) &&
	       read_path(l, AT_KEY(at, "path"), json_object_get(object, "path"), f) &&
	       read_layout(l, AT_KEY(at, "layout"), json_object_get(object, "layout"), f);
}

/* A bystander for each file that has shared pieces. */
static void add_sharers(struct loader *l, struct filespec *files, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct filespec *f = &files[i];
		size_t k;
		int n;

		for (k = 0; k < f->layout_count; k++)
			if (f->layout[k].kind == LAYOUT_SHARED)
				break;
		if (k == f->layout_count)
			continue;
		n = names_add(l, &l->files, arena_printf(l->arena, "%s.sharer", f->name));
		files[n] = (struct filespec){
			.name = l->files.name[n].text,
			.kind = FILE_REGULAR,
			.data = f->data,
			.second = f->second,
			.open_none = true,
			.sharer = -1,
		};
		files[i].sharer = n;
	}
}

static bool is_sharer_name(const char *name)
{
	const size_t len = strlen(name), tail = strlen(".sharer");

	return len > tail && !strcmp(name + len - tail, ".sharer");
}

static bool file_name_fits(struct loader *l, const struct at *at, const char *name)
{
	if (!load_plain_name(l, at, name))
		return false;
	if (is_sharer_name(name) || (!strncmp(name, "step", 4) && name[4] >= '0' && name[4] <= '9'))
		return load_wrong(l, at, "\"%s\" is reserved: choose another name", name);
	return true;
}

bool files_read(struct loader *l, json_t *files)
{
	const struct at *at = AT_KEY(NULL, "files");
	const char *name;
	json_t *object;
	size_t count;

	/* Steps may make as many again; and each file may have a bystander. */
	l->p->files = arena_alloc(l->arena, LOAD_FILES_MAX * 3 * sizeof(*l->p->files));
	if (!files)
		return true;
	if (!json_is_object(files))
		return load_wrong(l, at, "must be an object, not %s", load_type(files));
	if (json_object_size(files) > LOAD_FILES_MAX)
		return load_wrong(l, at, "at most %d files, not %zu", LOAD_FILES_MAX,
				  json_object_size(files));
	json_object_foreach (files, name, object) {
		int n;

		if (!file_name_fits(l, at, name))
			return false;
		n = names_add(l, &l->files, name);
		l->files.name[n].owed = true;
	}
	count = l->files.count;
	for (size_t i = 0; i < count; i++) {
		struct filespec *f = &l->p->files[i];

		f->name = l->files.name[i].text;
		object = json_object_get(files, f->name);
		l->files.name[i].place = load_place(l, AT_KEY(at, f->name));
		if (!read_file(l, AT_KEY(at, f->name), object, f))
			return false;
	}
	add_sharers(l, l->p->files, count);
	l->p->files_count = l->files.count;
	return true;
}

const char *files_type(size_t i)
{
	return i < TYPES_COUNT ? types[i].word : NULL;
}

bool files_type_has(size_t i, const char *key)
{
	for (size_t k = 0; k < sizeof(key_bits) / sizeof(key_bits[0]); k++)
		if (!strcmp(key_bits[k].key, key))
			return types[i].has & key_bits[k].bit;
	return true;
}

const char *files_open_word(size_t i)
{
	return i < OPEN_WORDS_COUNT ? open_words[i].name : NULL;
}

const char *files_layout_word(size_t i)
{
	return i < LAYOUT_WORDS_COUNT ? layout_words[i].name : NULL;
}
