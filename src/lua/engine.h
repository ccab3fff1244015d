/* See engine.c. */
#ifndef GRID_LUA_ENGINE_H
#define GRID_LUA_ENGINE_H

#include "http/engine.h"
#include "lua/support.h"

/* The open engine at `argument`; throws otherwise. Borrowed. */
grid_engine *gridL_check_engine(lua_State *L, int argument);

/* Adds `engine` and `libcurl` to the module table on top of the stack. */
void gridL_open_engine(lua_State *L);

#endif
