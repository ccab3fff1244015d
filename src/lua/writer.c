/* grid.core.writer: changes files by compare-and-set, on threads.
 *
 * Owns: the C writer, until it is closed or collected; both wait until the submitted
 * writes are done.
 * Does not know: the poller of the descriptor. */
#include "lua/writer.h"

#include "base/writer.h"
#include "lua/swap.h"

static const char WRITER[] = "grid.core.writer";

typedef struct box {
    grid_writer *writer; /* NULL once closed */
} box;

/* writer([most_threads]) -> writer | nil, kind, code, message */
static int writer_new(lua_State *L)
{
    lua_Integer most_threads = luaL_optinteger(L, 1, 1);
    grid_error err;
    box *self;

    luaL_argcheck(L, most_threads >= 1 && most_threads <= GRID_WRITER_MOST_THREADS, 1, "must be from 1 to 8");
    self = gridL_new_object(L, sizeof *self, WRITER);
    self->writer = grid_writer_new((unsigned)most_threads, &err);
    return self->writer ? 1 : gridL_fail(L, &err);
}

static int writer_close(lua_State *L)
{
    box *self = luaL_checkudata(L, 1, WRITER);

    grid_writer_free(self->writer);
    self->writer = NULL;
    return 0;
}

static grid_writer *check_writer(lua_State *L)
{
    box *self = luaL_checkudata(L, 1, WRITER);

    if (!self->writer)
        luaL_argerror(L, 1, "the writer is closed");
    return self->writer;
}

static int push_id(lua_State *L, const grid_write *write, const grid_error *err)
{
    if (!write)
        return gridL_fail(L, err);
    lua_pushinteger(L, (lua_Integer)grid_write_id(write));
    return 1;
}

/* writer:replace_if(path, temporary_folder, expected | nil, text, modified [, sweeps [,
 * reserve_size]]) -> id | nil, kind, code, message */
static int writer_replace_if(lua_State *L)
{
    grid_writer *writer = check_writer(L);
    const grid_swap swap = gridL_check_swap(L, 2);
    grid_error err;
    const grid_write *write = grid_writer_replace_if(writer, &swap, &err);

    return push_id(L, write, &err);
}

/* writer:remove_if(path, expected) -> id | nil, kind, code, message */
static int writer_remove_if(lua_State *L)
{
    grid_writer *writer = check_writer(L);
    const char *path = luaL_checkstring(L, 2);
    grid_error err;
    const grid_write *write = grid_writer_remove_if(writer, path, gridL_check_expected(L, 3), &err);

    return push_id(L, write, &err);
}

static int writer_fd(lua_State *L)
{
    lua_pushinteger(L, grid_writer_fd(check_writer(L)));
    return 1;
}

/* writer:next_finished() -> id, true | id, false: conflict | id, nil, kind, code,
 * message; nothing: none */
static int writer_next_finished(lua_State *L)
{
    grid_write *write = grid_writer_take_finished(check_writer(L));
    unsigned long long id;
    grid_swap_result done;
    grid_error err;

    if (!write)
        return 0;
    id = grid_write_id(write);
    done = grid_write_result(write, &err);
    grid_write_free(write);
    lua_pushinteger(L, (lua_Integer)id);
    return 1 + gridL_push_swapped(L, done, &err);
}

/* writer:is_usable() -> boolean: not closed, and created by this process */
static int writer_is_usable(lua_State *L)
{
    box *self = luaL_checkudata(L, 1, WRITER);

    lua_pushboolean(L, self->writer && grid_writer_is_ours(self->writer));
    return 1;
}

void gridL_open_writer(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"replace_if", writer_replace_if},
        {"remove_if", writer_remove_if},
        {"fd", writer_fd},
        {"next_finished", writer_next_finished},
        {"is_usable", writer_is_usable},
        {NULL, NULL},
    };
    static const luaL_Reg functions[] = {{"writer", writer_new}, {NULL, NULL}};

    gridL_new_class(L, WRITER, methods, writer_close, NULL);
    luaL_setfuncs(L, functions, 0);
}
