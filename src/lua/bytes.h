/* grid.core.bytes: bytes that are converted to a Lua string only on request.
 *
 * Owns: a copy of the bytes, which the collector frees like any other userdata.
 * Does not know: the meaning of the bytes. */
#ifndef GRID_LUA_BYTES_H
#define GRID_LUA_BYTES_H

#include "lua/support.h"

/* Pushes a copy. The slice must stay valid even if a finalizer runs. */
void gridL_push_bytes(lua_State *L, grid_slice slice);

void gridL_open_bytes(lua_State *L);

#endif
