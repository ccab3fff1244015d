/* grid.core.file: a file during its replacement; and a function that reads a whole file.
 *
 * Owns: the lock and the new file, until the file is committed, or closed or collected,
 * which removes the new file.
 * Does not know: the content of files. */
#include "lua/file.h"

#include "base/file.h"

static const char FILE_CLASS[] = "grid.core.file";

typedef struct box {
    grid_file *file; /* NULL once closed */
} box;

/* file_begin(path) -> file | nil, kind, code, message */
static int file_begin(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    box *self = gridL_new_object(L, sizeof *self, FILE_CLASS);
    grid_error err;

    self->file = grid_file_begin(path, &err);
    return self->file ? 1 : gridL_fail(L, &err);
}

static grid_file *check_file(lua_State *L)
{
    box *self = luaL_checkudata(L, 1, FILE_CLASS);

    if (!self->file)
        luaL_argerror(L, 1, "the file is closed");
    return self->file;
}

static int file_close(lua_State *L)
{
    box *self = luaL_checkudata(L, 1, FILE_CLASS);

    grid_file_free(self->file);
    self->file = NULL;
    return 0;
}

/* file:read(limit) -> at most `limit` bytes of the old file | nil, kind, code, message */
static int file_read(lua_State *L)
{
    grid_buffer *out = gridL_new_buffer(L);
    lua_Integer limit = luaL_checkinteger(L, 2);
    grid_error err;

    luaL_argcheck(L, limit >= 0, 2, "negative");
    return gridL_finish_buffer(L, grid_file_read(check_file(L), (size_t)limit, out, &err), out, &err);
}

static int close_and_fail(lua_State *L, box *self, const grid_error *err)
{
    grid_file_free(self->file);
    self->file = NULL;
    return gridL_fail(L, err);
}

/* file:write(text) -> true | nil, kind, code, message. A failure closes the file. */
static int file_write(lua_State *L)
{
    grid_slice text = gridL_check_slice(L, 2);
    grid_file *file = check_file(L);
    grid_error err;

    if (!grid_replacement_write(grid_file_replacement(file), text, &err))
        return close_and_fail(L, lua_touserdata(L, 1), &err);
    lua_pushboolean(L, true);
    return 1;
}

/* file:commit(text) -> true | nil, kind, code, message. Always closes the file. */
static int file_commit(lua_State *L)
{
    grid_slice text = gridL_check_slice(L, 2);
    grid_replacement *const replacement[] = {grid_file_replacement(check_file(L))};
    box *self = lua_touserdata(L, 1);
    grid_replacement_result result = {.is_durable = false};

    if (grid_replacement_write(replacement[0], text, &result.error))
        grid_replacements_commit(replacement, 1, &result);
    if (!result.is_durable)
        return close_and_fail(L, self, &result.error);
    file_close(L);
    lua_pushboolean(L, true);
    return 1;
}

enum { LIST = 1, MAX_FILES = 64 };

/* The open file at a position of the list, which references the file. */
static box *file_at(lua_State *L, int position)
{
    box *self;

    lua_rawgeti(L, LIST, position);
    self = luaL_checkudata(L, -1, FILE_CLASS);
    luaL_argcheck(L, self->file, LIST, "a file is closed");
    lua_pop(L, 1);
    return self;
}

static void push_failures(lua_State *L, const grid_replacement_result results[], int count)
{
    int i;

    lua_newtable(L);
    for (i = 0; i < count; i++) {
        if (results[i].is_durable)
            continue;
        lua_createtable(L, 3, 0);
        gridL_fail(L, &results[i].error);
        lua_rawseti(L, -5, 3);
        lua_rawseti(L, -4, 2);
        lua_rawseti(L, -3, 1);
        lua_pop(L, 1);
        lua_rawseti(L, -2, i + 1);
    }
}

/* Reads the open files of the list, each of which must be there once. Returns their
 * number. */
static int check_files(lua_State *L, box *boxes[MAX_FILES])
{
    int i, k, count;

    luaL_checktype(L, LIST, LUA_TTABLE);
    count = (int)lua_rawlen(L, LIST);
    luaL_argcheck(L, count <= MAX_FILES, LIST, "too many files");
    for (i = 0; i < count; i++) {
        boxes[i] = file_at(L, i + 1);
        for (k = 0; k < i; k++)
            luaL_argcheck(L, boxes[k] != boxes[i], LIST, "the list holds a file twice");
    }
    return count;
}

/* files_commit(files) -> table: position of a file that failed -> { kind, code, message
 * }. Commits and closes up to 64 written files. */
static int files_commit(lua_State *L)
{
    grid_replacement *replacements[MAX_FILES];
    box *boxes[MAX_FILES];
    grid_replacement_result results[MAX_FILES];
    int i, count = check_files(L, boxes);

    for (i = 0; i < count; i++)
        replacements[i] = grid_file_replacement(boxes[i]->file);
    grid_replacements_commit(replacements, (size_t)count, results);
    for (i = 0; i < count; i++) {
        grid_file_free(boxes[i]->file);
        boxes[i]->file = NULL;
    }
    push_failures(L, results, count);
    return 1;
}

/* file_read(path, limit) -> content | nil, kind, code, message */
static int file_read_whole(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    lua_Integer limit = luaL_checkinteger(L, 2);
    grid_buffer *out = gridL_new_buffer(L);
    grid_error err;

    luaL_argcheck(L, limit >= 0, 2, "negative");
    return gridL_finish_buffer(L, grid_file_read_whole(path, (size_t)limit, out, &err), out, &err);
}

void gridL_open_file(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"read", file_read}, {"write", file_write}, {"commit", file_commit}, {NULL, NULL}};
    static const luaL_Reg functions[] = {
        {"file_begin", file_begin},
        {"files_commit", files_commit},
        {"file_read", file_read_whole},
        {NULL, NULL},
    };

    gridL_new_class(L, FILE_CLASS, methods, file_close, NULL);
    luaL_setfuncs(L, functions, 0);
}
