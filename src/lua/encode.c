/* Encodes Lua values as JSON text.
 *
 * Owns: the distinction of arrays and objects, the order of names (sorted, so that one
 * value has one text), and a form of numbers that decodes to the same number. Tables are
 * read raw: no metamethod runs, and no table is changed.
 * Does not know: the metatables that mark arrays, which the caller passes. */
#include "lua/encode.h"

#include "lua/names.h"
#include "text/json.h"
#include "text/number.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The arguments of json_encode */
enum { VALUE = 1, ARRAY_METATABLE, EMPTY_ARRAY_METATABLE, EMPTY_ARRAY };

typedef struct writer {
    lua_State *L;
    grid_buffer *out;
    grid_error *err;
    int depth;
} writer;

static bool write_value(writer *self);

#define REFUSE(self, ...) grid_error_set((self)->err, GRID_REQUEST, "bad_value", __VA_ARGS__)

static bool put(writer *self, const char *text)
{
    return grid_buffer_append_text(self->out, text, self->err);
}

static bool write_string(writer *self, grid_slice text)
{
    if (grid_json_quote(text, self->out, self->err))
        return true;
    if (strcmp(self->err->code, "bad_utf8") == 0)
        REFUSE(self, "a string is not valid UTF-8");
    return false;
}

/* Writes the shortest form that decodes to the same double. printf writes the locale's
 * decimal point, which is replaced. */
static bool write_fraction(writer *self, lua_Number number)
{
    char digits[GRID_NUMBER_MAX], text[GRID_NUMBER_MAX];
    size_t i, size = (size_t)snprintf(digits, sizeof digits, "%.17g", number);

    for (i = 0; i < size; i++)
        if (!strchr("0123456789+-e", digits[i]))
            digits[i] = '.';
    size = grid_number_canonical((grid_slice){digits, size}, text);
    return grid_buffer_append(self->out, text, size, self->err);
}

static bool write_whole(writer *self, int64_t number)
{
    char text[GRID_NUMBER_MAX];

    return grid_buffer_append(self->out, text, grid_number_whole(number, text), self->err);
}

static bool write_number(writer *self)
{
    lua_Number number = lua_tonumber(self->L, -1);

#if GRID_LUA_HAS_INTEGERS
    if (lua_isinteger(self->L, -1))
        return write_whole(self, lua_tointeger(self->L, -1));
#endif
    if (!isfinite(number))
        return REFUSE(self, "%s is no JSON number", isnan(number) ? "nan" : "inf");
    if (fabs(number) >= 0x1p63 || number != (double)(int64_t)number)
        return write_fraction(self, number);
    return write_whole(self, (int64_t)number);
}

static bool has_metatable(lua_State *L, int expected)
{
    bool same;

    if (lua_isnoneornil(L, expected) || !lua_getmetatable(L, -1))
        return false;
    same = lua_rawequal(L, -1, expected);
    lua_pop(L, 1);
    return same;
}

static bool write_array(writer *self)
{
    size_t i, size = lua_rawlen(self->L, -1);

    if (!put(self, "["))
        return false;
    for (i = 1; i <= size; i++) {
        lua_rawgeti(self->L, -1, (int)i);
        if ((i > 1 && !put(self, ",")) || !write_value(self))
            return false;
        lua_pop(self->L, 1);
    }
    return put(self, "]");
}

/* A member that a finalizer has removed is written as null. */
static bool write_member(writer *self, int table, const gridL_names *names, size_t position)
{
    if (!write_string(self, names->sorted[position].text) || !put(self, ":"))
        return false;
    gridL_names_push(names, self->L, position);
    lua_rawget(self->L, table);
    if (lua_isnil(self->L, -1) ? !put(self, "null") : !write_value(self))
        return false;
    lua_pop(self->L, 1);
    return true;
}

static bool write_object(writer *self, int table, gridL_names *names)
{
    gridL_names_sort(names, self->L, table);
    if (!put(self, "{"))
        return false;
    for (size_t i = 0; i < names->count; i++)
        if ((i > 0 && !put(self, ",")) || !write_member(self, table, names, i))
            return false;
    return put(self, "}");
}

/* An empty table whose metatable supplies members, such as a read-only view of another
 * table, would be written as {}. */
static bool is_view(lua_State *L, int table)
{
    return luaL_getmetafield(L, table, "__index") || luaL_getmetafield(L, table, "__pairs");
}

static bool write_content(writer *self, bool is_array)
{
    int table = lua_gettop(self->L);
    gridL_names names;
    bool is_empty, is_list, good;

    gridL_names_count(&names, self->L, table);
    is_empty = names.keys == 0;
    is_list = !is_empty && names.numbers == names.keys && names.keys == lua_rawlen(self->L, table);
    if (!is_list && names.count != names.keys)
        return REFUSE(self, "a table mixes names and positions, or has holes");
    if (is_empty && is_view(self->L, table))
        return REFUSE(self, "a table is empty, and its metatable has members: give a copy that holds them");
    if (is_array && names.count)
        return REFUSE(self, "an array has names");
    good = is_list || is_array ? write_array(self) : write_object(self, table, &names);
    if (good)
        lua_settop(self->L, table);
    return good;
}

static bool write_table(writer *self)
{
    bool good;

    if (self->depth == GRID_JSON_MAX_DEPTH)
        return REFUSE(self, "tables are nested deeper than %d levels", GRID_JSON_MAX_DEPTH);
    luaL_checkstack(self->L, 6, "JSON too deep");
    self->depth++;
    good = write_content(self, has_metatable(self->L, ARRAY_METATABLE) || has_metatable(self->L, EMPTY_ARRAY_METATABLE));
    self->depth--;
    return good;
}

/* Writes the value on top, and does not pop it. After a failure the stack is not
 * restored. */
static bool write_value(writer *self)
{
    lua_State *L = self->L;
    grid_slice text;

    switch (lua_type(L, -1)) {
    case LUA_TSTRING:
        text.data = lua_tolstring(L, -1, &text.size);
        return write_string(self, text);
    case LUA_TNUMBER:
        return write_number(self);
    case LUA_TBOOLEAN:
        return put(self, lua_toboolean(L, -1) ? "true" : "false");
    case LUA_TTABLE:
        return write_table(self);
    case LUA_TLIGHTUSERDATA:
        if (!lua_touserdata(L, -1)) /* cjson.null */
            return put(self, "null");
        if (lua_rawequal(L, -1, EMPTY_ARRAY))
            return put(self, "[]");
        break;
    default:
        break;
    }
    return REFUSE(self, "a %s has no JSON form", luaL_typename(L, -1));
}

static bool write_into(lua_State *L, grid_buffer *out, grid_error *err)
{
    writer self = {.L = L, .out = out, .err = err};

    lua_pushvalue(L, VALUE);
    return write_value(&self);
}

/* json_encode(value, array_metatable, empty_array_metatable | nil, empty_array | nil) ->
 * text | nil, kind, code, message */
static int json_encode(lua_State *L)
{
    lua_settop(L, EMPTY_ARRAY);
    return gridL_return_text(L, write_into);
}

void gridL_open_encode(lua_State *L)
{
    lua_pushcfunction(L, json_encode);
    lua_setfield(L, -2, "json_encode");
}
