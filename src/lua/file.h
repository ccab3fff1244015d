/* See file.c. */
#ifndef GRID_LUA_FILE_H
#define GRID_LUA_FILE_H

#include "lua/support.h"

/* Adds the functions of file.c to the module table on top of the stack. */
void gridL_open_file(lua_State *L);

#endif
