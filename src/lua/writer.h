/* See writer.c. */
#ifndef GRID_LUA_WRITER_H
#define GRID_LUA_WRITER_H

#include "lua/support.h"

/* Adds the functions of writer.c to the module table on top of the stack. */
void gridL_open_writer(lua_State *L);

#endif
