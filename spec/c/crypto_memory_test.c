/* The crypto room without memory: the Nth allocation fails, for every N, first of our own
 * blocks and then of OpenSSL's. Nothing crashes, nothing leaks, no block is given back
 * with a private key in it, and the same work succeeds right afterwards. OpenSSL takes
 * its allocator only before it first allocates, hence a program of its own. */
#include "crypto_support.h"

#include "crypto/aead.h"
#include "crypto/authorization.h"
#include "crypto/hkdf.h"
#include "crypto/random.h"
#include "crypto/signature.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <sys/wait.h>
#include <unistd.h>

static long countdown = -1; /* < 0: nothing fails */
static long outstanding;    /* OpenSSL's blocks */

static bool allowed(void)
{
    return countdown < 0 || countdown-- > 0;
}

/* Later allocations succeed again, which finds more than a memory that stays empty. */
static bool allowed_but_one(void)
{
    bool now = countdown != 0;

    if (countdown >= 0)
        countdown--;
    return now;
}

static bool (*openssl_gate)(void);

/* A start of OpenSSL that fails leaves blocks behind, once per process. They are no
 * business of ours, so a leak checker is to find them reachable. */
static struct {
    bool on;
    size_t count;
    void *blocks[20000];
} kept;

static void *keep_reachable(void *block)
{
    if (kept.on && kept.count < sizeof kept.blocks / sizeof *kept.blocks)
        kept.blocks[kept.count++] = block;
    return block;
}

/* Zeroed, so that what is found in a block was written there by its owner. */
static void *openssl_malloc(size_t size, const char *file, int line)
{
    (void)file, (void)line;
    if (openssl_gate && !openssl_gate())
        return NULL;
    outstanding++;
    return keep_reachable(calloc(1, size));
}

/* The private key that all of the work is done with, as bytes and as OpenSSL's
 * little-endian numbers. */
static bytes secret, secret_number;
static int blocks_with_secret;

static bool holds(const unsigned char *block, size_t size, const bytes *what)
{
    /* Enough to tell, and found even when the allocator's own marks cover an end. */
    size_t half = what->size / 2;

    for (size_t i = 0; half && i + half <= size; i++)
        if (memcmp(block + i, what->data + half / 2, half) == 0)
            return true;
    return false;
}

/* OpenSSL 3.0 itself, multiplying a point by the key in ecp_nistz256.c, gives back its
 * work area as it is: nothing that a caller can help. */
static void look_for_secrets(void *block, const char *file)
{
    size_t size = block ? malloc_usable_size(block) : 0;

    if (file && strstr(file, "ecp_nistz256.c"))
        return;
    blocks_with_secret += holds(block, size, &secret) || holds(block, size, &secret_number);
}

static void openssl_free(void *block, const char *file, int line)
{
    (void)line;
    outstanding -= block != NULL;
    look_for_secrets(block, file);
    free(block);
}

static void *openssl_realloc(void *block, size_t size, const char *file, int line)
{
    void *bigger;

    if (!block)
        return openssl_malloc(size, file, line);
    if (size == 0) {
        openssl_free(block, file, line);
        return NULL;
    }
    bigger = openssl_malloc(size, file, line);
    if (bigger) {
        size_t held = malloc_usable_size(block);
        memcpy(bigger, block, held < size ? held : size);
        outstanding--;
        free(block);
    }
    return bigger;
}

/* ---- The work: each piece either succeeds, or fails with an error that says so ----- */

static char private_text[512], enc_text[512], ciphertext_text[512], signature_text[512];
static grid_key *recipient;

static bool keep(grid_buffer *from, char *to)
{
    memcpy(to, from->data, from->size + 1);
    grid_buffer_clear(from);
    return true;
}

static bool prepare(void)
{
    grid_buffer out, second;
    grid_error err;

    secret = unhex(SCALAR);
    for (size_t i = secret.size; i--;)
        secret_number.data[secret_number.size++] = secret.data[i];
    recipient = rfc_key();
    grid_buffer_init(&out, 511);
    grid_buffer_init(&second, 511);
    return recipient && grid_key_export(recipient, &out, &err) && keep(&out, private_text) &&
           grid_signature_create(recipient, slice_text("message"), &out, &err) && keep(&out, signature_text) &&
           seal_authorization(grid_key_public(recipient), recipient, &out, &second) && keep(&out, enc_text) &&
           keep(&second, ciphertext_text);
}

static bool made(grid_key *key)
{
    grid_key_free(key);
    return key != NULL;
}

static bool make_a_key(grid_error *err)
{
    return made(grid_key_new_random(err));
}

static bool read_a_key(grid_error *err)
{
    return made(grid_key_new_from_text(slice_text(private_text), err));
}

static bool write_a_key(grid_error *err)
{
    grid_buffer out;
    char fingerprint[GRID_FINGERPRINT_SIZE];
    bool done;

    grid_buffer_init(&out, 1024);
    done = grid_key_export(recipient, &out, err) && grid_public_key_to_text(grid_key_public(recipient), &out, err) &&
           grid_public_key_fingerprint(grid_key_public(recipient), fingerprint, err);
    grid_buffer_clear(&out);
    return done;
}

static bool read_a_public_key(grid_error *err)
{
    grid_public_key key;

    return grid_public_key_from_point((grid_slice){(const char *)grid_key_public(recipient)->point, GRID_POINT_SIZE}, &key, err);
}

static bool open_a_key(grid_error *err)
{
    return made(grid_authorization_open(recipient, slice_text(enc_text), slice_text(ciphertext_text), err));
}

