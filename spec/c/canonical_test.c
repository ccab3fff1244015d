/* RFC 8785: one text for one value. */
#include "text/canonical.h"

#include "base/alloc.h"
#include "check.h"
#include "failing.h"

#include <stdlib.h>

static grid_slice slice(const char *text)
{
    return (grid_slice){text, strlen(text)};
}

static void canonical_is(const char *text, const char *want)
{
    grid_buffer out;
    grid_error err;

    grid_buffer_init(&out, 100000);
    if (CHECK(grid_canonicalize(slice(text), &out, &err)))
        CHECK_STR(out.data, want);
    else
        printf("    %s: %s\n", text, err.message);
    grid_buffer_clear(&out);
}

static void refused_with(grid_slice text, const char *code)
{
    long live = grid_alloc_live();
    grid_buffer out;
    grid_error err = {0};

    grid_buffer_init(&out, 1 << 20);
    CHECK(grid_buffer_append_text(&out, "kept", &err));
    CHECK(!grid_canonicalize(text, &out, &err));
    CHECK_STR(err.code, code);
    CHECK(err.kind == GRID_REQUEST);
    CHECK_STR(out.data, "kept");
    grid_buffer_clear(&out);
    CHECK(grid_alloc_live() == live);
}

/* ---- The vectors that come with the RFC -------------------------------------------- */

static grid_slice read_file(const char *folder, const char *name)
{
    static char bytes[2][4096];
    static int turn;
    char path[100];
    FILE *file;
    grid_slice content = {bytes[turn ^= 1], 0};

    snprintf(path, sizeof path, "spec/vectors/jcs/%s/%s.json", folder, name);
    file = fopen(path, "rb");
    if (CHECK(file != NULL)) {
        content.size = fread(bytes[turn], 1, sizeof bytes[turn], file);
        fclose(file);
    }
    return content;
}

static void the_vectors_of_rfc_8785_hold(void)
{
    static const char *const names[] = {"arrays",  "french", "structures",
                                        "unicode", "values", "weird"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        grid_slice input = read_file("input", names[i]);
        grid_slice want = read_file("output", names[i]);
        grid_buffer out;
        grid_error err;

        grid_buffer_init(&out, 4096);
        CHECK(want.size > 0);
        CHECK(grid_canonicalize(input, &out, &err));
        CHECK_MEM(out.data, out.size, want.data, want.size);
        grid_buffer_clear(&out);
    }
}

/* ---- Form -------------------------------------------------------------------------- */

static void scalars_and_empty_containers_stand_alone(void)
{
    canonical_is(" null ", "null");
    canonical_is("true", "true");
    canonical_is("false", "false");
    canonical_is("\"\"", "\"\"");
    canonical_is("-0.0", "0");
    canonical_is("[ ]", "[]");
    canonical_is("{\n}", "{}");
    canonical_is("[{},[],[[]]]", "[{},[],[[]]]");
}

static void strings_keep_only_the_escapes_they_need(void)
{
    canonical_is("\"\\u0041\\/\\u00e9\\u20ac\\ud83d\\ude00\\u007f\"",
                 "\"A/\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\x7f\"");
    canonical_is("\"\\u0022\\u005c\\u0008\\u0009\\u000A\\u000c\\u000D\"",
                 "\"\\\"\\\\\\b\\t\\n\\f\\r\"");
    canonical_is("\"\\u0000\\u001F\\u000b\"", "\"\\u0000\\u001f\\u000b\"");
    canonical_is("\"e\\u0301\"", "\"e\xcc\x81\""); /* no normalization: section 3.1 */
}

static void array_elements_stay_where_they_are(void)
{
    canonical_is("[3, 2,1 ,{\"b\":1,\"a\":2}]", "[3,2,1,{\"a\":2,\"b\":1}]");
}

