/* Base64: one text for one run of bytes, and nothing else is taken. */
#include "text/base64.h"

#include "base/alloc.h"
#include "check.h"

static grid_slice slice(const char *text)
{
    return (grid_slice){text, strlen(text)};
}

/* RFC 4648 section 10. */
static const char *const vectors[][2] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
};

static void the_vectors_of_rfc_4648_hold_both_ways(void)
{
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        grid_buffer out;
        grid_error err;

        grid_buffer_init(&out, 100);
        CHECK(grid_base64_encode(slice(vectors[i][0]), &out, &err));
        CHECK_STR(out.data, vectors[i][1]);
        grid_buffer_clear(&out);
        CHECK(grid_base64_decode(slice(vectors[i][1]), &out, &err));
        CHECK_MEM(out.data, out.size, vectors[i][0], strlen(vectors[i][0]));
        grid_buffer_clear(&out);
    }
}

static void every_byte_survives_at_every_length(void)
{
    char bytes[256];

    for (int i = 0; i < 256; i++)
        bytes[i] = (char)(i * 167 + 13); /* 167 is odd: each value once */
    for (size_t size = 0; size <= sizeof bytes; size++) {
        grid_buffer text;
        grid_buffer back;
        grid_error err;

        grid_buffer_init(&text, 1000);
        grid_buffer_init(&back, size);
        CHECK(grid_base64_encode((grid_slice){bytes, size}, &text, &err));
        CHECK(text.size == (size + 2) / 3 * 4);
        CHECK(grid_base64_decode((grid_slice){text.data, text.size}, &back, &err));
        CHECK_MEM(back.data, back.size, bytes, size);
        grid_buffer_clear(&text);
        grid_buffer_clear(&back);
    }
}

static void what_is_not_canonical_is_refused(void)
{
    static const char *const bad[] = {
        "Z",      "Zg",        "Zg=",      "Zm9vY",                         /* length */
        "====",   "Z===",      "=Zg=",     "Zg=v",  "Zg==Zg==", "Zm9v====", /* padding */
        /* Bits left over. */
        "Zh==",   "Zm9=",      "Zm9vYh==",
        "Zm9v\n", "Zm9v\r\n ", " Zm9v",    "Zm 9",  "Zm-_",     "Zm9\xff",  "Zm9*",
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        grid_buffer out;
        grid_error err;

        grid_buffer_init(&out, 100);
        grid_buffer_append_text(&out, "kept", &err);
        CHECK(!grid_base64_decode(slice(bad[i]), &out, &err));
        CHECK_STR(err.code, "bad_base64");
        CHECK(err.kind == GRID_REQUEST);
        CHECK_STR(out.data, "kept");
        grid_buffer_clear(&out);
    }
}

static void only_the_64_digits_are_digits(void)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (int byte = 0; byte < 256; byte++) {
        bool digit = byte != 0 && strchr(digits, byte);

        for (size_t place = 0; place < 4; place++) {
            char text[] = "AAAA";
            grid_buffer out;
            grid_error err;

            text[place] = (char)byte;
            grid_buffer_init(&out, 100);
            CHECK(grid_base64_decode((grid_slice){text, 4}, &out, &err) ==
                  (digit || (byte == '=' && place == 3)));
            grid_buffer_clear(&out);
        }
    }
}

/* RFC 4648 section 5, RFC 7515 appendix C. */
static void base64url_has_no_padding_and_an_alphabet_of_its_own(void)
{
    static const char *const pairs[][2] = {
        {"", ""},         {"f", "Zg"},         {"fo", "Zm8"},          {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"\xfb\xff\xbf", "-_-_"}, {"\xff\xef", "_-8"},
    };
    static const char *const bad[] = {
        /* Length, padding, bits left over. */
        "Z",    "Zm9vY", "Zg==", "Zm8=", "====", "=",  "Zh",    "Zm9",
        "+/+/", "Zm 9",  "Zm9v\n", "*",  "Zm9\xff", "-_-_=",
    };
    grid_buffer out;
    grid_error err;

    grid_buffer_init(&out, 100);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        CHECK(grid_base64url_encode(slice(pairs[i][0]), &out, &err));
        CHECK_STR(out.data, pairs[i][1]);
        grid_buffer_clear(&out);
        CHECK(grid_base64url_decode(slice(pairs[i][1]), &out, &err));
        CHECK_MEM(out.data, out.size, pairs[i][0], strlen(pairs[i][0]));
        grid_buffer_clear(&out);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK(!grid_base64url_decode(slice(bad[i]), &out, &err));
        CHECK_STR(err.code, "bad_base64");
        CHECK_INT(out.size, 0);
        grid_buffer_clear(&out);
    }
}

