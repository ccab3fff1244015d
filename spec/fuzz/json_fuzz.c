/* Whatever the gate takes can be walked, cut, unquoted and quoted again, and what is cut
 * out is JSON itself. Whatever the bytes are, they can be shown. */
#include "text/json.h"
#include "text/visible.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ELEMENTS_TRIED = 64 };

static void must(bool held)
{
    if (!held)
        abort();
}

static bool equal(const grid_buffer *a, const grid_buffer *b)
{
    return a->size == b->size && memcmp(a->data, b->data, a->size) == 0;
}

static grid_slice content(const grid_buffer *buffer)
{
    return (grid_slice){buffer->data, buffer->size};
}

static void requote(grid_slice raw)
{
    grid_buffer bytes, quoted, again;
    grid_error err;

    grid_buffer_init(&bytes, raw.size);
    grid_buffer_init(&quoted, 6 * raw.size + 2);
    grid_buffer_init(&again, raw.size);
    must(grid_json_unquote(raw, &bytes, &err));
    must(grid_json_quote(content(&bytes), &quoted, &err));
    must(grid_json_validate(content(&quoted), &err));
    must(grid_json_unquote(content(&quoted), &again, &err));
    must(equal(&bytes, &again));
    grid_buffer_clear(&bytes);
    grid_buffer_clear(&quoted);
    grid_buffer_clear(&again);
}

static void walk(grid_slice text)
{
    grid_json_reader reader;
    grid_json_token token;
    grid_slice raw;
    size_t depth = 0;

    grid_json_reader_init(&reader, text);
    while ((token = grid_json_next(&reader, &raw)) != GRID_JSON_END) {
        must(raw.size > 0 && raw.data >= text.data && raw.data + raw.size <= text.data + text.size);
        if (token == GRID_JSON_STRING)
            requote(raw);
        depth += token == GRID_JSON_OBJECT_BEGIN || token == GRID_JSON_ARRAY_BEGIN;
        depth -= token == GRID_JSON_OBJECT_END || token == GRID_JSON_ARRAY_END;
        must(depth <= GRID_JSON_MAX_DEPTH);
    }
    must(depth == 0);
}

static void cut_elements(grid_slice array)
{
    grid_slice value;
    grid_error err;

    for (size_t i = 0; i < ELEMENTS_TRIED && grid_json_element(array, i, &value); i++)
        must(grid_json_validate(value, &err));
}

/* Every string of the text is tried as a name: some are members of the outermost
 * object. */
static void cut_members(grid_slice object)
{
    grid_json_reader reader;
    grid_json_token token;
    grid_slice raw, value;
    grid_error err;

    grid_json_reader_init(&reader, object);
    for (size_t tried = 0;
         tried < ELEMENTS_TRIED && (token = grid_json_next(&reader, &raw)) != GRID_JSON_END;) {
        grid_buffer name;

        if (token != GRID_JSON_STRING)
            continue;
        tried++;
        grid_buffer_init(&name, raw.size);
        must(grid_json_unquote(raw, &name, &err) && grid_buffer_reserve(&name, 0, &err));
        if (grid_json_member(object, content(&name), &value))
            must(grid_json_validate(value, &err));
        grid_buffer_clear(&name);
    }
}

/* No byte grows to more than three, and no character of two to more than six. */
static void show(grid_slice text, bool is_json)
{
    grid_buffer shown, again;
    grid_error err;

    grid_buffer_init(&shown, 3 * text.size);
    must(grid_visible_text(text, &shown, &err) && grid_is_visible(content(&shown)));
    must(grid_is_visible(text) <= (shown.size == text.size));
    grid_buffer_clear(&shown);
    if (!is_json)
        return;
    grid_buffer_init(&shown, 6 * text.size);
    grid_buffer_init(&again, 6 * text.size);
    must(grid_visible_json(text, &shown, &err) && grid_json_validate(content(&shown), &err));
    must(grid_visible_json(content(&shown), &again, &err) && equal(&shown, &again));
    grid_buffer_clear(&shown);
    grid_buffer_clear(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    grid_slice text = {(const char *)data, size};
    grid_buffer quoted;
    grid_error err;

    grid_buffer_init(&quoted, 6 * size + 2);
    if (grid_json_quote(text, &quoted, &err))
        must(grid_json_validate(content(&quoted), &err));
    grid_buffer_clear(&quoted);
    if (size)
        show(text, grid_json_validate(text, &err));
    if (grid_json_validate(text, &err)) {
        walk(text);
        cut_elements(text);
        cut_members(text);
    }
    return 0;
}
