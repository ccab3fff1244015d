/* See folder.c. */
#ifndef GRID_LUA_FOLDER_H
#define GRID_LUA_FOLDER_H

#include "lua/support.h"

/* Adds the functions of folder.c to the module table on top of the stack. */
void gridL_open_folder(lua_State *L);

#endif
