/* See decode.c. */
#ifndef GRID_LUA_DECODE_H
#define GRID_LUA_DECODE_H

#include "lua/support.h"

/* Decodes the text, for a C function whose arguments from the second on are those of
 * json_decode: the metatable of arrays, and the steps. Returns the results of
 * json_decode. The text must stay valid even if a finalizer runs. */
int gridL_decode(lua_State *L, grid_slice text);

/* Adds json_decode to the module table on top of the stack. */
void gridL_open_decode(lua_State *L);

#endif
