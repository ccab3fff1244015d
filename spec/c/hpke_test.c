/* HPKE against RFC 9180 A.5.1, step by step, and against everything that must not
 * open. */
#include "crypto_support.h"

#include "crypto/authorization.h"
#include "crypto/hpke.h"
#include "crypto/hpke_internal.h"
#include "text/json.h"

#define VECTOR_FILE "spec/vectors/hpke_rfc9180_a5_base.json"

static char vector_text[65536];
static grid_slice vector;

static bool vector_load(void)
{
    FILE *file = fopen(VECTOR_FILE, "rb");
    grid_error err;

    if (!CHECK(file))
        return false;
    vector = (grid_slice){vector_text, fread(vector_text, 1, sizeof vector_text, file)};
    fclose(file);
    return CHECK(grid_json_validate(vector, &err));
}

/* The bytes of a member that holds hexadecimal digits. */
static bytes member(grid_slice object, const char *name)
{
    grid_slice raw = {"\"\"", 2};

    CHECK(grid_json_member(object, slice_text(name), &raw));
    return unhex_n(raw.data + 1, raw.size - 2);
}

static bool equals(const void *got, size_t size, const char *name)
{
    bytes wanted = member(vector, name);

    return size == wanted.size && memcmp(got, wanted.data, size) == 0;
}

static grid_key *vector_key(const char *name)
{
    bytes scalar = member(vector, name);
    grid_error err;

    return grid_key_new_from_scalar(slice(&scalar), &err);
}

/* ---- RFC 9180 A.5.1 ---------------------------------------------------------------- */

static void the_key_encapsulation_gives_the_values_of_the_rfc(void)
{
    grid_key *ephemeral = vector_key("skEm"), *recipient = vector_key("skRm");
    unsigned char secret[GRID_HPKE_SECRET_SIZE], enc[GRID_HPKE_ENC_SIZE];
    bytes sent = member(vector, "enc");
    grid_error err;

    CHECK(equals(grid_key_public(ephemeral)->point, GRID_POINT_SIZE, "pkEm"));
    CHECK(equals(grid_key_public(recipient)->point, GRID_POINT_SIZE, "pkRm"));
    CHECK(grid_hpke_encap(grid_key_public(recipient), ephemeral, secret, enc, &err));
    CHECK(equals(enc, sizeof enc, "enc"));
    CHECK(equals(secret, sizeof secret, "shared_secret"));
    memset(secret, 0, sizeof secret);
    CHECK(grid_hpke_decap(slice(&sent), recipient, secret, &err));
    CHECK(equals(secret, sizeof secret, "shared_secret"));
    grid_key_free(ephemeral);
    grid_key_free(recipient);
}

static void the_key_schedule_gives_the_values_of_the_rfc(void)
{
    bytes secret = member(vector, "shared_secret"), info = member(vector, "info");
    grid_hpke_context context;
    grid_error err;

    CHECK(grid_hpke_key_schedule(secret.data, slice(&info), &context, &err));
    CHECK(equals(context.key_schedule_context, sizeof context.key_schedule_context, "key_schedule_context"));
    CHECK(equals(context.secret, sizeof context.secret, "secret"));
    CHECK(equals(context.key, sizeof context.key, "key"));
    CHECK(equals(context.base_nonce, sizeof context.base_nonce, "base_nonce"));
    CHECK(equals(context.exporter_secret, sizeof context.exporter_secret, "exporter_secret"));
}

