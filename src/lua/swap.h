/* See swap.c. */
#ifndef GRID_LUA_SWAP_H
#define GRID_LUA_SWAP_H

#include "lua/support.h"

/* Adds the functions of swap.c to the module table on top of the stack. */
void gridL_open_swap(lua_State *L);

#endif
