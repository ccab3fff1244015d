/* Writes tables as fields, by a declared form: name, blank, length of the value, colon,
 * value, line feed. grid.keeper.codec declares the forms, and reads the bytes.
 *
 * Owns: the order of fields, and the text of each kind of value. Tables are read raw: no
 * metamethod runs, and no table is changed.
 * Does not know: which fields there are. */
#include "lua/fields.h"

#include "base/ascii.h"
#include "lua/names.h"
#include "text/number.h"

#include <string.h>

typedef struct writer {
    lua_State *L;
    grid_buffer *out;
    grid_error *err;
} writer;

#define REFUSE(self, ...) grid_error_set((self)->err, GRID_REQUEST, "bad_value", __VA_ARGS__)

/* The value and the form are those at absolute indices of the stack. */
static bool write_value(writer *self, int value, int form);

static bool check_type(writer *self, int value, int type, const char *expected)
{
    if (lua_type(self->L, value) == type)
        return true;
    return REFUSE(self, "a %s is expected, got %s", expected, luaL_typename(self->L, value));
}

static grid_slice string_at(lua_State *L, int index)
{
    grid_slice text;

    text.data = lua_tolstring(L, index, &text.size);
    return text;
}

static bool write_text(writer *self, int value)
{
    grid_slice text;

    if (!check_type(self, value, LUA_TSTRING, "text"))
        return false;
    text = string_at(self->L, value);
    return grid_buffer_append(self->out, text.data, text.size, self->err);
}

/* A number, multiplied by the scale, as a whole number. Numbers between the limits have
 * up to 16 characters. */
static bool write_number(writer *self, int value, double scale)
{
    const double lowest = -1e15 + 1, highest = 1e16 - 2;
    char text[GRID_NUMBER_MAX];
    double scaled;
    int64_t whole;

    if (!check_type(self, value, LUA_TNUMBER, "number"))
        return false;
    scaled = lua_tonumber(self->L, value) * scale;
    if (!(scaled > lowest && scaled < highest))
        return REFUSE(self, "a number of up to 16 digits is expected, got %.0f", scaled);
    scaled += 0.5;
    whole = (int64_t)scaled - (scaled < (double)(int64_t)scaled); /* floor */
    return grid_buffer_append(self->out, text, grid_number_whole(whole, text), self->err);
}

/* Writes the value, and then its name and its length in front of it. */
static bool write_field(writer *self, grid_slice name, int value, int form)
{
    grid_buffer *out = self->out;
    char length[GRID_NUMBER_MAX + 2] = " ";
    size_t start = out->size, size, count;
    char *field;

    if (!write_value(self, value, form))
        return false;
    size = out->size - start;
    count = 1 + grid_number_whole((int64_t)size, length + 1);
    length[count++] = ':';
    if (!grid_buffer_reserve(out, name.size + count + 1, self->err))
        return false;
    field = out->data + start;
    memmove(field + name.size + count, field, size);
    memcpy(field, name.data, name.size);
    memcpy(field + name.size, length, count);
    out->size += name.size + count;
    return grid_buffer_append(out, "\n", 1, self->err);
}

static size_t count_keys(lua_State *L, int table)
{
    size_t count = 0;

    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1))
        count++;
    return count;
}

enum { STRUCT_STEP = 3 }; /* elements of a struct's form for each field: name, form, is it optional? */

/* Refuses the field of the table that is not in the form. */
static bool refuse_unknown(writer *self, int value, int form)
{
    lua_State *L = self->L;
    int last = (int)lua_rawlen(L, form);

    for (lua_pushnil(L); lua_next(L, value); lua_pop(L, 1)) {
        bool is_known = false;

        for (int i = 2; i < last && !is_known; i += STRUCT_STEP) {
            lua_rawgeti(L, form, i);
            is_known = lua_rawequal(L, -1, -3);
            lua_pop(L, 1);
        }
        if (!is_known)
            return REFUSE(self, "a record has no field '%.60s'",
                          lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : luaL_typename(L, -2));
    }
    return false;
}

static bool is_optional(lua_State *L, int form, int position)
{
    bool yes;

    lua_rawgeti(L, form, position + 2);
    yes = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return yes;
}

static bool write_struct(writer *self, int value, int form)
{
    lua_State *L = self->L;
    int top = lua_gettop(L), last = (int)lua_rawlen(L, form);
    size_t written = 0;

    for (int i = 2; i < last; i += STRUCT_STEP) {
        grid_slice name;

        lua_rawgeti(L, form, i);
        name = string_at(L, top + 1); /* the form references the string */
        lua_rawget(L, value);
        if (!lua_isnil(L, top + 1)) {
            lua_rawgeti(L, form, i + 1);
            if (!write_field(self, name, top + 1, top + 2))
                return false;
            written++;
        } else if (!is_optional(L, form, i)) {
            return REFUSE(self, "a record needs the field '%s'", name.data);
        }
        lua_settop(L, top);
    }
    return written == count_keys(L, value) || refuse_unknown(self, value, form);
}

