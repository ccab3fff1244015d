/* grid.core.claim: an object of which this process has one at a time, for each number. Of
 * several Lua VMs, the one that has it may do what only one may do.
 *
 * Owns: which object that is. Does not know: what is claimed. */
#include "lua/claim.h"

static const char CLAIM[] = "grid.core.claim";

enum { NUMBERS = 2 };

typedef struct box {
    int index;
} box;

static const box *valid[NUMBERS];

/* claim(number) -> claim, until it is collected, at the latest with its VM | nil: there
 * is one */
static int claim_new(lua_State *L)
{
    lua_Integer number = luaL_checkinteger(L, 1);
    box *self;

    luaL_argcheck(L, number >= 1 && number <= NUMBERS, 1, "no number of a claim");
    if (valid[number - 1])
        return 0;
    self = gridL_new_object(L, sizeof *self, CLAIM);
    self->index = (int)number - 1;
    valid[self->index] = self;
    return 1;
}

static int claim_close(lua_State *L)
{
    const box *self = luaL_checkudata(L, 1, CLAIM);

    if (valid[self->index] == self)
        valid[self->index] = NULL;
    return 0;
}

void gridL_open_claim(lua_State *L)
{
    static const luaL_Reg methods[] = {{NULL, NULL}};
    static const luaL_Reg functions[] = {{"claim", claim_new}, {NULL, NULL}};

    gridL_new_class(L, CLAIM, methods, claim_close, NULL);
    luaL_setfuncs(L, functions, 0);
}
