#include "lua/bytes.h"

#include "lua/decode.h"
#include "text/json.h"

#include <string.h>

static const char BYTES[] = "grid.core.bytes";

void gridL_push_bytes(lua_State *L, grid_slice slice)
{
    void *copy = lua_newuserdatauv(L, slice.size, 0);

    if (slice.size)
        memcpy(copy, slice.data, slice.size);
    luaL_getmetatable(L, BYTES);
    lua_setmetatable(L, -2);
}

static grid_slice check_bytes(lua_State *L)
{
    const char *copy = luaL_checkudata(L, 1, BYTES);

    return (grid_slice){copy, lua_rawlen(L, 1)};
}

/* bytes:string() -> the same bytes as a string */
static int bytes_string(lua_State *L)
{
    gridL_push_slice(L, check_bytes(L));
    return 1;
}

/* bytes:decode(array_metatable, step, …): the results of json_decode for these bytes,
 * without a byte order mark. No Lua string is made: LuaJIT interns strings and hashes a
 * few bytes of each, so the bodies of one service collide, and each new string would be
 * compared with all of them. */
static int bytes_decode(lua_State *L)
{
    return gridL_decode(L, grid_json_skip_mark(check_bytes(L)));
}

/* No finalizer, since there is no resource to release. */
void gridL_open_bytes(lua_State *L)
{
    luaL_newmetatable(L, BYTES);
    lua_pushstring(L, BYTES);
    lua_setfield(L, -2, "__name");
    lua_newtable(L);
    lua_pushcfunction(L, bytes_string);
    lua_setfield(L, -2, "string");
    lua_pushcfunction(L, bytes_decode);
    lua_setfield(L, -2, "decode");
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
