/* The gate of JSON on bytes: what it takes, and what it refuses with which words. */
#include "text/json.h"

#include "check.h"

#include <stdlib.h>

static grid_slice slice(const char *text)
{
    return (grid_slice){text, strlen(text)};
}

/* On a block of exactly its size, so that a sanitizer sees the first byte read past the
 * end. */
static bool is_valid(const char *text, size_t size, grid_error *err)
{
    char *exact = malloc(size ? size : 1);
    bool valid;

    if (size)
        memcpy(exact, text, size);
    valid = grid_json_validate((grid_slice){size ? exact : NULL, size}, err);
    free(exact);
    return valid;
}

static void takes(const char *text)
{
    grid_error err;

    if (!CHECK(is_valid(text, strlen(text), &err)))
        check_show("refused", text, strlen(text));
}

static void refuses(const char *text, const char *code)
{
    grid_error err = {0};

    if (!CHECK(!is_valid(text, strlen(text), &err)) || !CHECK_STR(err.code, code) ||
        !CHECK(err.kind == GRID_PROTOCOL))
        check_show("text", text, strlen(text));
}

static void every_form_of_a_value_is_taken(void)
{
    static const char *const good[] = {
        "{}", "[]", "\"\"", "0", "-0", "1", "-12", "0.5", "1e5", "1E+5", "1.25e-7", "true",
        "false", "null", " \t\r\n[ ] \t\r\n", "{ \"a\" : 1 , \"b\" : [ true , false , null ] }",
        "[[],{},\"\",0]", "{\"\":{\"\":{}}}", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\uABcd\"",
        "\"\\ud800\"", "\"\\udc00\\ud800\"", "\"\x7f\"",
        "\"\xc2\x80 \xdf\xbf \xe0\xa0\x80 \xed\x9f\xbf\"",
        "\"\xee\x80\x80 \xef\xbf\xbf \xf0\x90\x80\x80 \xf4\x8f\xbf\xbf\"", "{\"a\":1,\"a\":2}",
        "123456789012345678901234567890", "1e999",
    };

    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        takes(good[i]);
}

