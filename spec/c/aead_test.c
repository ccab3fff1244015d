/* ChaCha20-Poly1305, HMAC and HKDF against the vectors of their RFCs, and against
 * everything that must not open. */
#include "crypto_support.h"

#include "crypto/aead.h"
#include "crypto/hkdf.h"

/* ---- RFC 8439 2.8.2 ---------------------------------------------------------------- */

#define KEY "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"
#define NONCE "070000004041424344454647"
#define AAD "50515253c0c1c2c3c4c5c6c7"
#define TEXT                                                                                \
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the " \
    "future, sunscreen would be it."
#define SEALED                                                         \
    "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6" \
    "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36" \
    "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc" \
    "3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691"

static bool open_with(const bytes *key, const bytes *nonce, const bytes *aad, const bytes *sealed,
                      grid_buffer *out, grid_error *err)
{
    return grid_aead_open(key->data, nonce->data, slice(aad), slice(sealed), out, err);
}

static void the_vector_of_rfc_8439_holds_both_ways(void)
{
    bytes key = unhex(KEY), nonce = unhex(NONCE), aad = unhex(AAD), sealed = unhex(SEALED);
    grid_buffer out;
    grid_error err;

    grid_buffer_init(&out, 1024);
    CHECK(grid_aead_seal(key.data, nonce.data, slice(&aad), slice_text(TEXT), &out, &err));
    CHECK_MEM(out.data, out.size, sealed.data, sealed.size);
    grid_buffer_clear(&out);
    CHECK(open_with(&key, &nonce, &aad, &sealed, &out, &err));
    CHECK_STR(out.data, TEXT);
    grid_buffer_clear(&out);
}

static void refuses(const bytes *key, const bytes *nonce, const bytes *aad, const bytes *sealed)
{
    grid_buffer out;
    grid_error err = {0};

    grid_buffer_init(&out, 1024);
    CHECK(grid_buffer_reserve(&out, 40, &err));
    memset(out.data, 0, out.capacity);
    CHECK(grid_buffer_append_text(&out, "kept", &err));
    CHECK(refused_as(!open_with(key, nonce, aad, sealed, &out, &err), &err, "open_failed"));
    CHECK_STR(out.data, "kept");
    /* The plaintext of a wrong tag is wiped from the memory after the text, too. */
    CHECK(memcmp(out.data + 5, "adies", 5) != 0);
    grid_buffer_clear(&out);
}

static void every_flipped_bit_is_refused(void)
{
    bytes part[4] = {unhex(KEY), unhex(NONCE), unhex(AAD), unhex(SEALED)};

    for (int i = 0; i < 4; i++) {
        for (size_t bit = 0; bit < 8 * part[i].size; bit++) {
            part[i].data[bit / 8] ^= (unsigned char)(1 << bit % 8);
            refuses(&part[0], &part[1], &part[2], &part[3]);
            part[i].data[bit / 8] ^= (unsigned char)(1 << bit % 8);
        }
    }
}

static void every_shorter_and_longer_text_is_refused(void)
{
    bytes key = unhex(KEY), nonce = unhex(NONCE), aad = unhex(AAD), sealed = unhex(SEALED);

    for (size_t size = 0; size <= sealed.size + 1; size++) {
        bytes cut = sealed;

        cut.size = size;
        if (size != sealed.size)
            refuses(&key, &nonce, &aad, &cut);
    }
}

static void an_empty_text_has_a_tag_too(void)
{
    bytes key = unhex(KEY), nonce = unhex(NONCE), none = {.size = 0}, sealed = {.size = 0};
    grid_buffer out, back;
    grid_error err;

    grid_buffer_init(&out, 1024);
    grid_buffer_init(&back, 1024);
    CHECK(grid_aead_seal(key.data, nonce.data, nothing, nothing, &out, &err));
    CHECK_INT(out.size, GRID_AEAD_TAG_SIZE);
    memcpy(sealed.data, out.data, sealed.size = out.size);
    CHECK(open_with(&key, &nonce, &none, &sealed, &back, &err));
    CHECK_INT(back.size, 0);
    sealed.data[0] ^= 1;
    refuses(&key, &nonce, &none, &sealed);
    grid_buffer_clear(&out);
    grid_buffer_clear(&back);
}

static void a_buffer_without_room_takes_nothing(void)
{
    bytes key = unhex(KEY), nonce = unhex(NONCE), none = {.size = 0}, sealed = unhex(SEALED);
    grid_buffer out;
    grid_error err;

    grid_buffer_init(&out, 20);
    CHECK(!grid_aead_seal(key.data, nonce.data, nothing, slice_text("12345"), &out, &err));
    CHECK_STR(err.code, "too_large");
    CHECK(!open_with(&key, &nonce, &none, &sealed, &out, &err));
    CHECK_STR(err.code, "too_large");
    CHECK_INT(out.size, 0);
    grid_buffer_clear(&out);
}