static bool is_name(grid_slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        char byte = text.data[i];

        if (!grid_ascii_is_letter(byte) && !grid_ascii_is_digit(byte) && byte != '_')
            return false;
    }
    return text.size > 0;
}

enum { MOST_NAMES = 1000 }; /* of a map */

static bool refuse_name(writer *self)
{
    return REFUSE(self, "a name of letters, digits and _ is expected");
}

static bool write_member(writer *self, int value, int item, const gridL_names *names, size_t position)
{
    lua_State *L = self->L;
    int top = lua_gettop(L);

    if (!is_name(names->sorted[position].text))
        return refuse_name(self);
    gridL_names_push(names, L, position);
    lua_rawget(L, value);
    if (!write_field(self, names->sorted[position].text, top + 1, item))
        return false;
    lua_settop(L, top);
    return true;
}

/* Values of the same kind by name. */
static bool write_map(writer *self, int value, int form)
{
    lua_State *L = self->L;
    int item = lua_gettop(L) + 1;
    gridL_names names;

    lua_rawgeti(L, form, 2);
    gridL_names_count(&names, L, value);
    if (names.count != names.keys)
        return refuse_name(self);
    if (names.count > MOST_NAMES)
        return REFUSE(self, "at most %d names are expected", MOST_NAMES);
    gridL_names_sort(&names, L, value);
    for (size_t i = 0; i < names.count; i++)
        if (!write_member(self, value, item, &names, i))
            return false;
    return true;
}

/* Values of the same kind; their names are their positions. */
static bool write_list(writer *self, int value, int form)
{
    lua_State *L = self->L;
    int item = lua_gettop(L) + 1, size = (int)lua_rawlen(L, value);
    char position[GRID_NUMBER_MAX];

    lua_rawgeti(L, form, 2);
    for (int i = 1; i <= size; i++) {
        lua_rawgeti(L, value, i);
        if (!write_field(self, (grid_slice){position, grid_number_whole(i, position)}, item + 1, item))
            return false;
        lua_settop(L, item);
    }
    return true;
}

static bool write_table(writer *self, int value, int form, bool (*write)(writer *, int, int))
{
    int top = lua_gettop(self->L);

    if (!check_type(self, value, LUA_TTABLE, "table"))
        return false;
    luaL_checkstack(self->L, 8, "fields too deep");
    if (!write(self, value, form))
        return false;
    lua_settop(self->L, top);
    return true;
}

/* The first letter of the kind of value: that is the form, or its first element. */
static char kind_of(lua_State *L, int form)
{
    const char *kind;

    if (lua_type(L, form) == LUA_TSTRING)
        return *lua_tostring(L, form);
    luaL_checktype(L, form, LUA_TTABLE);
    lua_rawgeti(L, form, 1);
    kind = lua_tostring(L, -1);
    lua_pop(L, 1); /* the form references the string */
    return kind ? *kind : '\0';
}

/* After a failure the stack is not restored. */
static bool write_value(writer *self, int value, int form)
{
    switch (kind_of(self->L, form)) {
    case 't':
        return write_text(self, value);
    case 'i':
        return write_number(self, value, 1);
    case 'n':
        return write_number(self, value, 1000);
    case 'f':
        return grid_buffer_append(self->out, lua_toboolean(self->L, value) ? "1" : "0", 1, self->err);
    case 'm':
        return write_table(self, value, form, write_map);
    case 'l':
        return write_table(self, value, form, write_list);
    case 's':
        return write_table(self, value, form, write_struct);
    default:
        return REFUSE(self, "a form has no kind");
    }
}

static bool write_into(lua_State *L, grid_buffer *out, grid_error *err)
{
    writer self = {.L = L, .out = out, .err = err};
    grid_slice prefix = string_at(L, 3);

    return grid_buffer_append(out, prefix.data, prefix.size, err) && write_value(&self, 2, 1);
}

/* fields_encode(form, value, prefix | nil) -> prefix and bytes | nil, kind, code,
 * message. Forms: "text" · "integer" · "number", in thousandths · "flag" ·
 * { "map", form } · { "list", form } · { "struct", name, form, is_optional, … } */
static int fields_encode(lua_State *L)
{
    luaL_optstring(L, 3, NULL);
    lua_settop(L, 3);
    return gridL_return_text(L, write_into);
}

void gridL_open_fields(lua_State *L)
{
    lua_pushcfunction(L, fields_encode);
    lua_setfield(L, -2, "fields_encode");
}