static void members_are_sorted_at_every_level(void)
{
    canonical_is("{\"b\":{\"z\":1,\"y\":[{\"d\":1,\"c\":2}]},\"a\":0}",
                 "{\"a\":0,\"b\":{\"y\":[{\"c\":2,\"d\":1}],\"z\":1}}");
    canonical_is("{\"aa\":1,\"a\":2,\"\":3,\"B\":4,\"ab\":5,\"10\":6,\"9\":7}",
                 "{\"\":3,\"10\":6,\"9\":7,\"B\":4,\"a\":2,\"aa\":1,\"ab\":5}");
}

static void names_are_sorted_by_what_they_stand_for(void)
{
    canonical_is("{\"b\":1,\"\\u0061\":2,\"\\n\":3}", "{\"\\n\":3,\"a\":2,\"b\":1}");
    canonical_is("{\"a\\u0000\":1,\"a\":2}", "{\"a\":2,\"a\\u0000\":1}");
}

/* U+10000 is D800 DC00 in UTF-16, and so comes before U+E000 and U+FFFF, but after
 * U+D7FF. */
static void names_are_sorted_by_utf16_code_units(void)
{
    canonical_is(
        "{\"\\uffff\":1,\"\\ue000\":2,\"\\ud800\\udc00\":3,\"\\ud7ff\":4,\"\\udbff\\udfff\":5}",
        "{\"\xed\x9f\xbf\":4,\"\xf0\x90\x80\x80\":3,\"\xf4\x8f\xbf\xbf\":5,\"\xee\x80\x80\":2,"
        "\"\xef\xbf\xbf\":1}");
    canonical_is("{\"x\xef\xac\xb3\":1,\"x\xf0\x9f\x98\x80\":2}",
                 "{\"x\xf0\x9f\x98\x80\":2,\"x\xef\xac\xb3\":1}");
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Shuffled by a fixed rule; judged by qsort. */
static void objects_of_any_size_are_sorted(void)
{
    for (size_t count = 0; count < 300; count += count < 20 ? 1 : 37) {
        char names[300][8];
        char *order[300];
        char text[8000] = "{";
        char want[8000] = "{";

        for (size_t i = 0; i < count; i++) {
            snprintf(names[i], sizeof names[i], "%zu", i * 7919 % 1009);
            order[i] = names[i];
            sprintf(text + strlen(text), "%s\"%s\":%zu", i ? "," : "", names[i], i);
        }
        qsort(order, count, sizeof *order, by_text);
        for (size_t i = 0; i < count; i++)
            sprintf(want + strlen(want), "%s\"%s\":%zu", i ? "," : "", order[i],
                    (size_t)(order[i] - names[0]) / sizeof *names);
        strcat(text, "}");
        strcat(want, "}");
        canonical_is(text, want);
    }
}

static void what_is_canonical_stays_as_it_is(void)
{
    canonical_is("{\"a\":[1,2.5,1e+21,1e-7],\"b\":{\"c\":\"\xc3\xa9\\n\"}}",
                 "{\"a\":[1,2.5,1e+21,1e-7],\"b\":{\"c\":\"\xc3\xa9\\n\"}}");
}

/* ---- What is refused --------------------------------------------------------------- */

static void what_is_not_json_is_refused_as_a_bad_request(void)
{
    char deep[200];

    refused_with(slice(""), "bad_json");
    refused_with((grid_slice){NULL, 0}, "bad_json");
    refused_with(slice("{\"a\":1,}"), "bad_json");
    refused_with(slice("[NaN]"), "bad_json");
    refused_with(slice("{} {}"), "bad_json");
    refused_with(slice("[\"\xff\"]"), "bad_utf8");
    memset(deep, '[', 65);
    memset(deep + 65, ']', 65);
    refused_with((grid_slice){deep, 130}, "too_deep");
}

static void a_name_that_stands_twice_is_refused(void)
{
    refused_with(slice("{\"a\":1,\"a\":1}"), "duplicate_name");
    refused_with(slice("{\"a\":1,\"b\":2,\"\\u0061\":3}"), "duplicate_name");
    refused_with(slice("{\"z\":1,\"\":2,\"y\":3,\"\":4}"), "duplicate_name");
    refused_with(slice("[{\"x\":{\"\\ud83d\\ude00\":1,\"a\":1,\"\xf0\x9f\x98\x80\":2}}]"),
                 "duplicate_name");
    canonical_is("[{\"a\":{\"a\":1}},{\"a\":2}]", "[{\"a\":{\"a\":1}},{\"a\":2}]");
}

static void half_a_surrogate_pair_is_refused(void)
{
    refused_with(slice("\"\\ud800\""), "lone_surrogate");
    refused_with(slice("\"\\udc00\""), "lone_surrogate");
    refused_with(slice("\"\\ud800x\\udc00\""), "lone_surrogate");
    refused_with(slice("\"\\ud800\\n\""), "lone_surrogate");
    refused_with(slice("\"\\ud800\\ud800\\udc00\""), "lone_surrogate");
    refused_with(slice("\"\\udc00\\ud800\""), "lone_surrogate");
    refused_with(slice("{\"\\\\\\ud83d\":1}"), "lone_surrogate");
    /* An escaped backslash, then letters. */
    canonical_is("\"\\\\ud800\"", "\"\\\\ud800\"");
}

static void a_number_beyond_a_double_is_refused(void)
{
    refused_with(slice("[1e309]"), "number_range");
    refused_with(slice("{\"a\":-1e400}"), "number_range");
    refused_with(slice("1.7976931348623159e308"), "number_range");
    canonical_is("[1e-400,1.7976931348623157e308]", "[0,1.7976931348623157e+308]");
}

static void the_ceiling_of_the_buffer_holds(void)
{
    for (size_t limit = 0; limit < 27; limit++) {
        grid_buffer out;
        grid_error err;

        grid_buffer_init(&out, limit);
        CHECK(!grid_canonicalize(slice("{\"a\":1e20}"), &out, &err));
        CHECK_STR(err.code, "too_large");
        CHECK(err.kind == GRID_REQUEST);
        CHECK(out.size == 0);
        grid_buffer_clear(&out);
    }
}

/* ---- Memory ------------------------------------------------------------------------ */

/* More values than one block of nodes holds, escapes, and an output that makes the buffer
 * grow. */
static char many_values[20000] = "[";

static bool failure_is_an_error_and_leaks_nothing(void)
{
    long live = grid_alloc_live();
    grid_buffer out;
    grid_error err;
    bool good, whole;

    grid_buffer_init(&out, 100000);
    failing_begin();
    good = grid_canonicalize(slice(many_values), &out, &err);
    failing_end();
    whole = good ? out.size > 0 : strcmp(err.code, "out_of_memory") == 0 && out.size == 0;
    grid_buffer_clear(&out);
    return whole && good == !failing_happened && grid_alloc_live() == live;
}

static void a_failing_allocation_is_an_error_and_leaks_nothing(void)
{
    for (int i = 0; i < 200; i++)
        sprintf(many_values + strlen(many_values), "{\"b\\u0061\":\"\\ttext\",\"a\":[%d,null]},", i);
    strcat(many_values, "0]");
    grid_alloc_set_gate(failing_allows);
    failing_each("canonical JSON", failure_is_an_error_and_leaks_nothing);
    grid_alloc_set_gate(NULL);
}

int main(void)
{
    the_vectors_of_rfc_8785_hold();
    scalars_and_empty_containers_stand_alone();
    strings_keep_only_the_escapes_they_need();
    array_elements_stay_where_they_are();
    members_are_sorted_at_every_level();
    names_are_sorted_by_what_they_stand_for();
    names_are_sorted_by_utf16_code_units();
    objects_of_any_size_are_sorted();
    what_is_canonical_stays_as_it_is();
    what_is_not_json_is_refused_as_a_bad_request();
    a_name_that_stands_twice_is_refused();
    half_a_surrogate_pair_is_refused();
    a_number_beyond_a_double_is_refused();
    the_ceiling_of_the_buffer_holds();
    a_failing_allocation_is_an_error_and_leaks_nothing();
    return check_report();
}
