/* Keys: every form that is read, every form that is written, everything that is
 * refused. */
#include "key_support.h"

static bool refuses_der(const char *hex, const char *code)
{
    return refuses(base64_of(hex), code);
}

static void a_private_key_is_read_in_every_form(void)
{
    CHECK(imports(base64_of(KEY_138)));
    CHECK(imports(base64_of(KEY_67)));
    CHECK(imports(base64_of(SDK_68)));
    /* the curve named a second time, inside */
    CHECK(imports(base64_of("308193020100" ALGORITHM "047930770201010420" SCALAR "a00a" P256 "a144034200" POINT)));
    CHECK(imports(base64_of("304d020100" ALGORITHM "043330310201010420" SCALAR "a00a" P256)));
    /* a compressed public key beside the scalar */
    CHECK(imports(base64_of("3067020100" ALGORITHM "044d304b0201010420" SCALAR "a12403220002" POINT_X)));
    /* RFC 5208 attributes: an empty set */
    CHECK(imports(base64_of("3043020100" ALGORITHM "042730250201010420" SCALAR "a000")));
    /* RFC 5958: the public key as a field of its own */
    CHECK(imports(base64_of("308185020101" ALGORITHM "042730250201010420" SCALAR "814200" POINT)));
    /* zeros before the scalar, as a number with a sign has them; a scalar without its own
     * */
    CHECK(imports(base64_of("3042020100" ALGORITHM "042830260201010421" "00" SCALAR)));
    CHECK(imports(base64_of("3044020100" ALGORITHM "042a30280201010423" "000000" SCALAR)));
    CHECK(imports(pem("EC PRIVATE KEY", "30780201010421" "00" SCALAR "a00a" P256 "a144034200" POINT)));
    CHECK(imports(pem("PRIVATE KEY", KEY_138)));
    CHECK(imports(pem("PRIVATE KEY", KEY_67)));
    CHECK(imports(pem("EC PRIVATE KEY", SEC1_121)));
}

static void blanks_prefixes_and_line_breaks_do_no_harm(void)
{
    CHECK(imports(joined("wallet-auth:", base64_of(KEY_138), "")));
    CHECK(imports(joined("wallet-api:", base64_of(KEY_67), "\n")));
    CHECK(imports(joined(" \r\n\twallet-auth: ", base64_of(SDK_68), " \r\n")));
    CHECK(imports(wrapped(base64_of(KEY_138), 76, "\n")));
    CHECK(imports(wrapped(base64_of(KEY_138), 64, "\r\n")));
    CHECK(imports(joined("wallet-auth:", pem("PRIVATE KEY", KEY_138), "\n\n")));
    CHECK(imports(joined("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n",
                         pem("EC PRIVATE KEY", SEC1_121), "")));
}

static void what_is_no_key_is_refused(void)
{
    static char long_text[GRID_KEY_TEXT_MAX + 2];

    memset(long_text, 'A', sizeof long_text - 1);
    CHECK(refuses("", "bad_key"));
    CHECK(refuses(" \n", "bad_key"));
    CHECK(refuses("wallet-auth:", "bad_key"));
    CHECK(refuses("not base64!", "bad_key"));
    CHECK(refuses("AAAA", "bad_key"));
    CHECK(refuses(long_text, "bad_key"));
    CHECK(refuses(joined("wallet-other:", base64_of(KEY_138), ""), "bad_key"));
    CHECK(refuses(joined("wallet-auth:wallet-auth:", base64_of(KEY_138), ""), "bad_key"));
    CHECK(refuses(pem("PUBLIC KEY", SPKI_HEAD POINT), "bad_key"));
    CHECK(refuses_der(SPKI_HEAD POINT, "bad_key"));
    CHECK(refuses(pem("ENCRYPTED PRIVATE KEY", KEY_138), "bad_key"));
    CHECK(refuses(pem("PRIVATE KEY", SEC1_121), "bad_key"));
    CHECK(refuses(pem("EC PRIVATE KEY", KEY_138), "bad_key"));
    CHECK(refuses("-----BEGIN PRIVATE KEY-----\nMEEC", "bad_key"));
    /* Ed25519. */
    CHECK(refuses_der("302e020100300506032b657004220420" SCALAR, "bad_key"));
    /* Version 2. */
    CHECK(refuses_der("3041020102" ALGORITHM "042730250201010420" SCALAR, "bad_key"));
    /* ECPrivateKey version 2. */
    CHECK(refuses_der("3041020100" ALGORITHM "042730250201020420" SCALAR, "bad_key"));
    /* 33 bytes of scalar. */
    CHECK(refuses_der("3042020100" ALGORITHM "042830260201010421" "01" SCALAR, "bad_key"));
    /* None. */
    CHECK(refuses_der("3021020100" ALGORITHM "0407300502010104" "00", "bad_key"));
}

