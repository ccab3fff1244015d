#include "text/canonical.h"

#include "base/alloc.h"
#include "text/json.h"
#include "text/json_string.h"
#include "text/number.h"

#include <string.h>

/* One value. A node holds no bytes: its slices point into the text, or into the unescaped
 * strings. */
struct node {
    grid_json_token token;
    grid_slice name; /* of an object's member, unescaped */
    grid_slice text; /* of a string: unescaped, without quotes; of other scalars: raw */
    struct node *next;
    struct node *first; /* of an array's elements or an object's members */
};

enum { BLOCK_NODES = 64 };

struct block {
    struct block *previous;
    size_t used;
    struct node nodes[BLOCK_NODES];
};

struct tree {
    grid_json_reader reader;
    struct block *blocks;
    grid_buffer unescaped; /* reserved once at full size: its bytes never move */
    grid_error *err;
};

static struct node *new_node(struct tree *tree, grid_json_token token)
{
    struct block *block = tree->blocks;
    struct node *node;

    if (!block || block->used == BLOCK_NODES) {
        block = grid_malloc(sizeof *block);
        if (!block) {
            grid_error_out_of_memory(tree->err);
            return NULL;
        }
        block->previous = tree->blocks;
        block->used = 0;
        tree->blocks = block;
    }
    node = &block->nodes[block->used++];
    *node = (struct node){.token = token};
    return node;
}

static void tree_clear(struct tree *tree)
{
    while (tree->blocks) {
        struct block *block = tree->blocks;

        tree->blocks = block->previous;
        grid_free(block);
    }
    grid_buffer_clear(&tree->unescaped);
}

/* ---- Reading ----------------------------------------------------------------------- */

static bool unescape(struct tree *tree, grid_slice raw, grid_slice *text)
{
    size_t before = tree->unescaped.size;

    *text = (grid_slice){raw.data + 1, raw.size - 2};
    if (!memchr(raw.data, '\\', raw.size))
        return true;
    if (!grid_buffer_reserve(&tree->unescaped, tree->unescaped.limit - before, tree->err) ||
        !grid_json_unquote(raw, &tree->unescaped, tree->err))
        return false;
    *text = (grid_slice){tree->unescaped.data + before, tree->unescaped.size - before};
    return true;
}

/* UTF-16 code units order as code points do, with one exception: a surrogate pair
 * (D800-DFFF, in UTF-8 led by F0-F4) sorts before U+E000-U+FFFF (led by EE and EF). */
static unsigned utf16_rank(char byte)
{
    unsigned rank = (unsigned char)byte;

    return rank == 0xEE || rank == 0xEF ? rank + 0x10 : rank;
}

static int compare_names(const struct node *a, const struct node *b)
{
    size_t shorter = a->name.size < b->name.size ? a->name.size : b->name.size;

    for (size_t i = 0; i < shorter; i++)
        if (a->name.data[i] != b->name.data[i])
            return utf16_rank(a->name.data[i]) < utf16_rank(b->name.data[i]) ? -1 : 1;
    return a->name.size < b->name.size ? -1 : a->name.size > b->name.size;
}

static struct node *merge(struct node *a, struct node *b)
{
    struct node *merged = NULL;
    struct node **last = &merged;

    while (a && b) {
        struct node **lesser = compare_names(a, b) <= 0 ? &a : &b;

        *last = *lesser;
        last = &(*last)->next;
        *lesser = *last;
    }
    *last = a ? a : b;
    return merged;
}

/* A bottom-up merge sort: runs[i] is empty or a sorted run of 2^i members. */
static struct node *sort(struct node *member)
{
    struct node *runs[sizeof(size_t) * 8] = {NULL};
    struct node *sorted = NULL;

    while (member) {
        struct node *run = member;
        size_t i = 0;

        member = member->next;
        run->next = NULL;
        for (; runs[i]; i++) {
            run = merge(runs[i], run);
            runs[i] = NULL;
        }
        runs[i] = run;
    }
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++)
        sorted = merge(runs[i], sorted);
    return sorted;
}

static bool is_ascending(const struct node *member)
{
    for (; member && member->next; member = member->next)
        if (compare_names(member, member->next) >= 0)
            return false;
    return true;
}

static bool order_members(struct tree *tree, struct node *object)
{
    if (is_ascending(object->first))
        return true;
    object->first = sort(object->first);
    return is_ascending(object->first) || grid_error_set(tree->err, GRID_REQUEST, "duplicate_name",
                                                         "an object holds the same name twice");
}

static bool read_children(struct tree *tree, struct node *parent);

