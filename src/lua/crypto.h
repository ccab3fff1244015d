/* Adds the functions of lua/crypto.c to the table on top. */
#ifndef GRID_LUA_CRYPTO_H
#define GRID_LUA_CRYPTO_H

#include "lua/compat.h"

void gridL_open_crypto(lua_State *L);

#endif
