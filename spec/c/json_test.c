/* JSON on bytes: what the gate takes, and what can be cut out of it. */
#include "text/json.h"

#include "base/alloc.h"
#include "check.h"

#include <stdlib.h>

static grid_slice slice(const char *text)
{
    return (grid_slice){text, strlen(text)};
}

/* On a block of exactly its size, so that a sanitizer sees the first byte read past the end. */
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

    if (!CHECK(!is_valid(text, strlen(text), &err)) || !CHECK_STR(err.code, code) || !CHECK(err.kind == GRID_PROTOCOL))
        check_show("text", text, strlen(text));
}

/* ---- The gate ----------------------------------------------------------------------------------------------------- */

static void every_form_of_a_value_is_taken(void)
{
    static const char *const good[] = {
        "{}", "[]", "\"\"", "0", "-0", "1", "-12", "0.5", "1e5", "1E+5", "1.25e-7", "true", "false", "null",
        " \t\r\n[ ] \t\r\n", "{ \"a\" : 1 , \"b\" : [ true , false , null ] }", "[[],{},\"\",0]", "{\"\":{\"\":{}}}",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\uABcd\"", "\"\\ud800\"", "\"\\udc00\\ud800\"", "\"\x7f\"",
        "\"\xc2\x80 \xdf\xbf \xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80 \xef\xbf\xbf \xf0\x90\x80\x80 \xf4\x8f\xbf\xbf\"",
        "{\"a\":1,\"a\":2}", "123456789012345678901234567890", "1e999",
    };

    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        takes(good[i]);
}

