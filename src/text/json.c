/* Walks validated text, without a stack: commas and colons are skipped, since the text is
 * known to be well-formed. */
#include "text/json.h"

#include "text/json_string.h"
#include "text/scan.h"

void grid_json_reader_init(grid_json_reader *reader, grid_slice text)
{
    reader->at = text.size ? text.data : "";
    reader->end = reader->at + text.size;
}

static const char *skip_separators(const char *at, const char *end)
{
    for (;;) {
        at = grid_scan_blanks(at, end);
        if (at == end || (*at != ',' && *at != ':'))
            return at;
        at++;
    }
}

static grid_json_token token_of(char byte)
{
    switch (byte) {
    case '{':
        return GRID_JSON_OBJECT_BEGIN;
    case '}':
        return GRID_JSON_OBJECT_END;
    case '[':
        return GRID_JSON_ARRAY_BEGIN;
    case ']':
        return GRID_JSON_ARRAY_END;
    case '"':
        return GRID_JSON_STRING;
    case 't':
        return GRID_JSON_TRUE;
    case 'f':
        return GRID_JSON_FALSE;
    case 'n':
        return GRID_JSON_NULL;
    default:
        return GRID_JSON_NUMBER;
    }
}

/* `at` is after the opening quote; the result is after the closing one. */
static const char *skip_string(const char *at, const char *end, bool *escaped)
{
    const char *quote = memchr(at, '"', (size_t)(end - at));
    const char *escape;

    *escaped = false;
    while (quote && (escape = memchr(at, '\\', (size_t)(quote - at)))) {
        *escaped = true;
        at = escape + 2;
        if (at > quote) /* the quote was the escaped character */
            quote = memchr(at, '"', (size_t)(end - at));
    }
    return quote ? quote + 1 : end;
}

static const char *skip_word(const char *at, const char *end)
{
    while (at < end && (grid_scan_blanks(at, at + 1) == at) && *at != ',' && *at != ']' &&
           *at != '}')
        at++;
    return at;
}

grid_json_token grid_json_next(grid_json_reader *reader, grid_slice *raw)
{
    const char *start = skip_separators(reader->at, reader->end);
    grid_json_token token = start < reader->end ? token_of(*start) : GRID_JSON_END;
    const char *at = start;

    switch (token) {
    case GRID_JSON_OBJECT_BEGIN:
    case GRID_JSON_OBJECT_END:
    case GRID_JSON_ARRAY_BEGIN:
    case GRID_JSON_ARRAY_END:
        at++;
        break;
    case GRID_JSON_STRING:
        at = skip_string(at + 1, reader->end, &reader->escaped);
        break;
    case GRID_JSON_NUMBER:
    case GRID_JSON_TRUE:
    case GRID_JSON_FALSE:
    case GRID_JSON_NULL:
        at = skip_word(at, reader->end);
        break;
    case GRID_JSON_END:
        break;
    }
    reader->at = at;
    *raw = (grid_slice){start, (size_t)(at - start)};
    return token;
}

/* `at` is after the bracket that opens an object or array; the result is after the one
 * that closes it. Outside of strings only brackets are counted. */
static const char *skip_container(const char *at, const char *end)
{
    size_t depth = 1;
    bool escaped;

    while (at < end && depth > 0) {
        switch (*at++) {
        case '"':
            at = skip_string(at, end, &escaped);
            break;
        case '{':
        case '[':
            depth++;
            break;
        case '}':
        case ']':
            depth--;
            break;
        default:
            break;
        }
    }
    return at;
}

/* The next whole value. False at the end of the container that is walked. */
static bool next_value(grid_json_reader *reader, grid_slice *value)
{
    switch (grid_json_next(reader, value)) {
    case GRID_JSON_OBJECT_END:
    case GRID_JSON_ARRAY_END:
    case GRID_JSON_END:
        return false;
    case GRID_JSON_OBJECT_BEGIN:
    case GRID_JSON_ARRAY_BEGIN:
        reader->at = skip_container(reader->at, reader->end);
        value->size = (size_t)(reader->at - value->data);
        return true;
    default:
        return true;
    }
}

/* Allocates nothing: the name is compared piece by piece, each escape as its UTF-8. */
static bool is_name(grid_slice raw, const char *name, size_t name_size)
{
    const char *at = raw.data + 1;
    const char *end = raw.data + raw.size - 1;

    while (at < end) {
        char bytes[GRID_UTF8_MAX] = {*at};
        size_t length = 1;

        if (*at == '\\')
            length = grid_json_unescape(&at, end, bytes);
        else
            at++;
        if (length > name_size || memcmp(bytes, name, length) != 0)
            return false;
        name += length;
        name_size -= length;
    }
    return name_size == 0;
}

bool grid_json_next_member(grid_json_reader *reader, grid_slice *name, grid_slice *value)
{
    return grid_json_next(reader, name) == GRID_JSON_STRING && next_value(reader, value);
}

bool grid_json_member(grid_slice object, grid_slice name, grid_slice *value)
{
    grid_json_reader reader;
    grid_slice raw, candidate;
    bool found = false;

    grid_json_reader_init(&reader, object);
    if (grid_json_next(&reader, &raw) != GRID_JSON_OBJECT_BEGIN)
        return false;
    while (grid_json_next_member(&reader, &raw, &candidate)) {
        if (is_name(raw, name.data, name.size)) {
            *value = candidate;
            found = true;
        }
    }
    return found;
}

bool grid_json_element(grid_slice array, size_t index, grid_slice *value)
{
    grid_json_reader reader;
    grid_slice raw;

    grid_json_reader_init(&reader, array);
    if (grid_json_next(&reader, &raw) != GRID_JSON_ARRAY_BEGIN)
        return false;
    while (next_value(&reader, &raw)) {
        if (index-- == 0) {
            *value = raw;
            return true;
        }
    }
    return false;
}
