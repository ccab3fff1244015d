/* JSON as bytes (RFC 8259): validates, walks, and finds members, without a tree.
 *
 * Owns: the grammar, the limits (64 levels, valid UTF-8, nothing after the value) and the
 * escapes.
 * Does not know: Lua, numbers as doubles, and which members a caller wants. Slices
 * returned here point into the caller's text. */
#ifndef GRID_TEXT_JSON_H
#define GRID_TEXT_JSON_H

#include "base/buffer.h"
#include "base/slice.h"

enum { GRID_JSON_MAX_DEPTH = 64, GRID_JSON_COUNTED = 64 };

typedef enum grid_json_token {
    GRID_JSON_OBJECT_BEGIN, /* then key string, value, key string, value, …, OBJECT_END */
    GRID_JSON_OBJECT_END,
    GRID_JSON_ARRAY_BEGIN,
    GRID_JSON_ARRAY_END,
    GRID_JSON_STRING, /* raw slice includes the quotes */
    GRID_JSON_NUMBER,
    GRID_JSON_TRUE,
    GRID_JSON_FALSE,
    GRID_JSON_NULL,
    GRID_JSON_END
} grid_json_token;

/* One JSON text, whole. Fails with kind "protocol" and code "bad_json", "bad_utf8" or
 * "too_deep"; the message names the byte offset, never the bytes. A lone surrogate escape
 * such as \ud800 passes (RFC 8259 section 8.2). */
bool grid_json_validate(grid_slice text, grid_error *err);

/* The text after a byte order mark, which a reader may ignore (RFC 8259 section 8.1) and
 * grid_json_validate refuses. */
grid_slice grid_json_skip_mark(grid_slice text);

/* The number of members or elements of the first objects and arrays of a text, in the
 * order in which they begin. */
typedef struct grid_json_counts {
    unsigned of[GRID_JSON_COUNTED + 1]; /* the last entry is for all further ones */
    size_t count;
} grid_json_counts;

/* Validates, and counts on the way. */
bool grid_json_count(grid_slice text, grid_json_counts *counts, grid_error *err);

/* The functions below take text that grid_json_validate accepted. */

typedef struct grid_json_reader {
    const char *at;
    const char *end;
    bool escaped; /* the last string holds an escape */
} grid_json_reader;

void grid_json_reader_init(grid_json_reader *reader, grid_slice text);
grid_json_token grid_json_next(grid_json_reader *reader, grid_slice *raw);

/* For a reader that has just read OBJECT_BEGIN: the next member, name with quotes. */
bool grid_json_next_member(grid_json_reader *reader, grid_slice *name, grid_slice *value);

/* The exact bytes of a value, without the blanks around it. False: no such member, or not
 * an object/array. If a name occurs twice, the last one counts, as in lua-cjson. Names
 * are compared unescaped, and may contain U+0000. */
bool grid_json_member(grid_slice object, grid_slice name, grid_slice *value);
bool grid_json_element(grid_slice array, size_t index, grid_slice *value);

/* Appends the value of a raw string (with quotes) as UTF-8; a lone surrogate becomes
 * U+FFFD. */
bool grid_json_unquote(grid_slice raw, grid_buffer *out, grid_error *err);

/* A string as JSON, quotes and escapes included. The bytes must be UTF-8. Fails with code
 * "bad_utf8". */
bool grid_json_quote(grid_slice text, grid_buffer *out, grid_error *err);

#endif
