/* See date.c. */
#ifndef GRID_LUA_DATE_H
#define GRID_LUA_DATE_H

#include "lua/compat.h"

/* Adds the function of date.c to the module table on top of the stack. */
void gridL_open_date(lua_State *L);

#endif
