/* JSON between the text room and Lua.
 *
 * Owns: what lua-cjson 2.1.0 loses on the way in: empty arrays become empty objects there, and integers floats. The text is
 * walked beside the decoded value, and both are put right, so that every lua-cjson gives the same values.
 * Refuses to know: how lua-cjson is set up; its decode function is handed in. */
#include "lua/json.h"

#include "lua/encode.h"
#include "text/json.h"
#include "text/refresh.h"

typedef struct walk {
    lua_State *L;
    grid_json_reader reader;
    int array_metatable;
} walk;

static void restore_container(walk *self, grid_json_token kind);

/* Digits alone, few enough to be exact: what the text says counts. Otherwise the double does, if it is whole. */
#if GRID_LUA_HAS_INTEGERS
static bool read_digits(grid_slice raw, lua_Integer *integer)
{
    size_t i = raw.data[0] == '-' ? 1 : 0;

    *integer = 0;
    if (raw.size - i > 18)
        return false;
    for (; i < raw.size; i++) {
        if (raw.data[i] < '0' || raw.data[i] > '9')
            return false;
        *integer = *integer * 10 + (raw.data[i] - '0');
    }
    if (raw.data[0] == '-')
        *integer = -*integer;
    return true;
}

/* Replaces the float on top by an integer where it stands for one. True: it did. A name that stands twice may have another
 * value than this text: then the value that lua-cjson chose counts. */
static bool to_integer(lua_State *L, grid_slice raw)
{
    lua_Number number = lua_tonumber(L, -1);
    lua_Integer integer;

    if (!read_digits(raw, &integer) || (lua_Number)integer != number) {
        if (!lua_numbertointeger(number, &integer) || (lua_Number)integer != number)
            return false;
    }
    lua_pop(L, 1);
    lua_pushinteger(L, integer);
    return true;
}
#else
static bool to_integer(lua_State *L, grid_slice raw)
{
    (void)L, (void)raw;
    return false; /* every number is a double there */
}
#endif

/* The child that belongs to the value just read is on top, above its key: restores it, and leaves both to the caller.
 * True: the child was replaced. */
static bool restore_child(walk *self, grid_json_token token, grid_slice raw)
{
    if (token == GRID_JSON_NUMBER)
        return lua_type(self->L, -1) == LUA_TNUMBER && to_integer(self->L, raw);
    if (token == GRID_JSON_OBJECT_BEGIN || token == GRID_JSON_ARRAY_BEGIN)
        restore_container(self, token);
    return false;
}

static bool needs_care(grid_json_token token)
{
    return token == GRID_JSON_OBJECT_BEGIN || token == GRID_JSON_ARRAY_BEGIN ||
           (GRID_LUA_HAS_INTEGERS && token == GRID_JSON_NUMBER);
}

static void push_key(lua_State *L, grid_slice raw)
{
    grid_slice inner = {raw.data + 1, raw.size - 2};
    grid_buffer *buffer;
    grid_error err;
    size_t i;

    for (i = 0; i < inner.size && inner.data[i] != '\\'; i++)
        ;
    if (i == inner.size) {
        gridL_push_slice(L, inner);
        return;
    }
    buffer = gridL_new_buffer(L);
    if (!grid_json_unquote(raw, buffer, &err))
        luaL_error(L, "%s", err.message);
    gridL_push_buffer(L, buffer);
    lua_remove(L, -2);
}

static void restore_object(walk *self)
{
    lua_State *L = self->L;
    grid_slice key, raw;

    while (grid_json_next(&self->reader, &key) == GRID_JSON_STRING) {
        grid_json_token token = grid_json_next(&self->reader, &raw);
        if (!needs_care(token))
            continue;
        push_key(L, key);
        lua_pushvalue(L, -1);
        if (lua_istable(L, -3))
            lua_rawget(L, -3);
        if (restore_child(self, token, raw))
            lua_rawset(L, -3);
        else
            lua_pop(L, 2);
    }
}

