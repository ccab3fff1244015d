/* See fields.c. */
#ifndef GRID_LUA_FIELDS_H
#define GRID_LUA_FIELDS_H

#include "lua/support.h"

/* Adds fields_encode to the module table on top of the stack. */
void gridL_open_fields(lua_State *L);

#endif
