/* ECDSA signatures, and the randomness beside them. */
#include "crypto_support.h"

#include "crypto/random.h"
#include "crypto/signature.h"

#include <openssl/ecdsa.h>

/* RFC 6979 A.2.5: P-256, SHA-256, message "sample". */
#define RFC6979_SCALAR "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721"
#define RFC6979_SIGNATURE                                                              \
    "3046"                                                                             \
    "022100efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"           \
    "022100f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"

static bool holds(const grid_key *key, const char *message, const char *signature, grid_error *err)
{
    return grid_signature_verify(grid_key_public(key), slice_text(message), slice_text(signature), err);
}

static void a_signature_holds_for_its_key_and_message_only(void)
{
    grid_error err = {0};
    grid_key *key = rfc_key(), *other = grid_key_new_random(&err);
    grid_buffer signature;

    grid_buffer_init(&signature, 1024);
    CHECK(grid_signature_create(key, slice_text("message"), &signature, &err));
    CHECK(holds(key, "message", signature.data, &err));
    CHECK(refused_as(!holds(key, "massage", signature.data, &err), &err, "bad_signature"));
    CHECK(refused_as(!holds(key, "", signature.data, &err), &err, "bad_signature"));
    CHECK(refused_as(!holds(other, "message", signature.data, &err), &err, "bad_signature"));
    grid_buffer_clear(&signature);
    CHECK(grid_signature_create(key, nothing, &signature, &err));
    CHECK(holds(key, "", signature.data, &err));
    grid_buffer_clear(&signature);
    grid_key_free(key);
    grid_key_free(other);
}

static void the_signature_of_rfc_6979_holds(void)
{
    grid_error err = {0};
    bytes scalar = unhex(RFC6979_SCALAR);
    grid_key *key = grid_key_new_from_scalar(slice(&scalar), &err);

    CHECK(holds(key, "sample", base64_of(RFC6979_SIGNATURE), &err));
    CHECK(!holds(key, "test", base64_of(RFC6979_SIGNATURE), &err));
    grid_key_free(key);
}

static void every_flipped_bit_of_a_signature_is_refused(void)
{
    grid_error err = {0};
    bytes scalar = unhex(RFC6979_SCALAR), signature = unhex(RFC6979_SIGNATURE);
    grid_key *key = grid_key_new_from_scalar(slice(&scalar), &err);
    grid_buffer text;

    grid_buffer_init(&text, 1024);
    for (size_t bit = 0; bit < 8 * signature.size; bit++) {
        signature.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
        CHECK(grid_base64_encode(slice(&signature), &text, &err));
        CHECK(refused_as(!holds(key, "sample", text.data, &err), &err, "bad_signature"));
        signature.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
        grid_buffer_clear(&text);
    }
    grid_key_free(key);
}

static void what_is_no_signature_is_refused(void)
{
    grid_error err = {0};
    grid_key *key = rfc_key();
    const char *const bad[] = {"", "*", "AAAA", "MAYCAQACAQA=", "MAYCAQECAQE="};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(refused_as(!holds(key, "message", bad[i], &err), &err, "bad_signature"));
    CHECK(refused_as(!holds(key, "sample", base64_of(RFC6979_SIGNATURE "00"), &err), &err, "bad_signature"));
    grid_key_free(key);
}

/* The two numbers, written as DER by OpenSSL, are a signature that holds; each half has
 * leading zeros now and then. */
static void a_raw_signature_holds_and_has_64_bytes(void)
{
    grid_error err = {0};
    grid_key *key = rfc_key();
    const int times = check_is_slowed() ? 200 : 2000;
    int with_leading_zero = 0;

    for (int i = 0; i < times; i++) {
        unsigned char raw[GRID_SIGNATURE_RAW_SIZE];

        CHECK(grid_signature_create_raw(key, slice_text("message"), raw, &err));
        with_leading_zero += raw[0] == 0 || raw[GRID_SIGNATURE_RAW_SIZE / 2] == 0;
        if (i < 100 || raw[0] == 0 || raw[GRID_SIGNATURE_RAW_SIZE / 2] == 0) {
            ECDSA_SIG *numbers = ECDSA_SIG_new();
            bytes der;
            unsigned char *at = der.data;
            grid_buffer text;

            ECDSA_SIG_set0(numbers, BN_bin2bn(raw, 32, NULL), BN_bin2bn(raw + 32, 32, NULL));
            der.size = (size_t)i2d_ECDSA_SIG(numbers, &at);
            ECDSA_SIG_free(numbers);
            grid_buffer_init(&text, 200);
            CHECK(grid_base64_encode(slice(&der), &text, &err));
            CHECK(holds(key, "message", text.data, &err));
            CHECK(!holds(key, "massage", text.data, &err));
            grid_buffer_clear(&text);
        }
    }
    /* 1 in 128: none in 2,000 comes once in 6,000,000 runs. */
    CHECK(with_leading_zero > 0 || times < 2000);
    grid_key_free(key);
}

static void random_bytes_fill_all_that_was_asked_for(void)
{
    static unsigned char made[1000], blank[8];
    grid_error err = {0};

    for (size_t size = 1; size <= sizeof made - 1; size += 37) {
        memset(made, 0, sizeof made);
        CHECK(grid_random_bytes(made, size, &err));
        CHECK(size < 8 || memcmp(made + size - 8, blank, 8) != 0);
        CHECK_INT(made[size], 0);
    }
}

static void a_uuid_has_the_form_of_version_4_and_comes_once(void)
{
    enum { MANY = 1000 };
    static char made[MANY][GRID_UUID_SIZE];
    grid_error err = {0};
    int same = 0, bad = 0;

    for (int i = 0; i < MANY; i++) {
        CHECK(grid_random_uuid(made[i], &err));
        bad += strlen(made[i]) != 36 || strspn(made[i], "0123456789abcdef-") != 36 || made[i][8] != '-' || made[i][13] != '-' ||
               made[i][14] != '4' || made[i][18] != '-' || !strchr("89ab", made[i][19]) || made[i][23] != '-';
        for (int j = 0; j < i; j++)
            same += strcmp(made[i], made[j]) == 0;
    }
    CHECK_INT(bad, 0);
    CHECK_INT(same, 0);
}

int main(void)
{
    long live = grid_alloc_live();

    a_signature_holds_for_its_key_and_message_only();
    the_signature_of_rfc_6979_holds();
    every_flipped_bit_of_a_signature_is_refused();
    what_is_no_signature_is_refused();
    a_raw_signature_holds_and_has_64_bytes();
    random_bytes_fill_all_that_was_asked_for();
    a_uuid_has_the_form_of_version_4_and_comes_once();
    CHECK_INT(grid_alloc_live(), live);
    return check_report();
}
