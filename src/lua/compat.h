/* Provides the Lua 5.4 API on LuaJIT 2.1 (the 5.1 API with parts of 5.2). The other files
 * of this room are written for 5.4.
 * Owns: nothing. Does not know: the classes. */
#ifndef GRID_LUA_COMPAT_H
#define GRID_LUA_COMPAT_H

#include <lauxlib.h>
#include <lua.h>

#if LUA_VERSION_NUM == 501
#include <luajit.h> /* PUC Lua 5.1 lacks this header, and parts of LuaJIT's API */
#elif LUA_VERSION_NUM != 504
#error "lua-grid runs on Lua 5.4 and LuaJIT 2.1"
#endif

#if LUA_VERSION_NUM < 502
#define lua_rawlen(L, index) lua_objlen(L, index)
#define lua_newuserdatauv(L, size, values) lua_newuserdata(L, size)

/* The environment of a userdata must be a table. */
static inline void lua_setiuservalue(lua_State *L, int index, int n)
{
    lua_createtable(L, 1, 0);
    lua_insert(L, -2);
    lua_rawseti(L, -2, n);
    lua_setfenv(L, index);
}
#define GRID_LUA_HAS_INTEGERS 0
#else
#define GRID_LUA_HAS_INTEGERS 1
#endif

#endif
