/* See decode.c. */
#ifndef GRID_LUA_DECODE_H
#define GRID_LUA_DECODE_H

#include "lua/support.h"

/* Adds json_decode to the module table on top of the stack. */
void gridL_open_decode(lua_State *L);

#endif
