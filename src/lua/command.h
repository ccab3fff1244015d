/* See command.c. */
#ifndef GRID_LUA_COMMAND_H
#define GRID_LUA_COMMAND_H

#include "lua/support.h"

/* Adds the functions of command.c to the module table on top of the stack. */
void gridL_open_command(lua_State *L);

#endif
