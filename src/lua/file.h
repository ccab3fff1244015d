/* See file.c. */
#ifndef GRID_LUA_FILE_H
#define GRID_LUA_FILE_H

#include "lua/support.h"

/* Adds file_begin, file_names, sync_folder and is_terminal to the module table on top of the stack. */
void gridL_open_file(lua_State *L);

#endif