static void der_is_strict(void)
{
    bytes key = unhex(KEY_138);
    char hex[2 * GRID_KEY_TEXT_MAX + 1];

    CHECK(refuses_der(KEY_138 "00", "bad_key"));
    CHECK(refuses_der(KEY_67 "00", "bad_key"));
    CHECK(refuses_der(SDK_68 "00", "bad_key"));
    /* A length in more bytes than it takes. */
    CHECK(refuses_der("308141020100" ALGORITHM "042730250201010420" SCALAR, "bad_key"));
    CHECK(refuses_der("30820041020100" ALGORITHM "042730250201010420" SCALAR, "bad_key"));
    /* BER's open length. */
    CHECK(refuses_der("3080020100" ALGORITHM "042730250201010420" SCALAR "0000", "bad_key"));
    CHECK(refuses_der("3043020100" ALGORITHM "042730250201010420" SCALAR "a100", "bad_key"));
    /* A bit of the public key that is not used. */
    CHECK(refuses_der("308187020100" ALGORITHM "046d306b0201010420" SCALAR "a144034201" POINT, "bad_key"));
    /* A public key of no bytes. */
    CHECK(refuses_der("3045020100" ALGORITHM "042b30290201010420" SCALAR "a1020300", "bad_key"));
    for (size_t cut = 0; cut < key.size; cut++) {
        memcpy(hex, KEY_138, 2 * cut);
        hex[2 * cut] = '\0';
        if (cut != 68) /* that one is the SDK's form */
            CHECK(refuses_der(hex, "bad_key"));
    }
}

static void other_curves_are_refused(void)
{
    CHECK(refuses_der("303e020100" P384_ALGORITHM "042730250201010420" SCALAR, "wrong_curve"));
    CHECK(refuses_der("3045020100301706072a8648ce3d0201300c06072a8648ce3d0101020101042730250201010420" SCALAR, "wrong_curve"));
    CHECK(refuses_der("304a020100" ALGORITHM "0430302e0201010420" SCALAR "a007" "06052b81040022", "wrong_curve"));
    CHECK(refuses(pem("EC PRIVATE KEY", "30250201010420" SCALAR), "wrong_curve"));
}

static void the_scalar_is_between_zero_and_the_order(void)
{
    static const char order[] = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    static const char below[] = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550";
    static const char zero[] = "0000000000000000000000000000000000000000000000000000000000000000";
    static const char ones[] = "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";
    const char *bad[] = {zero, order, ones, "01", SCALAR "00"};
    grid_error err = {0};
    bytes scalar = unhex(below);
    grid_key *key = grid_key_new_from_scalar(slice(&scalar), &err);

    CHECK(key);
    grid_key_free(key);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        scalar = unhex(bad[i]);
        key = grid_key_new_from_scalar(slice(&scalar), &err);
        CHECK(refused_as(!key, &err, "bad_scalar"));
        grid_key_free(key);
    }
    CHECK(refuses_der("3041020100" ALGORITHM "042730250201010420" ZERO, "bad_scalar"));
}

static void a_public_key_beside_another_private_key_is_refused(void)
{
    CHECK(refuses_der("308187020100" ALGORITHM "046d306b0201010420" SCALAR "a144034200" OTHER_POINT, "bad_key"));
    CHECK(refuses_der("3067020100" ALGORITHM "044d304b0201010420" SCALAR "a12403220003" POINT_X, "bad_key"));
    CHECK(refuses_der("308185020101" ALGORITHM "042730250201010420" SCALAR "814200" OTHER_POINT, "bad_key"));
    CHECK(refuses_der("3046020100" ALGORITHM "042c302a0201010420" SCALAR "a103030100", "bad_key"));
}

static bool public_refused(const char *hex)
{
    bytes point = unhex(hex);
    grid_public_key key;
    grid_error err = {0};

    return refused_as(!grid_public_key_from_point(slice(&point), &key, &err), &err, "bad_point");
}

