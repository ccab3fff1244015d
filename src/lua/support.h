/* Functions that the classes of the binding share.
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

/* Pushes a userdata of `size` zero bytes with its metatable, and place for one user
 * value. The object is closed until the caller acquires its resource. */
void *gridL_new_object(lua_State *L, size_t size, const char *class_name);

/* Registers a class: methods, metamethods (__gc, __close and "close" are `close`),
 * __name. */
void gridL_new_class(lua_State *L, const char *class_name, const luaL_Reg *methods, lua_CFunction close,
                     lua_CFunction to_string);

/* Pushes nil, kind, code, message and returns 4: the results of a function of grid.core
 * that fails. */
int gridL_fail(lua_State *L, const grid_error *err);

/* Pushes true and returns 1, or the results of gridL_fail if `succeeded` is false. */
int gridL_finish(lua_State *L, bool succeeded, const grid_error *err);

grid_slice gridL_check_slice(lua_State *L, int argument);
void gridL_push_slice(lua_State *L, grid_slice slice);

/* Pushes a buffer, which the collector clears if an error is thrown. Buffers are not
 * shared, since an allocation may run a finalizer that needs a buffer too. */
grid_buffer *gridL_new_buffer(lua_State *L);

/* Pushes the bytes and clears the buffer immediately, so that secrets are wiped before
 * the next collection. */
void gridL_push_buffer(lua_State *L, grid_buffer *buffer);

/* Pushes the bytes and returns 1, or the results of gridL_fail if `succeeded` is false.
 * Clears the buffer. */
int gridL_finish_buffer(lua_State *L, bool succeeded, grid_buffer *buffer, const grid_error *err);

/* Appends a text to the buffer, from the values on the stack, and may leave others
 * there. */
typedef bool gridL_writer(lua_State *L, grid_buffer *out, grid_error *err);

/* Returns the text that a writer writes, or nil, kind, code, message. A text of usual
 * size is written into memory on the stack of C, where the buffer cannot grow, so that
 * there is no memory to free if Lua throws. A larger text is written again from the
 * beginning. */
int gridL_return_text(lua_State *L, gridL_writer *write);

/* Read fields of the table at `index`, which must not be relative to the top. */
const char *gridL_opt_string_field(lua_State *L, int index, const char *name);
double gridL_number_field(lua_State *L, int index, const char *name);
bool gridL_boolean_field(lua_State *L, int index, const char *name);

void gridL_open_buffer(lua_State *L);

#endif
