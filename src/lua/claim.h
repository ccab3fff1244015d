/* See claim.c. */
#ifndef GRID_LUA_CLAIM_H
#define GRID_LUA_CLAIM_H

#include "lua/support.h"

/* Adds the function of claim.c to the module table on top of the stack. */
void gridL_open_claim(lua_State *L);

#endif
