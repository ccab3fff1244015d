/* grid.core: authenticated encryption, SHA-256, HMAC, HKDF, random bytes,
 * hexadecimal digits and base64url.
 *
 * Owns: nothing between two calls.
 * Does not know: P-256 keys, which are in lua/key.c, and the meaning of the bytes. */
#include "lua/crypto.h"

#include "base/alloc.h"
#include "crypto/aead.h"
#include "crypto/hkdf.h"
#include "crypto/hmac.h"
#include "crypto/random.h"
#include "lua/support.h"
#include "text/base64.h"

static const unsigned char *check_exact(lua_State *L, int argument, size_t size, const char *message)
{
    grid_slice bytes = gridL_check_slice(L, argument);

    luaL_argcheck(L, bytes.size == size, argument, message);
    return (const unsigned char *)bytes.data;
}

typedef bool aead(const unsigned char *key, const unsigned char *nonce, grid_slice aad, grid_slice in,
                  grid_buffer *out, grid_error *err);

static int run_aead(lua_State *L, aead *run)
{
    const unsigned char *key = check_exact(L, 1, GRID_AEAD_KEY_SIZE, "a key has 32 bytes");
    const unsigned char *nonce = check_exact(L, 2, GRID_AEAD_NONCE_SIZE, "a nonce has 12 bytes");
    grid_slice aad = gridL_check_slice(L, 3), in = gridL_check_slice(L, 4);
    grid_buffer *out = gridL_new_buffer(L);
    grid_error err;

    return gridL_finish_buffer(L, run(key, nonce, aad, in, out, &err), out, &err);
}

/* aead_seal(key, nonce, aad, plaintext) -> ciphertext and tag | nil, kind, code,
 * message */
static int aead_seal(lua_State *L)
{
    return run_aead(L, grid_aead_seal);
}

/* aead_open(key, nonce, aad, ciphertext) -> plaintext | nil, kind, code, message */
static int aead_open(lua_State *L)
{
    return run_aead(L, grid_aead_open);
}

/* sha256(text) -> 32 bytes | nil, kind, code, message */
static int sha256(lua_State *L)
{
    grid_slice text = gridL_check_slice(L, 1);
    unsigned char digest[GRID_HASH_SIZE];
    grid_error err;

    if (!grid_sha256(text, digest, &err))
        return gridL_fail(L, &err);
    lua_pushlstring(L, (const char *)digest, sizeof digest);
    return 1;
}

/* As gridL_finish_buffer, for an array, which is wiped: a failure may have filled a part
 * of it. */
static int finish_array(lua_State *L, bool done, unsigned char *bytes, size_t size, const grid_error *err)
{
    if (done)
        lua_pushlstring(L, (const char *)bytes, size);
    grid_wipe(bytes, size);
    return done ? 1 : gridL_fail(L, err);
}

/* hmac_sha256(key, text) -> 32 bytes | nil, kind, code, message */
static int hmac_sha256(lua_State *L)
{
    grid_slice key = gridL_check_slice(L, 1), text = gridL_check_slice(L, 2);
    unsigned char tag[GRID_HASH_SIZE];
    grid_error err;

    return finish_array(L, grid_hmac_sha256(key, &text, 1, tag, &err), tag, sizeof tag, &err);
}

static bool hkdf(grid_slice ikm, grid_slice salt, grid_slice info, unsigned char *okm, size_t size, grid_error *err)
{
    unsigned char prk[GRID_HASH_SIZE];
    bool done = grid_hkdf_extract(salt, &ikm, 1, prk, err) && grid_hkdf_expand(prk, &info, 1, okm, size, err);

    grid_wipe(prk, sizeof prk);
    return done;
}

/* hkdf_sha256(ikm, salt, info, size) -> `size` bytes | nil, kind, code, message */
static int hkdf_sha256(lua_State *L)
{
    grid_slice ikm = gridL_check_slice(L, 1), salt = gridL_check_slice(L, 2), info = gridL_check_slice(L, 3);
    lua_Integer size = luaL_checkinteger(L, 4);
    unsigned char okm[GRID_HKDF_MAX_SIZE];
    grid_error err;

    luaL_argcheck(L, size >= 1 && size <= GRID_HKDF_MAX_SIZE, 4, "HKDF gives 1 to 8160 bytes");
    return finish_array(L, hkdf(ikm, salt, info, okm, (size_t)size, &err), okm, (size_t)size, &err);
}

enum { RANDOM_MAX = 4096 };

/* random_bytes(size) -> `size` bytes | nil, kind, code, message */
static int random_bytes(lua_State *L)
{
    lua_Integer size = luaL_checkinteger(L, 1);
    unsigned char bytes[RANDOM_MAX];
    grid_error err;

    luaL_argcheck(L, size >= 1 && size <= RANDOM_MAX, 1, "1 to 4096 bytes at once");
    return finish_array(L, grid_random_bytes(bytes, (size_t)size, &err), bytes, (size_t)size, &err);
}

enum { HEX_MAX = 64 };

/* hex(bytes) -> text */
static int hex(lua_State *L)
{
    static const char digits[] = "0123456789abcdef";
    grid_slice bytes = gridL_check_slice(L, 1);
    char text[2 * HEX_MAX];

    luaL_argcheck(L, bytes.size <= HEX_MAX, 1, "up to 64 bytes at once");
    for (size_t i = 0; i < bytes.size; i++) {
        text[2 * i] = digits[(unsigned char)bytes.data[i] >> 4];
        text[2 * i + 1] = digits[(unsigned char)bytes.data[i] & 15];
    }
    lua_pushlstring(L, text, 2 * bytes.size);
    return 1;
}

typedef bool base64(grid_slice in, grid_buffer *out, grid_error *err);

static int run_base64(lua_State *L, base64 *run)
{
    grid_slice in = gridL_check_slice(L, 1);
    grid_buffer *out = gridL_new_buffer(L);
    grid_error err;

    return gridL_finish_buffer(L, run(in, out, &err), out, &err);
}

/* base64url_encode(bytes) -> text without padding | nil, kind, code, message */
static int base64url_encode(lua_State *L)
{
    return run_base64(L, grid_base64url_encode);
}

/* base64url_decode(text) -> bytes | nil, kind, code, message */
static int base64url_decode(lua_State *L)
{
    return run_base64(L, grid_base64url_decode);
}

void gridL_open_crypto(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"aead_seal", aead_seal},
        {"aead_open", aead_open},
        {"sha256", sha256},
        {"hmac_sha256", hmac_sha256},
        {"hkdf_sha256", hkdf_sha256},
        {"random_bytes", random_bytes},
        {"hex", hex},
        {"base64url_encode", base64url_encode},
        {"base64url_decode", base64url_decode},
        {NULL, NULL},
    };

    luaL_setfuncs(L, functions, 0);
}