/* ---- RFC 4231 ---------------------------------------------------------------------- */

static const struct {
    const char *key, *text, *tag; /* key and tag in hexadecimal */
} macs[] = {
    {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "Hi There",
     "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    {"4a656665", "what do ya want for nothing?",
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
};

static void check_mac(grid_slice key, grid_slice text, const char *wanted)
{
    bytes tag = unhex(wanted);
    unsigned char got[GRID_HASH_SIZE];
    grid_error err;

    for (size_t cut = 0; cut <= text.size; cut++) {
        grid_slice parts[2] = {{text.data, cut}, {text.data + cut, text.size - cut}};

        CHECK(grid_hmac_sha256(key, parts, 2, got, &err));
        CHECK_MEM(got, sizeof got, tag.data, tag.size);
    }
}

static void the_vectors_of_rfc_4231_hold_however_the_text_is_cut(void)
{
    bytes long_key = {.size = 131};

    for (size_t i = 0; i < sizeof macs / sizeof *macs; i++) {
        bytes key = unhex(macs[i].key);

        check_mac(slice(&key), slice_text(macs[i].text), macs[i].tag);
    }
    memset(long_key.data, 0xaa, long_key.size); /* longer than a block of SHA-256 */
    check_mac(slice(&long_key), slice_text("Test Using Larger Than Block-Size Key - Hash Key First"),
              "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

/* RFC 2104: a key is padded with zeros, so none, an empty one and one zero are the same
 * key. */
static void a_key_of_no_bytes_is_a_key(void)
{
    unsigned char none[GRID_HASH_SIZE], empty[GRID_HASH_SIZE], zero[GRID_HASH_SIZE];
    grid_slice text = slice_text("text");
    grid_error err;

    CHECK(grid_hmac_sha256((grid_slice){NULL, 0}, &text, 1, none, &err));
    CHECK(grid_hmac_sha256(nothing, &text, 1, empty, &err));
    CHECK(grid_hmac_sha256((grid_slice){"\0", 1}, &text, 1, zero, &err));
    CHECK_MEM(none, sizeof none, zero, sizeof zero);
    CHECK_MEM(empty, sizeof empty, zero, sizeof zero);
}

/* ---- RFC 5869 A.1 to A.3 ----------------------------------------------------------- */

static bytes counting(unsigned char first, size_t size)
{
    bytes out = {.size = size};

    for (size_t i = 0; i < size; i++)
        out.data[i] = (unsigned char)(first + i);
    return out;
}

static void check_hkdf(bytes ikm, bytes salt, bytes info, const char *prk, const char *okm)
{
    bytes wanted_prk = unhex(prk), wanted = unhex(okm);
    grid_slice text = slice(&ikm), context = slice(&info);
    unsigned char got_prk[GRID_HASH_SIZE], got[128];
    grid_error err;

    CHECK(grid_hkdf_extract(slice(&salt), &text, 1, got_prk, &err));
    CHECK_MEM(got_prk, sizeof got_prk, wanted_prk.data, wanted_prk.size);
    CHECK(grid_hkdf_expand(got_prk, &context, 1, got, wanted.size, &err));
    CHECK_MEM(got, wanted.size, wanted.data, wanted.size);
}

static void the_vectors_of_rfc_5869_hold(void)
{
    bytes none = {.size = 0}, repeated = {.size = 22};

    memset(repeated.data, 0x0b, repeated.size);
    check_hkdf(repeated, counting(0x00, 13), counting(0xf0, 10),
               "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
               "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
    check_hkdf(counting(0x00, 80), counting(0x60, 80), counting(0xb0, 80),
               "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
               "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
               "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
               "cc30c58179ec3e87c14c01d5c1f3434f1d87");
    check_hkdf(repeated, none, none, "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
               "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

static void more_than_255_blocks_are_refused(void)
{
    static unsigned char okm[GRID_HKDF_MAX_SIZE + 1];
    unsigned char prk[GRID_HASH_SIZE] = {1};
    grid_error err = {0};

    CHECK(grid_hkdf_expand(prk, NULL, 0, okm, GRID_HKDF_MAX_SIZE, &err));
    CHECK(memcmp(okm, okm + GRID_HKDF_MAX_SIZE - GRID_HASH_SIZE, GRID_HASH_SIZE) != 0);
    CHECK(refused_as(!grid_hkdf_expand(prk, NULL, 0, okm, sizeof okm, &err), &err, "too_large"));
}

int main(void)
{
    the_vector_of_rfc_8439_holds_both_ways();
    every_flipped_bit_is_refused();
    every_shorter_and_longer_text_is_refused();
    an_empty_text_has_a_tag_too();
    a_buffer_without_room_takes_nothing();
    the_vectors_of_rfc_4231_hold_however_the_text_is_cut();
    a_key_of_no_bytes_is_a_key();
    the_vectors_of_rfc_5869_hold();
    more_than_255_blocks_are_refused();
    return check_report();
}
