#include "lua/support.h"

#include <stdint.h>
#include <string.h>

static const char BUFFER[] = "grid.core.buffer";

void *gridL_new_object(lua_State *L, size_t size, const char *class_name)
{
    void *object = lua_newuserdatauv(L, size, 1);

    memset(object, 0, size);
    luaL_getmetatable(L, class_name);
    lua_setmetatable(L, -2);
    return object;
}

static void set_function(lua_State *L, const char *name, lua_CFunction function)
{
    lua_pushcfunction(L, function);
    lua_setfield(L, -2, name);
}

void gridL_new_class(lua_State *L, const char *class_name, const luaL_Reg *methods, lua_CFunction close,
                     lua_CFunction to_string)
{
    luaL_newmetatable(L, class_name);
    lua_pushstring(L, class_name);
    lua_setfield(L, -2, "__name");
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    set_function(L, "close", close);
    lua_setfield(L, -2, "__index");
    set_function(L, "__gc", close);
    set_function(L, "__close", close);
    if (to_string)
        set_function(L, "__tostring", to_string);
    lua_pop(L, 1);
}

int gridL_fail(lua_State *L, const grid_error *err)
{
    lua_pushnil(L);
    lua_pushstring(L, grid_kind_name(err->kind));
    lua_pushstring(L, err->code);
    lua_pushstring(L, err->message);
    return 4;
}

int gridL_finish(lua_State *L, bool succeeded, const grid_error *err)
{
    if (!succeeded)
        return gridL_fail(L, err);
    lua_pushboolean(L, true);
    return 1;
}

grid_slice gridL_check_slice(lua_State *L, int argument)
{
    grid_slice slice;

    slice.data = luaL_checklstring(L, argument, &slice.size);
    return slice;
}

void gridL_push_slice(lua_State *L, grid_slice slice)
{
    lua_pushlstring(L, slice.data, slice.size);
}

static int buffer_close(lua_State *L)
{
    grid_buffer_clear(luaL_checkudata(L, 1, BUFFER));
    return 0;
}

typedef struct buffer_object {
    grid_buffer buffer; /* first, since the methods of the class use its address */
    char memory[2048];  /* sufficient for the text of a session */
} buffer_object;

grid_buffer *gridL_new_buffer(lua_State *L)
{
    buffer_object *object = lua_newuserdatauv(L, sizeof *object, 0);

    grid_buffer_init(&object->buffer, SIZE_MAX / 4);
    grid_buffer_lend(&object->buffer, object->memory, sizeof object->memory);
    luaL_getmetatable(L, BUFFER);
    lua_setmetatable(L, -2);
    return &object->buffer;
}

void gridL_push_buffer(lua_State *L, grid_buffer *buffer)
{
    lua_pushlstring(L, buffer->data ? buffer->data : "", buffer->size);
    grid_buffer_clear(buffer);
}

int gridL_finish_buffer(lua_State *L, bool succeeded, grid_buffer *buffer, const grid_error *err)
{
    if (succeeded) {
        gridL_push_buffer(L, buffer);
        return 1;
    }
    grid_buffer_clear(buffer);
    return gridL_fail(L, err);
}

enum { USUAL_TEXT = 16384 };

int gridL_return_text(lua_State *L, gridL_writer *write)
{
    char memory[USUAL_TEXT];
    grid_buffer usual, *out = &usual;
    grid_error err;
    int top = lua_gettop(L);
    bool is_written;

    grid_buffer_init(&usual, sizeof memory - 1);
    grid_buffer_lend(&usual, memory, sizeof memory);
    is_written = write(L, out, &err);
    if (!is_written && strcmp(err.code, "too_large") == 0) {
        grid_buffer_clear(&usual);
        lua_settop(L, top);
        out = gridL_new_buffer(L);
        is_written = write(L, out, &err);
    }
    return gridL_finish_buffer(L, is_written, out, &err);
}

const char *gridL_opt_string_field(lua_State *L, int index, const char *name)
{
    const char *text;

    lua_getfield(L, index, name);
    text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    lua_pop(L, 1); /* the table references the string */
    return text;
}

double gridL_number_field(lua_State *L, int index, const char *name)
{
    double number;

    lua_getfield(L, index, name);
    if (lua_type(L, -1) != LUA_TNUMBER)
        luaL_error(L, "field '%s' must be a number", name);
    number = lua_tonumber(L, -1);
    lua_pop(L, 1);
    return number;
}

bool gridL_boolean_field(lua_State *L, int index, const char *name)
{
    bool yes;

    lua_getfield(L, index, name);
    yes = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return yes;
}

void gridL_open_buffer(lua_State *L)
{
    static const luaL_Reg none[] = {{NULL, NULL}};

    gridL_new_class(L, BUFFER, none, buffer_close, NULL);
}
