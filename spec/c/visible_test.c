/* Foreign text: what would break a line, command a terminal, change the order of reading
 * or is not seen does not pass, and all other text does as it is. */
#include "check.h"

#include "base/alloc.h"
#include "text/json.h"
#include "text/utf8.h"
#include "text/visible.h"

static bool refuse_all(void)
{
    return false;
}

typedef bool (*rewrite)(grid_slice text, grid_buffer *out, grid_error *err);

/* The static text is good until the next call. */
static grid_slice rewritten(rewrite write_visible, grid_slice text)
{
    static char copy[4096];
    grid_buffer out;
    grid_error err;
    size_t size;

    grid_buffer_init(&out, sizeof copy);
    CHECK(write_visible(text, &out, &err));
    size = out.size;
    if (size)
        memcpy(copy, out.data, size);
    grid_buffer_clear(&out);
    return (grid_slice){copy, size};
}

static void becomes(const char *text, const char *want)
{
    grid_slice got = rewritten(grid_visible_text, (grid_slice){text, strlen(text)});

    CHECK_MEM(got.data, got.size, want, strlen(want));
    CHECK(grid_is_visible((grid_slice){text, strlen(text)}) == (strcmp(text, want) == 0));
}

static void text_that_is_seen_stays_as_it_is(void)
{
    becomes("", "");
    becomes("plain ~ text", "plain ~ text");
    /* É € 😀 shalom. */
    becomes("caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80 \xD7\xA9\xD7\x9C\xD7\x95\xD7\x9D",
            "caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80 \xD7\xA9\xD7\x9C\xD7\x95\xD7\x9D");
    /* No-break space, U+FFFD, private use. */
    becomes("\xC2\xA0\xEF\xBF\xBD\xEE\x80\x80", "\xC2\xA0\xEF\xBF\xBD\xEE\x80\x80");
}

static void what_breaks_a_line_becomes_one_blank(void)
{
    becomes("a\r\n\tb", "a b");
    becomes("a\x1B[31mb\x7F", "a [31mb ");
    becomes("a\xC2\x9B" "31mb", "a 31mb"); /* CSI */
    becomes("\xC2\x80\xC2\x85\xC2\x9F" "a", " a");
    becomes("a\xE2\x80\xA8" "b\xE2\x80\xA9", "a b ");
    /* NOLINTNEXTLINE(misc-misleading-bidirectional) */
    becomes("a\n\xE2\x80\x8B\n\xE2\x80\xAE\xC2\x90" "b", "a b");
    becomes("a\n \nb", "a   b");
}

static void what_is_not_seen_goes(void)
{
    becomes("\xEF\xBB\xBF" "a\xE2\x80\x8B" "b\xC2\xAD" "c", "abc");
    /* NOLINTNEXTLINE(misc-misleading-bidirectional) */
    becomes("a\xE2\x80\xAE" "b\xE2\x81\xA6" "c\xE2\x81\xA9\xE2\x80\x8E\xE2\x80\x8F\xD8\x9C", "abc");
    becomes("\xE2\x81\xA0\xF3\xA0\x81\xA1\xE3\x85\xA4\xEF\xB8\x8F", "");
}

static void what_is_no_character_is_replaced(void)
{
    becomes("a\x80" "b\xC3", "a\xEF\xBF\xBD" "b\xEF\xBF\xBD");
    becomes("\xC3\xA9\x80", "\xC3\xA9\xEF\xBF\xBD");
    becomes("\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"); /* a surrogate */
    /* A line feed that is too long. */
    becomes("\xC0\x8A", "\xEF\xBF\xBD\xEF\xBF\xBD");
    becomes("\xFF\xFE" "a", "\xEF\xBF\xBD\xEF\xBF\xBD" "a");
}

static bool is_in(uint32_t code_point, uint32_t first, uint32_t last)
{
    return code_point >= first && code_point <= last;
}