static void one_encryption(const grid_hpke_context *context, grid_slice encryption)
{
    bytes plaintext = member(encryption, "pt"), aad = member(encryption, "aad");
    bytes wanted_nonce = member(encryption, "nonce"), wanted = member(encryption, "ct");
    unsigned char nonce[GRID_HPKE_NONCE_SIZE];
    grid_slice number = {"0", 1};
    grid_buffer out;
    grid_error err;
    uint64_t sequence;

    CHECK(grid_json_member(encryption, slice_text("sequence_number"), &number));
    sequence = strtoull(number.data, NULL, 10);
    grid_hpke_compute_nonce(context, sequence, nonce);
    CHECK_MEM(nonce, sizeof nonce, wanted_nonce.data, wanted_nonce.size);
    grid_buffer_init(&out, 1024);
    CHECK(grid_hpke_context_seal(context, sequence, slice(&aad), slice(&plaintext), &out, &err));
    CHECK_MEM(out.data, out.size, wanted.data, wanted.size);
    grid_buffer_clear(&out);
    CHECK(grid_hpke_context_open(context, sequence, slice(&aad), slice(&wanted), &out, &err));
    CHECK_MEM(out.data, out.size, plaintext.data, plaintext.size);
    CHECK(!grid_hpke_context_open(context, sequence + 1, slice(&aad), slice(&wanted), &out, &err));
    grid_buffer_clear(&out);
}

static void the_encryptions_give_the_values_of_the_rfc(void)
{
    bytes secret = member(vector, "shared_secret"), info = member(vector, "info");
    grid_hpke_context context;
    grid_slice encryptions = nothing, encryption;
    grid_error err;
    size_t count = 0;

    CHECK(grid_json_member(vector, slice_text("encryptions"), &encryptions));
    CHECK(grid_hpke_key_schedule(secret.data, slice(&info), &context, &err));
    for (; grid_json_element(encryptions, count, &encryption); count++)
        one_encryption(&context, encryption);
    CHECK_INT(count, 6);
}

static void the_single_shot_gives_the_first_encryption_of_the_rfc(void)
{
    grid_key *ephemeral = vector_key("skEm"), *recipient = vector_key("skRm");
    bytes info = member(vector, "info"), plaintext, aad, wanted;
    grid_slice encryptions = nothing, first = nothing;
    grid_buffer enc, out;
    grid_error err;

    CHECK(grid_json_member(vector, slice_text("encryptions"), &encryptions) && grid_json_element(encryptions, 0, &first));
    plaintext = member(first, "pt"), aad = member(first, "aad"), wanted = member(first, "ct");
    grid_buffer_init(&enc, 1024);
    grid_buffer_init(&out, 1024);
    CHECK(grid_hpke_seal(grid_key_public(recipient), ephemeral, slice(&info), slice(&aad), slice(&plaintext), &enc, &out, &err));
    CHECK(equals(enc.data, enc.size, "enc"));
    CHECK_MEM(out.data, out.size, wanted.data, wanted.size);
    grid_buffer_clear(&out);
    CHECK(grid_hpke_open(recipient, slice_buffer(&enc), slice(&info), slice(&aad), slice(&wanted), &out, &err));
    CHECK_MEM(out.data, out.size, plaintext.data, plaintext.size);
    grid_buffer_clear(&enc);
    grid_buffer_clear(&out);
    grid_key_free(ephemeral);
    grid_key_free(recipient);
}

/* ---- What must not open ------------------------------------------------------------ */

typedef struct sealed {
    grid_key *recipient;
    bytes enc, ciphertext;
} sealed;

static const char secret_text[] = "Beauty is truth, truth beauty";

static sealed seal(const char *text)
{
    sealed made = {.recipient = rfc_key()};
    grid_buffer enc, ciphertext;
    grid_error err;

    grid_buffer_init(&enc, 1024);
    grid_buffer_init(&ciphertext, 1024);
    CHECK(grid_hpke_seal(grid_key_public(made.recipient), NULL, nothing, nothing, slice_text(text), &enc, &ciphertext, &err));
    memcpy(made.enc.data, enc.data, made.enc.size = enc.size);
    memcpy(made.ciphertext.data, ciphertext.data, made.ciphertext.size = ciphertext.size);
    grid_buffer_clear(&enc);
    grid_buffer_clear(&ciphertext);
    return made;
}

