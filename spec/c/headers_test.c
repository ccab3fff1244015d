/* Header lines: what an answer brings is kept within a limit, block by block, and what
 * a request may not carry is refused. */
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
    while (used < sizeof text && grid_headers_next(headers, &at, &name, &value))
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
                                       "HTTP 200", "XHTTP/1.1 200", "no colon", "HTTP/", "HTTP/1.1 2000", "HTTP/1.1 5030 x"};

    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        grid_headers headers;
        grid_headers_init(&headers);
        CHECK(!add(&headers, none[i]));
        CHECK(add(&headers, "HTTP/1.1 103 Early Hints") && add(&headers, "Kept: yes") && add(&headers, none[i]));
        CHECK_STR(shown(&headers), "Kept=yes|");
        CHECK(add(&headers, "\r\n") && !add(&headers, none[i]));
        CHECK_INT(headers.status, 103);
        CHECK(add(&headers, "HTTP/1.1 503"));
        CHECK_INT(headers.status, 503);
        CHECK_STR(shown(&headers), "");
        grid_headers_clear(&headers);
    }
}

/* A status of 503, say, would let an executed request be repeated. */
static void a_status_line_within_headers_or_in_trailers_is_none(void)
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

/* Whether a block with the second field is taken behind the first one. */
static bool takes_lengths(const char *first, const char *second)
{
    grid_headers headers;
    bool is_taken;

    grid_headers_init(&headers);
    CHECK(add(&headers, "HTTP/1.1 103 Early Hints") && add(&headers, "Content-Length: 9") && add(&headers, ""));
    CHECK(add(&headers, "HTTP/1.1 200 OK") && add(&headers, first));
    is_taken = add(&headers, second);
    grid_headers_clear(&headers);
    return is_taken;
}

static void a_block_has_one_length(void)
{
    static const char *const none[] = {"Content-Length:", "Content-Length: -7", "Content-Length: +7", "Content-Length: 7a",
                                       "Content-Length: 0x7", "Content-Length: 7 7", "Content-Length: 7, 3", "Content-Length: 7."};

    CHECK(takes_lengths("Content-Length: 7", "content-length:\t7 "));
    CHECK(takes_lengths("Content-Length: 7", "Content-Lengths: 3"));
    CHECK(takes_lengths("X-Content-Length: 3", "Content-Length: 7"));
    CHECK(takes_lengths("A: b", "Content-Length: 99999999999999999999999999"));
    CHECK(!takes_lengths("Content-Length: 7", "CONTENT-LENGTH: 3"));
    CHECK(!takes_lengths("Content-Length: 7", "Content-Length: 99999999999999999999999999"));
    CHECK(!takes_lengths("Content-Length: 0", "Content-Length: 18446744073709551616"));
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        CHECK(!takes_lengths("A: b", none[i]));
}

/* Whether a block with these lines is taken. */
static bool takes_block(const char *line, size_t size, const char *next)
{
    grid_headers headers;
    grid_error err;
    bool is_taken;

    grid_headers_init(&headers);
    CHECK(add(&headers, "HTTP/1.1 200 OK\r\n") && grid_headers_add(&headers, (grid_slice){line, size}, &err));
    is_taken = add(&headers, next) && add(&headers, "\r\n");
    CHECK(headers.is_whole == is_taken);
    grid_headers_clear(&headers);
    return is_taken;
}

static void a_block_with_control_characters_is_refused(void)
{
    static const char nul[] = "A: b\0c\r\n", nul_in_name[] = "A\0: b\r\n", cr[] = "A: b\rc\r\n", crs[] = "A: b\r\r\n";

    CHECK(takes_block(crs, sizeof crs - 1, "B: c\r\n"));
    CHECK(!takes_block(nul, sizeof nul - 1, "B: c\r\n"));
    CHECK(!takes_block(nul_in_name, sizeof nul_in_name - 1, "B: c\r\n"));
    CHECK(!takes_block(cr, sizeof cr - 1, "B: c\r\n"));
    CHECK(!takes_block(crs, sizeof crs - 1, " c\rd\r\n"));
}

static void garbage_is_walked_like_anything_else(void)
{
    grid_headers headers;

    grid_headers_init(&headers);
    CHECK(add(&headers, "HTTP/1.1 200") && add(&headers, ":"));
    CHECK(add(&headers, ": value"));
    CHECK(add(&headers, "name\x80\xff: \xfe"));
    CHECK(add(&headers, "two\nlines: in one"));
    CHECK_STR(shown(&headers), "=|=value|name\x80\xff=\xfe|");
    grid_headers_clear(&headers);
}

