/* grid.core.bytes: bytes that become a Lua string only when they are asked for.
 *
 * Owns: a copy of them, which the collector frees like any other userdata.
 * Does not know: what they are. */
#ifndef GRID_LUA_BYTES_H
#define GRID_LUA_BYTES_H

#include "lua/support.h"

/* Pushes a copy. The slice must stay valid even if a finalizer runs. */
void gridL_push_bytes(lua_State *L, grid_slice slice);

void gridL_open_bytes(lua_State *L);

#endif
