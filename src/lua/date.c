/* grid.core: dates of HTTP.
 *
 * Owns: nothing. Does not know: the header of a date. */
#include "lua/date.h"

#include "http/date.h"
#include "lua/support.h"

/* http_date(text) -> seconds since 1970 | no value: not a date */
static int http_date(lua_State *L)
{
    time_t seconds = grid_date_parse(gridL_check_slice(L, 1));

    if (seconds == -1)
        return 0;
    lua_pushinteger(L, (lua_Integer)seconds);
    return 1;
}

void gridL_open_date(lua_State *L)
{
    lua_pushcfunction(L, http_date);
    lua_setfield(L, -2, "http_date");
}