static void a_public_key_is_read_uncompressed_and_compressed(void)
{
    bytes point = unhex(POINT), even = unhex("02" POINT_X), odd = unhex("03" POINT_X);
    grid_public_key key = {{0}};
    grid_error err = {0};

    CHECK(grid_public_key_from_point(slice(&point), &key, &err));
    CHECK_MEM(key.point, sizeof key.point, point.data, point.size);
    memset(&key, 0, sizeof key);
    CHECK(grid_public_key_from_point(slice(&even), &key, &err));
    CHECK_MEM(key.point, sizeof key.point, point.data, point.size);
    CHECK(grid_public_key_from_point(slice(&odd), &key, &err));
    CHECK(memcmp(key.point + 33, point.data + 33, 32) != 0);
    CHECK_INT(ERR_peek_error(), 0);
}

static void points_that_are_none_are_refused(void)
{
    CHECK(public_refused("04" POINT_X POINT_X));
    CHECK(public_refused("06" POINT_X POINT_Y)); /* hybrid */
    CHECK(public_refused("00"));                 /* infinity */
    CHECK(public_refused(""));
    CHECK(public_refused("04" POINT_X));
    CHECK(public_refused(POINT "00"));
    /* x = 1 has no y on the curve; x = p is no field element */
    CHECK(public_refused("02" "0000000000000000000000000000000000000000000000000000000000000001"));
    CHECK(public_refused("02" "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff"));
}

static void keys_are_written_in_the_long_forms(void)
{
    grid_key *key = rfc_key();
    grid_buffer out;
    grid_error err = {0};
    char fingerprint[GRID_FINGERPRINT_SIZE];

    grid_buffer_init(&out, 1024);
    CHECK(grid_key_export(key, &out, &err));
    CHECK_STR(out.data, base64_of(KEY_138));
    grid_buffer_clear(&out);
    CHECK(grid_public_key_to_text(grid_key_public(key), &out, &err));
    CHECK_STR(out.data, base64_of(SPKI_HEAD POINT));
    CHECK(strncmp(out.data, "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE", 36) == 0);
    grid_buffer_clear(&out);
    CHECK(grid_public_key_fingerprint(grid_key_public(key), fingerprint, &err));
    CHECK_STR(fingerprint, "p256:0542b17c07dc4869");
    grid_key_free(key);
}

static void new_keys_differ_and_survive_the_round_trip(void)
{
    grid_error err = {0};
    grid_key *first = grid_key_new_random(&err), *second = grid_key_new_random(&err), *again;
    grid_buffer out;

    grid_buffer_init(&out, 1024);
    CHECK(memcmp(grid_key_public(first)->point, grid_key_public(second)->point, GRID_POINT_SIZE) != 0);
    CHECK(grid_key_export(first, &out, &err));
    again = grid_key_new_from_text(slice_buffer(&out), &err);
    CHECK(again && memcmp(grid_key_public(first)->point, grid_key_public(again)->point, GRID_POINT_SIZE) == 0);
    grid_buffer_clear(&out);
    grid_key_free(first);
    grid_key_free(second);
    grid_key_free(again);
    grid_key_free(NULL);
}

static void every_flipped_bit_of_a_private_key_is_noticed(void)
{
    bytes key = unhex(KEY_138);
    grid_buffer text;
    grid_error err = {0};

    grid_buffer_init(&text, 1024);
    for (size_t bit = 0; bit < 8 * key.size; bit++) {
        grid_key *changed;

        key.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
        CHECK(grid_base64_encode(slice(&key), &text, &err));
        changed = grid_key_new_from_text(slice_buffer(&text), &err);
        CHECK(!changed && err.kind == GRID_CRYPTO && ERR_peek_error() == 0);
        grid_key_free(changed);
        key.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
        grid_buffer_clear(&text);
    }
}

int main(void)
{
    long live = grid_alloc_live();

    a_private_key_is_read_in_every_form();
    blanks_prefixes_and_line_breaks_do_no_harm();
    what_is_no_key_is_refused();
    der_is_strict();
    other_curves_are_refused();
    the_scalar_is_between_zero_and_the_order();
    a_public_key_beside_another_private_key_is_refused();
    a_public_key_is_read_uncompressed_and_compressed();
    points_that_are_none_are_refused();
    keys_are_written_in_the_long_forms();
    new_keys_differ_and_survive_the_round_trip();
    every_flipped_bit_of_a_private_key_is_noticed();
    CHECK_INT(grid_alloc_live(), live);
    return check_report();
}
