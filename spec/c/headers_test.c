/* Header lines: what an answer brings is kept within a ceiling, block by block, and what a request may not carry is refused. */
#include "check.h"

#include "base/alloc.h"
#include "http/headers.h"

static bool refuse_all(void)
{
    return false;
}

static bool add(grid_headers *headers, const char *line)
{
    grid_error err;

    return grid_headers_add(headers, (grid_slice){line, strlen(line)}, &err);
}

/* All of it as "name=value|name=value|". */
static const char *shown(const grid_headers *headers)
{
    static char text[1000];
    grid_slice name, value;
    size_t at = 0, used = 0;

    text[0] = '\0';
    while (grid_headers_next(headers, &at, &name, &value))
        used += (size_t)snprintf(text + used, sizeof text - used, "%.*s=%.*s|", (int)name.size, name.data,
                                 (int)value.size, value.data);
    return text;
}

static void a_block_is_kept_in_its_order(void)
{
    grid_headers headers;

    grid_headers_init(&headers);
    CHECK_INT(headers.status, 0);
    CHECK_STR(shown(&headers), "");
    CHECK(add(&headers, "HTTP/1.1 200 OK\r\n"));
    CHECK(add(&headers, "Content-Type:application/json\r\n"));
    CHECK(add(&headers, "X-A: \t one two \t\r\n"));
    CHECK(add(&headers, "X-Empty:\r\n"));
    CHECK(add(&headers, "x-a: a:b\r\n"));
    CHECK(add(&headers, "\r\n"));
    CHECK_INT(headers.status, 200);
    CHECK_STR(shown(&headers), "Content-Type=application/json|X-A=one two|X-Empty=|x-a=a:b|");
    grid_headers_clear(&headers);
    CHECK_INT(headers.status, 0);
    CHECK_STR(shown(&headers), "");
}

static void a_later_block_replaces_an_interim_one(void)
{
    grid_headers headers;

    grid_headers_init(&headers);
    CHECK(add(&headers, "HTTP/1.1 100 Continue\r\n") && add(&headers, "\r\n"));
    CHECK_INT(headers.status, 100);
    CHECK(add(&headers, "HTTP/1.1 103 Early Hints\r\n") && add(&headers, "Link: </a>\r\n"));
    CHECK_STR(shown(&headers), "Link=</a>|");
    CHECK(add(&headers, "\r\n") && add(&headers, "HTTP/2 201\r\n") && add(&headers, "X: y\r\n"));
    CHECK_INT(headers.status, 201);
    CHECK_STR(shown(&headers), "X=y|");
    grid_headers_clear(&headers);
}

static void only_a_status_line_begins_a_block(void)
{
    static const char *const none[] = {"HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 20", "HTTP/1.1 2x0 OK", "HTTP/1.1  200", "http/1.1 200",
                                       "HTTP 200", "XHTTP/1.1 200", "", "\r\n", "no colon", "HTTP/"};
    grid_headers headers;

    grid_headers_init(&headers);
    CHECK(add(&headers, "HTTP/1.1 103 Early Hints"));
    CHECK(add(&headers, "Kept: yes"));
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        CHECK(add(&headers, none[i]));
    CHECK_INT(headers.status, 103);
    CHECK_STR(shown(&headers), "Kept=yes|");
    CHECK(add(&headers, "\r\n") && add(&headers, "HTTP/1.1 503"));
    CHECK_INT(headers.status, 503);
    CHECK_STR(shown(&headers), "");
    grid_headers_clear(&headers);
}

/* A status of 503, say, would let an executed request be repeated. */
static void a_status_line_amid_headers_or_in_trailers_is_none(void)
{
    grid_headers headers;

    grid_headers_init(&headers);
    CHECK(add(&headers, "HTTP/1.1 200 OK") && add(&headers, "HTTP/1.1 503 x: y"));
    CHECK_INT(headers.status, 200);
    CHECK_STR(shown(&headers), "HTTP/1.1 503 x=y|");
    CHECK(add(&headers, "\r\n") && add(&headers, "HTTP/1.1 503 x: y"));
    CHECK_INT(headers.status, 200);
    grid_headers_clear(&headers);
}

static void garbage_is_walked_like_anything_else(void)
{
    grid_headers headers;

    grid_headers_init(&headers);
    CHECK(add(&headers, ":"));
    CHECK(add(&headers, ": value"));
    CHECK(add(&headers, "name\x80\xff: \xfe"));
    CHECK(add(&headers, "two\nlines: in one"));
    CHECK_STR(shown(&headers), "=|=value|name\x80\xff=\xfe|");
    grid_headers_clear(&headers);
}