/* The code of the failure, or "opened". What fails leaves the output as it was. */
static const char *try_open(const sealed *message, const grid_key *key, grid_slice info, grid_slice aad)
{
    static grid_error err;
    grid_buffer out;
    const char *result = err.code;

    grid_buffer_init(&out, 1024);
    CHECK(grid_buffer_append_text(&out, "before", &err));
    if (grid_hpke_open(key, slice(&message->enc), info, aad, slice(&message->ciphertext), &out, &err))
        result = "opened";
    else
        CHECK(out.size == 6 && !strstr(err.message, secret_text) && refused_as(true, &err, err.code));
    grid_buffer_clear(&out);
    return result;
}

static const char *plain_open(const sealed *message)
{
    return try_open(message, message->recipient, nothing, nothing);
}

static void what_was_sealed_opens_and_so_does_nothing_at_all(void)
{
    sealed message = seal(secret_text), empty = seal("");

    CHECK_STR(plain_open(&message), "opened");
    CHECK_INT(empty.ciphertext.size, GRID_HPKE_TAG_SIZE);
    CHECK_STR(plain_open(&empty), "opened");
    grid_key_free(message.recipient);
    grid_key_free(empty.recipient);
}

static void every_flipped_bit_of_the_encapsulated_key_is_refused(void)
{
    sealed message = seal(secret_text);

    for (size_t bit = 0; bit < 8 * message.enc.size; bit++) {
        message.enc.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
        /* The mirrored point would be one of the curve, but takes many bits. */
        CHECK_STR(plain_open(&message), "bad_point");
        message.enc.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    grid_key_free(message.recipient);
}

static void every_flipped_bit_of_the_ciphertext_is_refused(void)
{
    sealed message = seal(secret_text);

    for (size_t bit = 0; bit < 8 * message.ciphertext.size; bit++) {
        message.ciphertext.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
        CHECK_STR(plain_open(&message), "open_failed");
        message.ciphertext.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    grid_key_free(message.recipient);
}

static void every_other_length_is_refused(void)
{
    sealed message = seal(secret_text);
    size_t enc = message.enc.size, ciphertext = message.ciphertext.size;

    for (message.enc.size = 0; message.enc.size <= enc + 2; message.enc.size++)
        if (message.enc.size != enc)
            CHECK_STR(plain_open(&message), "bad_point");
    message.enc.size = enc;
    for (message.ciphertext.size = 0; message.ciphertext.size <= ciphertext + 2; message.ciphertext.size++)
        if (message.ciphertext.size != ciphertext)
            CHECK_STR(plain_open(&message), "open_failed");
    grid_key_free(message.recipient);
}

static void points_that_are_none_of_the_curve_are_refused(void)
{
    static const char *const points[] = {
        "00",                   /* infinity in its own form */
        "04" POINT_X POINT_X,   /* off the curve */
        "06" POINT_X POINT_Y,   /* hybrid form */
        /* Compressed: a point, but not the form of RFC 9180 7.1.1. */
        "02" POINT_X,
        "04" ZERO ZERO,         /* not on the curve either */
        /* x = p. */
        "04ffffffff00000001000000000000000000000000ffffffffffffffffffffffff" POINT_Y,
    };
    sealed message = seal(secret_text);

    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        message.enc = unhex(points[i]);
        CHECK_STR(plain_open(&message), "bad_point");
    }
    grid_key_free(message.recipient);
}

static void another_key_point_info_or_aad_does_not_open(void)
{
    sealed message = seal(secret_text), other = seal(secret_text);
    grid_error err;
    grid_key *stranger = grid_key_new_random(&err);

    CHECK_STR(try_open(&message, stranger, nothing, nothing), "open_failed");
    CHECK_STR(try_open(&message, message.recipient, slice_text("info"), nothing), "open_failed");
    CHECK_STR(try_open(&message, message.recipient, nothing, slice_text("aad")), "open_failed");
    message.enc = other.enc;
    CHECK_STR(plain_open(&message), "open_failed");
    grid_key_free(stranger);
    grid_key_free(message.recipient);
    grid_key_free(other.recipient);
}

static void a_plaintext_over_the_ceiling_of_the_buffer_is_not_opened(void)
{
    sealed message = seal(secret_text);
    grid_buffer out;
    grid_error err;

    grid_buffer_init(&out, sizeof secret_text - 2);
    CHECK(!grid_hpke_open(message.recipient, slice(&message.enc), nothing, nothing, slice(&message.ciphertext), &out, &err));
    CHECK_STR(err.code, "too_large");
    CHECK_INT(out.size, 0);
    grid_key_free(message.recipient);
}

/* ---- The service's authorization key ----------------------------------------------- */

static grid_key *open_texts(const grid_key *recipient, const char *enc, const char *ciphertext, grid_error *err)
{
    return grid_authorization_open(recipient, slice_text(enc), slice_text(ciphertext), err);
}

static void an_authorization_key_comes_back_as_it_was_sealed(void)
{
    grid_error err;
    grid_key *recipient = rfc_key(), *sent = grid_key_new_random(&err), *got;
    grid_buffer enc, ciphertext;

    grid_buffer_init(&enc, 1024);
    grid_buffer_init(&ciphertext, 1024);
    CHECK(seal_authorization(grid_key_public(recipient), sent, &enc, &ciphertext));
    got = open_texts(recipient, enc.data, ciphertext.data, &err);
    CHECK(got && memcmp(grid_key_public(got)->point, grid_key_public(sent)->point, GRID_POINT_SIZE) == 0);
    CHECK(refused_as(!open_texts(sent, enc.data, ciphertext.data, &err), &err, "open_failed"));
    CHECK(refused_as(!open_texts(recipient, "*", ciphertext.data, &err), &err, "bad_point"));
    CHECK(refused_as(!open_texts(recipient, "", ciphertext.data, &err), &err, "bad_point"));
    CHECK(refused_as(!open_texts(recipient, enc.data, "*", &err), &err, "open_failed"));
    CHECK(refused_as(!open_texts(recipient, enc.data, "", &err), &err, "open_failed"));
    grid_key_free(recipient);
    grid_key_free(sent);
    grid_key_free(got);
    grid_buffer_clear(&enc);
    grid_buffer_clear(&ciphertext);
}

static void what_opens_but_is_no_key_is_refused_without_a_word_of_it(void)
{
    sealed message = seal(secret_text);
    grid_buffer enc, ciphertext;
    grid_error err;

    grid_buffer_init(&enc, 1024);
    grid_buffer_init(&ciphertext, 1024);
    CHECK(grid_base64_encode(slice(&message.enc), &enc, &err));
    CHECK(grid_base64_encode(slice(&message.ciphertext), &ciphertext, &err));
    CHECK(refused_as(!open_texts(message.recipient, enc.data, ciphertext.data, &err), &err, "bad_key"));
    CHECK(!strstr(err.message, "Beauty"));
    grid_key_free(message.recipient);
    grid_buffer_clear(&enc);
    grid_buffer_clear(&ciphertext);
}

int main(void)
{
    long live = grid_alloc_live();

    if (vector_load()) {
        the_key_encapsulation_gives_the_values_of_the_rfc();
        the_key_schedule_gives_the_values_of_the_rfc();
        the_encryptions_give_the_values_of_the_rfc();
        the_single_shot_gives_the_first_encryption_of_the_rfc();
    }
    what_was_sealed_opens_and_so_does_nothing_at_all();
    every_flipped_bit_of_the_encapsulated_key_is_refused();
    every_flipped_bit_of_the_ciphertext_is_refused();
    every_other_length_is_refused();
    points_that_are_none_of_the_curve_are_refused();
    another_key_point_info_or_aad_does_not_open();
    a_plaintext_over_the_ceiling_of_the_buffer_is_not_opened();
    an_authorization_key_comes_back_as_it_was_sealed();
    what_opens_but_is_no_key_is_refused_without_a_word_of_it();
    CHECK_INT(grid_alloc_live(), live);
    return check_report();
}
