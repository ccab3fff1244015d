/* grid.core.transfer: one exchange, whose request and answer are Lua tables.
 *
 * Owns: the C transfer, until it is closed or collected; both cancel a transfer in
 * flight. It references the request's body.
 * Does not know: the meaning of a status or a body. Tables of the caller are neither
 * referenced after the call nor changed. */
#include "lua/transfer.h"

#include "http/transfer.h"
#include "lua/bytes.h"
#include "lua/engine.h"

#include <stdint.h>

static const char TRANSFER[] = "grid.core.transfer";

/* Those of grid.http.options and of a client. */
enum { MAX_HEADERS = 128 };

typedef struct box {
    grid_transfer *transfer; /* NULL once closed */
    bool is_lent; /* in use by a function that allocates: a finalizer must not free it */
} box;

/* The strings are valid as long as the table, which is an argument. Entries that are
 * false are skipped. */
static size_t read_headers(lua_State *L, int index, grid_slice *headers)
{
    size_t count, i, kept = 0;

    lua_getfield(L, index, "headers");
    luaL_checktype(L, -1, LUA_TTABLE);
    count = lua_rawlen(L, -1);
    if (count > MAX_HEADERS)
        luaL_error(L, "more than %d headers", MAX_HEADERS);
    for (i = 0; i < count; i++) {
        lua_rawgeti(L, -1, (int)i + 1);
        if (lua_type(L, -1) == LUA_TSTRING) {
            headers[kept].data = lua_tolstring(L, -1, &headers[kept].size);
            kept++;
        } else if (!lua_isboolean(L, -1) || lua_toboolean(L, -1)) {
            luaL_error(L, "field 'headers' must hold strings");
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return kept;
}

/* The object references the string, whose bytes libcurl reads during the transfer. */
static const grid_slice *read_body(lua_State *L, int index, int object, grid_slice *body)
{
    lua_getfield(L, index, "body");
    if (lua_type(L, -1) != LUA_TSTRING) {
        lua_pop(L, 1);
        return NULL;
    }
    body->data = lua_tolstring(L, -1, &body->size);
    lua_setiuservalue(L, object, 1);
    return body;
}

static const char *string_field(lua_State *L, int index, const char *name)
{
    const char *text = gridL_opt_string_field(L, index, name);

    if (!text)
        luaL_error(L, "field '%s' must be a string", name);
    return text;
}

/* A number above the range of size_t means no limit. */
static size_t size_field(lua_State *L, int index, const char *name)
{
    double number = gridL_number_field(L, index, name);

    return number < (double)(SIZE_MAX / 4) ? (size_t)number : SIZE_MAX / 4;
}

static void read_request(lua_State *L, int index, int object, grid_exchange *exchange, grid_slice *headers, grid_slice *body)
{
    luaL_checktype(L, index, LUA_TTABLE);
    exchange->method = string_field(L, index, "method");
    exchange->url = string_field(L, index, "url");
    exchange->headers = headers;
    exchange->header_count = read_headers(L, index, headers);
    exchange->body = read_body(L, index, object, body);
    lua_getfield(L, index, "not_after");
    exchange->not_after = lua_tonumber(L, -1);
    lua_pop(L, 1);
}

static void read_settings(lua_State *L, int index, grid_exchange *exchange)
{
    luaL_checktype(L, index, LUA_TTABLE);
    exchange->max_response_bytes = size_field(L, index, "max_response_bytes");
    exchange->ca_file = gridL_opt_string_field(L, index, "ca_file");
    exchange->proxy = gridL_opt_string_field(L, index, "proxy");
    exchange->http1_only = gridL_boolean_field(L, index, "http1_only");
    exchange->insecure_skip_tls_verify = gridL_boolean_field(L, index, "insecure_skip_tls_verify");
}

/* engine:start(request, settings, timeout, connect_timeout) -> transfer, id | nil, kind,
 * code, message. The settings are a separate table, which most requests of a program
 * share. */
int gridL_transfer_start(lua_State *L)
{
    box *self = gridL_new_object(L, sizeof *self, TRANSFER);
    grid_engine *engine = gridL_check_engine(L, 1); /* a finalizer may have closed it */
    grid_slice headers[MAX_HEADERS], body;
    grid_exchange exchange;
    grid_error err;

    read_request(L, 2, lua_gettop(L), &exchange, headers, &body);
    read_settings(L, 3, &exchange);
    exchange.timeout = luaL_checknumber(L, 4);
    exchange.connect_timeout = luaL_checknumber(L, 5);
    self->transfer = grid_transfer_start(engine, &exchange, &err);
    if (!self->transfer)
        return gridL_fail(L, &err);
    lua_pushlightuserdata(L, self->transfer);
    return 2;
}

static void close_box(box *self)
{
    if (self->transfer)
        grid_transfer_free(self->transfer);
    self->transfer = NULL;
}

/* A transfer that is lent is freed by the collector. */
static int transfer_close(lua_State *L)
{
    box *self = luaL_checkudata(L, 1, TRANSFER);

    if (!self->is_lent)
        close_box(self);
    return 0;
}

static int transfer_collect(lua_State *L)
{
    close_box(luaL_checkudata(L, 1, TRANSFER));
    return 0;
}

static box *check_open(lua_State *L)
{
    box *self = luaL_checkudata(L, 1, TRANSFER);

    if (!self->transfer)
        luaL_argerror(L, 1, "the transfer is closed");
    return self;
}

static int transfer_is_finished(lua_State *L)
{
    lua_pushboolean(L, grid_transfer_is_finished(check_open(L)->transfer));
    return 1;
}

static void push_sent(lua_State *L, const grid_transfer *transfer)
{
    static const char *const sent[] = {
        [GRID_SENT_NO] = "no", [GRID_SENT_UNKNOWN] = "unknown", [GRID_SENT_YES] = "yes"};

    lua_pushstring(L, sent[grid_transfer_sent(transfer)]);
}

/* transfer:sent() -> "no" | "unknown" | "yes": the state so far, see grid_sent */
static int transfer_sent(lua_State *L)
{
    push_sent(L, check_open(L)->transfer);
    return 1;
}

static void push_lower(lua_State *L, grid_slice name)
{
    char lower[256];
    size_t i;

    for (i = 0; i < name.size && i < sizeof lower; i++)
        lower[i] = grid_ascii_lower(name.data[i]);
    lua_pushlstring(L, lower, i);
}

/* Values of the same header are joined with ", " (RFC 9110 section 5.3). Expects the
 * headers' table on top. */
static void add_header(lua_State *L, grid_slice name, grid_slice value)
{
    push_lower(L, name);
    lua_pushvalue(L, -1);
    lua_rawget(L, -3);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        gridL_push_slice(L, value);
    } else {
        lua_pushliteral(L, ", ");
        gridL_push_slice(L, value);
        lua_concat(L, 3);
    }
    lua_rawset(L, -3);
}

/* Sets `headers` and `cookies` of the table on top. Cookies contain commas, and are not
 * joined. */
static void set_headers(lua_State *L, const grid_headers *headers)
{
    grid_slice name, value;
    size_t at = 0;
    int cookies = 0;

    lua_createtable(L, 0, (int)headers->count);
    lua_newtable(L);
    while (grid_headers_next(headers, &at, &name, &value)) {
        if (grid_slice_is(name, "set-cookie")) {
            gridL_push_slice(L, value);
            lua_rawseti(L, -2, ++cookies);
        } else {
            lua_pushvalue(L, -2);
            add_header(L, name, value);
            lua_pop(L, 1);
        }
    }
    lua_setfield(L, -3, "cookies");
    lua_setfield(L, -2, "headers");
}

static void set_number(lua_State *L, const char *name, double number)
{
    lua_pushnumber(L, number);
    lua_setfield(L, -2, name);
}

static void set_failure(lua_State *L, const grid_error *err)
{
    lua_pushstring(L, grid_kind_name(err->kind));
    lua_setfield(L, -2, "kind");
    lua_pushstring(L, err->code);
    lua_setfield(L, -2, "code");
    lua_pushstring(L, err->message);
    lua_setfield(L, -2, "message");
}

static void set_facts(lua_State *L, const grid_transfer *transfer)
{
    grid_timing timing = grid_transfer_timing(transfer);
    long retry_after = grid_transfer_retry_after(transfer);

    push_sent(L, transfer);
    lua_setfield(L, -2, "sent");
    set_number(L, "seconds", timing.total);
    set_number(L, "connect_seconds", timing.connect);
    if (retry_after >= 0) {
        lua_pushinteger(L, retry_after);
        lua_setfield(L, -2, "retry_after");
    }
}

static box *check_finished(lua_State *L)
{
    box *self = check_open(L);

    if (!grid_transfer_is_finished(self->transfer))
        luaL_argerror(L, 1, "the transfer has not finished");
    return self;
}

/* transfer:answer() -> table: the received part of the answer, its body as
 * grid.core.bytes; and kind, code, message if the answer is incomplete. */
static int transfer_answer(lua_State *L)
{
    box *self = check_finished(L);
    const grid_transfer *transfer = self->transfer;
    const grid_headers *headers = grid_transfer_headers(transfer);
    grid_error err;

    self->is_lent = true;
    lua_createtable(L, 0, 9);
    if (!grid_transfer_succeeded(transfer, &err))
        set_failure(L, &err);
    if (grid_transfer_sent(transfer) == GRID_SENT_YES) {
        lua_pushinteger(L, headers->status);
        lua_setfield(L, -2, "status");
        lua_pushinteger(L, (lua_Integer)grid_transfer_body(transfer).size);
        lua_setfield(L, -2, "bytes");
        gridL_push_bytes(L, grid_transfer_body(transfer));
        lua_setfield(L, -2, "content");
        set_headers(L, headers);
    }
    set_facts(L, transfer);
    self->is_lent = false;
    return 1;
}

void gridL_open_transfer(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"is_finished", transfer_is_finished},
        {"sent", transfer_sent},
        {"answer", transfer_answer},
        {NULL, NULL},
    };

    gridL_new_class(L, TRANSFER, methods, transfer_close, NULL);
    luaL_getmetatable(L, TRANSFER);
    lua_pushcfunction(L, transfer_collect);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
}