static void restore_array(walk *self)
{
    lua_State *L = self->L;
    grid_json_token token;
    grid_slice raw;
    int i;

    for (i = 1; (token = grid_json_next(&self->reader, &raw)) != GRID_JSON_ARRAY_END; i++) {
        if (!needs_care(token))
            continue;
        if (lua_istable(L, -1))
            lua_rawgeti(L, -1, i);
        else
            lua_pushnil(L);
        if (restore_child(self, token, raw))
            lua_rawseti(L, -2, i);
        else
            lua_pop(L, 1);
    }
}

/* The decoded container is on top. Where a name stands twice, the text may speak of a value that lua-cjson has thrown away: the
 * walk then goes over whatever is there and changes nothing that does not fit. */
static void restore_container(walk *self, grid_json_token kind)
{
    lua_State *L = self->L;

    luaL_checkstack(L, 6, "JSON too deep");
    if (lua_istable(L, -1)) {
        if (kind == GRID_JSON_ARRAY_BEGIN)
            lua_pushvalue(L, self->array_metatable);
        else
            lua_pushnil(L);
        lua_setmetatable(L, -2);
    }
    if (kind == GRID_JSON_ARRAY_BEGIN)
        restore_array(self);
    else
        restore_object(self);
}

/* decode(text), with the value on top. False: it would not take the text, a lone surrogate for one, which the grammar allows. */
static bool decode_on_top(lua_State *L, grid_error *err)
{
    int status;

    lua_pushvalue(L, 2);
    lua_pushvalue(L, 1);
    status = lua_pcall(L, 1, 1, 0);
    if (status == LUA_ERRMEM)
        lua_error(L);
    return status == 0 || grid_error_set(err, GRID_PROTOCOL, "bad_json", "JSON that lua-cjson refuses");
}

/* json_decode(text, decode, array_metatable) -> value | nil, kind, code, message */
static int json_decode(lua_State *L)
{
    walk self = {.L = L, .array_metatable = 3};
    grid_slice text = gridL_check_slice(L, 1), raw;
    grid_json_token token;
    grid_error err;

    luaL_checktype(L, 2, LUA_TFUNCTION);
    luaL_checktype(L, 3, LUA_TTABLE);
    if (!grid_json_validate(text, &err) || !decode_on_top(L, &err))
        return gridL_fail(L, &err);
    grid_json_reader_init(&self.reader, text);
    token = grid_json_next(&self.reader, &raw);
    restore_child(&self, token, raw);
    return 1;
}

/* json_slice(text, step, …) -> the exact bytes of a value and their position, or nothing. A step is a member's name or an element's position. */
static int json_slice(lua_State *L)
{
    grid_slice text = gridL_check_slice(L, 1), value = text;
    int i, steps = lua_gettop(L);
    grid_error err;

    if (!grid_json_validate(value, &err))
        return gridL_fail(L, &err);
    for (i = 2; i <= steps; i++) {
        bool found = lua_type(L, i) == LUA_TNUMBER
                         ? grid_json_element(value, (size_t)lua_tointeger(L, i) - 1, &value)
                         : grid_json_member(value, luaL_checkstring(L, i), &value);
        if (!found)
            return 0;
    }
    gridL_push_slice(L, value);
    lua_pushinteger(L, value.data - text.data + 1);
    return 2;
}

/* refresh_body(encryption_public_key, kms_payload | nil) -> body | nil, kind, code, message */
static int refresh_body(lua_State *L)
{
    grid_slice key = gridL_check_slice(L, 1), payload;
    bool has_payload = !lua_isnoneornil(L, 2);
    grid_buffer *out;
    grid_error err;

    if (has_payload)
        payload = gridL_check_slice(L, 2);
    out = gridL_new_buffer(L);
    if (!grid_refresh_body(key, has_payload ? &payload : NULL, out, &err)) {
        grid_buffer_clear(out);
        return gridL_fail(L, &err);
    }
    gridL_push_buffer(L, out);
    return 1;
}

void gridL_open_json(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"json_decode", json_decode},
        {"json_slice", json_slice},
        {"refresh_body", refresh_body},
        {NULL, NULL},
    };

    luaL_setfuncs(L, functions, 0);
    gridL_open_encode(L);
}
