/* Adds the functions of lua/machine.c to the table on top. */
#ifndef GRID_LUA_MACHINE_H
#define GRID_LUA_MACHINE_H

#include "lua/compat.h"

void gridL_open_machine(lua_State *L);

#endif
