/* Decodes JSON text to Lua values.
 *
 * Owns: the walk over validated text, and the Lua value of each token: null is the light
 * userdata NULL (as in lua-cjson), an array has its metatable also if it is empty, and a
 * whole number is an integer if the VM has integers.
 * Does not know: the metatable that marks arrays, which the caller passes. */
#include "lua/decode.h"

#include "text/json.h"
#include "text/number.h"

#include <stdint.h>

/* The arguments of json_decode */
enum { TEXT = 1, ARRAY_METATABLE, FIRST_STEP };

enum { INTEGER_DIGITS = 19 };

typedef struct walk {
    lua_State *L;
    grid_json_reader reader;
    grid_json_counts counts;
    size_t begun; /* number of objects and arrays so far */
    int last_step;
    grid_buffer *unescaped; /* NULL until a string has an escape */
    grid_slice exact; /* the value at the path of steps; size 0 until found */
} walk;

/* `step`: the index of the argument with the next step of the path; 0: the value is not
 * on the path. */
static void push_value(walk *self, grid_json_token token, grid_slice raw, int step);

/* Returns the one buffer of the walk, which is on the stack after the arguments. */
static grid_buffer *unescaped(walk *self)
{
    if (!self->unescaped) {
        self->unescaped = gridL_new_buffer(self->L);
        lua_replace(self->L, self->last_step + 1);
    }
    return self->unescaped;
}

/* Pushes the last string of the reader. */
static void push_string(walk *self, grid_slice raw)
{
    lua_State *L = self->L;
    grid_error err;

    if (!self->reader.escaped) {
        lua_pushlstring(L, raw.data + 1, raw.size - 2);
        return;
    }
    if (!grid_json_unquote(raw, unescaped(self), &err))
        luaL_error(L, "%s", err.message);
    gridL_push_buffer(L, self->unescaped);
}

/* Reads a number without fraction and exponent that fits in int64_t. INT64_MIN is not
 * accepted, and is read as a double. */
static bool read_digits(grid_slice raw, int64_t *integer)
{
    size_t i = raw.data[0] == '-' ? 1 : 0;
    uint64_t value = 0;

    if (raw.size - i > INTEGER_DIGITS)
        return false;
    for (; i < raw.size; i++) {
        if (raw.data[i] < '0' || raw.data[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(raw.data[i] - '0');
    }
    if (value > INT64_MAX)
        return false;
    *integer = raw.data[0] == '-' ? -(int64_t)value : (int64_t)value;
    return true;
}

/* lua_Integer has 32 bits in LuaJIT on a 32-bit machine. */
static void push_whole(lua_State *L, int64_t value)
{
#if GRID_LUA_HAS_INTEGERS
    lua_pushinteger(L, value);
#else
    lua_pushnumber(L, (lua_Number)value);
#endif
}

static void push_number(lua_State *L, grid_slice raw)
{
    int64_t digits;
    lua_Number number;

    if (read_digits(raw, &digits)) {
        push_whole(L, digits);
        return;
    }
    number = grid_number_value(raw);
#if GRID_LUA_HAS_INTEGERS
    if (lua_numbertointeger(number, &digits) && (lua_Number)digits == number) {
        push_whole(L, digits);
        return;
    }
#endif
    lua_pushnumber(L, number);
}

/* If the name on top is the next step, drops the value that an earlier member of this
 * name has set. */
static int next_step(walk *self, int step)
{
    if (!step || step > self->last_step || !lua_rawequal(self->L, -1, step))
        return 0;
    self->exact.size = 0;
    return step + 1;
}

/* The number of members or elements of the object or array that begins here. */
static int next_count(walk *self)
{
    size_t place = self->begun++;

    return place < self->counts.count ? (int)self->counts.of[place] : 0;
}

/* If a name occurs twice, the last value is kept. */
static void push_object(walk *self, int step)
{
    grid_json_token token;
    grid_slice raw;
    int inner;

    luaL_checkstack(self->L, 6, "JSON too deep");
    lua_createtable(self->L, 0, next_count(self));
    while (grid_json_next(&self->reader, &raw) == GRID_JSON_STRING) {
        push_string(self, raw);
        inner = next_step(self, step);
        token = grid_json_next(&self->reader, &raw);
        push_value(self, token, raw, inner);
        lua_rawset(self->L, -3);
    }
}

static int next_step_in_array(const walk *self, int step, int position)
{
    bool leads = step && step <= self->last_step && lua_type(self->L, step) == LUA_TNUMBER;

    return leads && lua_tointeger(self->L, step) == position ? step + 1 : 0;
}

static void push_array(walk *self, int step)
{
    grid_json_token token;
    grid_slice raw;
    int i;

    luaL_checkstack(self->L, 6, "JSON too deep");
    lua_createtable(self->L, next_count(self), 0);
    lua_pushvalue(self->L, ARRAY_METATABLE);
    lua_setmetatable(self->L, -2);
    for (i = 1; (token = grid_json_next(&self->reader, &raw)) != GRID_JSON_ARRAY_END; i++) {
        push_value(self, token, raw, next_step_in_array(self, step, i));
        lua_rawseti(self->L, -2, i);
    }
}

static void push_value(walk *self, grid_json_token token, grid_slice raw, int step)
{
    lua_State *L = self->L;

    switch (token) {
    case GRID_JSON_OBJECT_BEGIN:
        push_object(self, step);
        break;
    case GRID_JSON_ARRAY_BEGIN:
        push_array(self, step);
        break;
    case GRID_JSON_STRING:
        push_string(self, raw);
        break;
    case GRID_JSON_NUMBER:
        push_number(L, raw);
        break;
    case GRID_JSON_TRUE:
    case GRID_JSON_FALSE:
        lua_pushboolean(L, token == GRID_JSON_TRUE);
        break;
    default:
        lua_pushlightuserdata(L, NULL); /* null */
        break;
    }
    if (step > self->last_step)
        self->exact = (grid_slice){raw.data, (size_t)(self->reader.at - raw.data)};
}

int gridL_decode(lua_State *L, grid_slice text)
{
    walk self;
    grid_slice raw;
    grid_json_token token;
    grid_error err;

    luaL_checktype(L, ARRAY_METATABLE, LUA_TTABLE);
    if (!grid_json_count(text, &self.counts, &err))
        return gridL_fail(L, &err);
    self.L = L;
    self.last_step = lua_gettop(L);
    self.begun = 0;
    self.unescaped = NULL;
    self.exact.size = 0;
    lua_pushnil(L); /* the stack slot of the buffer */
    grid_json_reader_init(&self.reader, text);
    token = grid_json_next(&self.reader, &raw);
    push_value(&self, token, raw, self.last_step >= FIRST_STEP ? FIRST_STEP : 0);
    if (!self.exact.size)
        return 1;
    gridL_push_slice(L, self.exact);
    return 2;
}

/* json_decode(text, array_metatable, step, …) -> value, exact | nil, kind, code, message.
 * A step is a member's name or an element's position; `exact`: the bytes of the value at
 * the path of steps, nil: not found. */
static int json_decode(lua_State *L)
{
    return gridL_decode(L, gridL_check_slice(L, TEXT));
}

void gridL_open_decode(lua_State *L)
{
    lua_pushcfunction(L, json_decode);
    lua_setfield(L, -2, "json_decode");
}
