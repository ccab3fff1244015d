/* grid.core.notifier: polls a descriptor on a thread and sends a datagram.
 *
 * Owns: the C notifier, until it is closed or collected; both end its thread.
 * Does not know: the receiver. */
#include "lua/notifier.h"

#include "base/notifier.h"

static const char NOTIFIER[] = "grid.core.notifier";

typedef struct box {
    grid_notifier *notifier; /* NULL once closed */
} box;

/* notifier(secret) -> notifier | nil, kind, code, message */
static int notifier_new(lua_State *L)
{
    grid_slice secret = gridL_check_slice(L, 1);
    box *self;
    grid_error err;

    luaL_argcheck(L, secret.size == GRID_NOTIFIER_SECRET, 1, "the secret must have 16 bytes");
    self = gridL_new_object(L, sizeof *self, NOTIFIER);
    self->notifier = grid_notifier_new(secret.data, &err);
    return self->notifier ? 1 : gridL_fail(L, &err);
}

static int notifier_close(lua_State *L)
{
    box *self = luaL_checkudata(L, 1, NOTIFIER);

    grid_notifier_free(self->notifier);
    self->notifier = NULL;
    return 0;
}

static grid_notifier *check_notifier(lua_State *L)
{
    box *self = luaL_checkudata(L, 1, NOTIFIER);

    if (!self->notifier)
        luaL_argerror(L, 1, "the notifier is closed");
    return self->notifier;
}

static int notifier_port(lua_State *L)
{
    lua_pushinteger(L, grid_notifier_port(check_notifier(L)));
    return 1;
}

/* notifier:arm(descriptor, seconds) -> boolean: will a datagram be sent? */
static int notifier_arm(lua_State *L)
{
    grid_notifier *notifier = check_notifier(L);
    int fd = (int)luaL_checkinteger(L, 2);

    lua_pushboolean(L, grid_notifier_arm(notifier, fd, luaL_checknumber(L, 3)));
    return 1;
}

static int notifier_send(lua_State *L)
{
    grid_notifier_send(check_notifier(L));
    return 0;
}

void gridL_open_notifier(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"port", notifier_port}, {"arm", notifier_arm}, {"send", notifier_send}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"notifier", notifier_new}, {NULL, NULL}};

    gridL_new_class(L, NOTIFIER, methods, notifier_close, NULL);
    luaL_setfuncs(L, functions, 0);
}
