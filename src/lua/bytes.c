#include "lua/bytes.h"

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

/* bytes:string() -> the same bytes as a string */
static int bytes_string(lua_State *L)
{
    const char *copy = luaL_checkudata(L, 1, BYTES);

    lua_pushlstring(L, copy, lua_rawlen(L, 1));
    return 1;
}

/* No finalizer: there is nothing to release. */
void gridL_open_bytes(lua_State *L)
{
    luaL_newmetatable(L, BYTES);
    lua_pushstring(L, BYTES);
    lua_setfield(L, -2, "__name");
    lua_newtable(L);
    lua_pushcfunction(L, bytes_string);
    lua_setfield(L, -2, "string");
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
