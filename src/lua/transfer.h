/* See transfer.c. */
#ifndef GRID_LUA_TRANSFER_H
#define GRID_LUA_TRANSFER_H

#include "lua/support.h"

/* The method `start` of an engine, see transfer.c. */
int gridL_transfer_start(lua_State *L);

void gridL_open_transfer(lua_State *L);

#endif
