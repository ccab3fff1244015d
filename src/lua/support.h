/* Shared by the classes of the binding.
 *
 * Owns: nothing. Does not know: the classes.
 * Functions named gridL_… take a lua_State and may throw: no resource of the C core may
 * be held in a local variable when one is called. */
#ifndef GRID_LUA_SUPPORT_H
#define GRID_LUA_SUPPORT_H

#include "base/buffer.h"
#include "base/error.h"
#include "base/slice.h"
#include "lua/compat.h"

/* A userdata of `size` zero bytes: born closed, with its metatable, before any resource
 * is acquired. */
void *gridL_new_object(lua_State *L, size_t size, const char *class_name);

/* Registers a class: methods, metamethods (__gc, __close and "close" are `close`),
 * __name. */
void gridL_new_class(lua_State *L, const char *class_name, const luaL_Reg *methods, lua_CFunction close,
                     lua_CFunction to_string);

/* Pushes nil, kind, code, message and returns 4, as every function of grid.core reports
 * failure. */
int gridL_fail(lua_State *L, const grid_error *err);

grid_slice gridL_check_slice(lua_State *L, int argument);
void gridL_push_slice(lua_State *L, grid_slice slice);

/* A buffer on the Lua stack, which the collector clears if an error is thrown. Each use
 * takes a new one: an allocation may run a finalizer, which may need a buffer too. */
grid_buffer *gridL_new_buffer(lua_State *L);

/* Pushes the bytes and clears the buffer at once, so that secrets do not wait for the
 * collector. */
void gridL_push_buffer(lua_State *L, grid_buffer *buffer);

/* Fields of the table at `index`, which must not be relative to the top. */
const char *gridL_opt_string_field(lua_State *L, int index, const char *name);
double gridL_number_field(lua_State *L, int index, const char *name);
bool gridL_boolean_field(lua_State *L, int index, const char *name);

void gridL_open_buffer(lua_State *L);

#endif