static void what_the_grammar_does_not_say_is_refused(void)
{
    static const char *const bad[] = {
        "", " ", "{", "[", "}", "]", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "[1]]", "{}{}", "[] x", "1 2", "{]", "[}",
        "{1:2}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{\"a\" 1}", "{,}", "{\"a\":1 \"b\":2}", "{\"a\":1,2}", "[\"a\":1]",
        "\"", "\"\\", "\"\\\"", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\U0041\"", "\"\n\"", "\"\t\"", "\"\x01\"", "\"\x1f\"",
        "01", "-", "-a", "+1", ".5", "1.", "1.e5", "1e", "1e+", "--1", "0x10", "1_000", "00", "-01", "1.5.5",
        "tru", "nul", "fals", "True", "nulll", "NaN", "Infinity", "-Infinity", "'a'", "/**/1", "\xef\xbb\xbf{}", "\xff",
        "<html>", "\v1", "\f1", "\xc2\xa0" "1",
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
        "\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x41", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xe1\x80", "\xe1\x80\x41",
        "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf", "\xf1\x80\x80", "\xf1\x80\x80\x41", "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80", "\xf8\x88\x80\x80\x80", "\xfe", "\xff",
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        for (int before = 0; before < 20; before++) {
            char text[64];

            snprintf(text, sizeof text, "\"%.*s%s%s", before, "abcdefghijklmnopqrstuvwxyz", bad[i], before % 2 ? "\"" : "abcdefghijk\"");
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
    static const char *const forms[][3] = {{"[", "1", "]"}, {"{\"a\":", "1", "}"}, {"[{\"b\":", "1", "}]"}, {"[0,", "1", ",0]"}};
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

/* ---- Walking ------------------------------------------------------------------------------------------------------ */

static void the_reader_meets_each_token_in_order(void)
{
    static const struct {
        grid_json_token token;
        const char *raw;
    } want[] = {
        {GRID_JSON_OBJECT_BEGIN, "{"}, {GRID_JSON_STRING, "\"a\\\"}\""}, {GRID_JSON_ARRAY_BEGIN, "["}, {GRID_JSON_NUMBER, "-1.5e+3"},
        {GRID_JSON_TRUE, "true"}, {GRID_JSON_FALSE, "false"}, {GRID_JSON_NULL, "null"}, {GRID_JSON_ARRAY_END, "]"},
        {GRID_JSON_STRING, "\"\""}, {GRID_JSON_OBJECT_BEGIN, "{"}, {GRID_JSON_OBJECT_END, "}"}, {GRID_JSON_STRING, "\"b\xc3\xa9\""},
        {GRID_JSON_STRING, "\"\\\\\""}, {GRID_JSON_OBJECT_END, "}"}, {GRID_JSON_END, ""}, {GRID_JSON_END, ""},
    };
    grid_json_reader reader;

    grid_json_reader_init(&reader, slice(" {\"a\\\"}\" : [-1.5e+3,true , false\n,null],\"\":{ },\"b\xc3\xa9\":\"\\\\\"} "));
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        grid_slice raw;

        CHECK_INT(grid_json_next(&reader, &raw), want[i].token);
        CHECK_MEM(raw.data, raw.size, want[i].raw, strlen(want[i].raw));
    }
}

static void the_type_of_a_value_is_told_by_its_first_byte(void)
{
    CHECK(grid_json_type(slice(" {}")) == GRID_JSON_OBJECT_BEGIN);
    CHECK(grid_json_type(slice("\n[]")) == GRID_JSON_ARRAY_BEGIN);
    CHECK(grid_json_type(slice("\"x\"")) == GRID_JSON_STRING);
    CHECK(grid_json_type(slice("-1")) == GRID_JSON_NUMBER);
    CHECK(grid_json_type(slice("true")) == GRID_JSON_TRUE);
    CHECK(grid_json_type(slice("false")) == GRID_JSON_FALSE);
    CHECK(grid_json_type(slice("null")) == GRID_JSON_NULL);
    CHECK(grid_json_type(slice("")) == GRID_JSON_END);
    CHECK(grid_json_type((grid_slice){NULL, 0}) == GRID_JSON_END);
}

static void member_is(const char *object, const char *name, const char *want)
{
    grid_slice value = {"unset", 5};

    if (!want) {
        CHECK(!grid_json_member(slice(object), name, &value));
        CHECK_MEM(value.data, value.size, "unset", 5);
    } else if (CHECK(grid_json_member(slice(object), name, &value))) {
        CHECK_MEM(value.data, value.size, want, strlen(want));
        CHECK(value.data > object && value.data < object + strlen(object));
    }
}

static void a_member_is_cut_out_with_its_exact_bytes(void)
{
    const char *object = " { \"data\" : { \"a\":[ 1 , {\"kms\":0} ], \"n\":null } ,\"kms\"\t:\r\n1.00 , \"s\":\"}\\\"\" , \"\": [ ] } ";

    member_is(object, "data", "{ \"a\":[ 1 , {\"kms\":0} ], \"n\":null }");
    member_is(object, "kms", "1.00");
    member_is(object, "s", "\"}\\\"\"");
    member_is(object, "", "[ ]");
    member_is(object, "a", NULL);
    member_is(object, "dat", NULL);
    member_is(object, "datas", NULL);
    member_is("{}", "a", NULL);
    member_is("[\"a\",1]", "a", NULL);
    member_is("\"a\"", "a", NULL);
    member_is("{\"b\":\"a\",\"c\":1}", "a", NULL);
}

static void escapes_in_a_name_are_understood(void)
{
    member_is("{\"\\u0064\\u0061ta\":1}", "data", "1");
    member_is("{\"a\\/b\":1}", "a/b", "1");
    member_is("{\"\\ud83d\\ude00\":1}", "\xf0\x9f\x98\x80", "1");
    member_is("{\"\\u00E9\":1}", "\xc3\xa9", "1");
    member_is("{\"a\\u0000b\":1}", "a", NULL);
    member_is("{\"a\\u0000\":1}", "a", NULL);
    member_is("{\"\\u0000\":1}", "", NULL);
}

static void of_a_name_that_stands_twice_the_last_one_counts(void)
{
    member_is("{\"a\":1,\"b\":2,\"a\":3}", "a", "3");
    member_is("{\"a\":1,\"\\u0061\":[2]}", "a", "[2]");
}

static void an_element_is_found_by_its_place(void)
{
    const char *array = "[ {\"a\":[1]} , [ ], \"x,]\" ]";
    static const char *const want[] = {"{\"a\":[1]}", "[ ]", "\"x,]\""};
    grid_slice value;

    for (size_t i = 0; i < 3; i++)
        if (CHECK(grid_json_element(slice(array), i, &value)))
            CHECK_MEM(value.data, value.size, want[i], strlen(want[i]));
    CHECK(!grid_json_element(slice(array), 3, &value));
    CHECK(!grid_json_element(slice("[]"), 0, &value));
    CHECK(!grid_json_element(slice("{\"a\":1}"), 0, &value));
    CHECK(!grid_json_element(slice("1"), 0, &value));
}

/* ---- Strings ------------------------------------------------------------------------------------------------------ */

static void unquoted_is(const char *raw, const char *want, size_t size)
{
    grid_buffer out;
    grid_error err;

    grid_buffer_init(&out, 1000);
    CHECK(grid_buffer_append_text(&out, "<", &err));
    if (CHECK(grid_json_unquote(slice(raw), &out, &err)))
        CHECK_MEM(out.data + 1, out.size - 1, want, size);
    grid_buffer_clear(&out);
}

static void unquoting_gives_the_bytes_that_a_string_stands_for(void)
{
    unquoted_is("\"\"", "", 0);
    unquoted_is("\"plain \xc3\xa9\"", "plain \xc3\xa9", 8);
    unquoted_is("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 8);
    unquoted_is("\"a\\u0000b\"", "a\0b", 3);
    unquoted_is("\"\\u007f\\u0080\\u07FF\\u0800\\uffff\"", "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf", 11);
    unquoted_is("\"\\ud800\\udc00\\uDBFF\\uDFFF\"", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", 8);
}

static void a_lone_surrogate_becomes_the_replacement_character(void)
{
    unquoted_is("\"\\ud800\"", "\xef\xbf\xbd", 3);
    unquoted_is("\"\\udfffx\"", "\xef\xbf\xbdx", 4);
    unquoted_is("\"\\ud800\\n\"", "\xef\xbf\xbd\n", 4);
    unquoted_is("\"\\ud800\\u0041\"", "\xef\xbf\xbd" "A", 4);
    unquoted_is("\"\\ud800\\ud800\\udc00\"", "\xef\xbf\xbd\xf0\x90\x80\x80", 7);
    unquoted_is("\"\\udc00\\ud800\"", "\xef\xbf\xbd\xef\xbf\xbd", 6);
}

static void quoting_escapes_what_must_be_escaped_and_nothing_else(void)
{
    const char text[] = "a\"\\/\b\f\n\r\t\0\x01\x1f\x7f \xc3\xa9\xe2\x80\xa8\xf0\x9f\x98\x80z";
    const char *want = "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u0001\\u001f\x7f \xc3\xa9\xe2\x80\xa8\xf0\x9f\x98\x80z\"";
    grid_buffer out;
    grid_error err;

    grid_buffer_init(&out, 1000);
    CHECK(grid_json_quote((grid_slice){text, sizeof text - 1}, &out, &err));
    CHECK_STR(out.data, want);
    CHECK(grid_json_validate((grid_slice){out.data, out.size}, &err));
    grid_buffer_clear(&out);
    CHECK(grid_json_quote((grid_slice){NULL, 0}, &out, &err));
    CHECK_STR(out.data, "\"\"");
    grid_buffer_clear(&out);
}

static void quoting_refuses_what_is_not_utf8_and_leaves_the_buffer_as_it_was(void)
{
    static const char *const bad[] = {"\xff", "secret \xc3", "long enough for a word \xed\xa0\x80 more", "\n\xc0\x80"};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        grid_buffer out;
        grid_error err;

        grid_buffer_init(&out, 1000);
        CHECK(grid_buffer_append_text(&out, "kept", &err));
        CHECK(!grid_json_quote(slice(bad[i]), &out, &err));
        CHECK_STR(err.code, "bad_utf8");
        CHECK(err.kind == GRID_REQUEST);
        CHECK_STR(out.data, "kept");
        CHECK(out.size == 4);
        grid_buffer_clear(&out);
    }
}

static void what_was_written_before_a_refusal_is_wiped(void)
{
    grid_buffer out;
    grid_error err;

    grid_buffer_init(&out, 1000);
    CHECK(!grid_json_quote(slice("secret\n\xff"), &out, &err));
    for (size_t i = 0; i < strlen("\"secret\\n"); i++)
        CHECK(out.data[i] == 0);
    grid_buffer_clear(&out);
}

static void every_character_survives_quoting_and_unquoting(void)
{
    grid_buffer quoted;
    grid_buffer back;
    grid_error err;

    grid_buffer_init(&quoted, 100);
    grid_buffer_init(&back, 100);
    for (unsigned code = 0; code < 0x800; code++) {
        char text[2] = {(char)code, 0};
        size_t size = 1;

        if (code >= 0x80) {
            text[0] = (char)(0xC0 | code >> 6);
            text[1] = (char)(0x80 | (code & 0x3F));
            size = 2;
        }
        quoted.size = back.size = 0;
        CHECK(grid_json_quote((grid_slice){text, size}, &quoted, &err));
        CHECK(grid_json_unquote((grid_slice){quoted.data, quoted.size}, &back, &err));
        CHECK_MEM(back.data, back.size, text, size);
    }
    grid_buffer_clear(&quoted);
    grid_buffer_clear(&back);
}

/* ---- Memory ------------------------------------------------------------------------------------------------------- */

static void the_ceiling_of_the_buffer_holds(void)
{
    grid_buffer out;
    grid_error err;

    grid_buffer_init(&out, 5);
    CHECK(grid_json_quote(slice("abc"), &out, &err));
    grid_buffer_clear(&out);
    CHECK(!grid_json_quote(slice("abcd"), &out, &err));
    CHECK_STR(err.code, "too_large");
    CHECK(out.size == 0);
    CHECK(grid_json_unquote(slice("\"\\u0041bcde\""), &out, &err));
    grid_buffer_clear(&out);
    CHECK(!grid_json_unquote(slice("\"\\u0041bcdef\""), &out, &err));
    CHECK_STR(err.code, "too_large");
    CHECK(out.size == 0);
    grid_buffer_clear(&out);
}

static long allowed;

static bool gate(void)
{
    return allowed-- > 0;
}

/* Each text is long enough to make the buffer grow. */
static void a_failing_allocation_is_an_error_and_leaks_nothing(void)
{
    static char text[3000] = "\"";
    long live = grid_alloc_live();

    memset(text + 1, 'a', sizeof text - 3);
    text[10] = '\\';
    text[11] = 'n';
    text[sizeof text - 2] = '"';
    for (int quoting = 0; quoting < 2; quoting++) {
        bool good = false;

        for (long n = 0; !good; n++) {
            grid_buffer out;
            grid_error err;

            grid_buffer_init(&out, 10000);
            allowed = n;
            grid_alloc_set_gate(gate);
            good = quoting ? grid_json_quote(slice(text), &out, &err) : grid_json_unquote(slice(text), &out, &err);
            grid_alloc_set_gate(NULL);
            if (!good) {
                CHECK_STR(err.code, "out_of_memory");
                CHECK(out.size == 0);
            } else {
                CHECK(n >= 2);
            }
            grid_buffer_clear(&out);
            CHECK(grid_alloc_live() == live);
        }
    }
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
    the_reader_meets_each_token_in_order();
    the_type_of_a_value_is_told_by_its_first_byte();
    a_member_is_cut_out_with_its_exact_bytes();
    escapes_in_a_name_are_understood();
    of_a_name_that_stands_twice_the_last_one_counts();
    an_element_is_found_by_its_place();
    unquoting_gives_the_bytes_that_a_string_stands_for();
    a_lone_surrogate_becomes_the_replacement_character();
    quoting_escapes_what_must_be_escaped_and_nothing_else();
    quoting_refuses_what_is_not_utf8_and_leaves_the_buffer_as_it_was();
    what_was_written_before_a_refusal_is_wiped();
    every_character_survives_quoting_and_unquoting();
    the_ceiling_of_the_buffer_holds();
    a_failing_allocation_is_an_error_and_leaks_nothing();
    return check_report();
}
