/* grid.core: slices of JSON texts.
 *
 * Owns: nothing. Does not know: Lua tables, which encode.c reads and decode.c builds. */
#include "lua/json.h"

#include "lua/decode.h"
#include "lua/encode.h"
#include "text/json.h"

/* A slice of the whole text is the text itself, without a copy. */
static void push_slice_of(lua_State *L, int text, grid_slice value)
{
    if (value.size == lua_rawlen(L, text))
        lua_pushvalue(L, text);
    else
        gridL_push_slice(L, value);
}

/* json_slice(text, step, …) -> the exact bytes of a value and their position | no value:
 * not found. A step is a member's name or an element's position. */
static int json_slice(lua_State *L)
{
    grid_slice text = gridL_check_slice(L, 1), value = text;
    int i, steps = lua_gettop(L);
    grid_error err;

    if (!grid_json_validate(value, &err))
        return gridL_fail(L, &err);
    for (i = 2; i <= steps; i++) {
        bool found = lua_type(L, i) == LUA_TNUMBER
                         ? grid_json_element(value, (size_t)lua_tointeger(L, i) - 1, &value)
                         : grid_json_member(value, gridL_check_slice(L, i), &value);
        if (!found)
            return 0;
    }
    push_slice_of(L, 1, value);
    lua_pushinteger(L, value.data - text.data + 1);
    return 2;
}

static void push_name(lua_State *L, grid_buffer *buffer, grid_slice raw)
{
    grid_error err;

    if (!grid_json_unquote(raw, buffer, &err))
        luaL_error(L, "%s", err.message);
    gridL_push_buffer(L, buffer);
}

/* json_members(text) -> array: for each member its name, then its exact bytes including
 * the name | nil, kind, code, message | no value: not an object */
static int json_members(lua_State *L)
{
    grid_slice text = gridL_check_slice(L, 1), name, value;
    grid_buffer *buffer = gridL_new_buffer(L);
    grid_json_reader reader;
    grid_error err;
    int count = 0;

    if (!grid_json_validate(text, &err))
        return gridL_fail(L, &err);
    grid_json_reader_init(&reader, text);
    if (grid_json_next(&reader, &name) != GRID_JSON_OBJECT_BEGIN)
        return 0;
    lua_newtable(L);
    while (grid_json_next_member(&reader, &name, &value)) {
        push_name(L, buffer, name);
        lua_rawseti(L, -2, ++count);
        gridL_push_slice(L, (grid_slice){name.data, (size_t)(value.data + value.size - name.data)});
        lua_rawseti(L, -2, ++count);
    }
    return 1;
}

void gridL_open_json(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"json_slice", json_slice},
        {"json_members", json_members},
        {NULL, NULL},
    };

    luaL_setfuncs(L, functions, 0);
    gridL_open_decode(L);
    gridL_open_encode(L);
}
