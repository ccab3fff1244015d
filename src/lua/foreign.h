/* Adds the functions of lua/foreign.c to the table on top. */
#ifndef GRID_LUA_FOREIGN_H
#define GRID_LUA_FOREIGN_H

#include "lua/compat.h"

void gridL_open_foreign(lua_State *L);

#endif