static void a_block_has_a_limit(void)
{
    grid_headers headers;
    grid_error err;
    char line[1024];
    int lines = 0;

    memset(line, 'v', sizeof line);
    line[1] = ':';
    grid_headers_init(&headers);
    CHECK(add(&headers, "HTTP/1.1 200 OK"));
    while (lines < 1000 && grid_headers_add(&headers, (grid_slice){line, sizeof line - 1}, &err))
        lines++;
    CHECK_INT(lines, GRID_HEADERS_MAX_BYTES / 1024);
    CHECK_INT(err.kind, GRID_PROTOCOL);
    CHECK_STR(err.code, "headers_too_large");
    CHECK_INT(headers.lines.size, GRID_HEADERS_MAX_BYTES);
    grid_headers_clear(&headers);
    CHECK(add(&headers, "HTTP/1.1 200 OK") && add(&headers, "Room: again"));
    CHECK_STR(shown(&headers), "Room=again|");
    grid_headers_clear(&headers);
}

/* How many of these lines are taken, of at most twice as many as may be. */
static int taken(grid_headers *headers, const char *line)
{
    int lines = 0;

    while (lines < 2 * GRID_HEADERS_MAX_LINES && add(headers, line))
        lines++;
    return lines;
}

static void an_answer_has_a_limit_of_lines(void)
{
    static const char *const lines[] = {"a: b\r\n", " b\r\n", "\tb\r\n", " \r\n", "no colon\r\n"};

    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        grid_headers headers;
        grid_headers_init(&headers);
        CHECK(add(&headers, "HTTP/1.1 200 OK\r\n") && add(&headers, "A: b\r\n"));
        CHECK_INT(taken(&headers, lines[i]), GRID_HEADERS_MAX_LINES - 1);
        grid_headers_clear(&headers);
    }
}

static void trailers_count_against_the_limits_of_their_answer(void)
{
    static const char *const lines[] = {"a: b\r\n", " b\r\n", " \r\n", "no colon\r\n", "HTTP/1.1 503 x\r\n"};

    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        grid_headers headers;
        grid_headers_init(&headers);
        CHECK(add(&headers, "HTTP/1.1 200 OK\r\n") && add(&headers, "A: b\r\n") && add(&headers, "\r\n"));
        CHECK_INT(taken(&headers, lines[i]), GRID_HEADERS_MAX_LINES - 1);
        CHECK_STR(shown(&headers), "A=b|");
        grid_headers_clear(&headers);
    }
}

/* Each of `line`, in its block, until no more are taken: how many. */
static int interim_blocks(const char *line)
{
    grid_headers headers;
    int blocks = 0;

    grid_headers_init(&headers);
    while (blocks < 2 * GRID_HEADERS_MAX_LINES && add(&headers, "HTTP/1.1 103 x\r\n") &&
           (!line || add(&headers, line)) && add(&headers, "\r\n"))
        blocks++;
    grid_headers_clear(&headers);
    return blocks;
}

static void interim_blocks_count_against_the_limits_of_their_answer(void)
{
    char line[1024];

    memset(line, 'v', sizeof line);
    line[1] = ':';
    line[sizeof line - 1] = '\0';
    CHECK_INT(interim_blocks(NULL), GRID_HEADERS_MAX_LINES + 1);
    CHECK_INT(interim_blocks("a: b\r\n"), GRID_HEADERS_MAX_LINES / 2);
    CHECK_INT(interim_blocks(line), GRID_HEADERS_MAX_BYTES / (1024 + 15));
}

/* ---- Folded lines ------------------------------------------------------------------ */

/* RFC 9112 section 5.2 */
static void a_folded_line_goes_on_with_the_field_before(void)
{
    grid_headers headers;

    grid_headers_init(&headers);
    CHECK(add(&headers, "HTTP/1.1 200 OK\r\n") && add(&headers, "A: one\r\n"));
    CHECK(add(&headers, " x-request-id: forged\r\n") && add(&headers, "\t \ttwo \r\n"));
    CHECK(add(&headers, "B:\r\n") && add(&headers, " \t\r\n") && add(&headers, " late\n"));
    CHECK(add(&headers, "C: c\r\n") && add(&headers, " HTTP/1.1 503 x\r\n") && add(&headers, "D: d\r\n"));
    CHECK(headers.in_block && !headers.is_whole);
    CHECK(add(&headers, "\r\n") && headers.is_whole);
    CHECK_STR(shown(&headers), "A=one x-request-id: forged two|B=late|C=c HTTP/1.1 503 x|D=d|");
    CHECK_INT(headers.status, 200);
    grid_headers_clear(&headers);
}

