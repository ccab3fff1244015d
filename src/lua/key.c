/* grid.core.key: a P-256 key pair: opens sealed keys, signs, and exports.
 *
 * Owns: the pair, which is wiped when the key is closed or collected.
 * Does not know: sessions, expiries, and the signer of a key. */
#include "lua/key.h"

#include "crypto/authorization.h"
#include "crypto/signature.h"
#include "text/base64.h"
#include "text/canonical.h"

static const char KEY[] = "grid.core.key";

typedef struct box {
    grid_key *key; /* NULL once closed */
} box;

/* Must be called after the other arguments are read: the conversion of a number to a
 * string, or an allocation, may run a finalizer that closes the key. */
static grid_key *check_key(lua_State *L)
{
    box *self = luaL_checkudata(L, 1, KEY);

    if (!self->key)
        luaL_argerror(L, 1, "the key is closed");
    return self->key;
}

static int result(lua_State *L, const box *self, const grid_error *err)
{
    return self->key ? 1 : gridL_fail(L, err);
}

/* key_new() -> a new random pair | nil, kind, code, message */
static int key_new(lua_State *L)
{
    box *self = gridL_new_object(L, sizeof *self, KEY);
    grid_error err;

    self->key = grid_key_new_random(&err);
    return result(L, self, &err);
}

/* key_from_text(text) -> the pair of a private key in a form of crypto/key.h | nil, kind,
 * code, message */
static int key_from_text(lua_State *L)
{
    grid_slice text = gridL_check_slice(L, 1);
    box *self = gridL_new_object(L, sizeof *self, KEY);
    grid_error err;

    self->key = grid_key_new_from_text(text, &err);
    return result(L, self, &err);
}

/* key:open(encapsulated_key, ciphertext) -> the sealed key | nil, kind, code, message.
 * Both arguments are base64. */
static int key_open(lua_State *L)
{
    box *self = gridL_new_object(L, sizeof *self, KEY);
    grid_slice encapsulated_key = gridL_check_slice(L, 2), ciphertext = gridL_check_slice(L, 3);
    grid_error err;

    self->key = grid_authorization_open(check_key(L), encapsulated_key, ciphertext, &err);
    return result(L, self, &err);
}

static int key_close(lua_State *L)
{
    box *self = luaL_checkudata(L, 1, KEY);

    grid_key_free(self->key);
    self->key = NULL;
    return 0;
}

/* key:public_key() -> base64 of the 91-byte SPKI DER */
static int key_public_key(lua_State *L)
{
    grid_buffer *out = gridL_new_buffer(L);
    const grid_key *key = check_key(L);
    grid_error err;

    return gridL_finish_buffer(L, grid_public_key_to_text(grid_key_public(key), out, &err), out, &err);
}

/* key:export() -> base64 of the PKCS#8 DER: a secret */
static int key_export(lua_State *L)
{
    grid_buffer *out = gridL_new_buffer(L);
    const grid_key *key = check_key(L);
    grid_error err;

    return gridL_finish_buffer(L, grid_key_export(key, out, &err), out, &err);
}

/* key:fingerprint() -> a text that may be logged */
static int key_fingerprint(lua_State *L)
{
    char text[GRID_FINGERPRINT_SIZE];
    grid_error err;

    if (!grid_public_key_fingerprint(grid_key_public(check_key(L)), text, &err))
        return gridL_fail(L, &err);
    lua_pushstring(L, text);
    return 1;
}

static bool sign_payload(const grid_key *key, grid_slice payload, grid_buffer *json,
                         grid_buffer *canonical, grid_buffer *signature, grid_error *err)
{
    return grid_base64_decode(payload, json, err) &&
           grid_canonicalize((grid_slice){json->data, json->size}, canonical, err) &&
           grid_signature_create(key, (grid_slice){canonical->data, canonical->size}, signature, err);
}

/* key:sign_payload(base64 of JSON) -> base64 of the DER signature over the canonical form
 * | nil, kind, code, message */
static int key_sign_payload(lua_State *L)
{
    grid_buffer *json = gridL_new_buffer(L);
    grid_buffer *canonical = gridL_new_buffer(L);
    grid_buffer *signature = gridL_new_buffer(L);
    grid_slice payload = gridL_check_slice(L, 2);
    const grid_key *key = check_key(L);
    grid_error err;

    return gridL_finish_buffer(L, sign_payload(key, payload, json, canonical, signature, &err), signature, &err);
}

/* key:sign_raw(text) -> r || s, 64 bytes | nil, kind, code, message */
static int key_sign_raw(lua_State *L)
{
    grid_slice text = gridL_check_slice(L, 2);
    unsigned char signature[GRID_SIGNATURE_RAW_SIZE];
    grid_error err;

    if (!grid_signature_create_raw(check_key(L), text, signature, &err))
        return gridL_fail(L, &err);
    lua_pushlstring(L, (const char *)signature, sizeof signature);
    return 1;
}

/* canonicalize(text) -> RFC 8785 form | nil, kind, code, message */
static int canonicalize(lua_State *L)
{
    grid_slice text = gridL_check_slice(L, 1);
    grid_buffer *out = gridL_new_buffer(L);
    grid_error err;

    return gridL_finish_buffer(L, grid_canonicalize(text, out, &err), out, &err);
}

/* fingerprint(text) -> a fingerprint of a token, which may be logged. Throws if there is
 * no memory. */
static int fingerprint(lua_State *L)
{
    char text[GRID_FINGERPRINT_SIZE];
    grid_error err;

    if (!grid_fingerprint("text", gridL_check_slice(L, 1), text, &err))
        return luaL_error(L, "%s", err.message);
    lua_pushstring(L, text);
    return 1;
}

static int key_to_string(lua_State *L)
{
    const box *self = luaL_checkudata(L, 1, KEY);

    if (!self->key) {
        lua_pushliteral(L, "grid.core.key (closed)");
        return 1;
    }
    key_fingerprint(L);
    lua_pushfstring(L, "grid.core.key (%s)", lua_tostring(L, -1));
    return 1;
}

void gridL_open_key(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"open", key_open},
        {"public_key", key_public_key},
        {"export", key_export},
        {"fingerprint", key_fingerprint},
        {"sign_payload", key_sign_payload},
        {"sign_raw", key_sign_raw},
        {NULL, NULL},
    };
    static const luaL_Reg functions[] = {
        {"key_new", key_new},
        {"key_from_text", key_from_text},
        {"canonicalize", canonicalize},
        {"fingerprint", fingerprint},
        {NULL, NULL},
    };

    gridL_new_class(L, KEY, methods, key_close, key_to_string);
    luaL_setfuncs(L, functions, 0);
}
