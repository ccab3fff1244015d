/* See swap.c. */
#ifndef GRID_LUA_SWAP_H
#define GRID_LUA_SWAP_H

#include "base/swap.h"
#include "lua/support.h"

/* The arguments of file_replace_if, from `first` on; also for lua/writer.c, which runs
 * the same on a thread. */
grid_swap gridL_check_swap(lua_State *L, int first);

grid_slice gridL_check_expected(lua_State *L, int argument);

/* true | false: conflict | nil, kind, code, message */
int gridL_push_swapped(lua_State *L, grid_swap_result result, const grid_error *err);

/* Adds the functions of swap.c to the module table on top of the stack. */
void gridL_open_swap(lua_State *L);

#endif
