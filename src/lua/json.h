/* See json.c. */
#ifndef GRID_LUA_JSON_H
#define GRID_LUA_JSON_H

#include "lua/support.h"

/* Adds the functions of json.c, decode.c and encode.c to the module table on top of the
 * stack. */
void gridL_open_json(lua_State *L);

#endif