/* The field of the block before is not what it continues. */
static void a_folded_line_without_a_field_is_refused(void)
{
    static const char *const before[] = {NULL, "no colon\r\n", "a:\nb\r\n"};
    grid_headers headers;
    grid_error err = {0};

    grid_headers_init(&headers);
    for (size_t i = 0; i < sizeof before / sizeof before[0]; i++) {
        CHECK(add(&headers, "HTTP/1.1 103 x\r\n") && add(&headers, "A: b\r\n") && add(&headers, "\r\n"));
        CHECK(add(&headers, "HTTP/1.1 200 OK\r\n") && (!before[i] || add(&headers, before[i])));
        CHECK(!grid_headers_add(&headers, (grid_slice){" C: d", 5}, &err));
        CHECK_INT(err.kind, GRID_PROTOCOL);
        CHECK_STR(err.code, "bad_http");
        grid_headers_clear(&headers);
    }
}

/* RFC 9110 section 6.5.1 */
static void trailers_are_dropped_with_their_folded_lines(void)
{
    grid_headers headers;

    grid_headers_init(&headers);
    CHECK(add(&headers, "HTTP/1.1 200 OK\r\n") && add(&headers, "A: b\r\n") && add(&headers, "\r\n"));
    CHECK(add(&headers, " folded: first\r\n") && add(&headers, "x-request-id: forged\r\n"));
    CHECK(add(&headers, "\tmore\r\n") && add(&headers, "\r\n") && add(&headers, "E: f\r\n"));
    CHECK(headers.is_whole && !headers.in_block);
    CHECK_STR(shown(&headers), "A=b|");
    grid_headers_clear(&headers);
}

static void a_folded_line_without_memory_is_an_error(void)
{
    char line[4096];
    grid_headers headers;
    grid_error err;

    memset(line, ' ', sizeof line);
    line[sizeof line - 1] = 'v';
    grid_headers_init(&headers);
    CHECK(add(&headers, "HTTP/1.1 200 OK") && add(&headers, "A: b"));
    line[1] = 'v';
    grid_alloc_set_gate(refuse_all);
    CHECK(!grid_headers_add(&headers, (grid_slice){line, sizeof line}, &err));
    grid_alloc_set_gate(NULL);
    CHECK_STR(err.code, "out_of_memory");
    CHECK_STR(shown(&headers), "A=b|");
    grid_headers_clear(&headers);
}

static void a_line_without_memory_is_an_error(void)
{
    grid_headers headers;
    grid_error err;

    grid_headers_init(&headers);
    CHECK(add(&headers, "HTTP/1.1 200 OK"));
    grid_alloc_set_gate(refuse_all);
    CHECK(!grid_headers_add(&headers, (grid_slice){"A: b", 4}, &err));
    grid_alloc_set_gate(NULL);
    CHECK_STR(err.code, "out_of_memory");
    CHECK_STR(shown(&headers), "");
    grid_headers_clear(&headers);
}

/* ---- The request ----------------------------------------------------------------- */

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
    a_status_line_within_headers_or_in_trailers_is_none();
    a_block_has_one_length();
    a_block_with_control_characters_is_refused();
    garbage_is_walked_like_anything_else();
    a_block_has_a_limit();
    an_answer_has_a_limit_of_lines();
    trailers_count_against_the_limits_of_their_answer();
    interim_blocks_count_against_the_limits_of_their_answer();
    a_folded_line_goes_on_with_the_field_before();
    a_folded_line_without_a_field_is_refused();
    trailers_are_dropped_with_their_folded_lines();
    a_folded_line_without_memory_is_an_error();
    a_line_without_memory_is_an_error();
    a_line_without_control_characters_may_go_out();
    a_line_that_could_become_two_is_refused();
    a_name_is_a_token();
    a_value_is_not_blank();
    CHECK_INT(grid_alloc_live(), before);
    return check_report();
}
