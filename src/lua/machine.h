/* See machine.c. */
#ifndef GRID_LUA_MACHINE_H
#define GRID_LUA_MACHINE_H

#include "lua/compat.h"

/* Adds the functions of machine.c to the module table on top of the stack. */
void gridL_open_machine(lua_State *L);

#endif
