/* See key.c. */
#ifndef GRID_LUA_KEY_H
#define GRID_LUA_KEY_H

#include "lua/support.h"

/* Adds key_new, key_from_text, canonicalize, fingerprint to the module table on top of
 * the stack. */
void gridL_open_key(lua_State *L);

#endif