static void a_block_has_a_ceiling(void)
{
    grid_headers headers;
    grid_error err;
    char line[1024];
    int lines = 0;

    memset(line, 'v', sizeof line);
    line[1] = ':';
    grid_headers_init(&headers);
    while (lines < 1000 && grid_headers_add(&headers, (grid_slice){line, sizeof line - 1}, &err))
        lines++;
    CHECK_INT(lines, GRID_HEADERS_MAX_BYTES / 1024);
    CHECK_INT(err.kind, GRID_PROTOCOL);
    CHECK_STR(err.code, "headers_too_large");
    CHECK_INT(headers.lines.size, GRID_HEADERS_MAX_BYTES);
    CHECK(add(&headers, "\r\n") && add(&headers, "HTTP/1.1 200 OK") && add(&headers, "Room: again"));
    CHECK_STR(shown(&headers), "Room=again|");
    grid_headers_clear(&headers);
}

static void a_block_has_a_ceiling_of_lines(void)
{
    grid_headers headers;
    int lines = 0;

    grid_headers_init(&headers);
    while (lines < 2 * GRID_HEADERS_MAX_LINES && add(&headers, "a: b"))
        lines++;
    CHECK_INT(lines, GRID_HEADERS_MAX_LINES);
    CHECK(add(&headers, "\r\n") && add(&headers, "HTTP/1.1 200 OK") && add(&headers, "a: b"));
    CHECK_INT(headers.count, 1);
    grid_headers_clear(&headers);
}

static void a_line_without_memory_is_an_error(void)
{
    grid_headers headers;
    grid_error err;

    grid_headers_init(&headers);
    grid_alloc_set_gate(refuse_all);
    CHECK(!grid_headers_add(&headers, (grid_slice){"A: b", 4}, &err));
    grid_alloc_set_gate(NULL);
    CHECK_STR(err.code, "out_of_memory");
    CHECK_STR(shown(&headers), "");
    grid_headers_clear(&headers);
}

/* ---- What goes out ----------------------------------------------------------------------------- */

static bool may_go_out(const char *line, size_t size)
{
    grid_error err = {.code = "", .message = ""};
    bool ok = grid_header_check((grid_slice){line, size}, &err);

    if (!ok) {
        CHECK_INT(err.kind, GRID_REQUEST);
        CHECK_STR(err.code, "bad_header");
        CHECK(strstr(err.message, "secret") == NULL);
    }
    return ok;
}

static void a_line_without_control_characters_may_go_out(void)
{
    static const char *const fine[] = {"A: b", "X-Long_Name.1!#$%&'*+-^`|~: v", "A:b", "A: caf\xc3\xa9"};

    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++)
        CHECK(may_go_out(fine[i], strlen(fine[i])));
}

static void a_line_that_could_become_two_is_refused(void)
{
    char line[] = "Cookie: secret?secret";

    for (int byte = 0; byte < 0x20; byte++) {
        line[14] = (char)byte;
        CHECK(!may_go_out(line, sizeof line - 1));
    }
    line[14] = 0x7f;
    CHECK(!may_go_out(line, sizeof line - 1));
}

static void a_name_is_a_token(void)
{
    static const char *const bad[] = {"", ":", ": v", "no colon", "A B: v", "A : v", " A: v", "A\t: v", "A\r\n: v",
                                      "caf\xc3\xa9: v", "(A): v"};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK(!may_go_out(bad[i], strlen(bad[i])));
    CHECK(!may_go_out("A\0B: v", 6));
}

static void a_value_is_not_blank(void)
{
    static const char *const bad[] = {"A:", "A: ", "A:\t ", "A: \r\n"};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK(!may_go_out(bad[i], strlen(bad[i])));
}

int main(void)
{
    long before = grid_alloc_live();

    a_block_is_kept_in_its_order();
    a_later_block_replaces_an_interim_one();
    only_a_status_line_begins_a_block();
    a_status_line_amid_headers_or_in_trailers_is_none();
    garbage_is_walked_like_anything_else();
    a_block_has_a_ceiling();
    a_block_has_a_ceiling_of_lines();
    a_line_without_memory_is_an_error();
    a_line_without_control_characters_may_go_out();
    a_line_that_could_become_two_is_refused();
    a_name_is_a_token();
    a_value_is_not_blank();
    CHECK_INT(grid_alloc_live(), before);
    return check_report();
}
