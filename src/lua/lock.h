/* See lock.c. */
#ifndef GRID_LUA_LOCK_H
#define GRID_LUA_LOCK_H

#include "lua/support.h"

/* Adds the functions of lock.c to the module table on top of the stack. */
void gridL_open_lock(lua_State *L);

#endif
