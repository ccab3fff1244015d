/* See foreign.c. */
#ifndef GRID_LUA_FOREIGN_H
#define GRID_LUA_FOREIGN_H

#include "lua/compat.h"

/* Adds the functions of foreign.c to the module table on top of the stack. */
void gridL_open_foreign(lua_State *L);

#endif
