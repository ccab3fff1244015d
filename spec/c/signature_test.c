/* ECDSA signatures, and the randomness beside them. */
#include "crypto_support.h"

#include "crypto/random.h"
#include "crypto/signature.h"

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

/* OpenSSL's verdict, by its own reading of the key and of the signature, a base64
 * text. */
static bool holds(const grid_key *key, const char *message, const char *signature)
{
    grid_buffer text, spki, der;
    grid_error err = {0};
    const unsigned char *at;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY *pkey;
    bool valid;

    grid_buffer_init(&text, 200);
    grid_buffer_init(&spki, 200);
    grid_buffer_init(&der, 200);
    CHECK(grid_public_key_to_text(grid_key_public(key), &text, &err) && grid_base64_decode(slice_buffer(&text), &spki, &err));
    CHECK(grid_base64_decode(slice_text(signature), &der, &err));
    at = (const unsigned char *)spki.data;
    pkey = d2i_PUBKEY(NULL, &at, (long)spki.size);
    CHECK(pkey && EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, pkey) > 0);
    valid = EVP_DigestVerify(context, (const unsigned char *)der.data, der.size, (const unsigned char *)message,
                             strlen(message)) == 1;
    EVP_PKEY_free(pkey);
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    grid_buffer_clear(&text);
    grid_buffer_clear(&spki);
    grid_buffer_clear(&der);
    return valid;
}

static void a_signature_holds_for_its_key_and_message_only(void)
{
    grid_error err = {0};
    grid_key *key = rfc_key(), *other = grid_key_new_random(&err);
    grid_buffer signature;

    grid_buffer_init(&signature, 1024);
    CHECK(grid_signature_create(key, slice_text("message"), &signature, &err));
    CHECK(holds(key, "message", signature.data));
    CHECK(!holds(key, "massage", signature.data));
    CHECK(!holds(key, "", signature.data));
    CHECK(!holds(other, "message", signature.data));
    grid_buffer_clear(&signature);
    CHECK(grid_signature_create(key, nothing, &signature, &err));
    CHECK(holds(key, "", signature.data));
    grid_buffer_clear(&signature);
    grid_key_free(key);
    grid_key_free(other);
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
            CHECK(holds(key, "message", text.data));
            CHECK(!holds(key, "massage", text.data));
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
    a_raw_signature_holds_and_has_64_bytes();
    random_bytes_fill_all_that_was_asked_for();
    a_uuid_has_the_form_of_version_4_and_comes_once();
    CHECK_INT(grid_alloc_live(), live);
    return check_report();
}