static bool sign(grid_error *err)
{
    grid_buffer signature;
    bool done;

    grid_buffer_init(&signature, 1024);
    done = grid_signature_create(recipient, slice_text("message"), &signature, err);
    grid_buffer_clear(&signature);
    return done;
}

static bool sign_raw(grid_error *err)
{
    unsigned char signature[GRID_SIGNATURE_RAW_SIZE];

    return grid_signature_create_raw(recipient, slice_text("message"), signature, err);
}

static const unsigned char seal_key[GRID_AEAD_KEY_SIZE] = {1}, seal_nonce[GRID_AEAD_NONCE_SIZE] = {2};

static bool seal_and_open(grid_error *err)
{
    grid_buffer sealed, opened;
    bool done;

    grid_buffer_init(&sealed, 1024);
    grid_buffer_init(&opened, 1024);
    done = grid_aead_seal(seal_key, seal_nonce, slice_text("aad"), slice_text("text"), &sealed, err) &&
           grid_aead_open(seal_key, seal_nonce, slice_text("aad"), slice_buffer(&sealed), &opened, err);
    grid_buffer_clear(&sealed);
    grid_buffer_clear(&opened);
    return done;
}

static bool derive(grid_error *err)
{
    const grid_slice text = slice_text("text");
    unsigned char prk[GRID_HASH_SIZE], okm[100];

    return grid_hkdf_extract(text, &text, 1, prk, err) && grid_hkdf_expand(prk, &text, 1, okm, sizeof okm, err);
}

static bool draw(grid_error *err)
{
    char uuid[GRID_UUID_SIZE];

    return grid_random_uuid(uuid, err);
}

static const struct {
    const char *name;
    bool (*work)(grid_error *err);
} works[] = {
    {"make a key", make_a_key}, {"read a key", read_a_key}, {"write a key", write_a_key}, {"read a public key", read_a_public_key},
    {"open", open_a_key},       {"sign", sign},             {"uuid", draw},               {"sign raw", sign_raw},
    {"seal and open", seal_and_open},                       {"derive", derive},
};
enum { WORKS = sizeof works / sizeof *works, LIMIT = 3000 };

/* ---- The failing ------------------------------------------------------------------- */

/* Fails allocation 0, 1, 2, … of one piece of work (under valgrind every third one) until
 * it runs without meeting the failure. How many there were. */
static long fail_each(bool (*work)(grid_error *err), bool of_openssl, bool (*gate)(void))
{
    long n, met = 0;

    for (n = 0; n < LIMIT; n += check_is_slowed() ? 3 : 1) {
        grid_error err = {0};
        long blocks = outstanding, live = grid_alloc_live();
        bool done, reached;

        countdown = n;
        openssl_gate = of_openssl ? gate : NULL;
        grid_alloc_set_gate(of_openssl ? NULL : gate);
        done = work(&err);
        openssl_gate = NULL;
        grid_alloc_set_gate(NULL);
        reached = countdown < 0;
        countdown = -1;
        CHECK(done || (err.message[0] && ERR_peek_error() == 0));
        CHECK(done || strcmp(err.code, "crypto_failed") == 0 || strcmp(err.code, "out_of_memory") == 0);
        /* OpenSSL can do without some blocks, and says so in the queue of a success. */
        ERR_clear_error();
        CHECK_INT(grid_alloc_live(), live);
        if (!CHECK_INT(outstanding, blocks))
            printf("    after allocation %ld failed\n", n);
        if (!reached)
            return met;
        met += !done;
    }
    return -1;
}

static void every_piece_of_work_survives_each_failing_allocation(bool of_openssl)
{
    for (int i = 0; i < WORKS; i++) {
        long all = fail_each(works[i].work, of_openssl, allowed);
        long one = fail_each(works[i].work, of_openssl, allowed_but_one);
        grid_error err;

        printf("%s: %ld and %ld failures of %s\n", works[i].name, all, one, of_openssl ? "OpenSSL" : "ours");
        CHECK(all >= 0 && one >= 0);
        CHECK(works[i].work(&err));
    }
}

/* In a process that has not used OpenSSL yet, so its own start is what fails. How the
 * child ended: by a signal, or well. */
static bool first_use_survives(bool (*work)(grid_error *err), long n)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        grid_error err = {0};

        kept.on = true;
        countdown = n;
        openssl_gate = allowed;
        _exit(work(&err) || err.code[0] ? 0 : 1);
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

static void the_first_use_survives_each_failing_allocation(void)
{
    for (long n = 0; n < 4000; n += n < 60 ? 7 : 500) {
        CHECK(first_use_survives(make_a_key, n));
        CHECK(first_use_survives(draw, n));
    }
}

/* What OpenSSL keeps for ever, it takes now: the first run of everything, and the text of
 * the 16 errors that a queue holds. */
static void warm_up(void)
{
    for (int i = 0; i < WORKS; i++) {
        grid_error err;
        CHECK(works[i].work(&err));
    }
    for (int i = 0; i < 16; i++)
        ERR_raise_data(ERR_LIB_USER, 1, "a text as long as any that OpenSSL itself puts beside an error in its queue: %080d", i);
    ERR_clear_error();
}

int main(void)
{
    if (!CHECK(CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free)))
        return check_report();
    the_first_use_survives_each_failing_allocation();
    if (CHECK(prepare())) {
        warm_up();
        every_piece_of_work_survives_each_failing_allocation(false);
        every_piece_of_work_survives_each_failing_allocation(true);
        grid_key_free(recipient);
        CHECK_INT(blocks_with_secret, 0);
    }
    return check_report();
}