/* Issue by issue what must not pass, whatever the table says. */
static bool must_go(uint32_t c)
{
    return c < 0x20 || is_in(c, 0x7F, 0x9F) || is_in(c, 0x2028, 0x202E) || is_in(c, 0x2066, 0x2069) || c == 0x200E ||
           c == 0x200F || c == 0x061C || is_in(c, 0x200B, 0x200D) || is_in(c, 0x2060, 0x2064) || c == 0xFEFF || c == 0x00AD ||
           is_in(c, 0xE0000, 0xE007F) || is_in(c, 0xFFF9, 0xFFFB);
}

static void every_character_is_judged_and_what_comes_out_is_visible(void)
{
    size_t passed = 0;

    for (uint32_t c = 0; c < 0x110000; c++) {
        char text[GRID_UTF8_MAX];
        grid_slice given = {text, 0}, got;

        if (is_in(c, 0xD800, 0xDFFF))
            continue;
        given.size = grid_utf8_write(c, text);
        if (grid_is_visible(given) && must_go(c))
            CHECK_INT(c, -1);
        passed += grid_is_visible(given);
        if (grid_is_visible(given))
            continue;
        got = rewritten(grid_visible_text, given);
        CHECK(grid_is_visible(got) && got.size <= 1);
        got = rewritten(grid_visible_json, given);
        CHECK(got.size == (c < 0x20 ? 1 : c < 0x10000 ? 6 : 12));
    }
    /* Controls, separators, what is not seen, tags. */
    CHECK_INT(0x110000 - 0x800 - passed, 65 + 2 + 81 + 4096);
}

static void json_says_the_same_as_before(void)
{
    /* NOLINTNEXTLINE(misc-misleading-bidirectional) */
    static const char json[] = " {\n\t\"a\xC2\x9B\x7F\xE2\x80\xAE\": [\"\xEF\xBB\xBF\xF3\xA0\x81\xA1\\n\", \"\xC3\xA9\"]} ";
    static const char want[] = " {\n\t\"a\\u009b\\u007f\\u202e\": [\"\\ufeff\\udb40\\udc61\\n\", \"\xC3\xA9\"]} ";
    grid_slice given = {json, sizeof json - 1}, got, value;
    grid_buffer before, after;
    grid_error err;

    got = rewritten(grid_visible_json, given);
    CHECK_MEM(got.data, got.size, want, sizeof want - 1);
    grid_buffer_init(&before, 100);
    grid_buffer_init(&after, 100);
    CHECK(grid_json_validate(got, &err));
    value = (grid_slice){strchr(json, '[') + 1, 11};
    CHECK(grid_json_unquote(value, &before, &err));
    value = (grid_slice){strchr(got.data, '[') + 1, 22};
    CHECK(grid_json_unquote(value, &after, &err));
    CHECK_MEM(after.data, after.size, before.data, before.size);
    grid_buffer_clear(&before);
    grid_buffer_clear(&after);
}

static void without_memory_or_room_it_is_an_error(void)
{
    static const rewrite both[] = {grid_visible_text, grid_visible_json};
    grid_slice given = {"a\n", 2};
    grid_buffer out;
    grid_error err;

    for (int i = 0; i < 2; i++) {
        grid_buffer_init(&out, 1);
        CHECK(!both[i](given, &out, &err));
        CHECK_STR(err.code, "too_large");
        grid_buffer_clear(&out);
        grid_buffer_init(&out, 10);
        grid_alloc_set_gate(refuse_all);
        CHECK(!both[i](given, &out, &err));
        grid_alloc_set_gate(NULL);
        CHECK_STR(err.code, "out_of_memory");
        grid_buffer_clear(&out);
    }
}

int main(void)
{
    long before = grid_alloc_live();

    text_that_is_seen_stays_as_it_is();
    what_breaks_a_line_becomes_one_blank();
    what_is_not_seen_goes();
    what_is_no_character_is_replaced();
    every_character_is_judged_and_what_comes_out_is_visible();
    json_says_the_same_as_before();
    without_memory_or_room_it_is_an_error();
    CHECK_INT(grid_alloc_live(), before);
    return check_report();
}