static void what_the_grammar_does_not_say_is_refused(void)
{
    static const char *const bad[] = {
        "", " ", "{", "[", "}", "]", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "[1]]", "{}{}", "[] x",
        "1 2", "{]", "[}", "{1:2}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{\"a\" 1}", "{,}",
        "{\"a\":1 \"b\":2}", "{\"a\":1,2}", "[\"a\":1]", "\"", "\"\\", "\"\\\"", "\"\\x\"",
        "\"\\u12\"", "\"\\u12g4\"", "\"\\U0041\"", "\"\n\"", "\"\t\"", "\"\x01\"", "\"\x1f\"",
        "01", "-", "-a", "+1", ".5", "1.", "1.e5", "1e", "1e+", "--1", "0x10", "1_000", "00",
        "-01", "1.5.5", "tru", "nul", "fals", "True", "nulll", "NaN", "Infinity", "-Infinity",
        "'a'", "/**/1", "\xef\xbb\xbf{}", "\xff", "<html>", "\v1", "\f1", "\xc2\xa0[]",
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refuses(bad[i], "bad_json");
}

static void a_nul_is_not_the_end_of_the_text(void)
{
    grid_error err;

    CHECK(!is_valid("[1]\0", 4, &err));
    CHECK(!is_valid("\"a\0b\"", 5, &err));
    CHECK(!is_valid("\0", 1, &err));
}

static void text_cut_short_anywhere_is_refused(void)
{
    const char *text = "{\"a\\u00e9\":[true,-1.5e+3,{\"b\":null}],\"\xf0\x9f\x98\x80\":\"x\"}";
    grid_error err;

    for (size_t size = 0; size < strlen(text); size++)
        CHECK(!is_valid(text, size, &err));
    CHECK(is_valid(text, strlen(text), &err));
}

static void bytes_that_are_not_utf8_are_refused_at_any_place_in_a_run(void)
{
    static const char *const bad[] = {
        "\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x41", "\xe0\x80\x80", "\xe0\x9f\xbf",
        "\xe1\x80", "\xe1\x80\x41", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x80\x80\x80",
        "\xf0\x8f\xbf\xbf", "\xf1\x80\x80", "\xf1\x80\x80\x41", "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80", "\xf8\x88\x80\x80\x80", "\xfe", "\xff",
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        for (int before = 0; before < 20; before++) {
            char text[64];

            snprintf(text, sizeof text, "\"%.*s%s%s", before, "abcdefghijklmnopqrstuvwxyz", bad[i],
                     before % 2 ? "\"" : "abcdefghijk\"");
            refuses(text, "bad_utf8");
        }
}

static void every_byte_counts_at_every_place_of_a_word(void)
{
    for (int byte = 0; byte < 256; byte++)
        for (size_t place = 1; place < 18; place++) {
            char text[] = "\"abcdefghijklmnopq\"";
            bool good = byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
            grid_error err;

            text[place] = (char)byte;
            if (byte == '\\' && strchr("bfnrt", text[place + 1]))
                continue; /* an escape, and a good one */
            if (byte == '\\' && place == 17)
                good = false;
            CHECK(is_valid(text, strlen("\"abcdefghijklmnopq\""), &err) == good);
        }
}

static char *nested(const char *open, const char *inner, const char *close, int levels)
{
    size_t size = (strlen(open) + strlen(close)) * (size_t)levels + strlen(inner) + 1;
    char *text = calloc(1, size);
    char *at = text;

    for (int i = 0; i < levels; i++)
        at += snprintf(at, size - (size_t)(at - text), "%s", open);
    at += snprintf(at, size - (size_t)(at - text), "%s", inner);
    for (int i = 0; i < levels; i++)
        at += snprintf(at, size - (size_t)(at - text), "%s", close);
    return text;
}

static void sixty_four_levels_are_taken_and_no_more(void)
{
    static const char *const forms[][3] = {
        {"[", "1", "]"}, {"{\"a\":", "1", "}"}, {"[{\"b\":", "1", "}]"}, {"[0,", "1", ",0]"}};
    static const int levels[] = {64, 64, 32, 64};

    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        char *deepest = nested(forms[i][0], forms[i][1], forms[i][2], levels[i]);
        char *deeper = nested(forms[i][0], i == 2 ? "[]" : "{}", forms[i][2], levels[i]);
        char *bottomless = nested(forms[i][0], "1", "", 100000);

        takes(deepest);
        refuses(deeper, "too_deep");
        refuses(bottomless, "too_deep");
        free(deepest);
        free(deeper);
        free(bottomless);
    }
}

static void an_error_names_the_place_and_shows_no_bytes(void)
{
    grid_error err;

    CHECK(!grid_json_validate(slice("[\"secret\", secret]"), &err));
    CHECK_STR(err.message, "not JSON at byte 11");
    CHECK(!grid_json_validate(slice("[\"secret\xff\"]"), &err));
    CHECK_STR(err.message, "not UTF-8 at byte 8");
    CHECK(!grid_json_validate(slice("[1"), &err));
    CHECK_STR(err.message, "not JSON at byte 2");
}

static void counts_are(const char *text, const unsigned *expected, size_t count)
{
    grid_json_counts counts;
    grid_error err;

    if (!CHECK(grid_json_count(slice(text), &counts, &err)) || !CHECK_INT(counts.count, count))
        return;
    for (size_t i = 0; i < count; i++)
        CHECK_INT(counts.of[i], expected[i]);
}

/* In the order in which they begin; those behind the first 64 change nothing. */
static void members_and_elements_are_counted(void)
{
    static const unsigned few[] = {3, 0, 2, 4, 0, 1, 0};
    unsigned many[GRID_JSON_COUNTED] = {100};
    char *text = nested("[1],", "[2,3]", "", 99), *list = nested("[", text, "]", 1);

    for (size_t i = 1; i < GRID_JSON_COUNTED; i++)
        many[i] = 1;
    counts_are("{\"a\": { }, \"b\": [1, [[], \"x,y\", {\"c\": []}, 2]], \"d\": \"[,\"}", few, 7);
    counts_are(list, many, GRID_JSON_COUNTED);
    counts_are("12", NULL, 0);
    free(text);
    free(list);
}

int main(void)
{
    every_form_of_a_value_is_taken();
    what_the_grammar_does_not_say_is_refused();
    a_nul_is_not_the_end_of_the_text();
    text_cut_short_anywhere_is_refused();
    bytes_that_are_not_utf8_are_refused_at_any_place_in_a_run();
    every_byte_counts_at_every_place_of_a_word();
    sixty_four_levels_are_taken_and_no_more();
    an_error_names_the_place_and_shows_no_bytes();
    members_and_elements_are_counted();
    return check_report();
}