static struct node *read_value(struct tree *tree, grid_json_token token, grid_slice raw)
{
    struct node *value = new_node(tree, token);
    bool good = true;

    if (!value)
        return NULL;
    if (token == GRID_JSON_STRING)
        good = unescape(tree, raw, &value->text);
    else if (token == GRID_JSON_OBJECT_BEGIN || token == GRID_JSON_ARRAY_BEGIN)
        good = read_children(tree, value);
    else
        value->text = raw;
    return good ? value : NULL;
}

/* Recursion ends at GRID_JSON_MAX_DEPTH: the text was validated. */
static bool read_children(struct tree *tree, struct node *parent)
{
    bool object = parent->token == GRID_JSON_OBJECT_BEGIN;
    struct node **last = &parent->first;

    for (;;) {
        grid_slice name = {NULL, 0};
        grid_slice raw;
        grid_json_token token = grid_json_next(&tree->reader, &raw);

        if (token == GRID_JSON_OBJECT_END || token == GRID_JSON_ARRAY_END)
            return !object || order_members(tree, parent);
        if (object) {
            if (!unescape(tree, raw, &name))
                return false;
            token = grid_json_next(&tree->reader, &raw);
        }
        *last = read_value(tree, token, raw);
        if (!*last)
            return false;
        (*last)->name = name;
        last = &(*last)->next;
    }
}

/* ---- Writing ----------------------------------------------------------------------- */

static bool write_number(grid_slice number, grid_buffer *out, grid_error *err)
{
    char text[GRID_NUMBER_MAX];
    size_t size = grid_number_canonical(number, text);

    if (size == 0)
        return grid_error_set(err, GRID_REQUEST, "number_range",
                              "a number is beyond the range of a double");
    return grid_buffer_append(out, text, size, err);
}

static bool write_children(const struct node *parent, grid_buffer *out, grid_error *err);

static bool write_value(const struct node *value, grid_buffer *out, grid_error *err)
{
    switch (value->token) {
    case GRID_JSON_OBJECT_BEGIN:
    case GRID_JSON_ARRAY_BEGIN:
        return write_children(value, out, err);
    case GRID_JSON_STRING:
        return grid_json_quote(value->text, out, err);
    case GRID_JSON_NUMBER:
        return write_number(value->text, out, err);
    default:
        return grid_buffer_append(out, value->text.data, value->text.size, err);
    }
}

static bool write_children(const struct node *parent, grid_buffer *out, grid_error *err)
{
    bool object = parent->token == GRID_JSON_OBJECT_BEGIN;

    if (!grid_buffer_append_text(out, object ? "{" : "[", err))
        return false;
    for (const struct node *child = parent->first; child; child = child->next) {
        if (child != parent->first && !grid_buffer_append_text(out, ",", err))
            return false;
        if (object &&
            !(grid_json_quote(child->name, out, err) && grid_buffer_append_text(out, ":", err)))
            return false;
        if (!write_value(child, out, err))
            return false;
    }
    return grid_buffer_append_text(out, object ? "}" : "]", err);
}

/* ---- Reading and writing ----------------------------------------------------------- */

/* A backslash occurs in strings only, so one pass over the text finds each escape. */
static bool refuse_lone_surrogates(grid_slice text, grid_error *err)
{
    const char *end = text.data + text.size;
    const char *at = text.data;

    while ((at = memchr(at, '\\', (size_t)(end - at)))) {
        size_t offset = (size_t)(at - text.data);

        if (grid_json_is_surrogate(grid_json_escape_read(&at, end)))
            return grid_error_set(err, GRID_REQUEST, "lone_surrogate",
                                  "half a surrogate pair at byte %zu", offset);
    }
    return true;
}

static bool canonicalize(grid_slice text, grid_buffer *out, grid_error *err)
{
    struct tree tree = {.err = err};
    grid_slice raw;
    grid_json_token token;
    const struct node *root;
    bool good;

    if (!grid_json_validate(text, err) || !refuse_lone_surrogates(text, err))
        return false;
    grid_buffer_init(&tree.unescaped, text.size);
    grid_json_reader_init(&tree.reader, text);
    token = grid_json_next(&tree.reader, &raw);
    root = read_value(&tree, token, raw);
    good = root && write_value(root, out, err);
    tree_clear(&tree);
    return good;
}

bool grid_canonicalize(grid_slice text, grid_buffer *out, grid_error *err)
{
    size_t before = out->size;

    if (canonicalize(text, out, err))
        return true;
    grid_buffer_truncate(out, before);
    err->kind = GRID_REQUEST;
    return false;
}