static void one_digit_is_no_byte_whatever_stands_behind_it(void)
{
    grid_buffer out;
    grid_error err;

    grid_buffer_init(&out, 100);
    CHECK(!grid_base64url_decode((grid_slice){"AAAAAAAA", 1}, &out, &err));
    CHECK(!grid_base64url_decode((grid_slice){"AAAAAAAA", 5}, &out, &err));
    CHECK(grid_base64url_decode((grid_slice){"AAAAAAAA", 6}, &out, &err));
    grid_buffer_clear(&out);
}

static void base64url_gives_every_byte_back_at_every_length(void)
{
    char bytes[256];

    for (int i = 0; i < 256; i++)
        bytes[i] = (char)(i * 167 + 13);
    for (size_t size = 0; size <= sizeof bytes; size++) {
        grid_buffer text, back;
        grid_error err;

        grid_buffer_init(&text, 1000);
        grid_buffer_init(&back, size);
        CHECK(grid_base64url_encode((grid_slice){bytes, size}, &text, &err));
        CHECK_INT(text.size, (size * 4 + 2) / 3);
        CHECK(grid_base64url_decode((grid_slice){text.data, text.size}, &back, &err));
        CHECK_MEM(back.data, back.size, bytes, size);
        grid_buffer_clear(&text);
        grid_buffer_clear(&back);
    }
}

static void a_refused_text_leaves_no_bytes_behind(void)
{
    grid_buffer out;
    grid_error err;

    grid_buffer_init(&out, 100);
    CHECK(!grid_base64_decode(slice("c2VjcmV0c2VjcmV0*AAA"), &out, &err));
    CHECK(out.size == 0);
    for (size_t i = 0; i < 15; i++)
        CHECK(out.data[i] == 0);
    grid_buffer_clear(&out);
}

static void the_ceiling_of_the_buffer_holds(void)
{
    grid_buffer out;
    grid_error err;

    grid_buffer_init(&out, 7);
    CHECK(!grid_base64_encode(slice("foob"), &out, &err));
    CHECK_STR(err.code, "too_large");
    CHECK(grid_base64_encode(slice("foo"), &out, &err));
    grid_buffer_clear(&out);
    grid_buffer_init(&out, 4);
    CHECK(!grid_base64_decode(slice("Zm9vYmE="), &out, &err));
    CHECK_STR(err.code, "too_large");
    CHECK(grid_base64_decode(slice("Zm9vYg=="), &out, &err));
    grid_buffer_clear(&out);
}

static bool no_memory(void)
{
    return false;
}

static void a_failing_allocation_is_an_error(void)
{
    grid_buffer out;
    grid_error err;

    grid_buffer_init(&out, 100);
    grid_alloc_set_gate(no_memory);
    CHECK(!grid_base64_encode(slice("foo"), &out, &err));
    CHECK_STR(err.code, "out_of_memory");
    CHECK(!grid_base64_decode(slice("Zm9v"), &out, &err));
    CHECK_STR(err.code, "out_of_memory");
    grid_alloc_set_gate(NULL);
    grid_buffer_clear(&out);
}

int main(void)
{
    long live = grid_alloc_live();

    the_vectors_of_rfc_4648_hold_both_ways();
    every_byte_survives_at_every_length();
    what_is_not_canonical_is_refused();
    only_the_64_digits_are_digits();
    base64url_has_no_padding_and_an_alphabet_of_its_own();
    one_digit_is_no_byte_whatever_stands_behind_it();
    base64url_gives_every_byte_back_at_every_length();
    a_refused_text_leaves_no_bytes_behind();
    the_ceiling_of_the_buffer_holds();
    a_failing_allocation_is_an_error();
    CHECK(grid_alloc_live() == live);
    return check_report();
}
