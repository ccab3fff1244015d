/* See crypto.c. */
#ifndef GRID_LUA_CRYPTO_H
#define GRID_LUA_CRYPTO_H

#include "lua/compat.h"

/* Adds the functions of crypto.c to the module table on top of the stack. */
void gridL_open_crypto(lua_State *L);

#endif
