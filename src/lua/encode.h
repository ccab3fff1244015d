/* See encode.c. */
#ifndef GRID_LUA_ENCODE_H
#define GRID_LUA_ENCODE_H

#include "lua/support.h"

/* Adds json_encode to the module table on top of the stack. */
void gridL_open_encode(lua_State *L);

#endif
