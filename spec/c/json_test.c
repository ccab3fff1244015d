/* JSON on bytes behind the gate: walked, cut out, unquoted and quoted. */
#include "text/json.h"

#include "base/alloc.h"
#include "check.h"
#include "failing.h"

static grid_slice slice(const char *text)
{
    return (grid_slice){text, strlen(text)};
}

/* ---- Walking ----------------------------------------------------------------------- */

static void the_reader_meets_each_token_in_order(void)
{
    static const struct {
        grid_json_token token;
        const char *raw;
    } want[] = {
        {GRID_JSON_OBJECT_BEGIN, "{"}, {GRID_JSON_STRING, "\"a\\\"}\""},
        {GRID_JSON_ARRAY_BEGIN, "["}, {GRID_JSON_NUMBER, "-1.5e+3"}, {GRID_JSON_TRUE, "true"},
        {GRID_JSON_FALSE, "false"}, {GRID_JSON_NULL, "null"}, {GRID_JSON_ARRAY_END, "]"},
        {GRID_JSON_STRING, "\"\""}, {GRID_JSON_OBJECT_BEGIN, "{"}, {GRID_JSON_OBJECT_END, "}"},
        {GRID_JSON_STRING, "\"b\xc3\xa9\""}, {GRID_JSON_STRING, "\"\\\\\""},
        {GRID_JSON_OBJECT_END, "}"}, {GRID_JSON_END, ""}, {GRID_JSON_END, ""},
    };
    grid_json_reader reader;

    grid_json_reader_init(
        &reader,
        slice(" {\"a\\\"}\" : [-1.5e+3,true , false\n,null],\"\":{ },\"b\xc3\xa9\":\"\\\\\"} "));
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        grid_slice raw;

        CHECK_INT(grid_json_next(&reader, &raw), want[i].token);
        CHECK_MEM(raw.data, raw.size, want[i].raw, strlen(want[i].raw));
    }
}

static void member_is(const char *object, const char *name, const char *want)
{
    grid_slice value = {"unset", 5};

    if (!want) {
        CHECK(!grid_json_member(slice(object), slice(name), &value));
        CHECK_MEM(value.data, value.size, "unset", 5);
    } else if (CHECK(grid_json_member(slice(object), slice(name), &value))) {
        CHECK_MEM(value.data, value.size, want, strlen(want));
        CHECK(value.data > object && value.data < object + strlen(object));
    }
}

static void a_name_is_compared_whole_whatever_is_in_it(void)
{
    grid_slice object = slice("{\"a\\u0000b\":1,\"a\":2,\"\\u0000\":3,\"\":4,\"a\\u0000\":5}");
    static const struct {
        grid_slice name;
        char value;
    } members[] = {{{"a\0b", 3}, '1'}, {{"a", 1}, '2'}, {{"\0", 1}, '3'}, {{"", 0}, '4'}, {{"a\0", 2}, '5'}};
    grid_slice value;

    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        CHECK(grid_json_member(object, members[i].name, &value) && *value.data == members[i].value);
    CHECK(!grid_json_member(object, (grid_slice){"a\0c", 3}, &value));
}

static void a_member_is_cut_out_with_its_exact_bytes(void)
{
    const char *object = " { \"data\" : { \"a\":[ 1 , {\"kms\":0} ], \"n\":null } "
                         ",\"kms\"\t:\r\n1.00 , \"s\":\"}\\\"\" , \"\": [ ] } ";

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
    static const char *const want[] = {
        "{\"a\":[1]}", "[ ]", "\"x,]\"",
    };
    grid_slice value;

    for (size_t i = 0; i < 3; i++)
        if (CHECK(grid_json_element(slice(array), i, &value)))
            CHECK_MEM(value.data, value.size, want[i], strlen(want[i]));
    CHECK(!grid_json_element(slice(array), 3, &value));
    CHECK(!grid_json_element(slice("[]"), 0, &value));
    CHECK(!grid_json_element(slice("{\"a\":1}"), 0, &value));
    CHECK(!grid_json_element(slice("1"), 0, &value));
}

/* ---- Strings ----------------------------------------------------------------------- */

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
    unquoted_is("\"\\u007f\\u0080\\u07FF\\u0800\\uffff\"",
                "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf", 11);
    unquoted_is("\"\\ud800\\udc00\\uDBFF\\uDFFF\"", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", 8);
}

static void a_lone_surrogate_becomes_the_replacement_character(void)
{
    unquoted_is("\"\\ud800\"", "\xef\xbf\xbd", 3);
    unquoted_is("\"\\udfffx\"", "\xef\xbf\xbdx", 4);
    unquoted_is("\"\\ud800\\n\"", "\xef\xbf\xbd\n", 4);
    unquoted_is("\"\\ud800\\u0041\"",
                "\xef\xbf\xbd"
                "A",
                4);
    unquoted_is("\"\\ud800\\ud800\\udc00\"", "\xef\xbf\xbd\xf0\x90\x80\x80", 7);
    unquoted_is("\"\\udc00\\ud800\"", "\xef\xbf\xbd\xef\xbf\xbd", 6);
}

static void quoting_escapes_what_must_be_escaped_and_nothing_else(void)
{
    const char text[] = "a\"\\/\b\f\n\r\t\0\x01\x1f\x7f \xc3\xa9\xe2\x80\xa8\xf0\x9f\x98\x80z";
    const char *want = "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u0001\\u001f\x7f "
                       "\xc3\xa9\xe2\x80\xa8\xf0\x9f\x98\x80z\"";
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
    static const char *const bad[] = {
        "\xff", "secret \xc3", "long enough for a word \xed\xa0\x80 more", "\n\xc0\x80",
    };

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

/* ---- Memory ------------------------------------------------------------------------ */

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

/* Long enough to make the buffer grow. */
static char long_string[3000] = "\"";

static bool failure_leaves_nothing(bool (*convert)(grid_slice text, grid_buffer *out, grid_error *err))
{
    long live = grid_alloc_live();
    grid_buffer out;
    grid_error err;
    bool good, whole;

    grid_buffer_init(&out, 10000);
    failing_begin();
    good = convert(slice(long_string), &out, &err);
    failing_end();
    whole = good ? out.size > 0 : strcmp(err.code, "out_of_memory") == 0 && out.size == 0;
    grid_buffer_clear(&out);
    return whole && good == !failing_happened && grid_alloc_live() == live;
}

static bool quoting_leaves_nothing(void)
{
    return failure_leaves_nothing(grid_json_quote);
}

static bool unquoting_leaves_nothing(void)
{
    return failure_leaves_nothing(grid_json_unquote);
}

static void a_failing_allocation_is_an_error_and_leaks_nothing(void)
{
    memset(long_string + 1, 'a', sizeof long_string - 3);
    long_string[10] = '\\';
    long_string[11] = 'n';
    long_string[sizeof long_string - 2] = '"';
    grid_alloc_set_gate(failing_allows);
    failing_each("quoting", quoting_leaves_nothing);
    failing_each("unquoting", unquoting_leaves_nothing);
    grid_alloc_set_gate(NULL);
}

int main(void)
{
    the_reader_meets_each_token_in_order();
    a_name_is_compared_whole_whatever_is_in_it();
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
