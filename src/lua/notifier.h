/* See notifier.c. */
#ifndef GRID_LUA_NOTIFIER_H
#define GRID_LUA_NOTIFIER_H

#include "lua/support.h"

/* Adds the functions of notifier.c to the module table on top of the stack. */
void gridL_open_notifier(lua_State *L);

#endif
