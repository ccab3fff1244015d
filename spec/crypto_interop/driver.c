/* The crypto room, and canonical JSON, behind a pipe, so that other implementations can
 * talk to it.
 *
 * Reads lines "verb argument…", each argument the base64 of its bytes ("-" for none at
 * all); answers each with one line, "ok result…" in the same form or "error code". Ends
 * with its input. */
#include "base/buffer.h"
#include "crypto/aead.h"
#include "crypto/authorization.h"
#include "crypto/hpke.h"
#include "crypto/signature.h"
#include "text/base64.h"
#include "text/canonical.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARGUMENTS = 5, RESULTS = 2, LIMIT = 1 << 16 };

typedef struct call {
    grid_buffer arguments[ARGUMENTS];
    grid_buffer results[RESULTS]; /* raw bytes */
    grid_error err;
} call;

static grid_slice argument(const call *now, int index)
{
    return (grid_slice){now->arguments[index].data ? now->arguments[index].data : "", now->arguments[index].size};
}

/* ---- The verbs --------------------------------------------------------------------- */

/* A pair: its private and its public text. Takes the key. */
static bool answer_key(call *now, grid_key *key)
{
    bool done = key && grid_key_export(key, &now->results[0], &now->err) &&
                grid_public_key_to_text(grid_key_public(key), &now->results[1], &now->err);

    grid_key_free(key);
    return done;
}

/* generate -> private text, public text */
static bool generate(call *now)
{
    return answer_key(now, grid_key_new_random(&now->err));
}

/* import text -> private text, public text */
static bool import(call *now)
{
    return answer_key(now, grid_key_new_from_text(argument(now, 0), &now->err));
}

/* open private enc info aad ciphertext -> plaintext */
static bool open_message(call *now)
{
    grid_key *key = grid_key_new_from_text(argument(now, 0), &now->err);
    bool done = key && grid_hpke_open(key, argument(now, 1), argument(now, 2), argument(now, 3), argument(now, 4),
                                      &now->results[0], &now->err);

    grid_key_free(key);
    return done;
}

/* seal point info aad plaintext -> enc, ciphertext */
static bool seal_message(call *now)
{
    grid_public_key key;

    return grid_public_key_from_point(argument(now, 0), &key, &now->err) &&
           grid_hpke_seal(&key, NULL, argument(now, 1), argument(now, 2), argument(now, 3), &now->results[0], &now->results[1],
                          &now->err);
}

/* open_authorization private enc-text ciphertext-text -> private text, public text */
static bool open_authorization(call *now)
{
    grid_key *key = grid_key_new_from_text(argument(now, 0), &now->err);
    bool done = key && answer_key(now, grid_authorization_open(key, argument(now, 1), argument(now, 2), &now->err));

    grid_key_free(key);
    return done;
}

/* sign private message -> signature text */
static bool sign(call *now)
{
    grid_key *key = grid_key_new_from_text(argument(now, 0), &now->err);
    bool done = key && grid_signature_create(key, argument(now, 1), &now->results[0], &now->err);

    grid_key_free(key);
    return done;
}

/* sign_raw private message -> r || s */
static bool sign_raw(call *now)
{
    grid_key *key = grid_key_new_from_text(argument(now, 0), &now->err);
    unsigned char raw[GRID_SIGNATURE_RAW_SIZE];
    bool done = key && grid_signature_create_raw(key, argument(now, 1), raw, &now->err) &&
                grid_buffer_append(&now->results[0], raw, sizeof raw, &now->err);

    grid_key_free(key);
    return done;
}

/* aead_seal key nonce aad plaintext -> ciphertext and tag */
static bool aead_seal(call *now)
{
    return grid_aead_seal((const unsigned char *)argument(now, 0).data, (const unsigned char *)argument(now, 1).data,
                          argument(now, 2), argument(now, 3), &now->results[0], &now->err);
}

/* canonicalize json -> canonical json */
static bool canonicalize(call *now)
{
    return grid_canonicalize(argument(now, 0), &now->results[0], &now->err);
}

static const struct {
    const char *name;
    bool (*run)(call *now);
} verbs[] = {
    {"generate", generate}, {"import", import},     {"aead_seal", aead_seal},
    {"open", open_message}, {"seal", seal_message}, {"open_authorization", open_authorization},
    {"sign", sign},         {"sign_raw", sign_raw}, {"canonicalize", canonicalize},
};

/* ---- The pipe ---------------------------------------------------------------------- */

static bool run(call *now, char *line)
{
    char *rest = NULL;
    const char *name = strtok_r(line, " \n", &rest);
    const char *word;
    int count = 0;

    while ((word = strtok_r(NULL, " \n", &rest)) && count < ARGUMENTS) {
        grid_slice text = {word, strcmp(word, "-") == 0 ? 0 : strlen(word)};
        if (!grid_base64_decode(text, &now->arguments[count++], &now->err))
            return false;
    }
    for (size_t i = 0; name && i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(name, verbs[i].name) == 0)
            return verbs[i].run(now);
    return grid_error_set(&now->err, GRID_REQUEST, "unknown_verb", "no such verb");
}

static void print_results(const call *now)
{
    printf("ok");
    for (int i = 0; i < RESULTS; i++) {
        grid_buffer text;
        grid_error err;

        grid_buffer_init(&text, (size_t)2 * LIMIT);
        if (grid_base64_encode((grid_slice){now->results[i].data, now->results[i].size}, &text, &err))
            printf(" %s", text.size ? text.data : "-");
        grid_buffer_clear(&text);
    }
    printf("\n");
}

static void answer(char *line)
{
    call now;

    memset(&now, 0, sizeof now);
    for (int i = 0; i < ARGUMENTS; i++)
        grid_buffer_init(&now.arguments[i], LIMIT);
    for (int i = 0; i < RESULTS; i++)
        grid_buffer_init(&now.results[i], LIMIT);
    if (run(&now, line))
        print_results(&now);
    else
        printf("error %s\n", now.err.code);
    fflush(stdout);
    for (int i = 0; i < ARGUMENTS; i++)
        grid_buffer_clear(&now.arguments[i]);
    for (int i = 0; i < RESULTS; i++)
        grid_buffer_clear(&now.results[i]);
}

int main(void)
{
    char *line = NULL;
    size_t size = 0;

    while (getline(&line, &size, stdin) > 0)
        answer(line);
    free(line);
    return 0;
}
