/* For the tests of keys as text: the RFC's key in pieces, in base64 and in PEM. */
#ifndef GRID_SPEC_KEY_SUPPORT_H
#define GRID_SPEC_KEY_SUPPORT_H

#include "crypto_support.h"

/* RFC 5480 and RFC 5915 in pieces, so that each test shows what it changes. */
#define EC "06072a8648ce3d0201"
#define P256 "06082a8648ce3d030107"
#define ALGORITHM "3013" EC P256
#define P384_ALGORITHM "3010" EC "06052b81040022"
#define SPKI_HEAD "3059" ALGORITHM "034200"
#define KEY_138 "308187020100" ALGORITHM "046d306b0201010420" SCALAR "a144034200" POINT
#define KEY_67 "3041020100" ALGORITHM "042730250201010420" SCALAR
#define SDK_68 "308187020100" ALGORITHM "046d306b0201010420" SCALAR
#define SEC1_121 "30770201010420" SCALAR "a00a" P256 "a144034200" POINT

static inline grid_key *import(const char *text, grid_error *err)
{
    return grid_key_new_from_text(slice_text(text), err);
}

/* The text is a form of the RFC's key. */
static inline bool imports(const char *text)
{
    bytes point = unhex(POINT);
    grid_error err = {0};
    grid_key *key = import(text, &err);
    bool same = key && memcmp(grid_key_public(key)->point, point.data, GRID_POINT_SIZE) == 0;

    if (!key)
        printf("    %s: %s\n", err.code, err.message);
    grid_key_free(key);
    return same && ERR_peek_error() == 0;
}

static inline bool refuses(const char *text, const char *code)
{
    grid_error err = {0};
    grid_key *key = import(text, &err);
    bool refused = refused_as(!key, &err, code);

    grid_key_free(key);
    return refused;
}

static inline const char *joined(const char *before, const char *text, const char *after)
{
    static char out[4 * 8192];

    snprintf(out, sizeof out, "%s%s%s", before, text, after);
    return out;
}

static inline const char *wrapped(const char *text, size_t width, const char *line_end)
{
    static char out[8192];
    size_t used = 0;

    for (size_t i = 0; text[i]; i++)
        used += (size_t)snprintf(out + used, sizeof out - used, "%c%s", text[i], (i + 1) % width == 0 ? line_end : "");
    return out;
}

static inline const char *pem(const char *label, const char *hex)
{
    static char out[8192 + 256];

    snprintf(out, sizeof out, "-----BEGIN %s-----\n%s\n-----END %s-----\n", label, wrapped(base64_of(hex), 64, "\n"), label);
    return out;
}

#endif
