/* Retry-After: seconds of any length and the three forms of a date become whole seconds
 * within a limit; anything else is not said at all. */
#include "check.h"

#include "base/alloc.h"
#include "http/retry_after.h"

enum { MAX = GRID_RETRY_AFTER_MAX };

static const time_t NOW = 784111777; /* Sun, 06 Nov 1994 08:49:37 GMT */

/* Of the header lines, each with its line end. */
static long of_lines(const char *lines)
{
    grid_headers headers;
    grid_error err;
    long seconds;

    grid_headers_init(&headers);
    CHECK(grid_headers_add(&headers, (grid_slice){"HTTP/1.1 503 x\r\n", 16}, &err));
    while (*lines) {
        size_t size = (size_t)(strchr(lines, '\n') - lines) + 1;
        CHECK(grid_headers_add(&headers, (grid_slice){lines, size}, &err));
        lines += size;
    }
    seconds = grid_retry_after(&headers, NOW);
    grid_headers_clear(&headers);
    return seconds;
}

static long of_value(const char *value)
{
    char line[2000];

    snprintf(line, sizeof line, "Retry-After:%s\r\n", value);
    return of_lines(line);
}

typedef struct reading {
    const char *value;
    long seconds;
} reading;

static void check_readings(const reading *readings, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!CHECK_INT(of_value(readings[i].value), readings[i].seconds))
            printf("    of %s\n", readings[i].value);
}

#define CHECK_READINGS(readings) check_readings((readings), sizeof(readings) / sizeof(readings)[0])

static void seconds_are_cut_to_the_limit(void)
{
    static const reading readings[] = {
        {"0", 0}, {"7", 7}, {" \t7\t ", 7}, {"007", 7}, {"-0", -1}, {"31535999", MAX - 1}, {"31536000", MAX},
        {"31536001", MAX}, {"99999999", MAX}, {"2147483647", MAX}, {"2147483648", MAX}, {"4294967296", MAX},
        {"9223372036854775807", MAX}, {"9223372036854775808", MAX}, {"18446744073709551616", MAX},
        {"99999999999999999999", MAX}, {"00000000000000000000000000000007", 7},
    };
    char digits[1001];

    CHECK_READINGS(readings);
    memset(digits, '9', sizeof digits - 1);
    digits[sizeof digits - 1] = '\0';
    CHECK_INT(of_value(digits), MAX);
}

static void a_fraction_is_rounded_up(void)
{
    static const reading readings[] = {
        {"1.9", 2}, {"1.1", 2}, {"1.0", 1}, {"1.", 1}, {"0.001", 1}, {"0.0", 0}, {"31535999.5", MAX}, {"31536000.5", MAX},
        {".5", -1}, {"1.2.3", -1}, {"1,5", 5},
    };

    CHECK_READINGS(readings);
}

/* RFC 9110 section 5.6.7 */
static void a_date_becomes_seconds_from_now_on(void)
{
    static const reading readings[] = {
        {"Sun, 06 Nov 1994 08:49:44 GMT", 7}, {"Sunday, 06-Nov-94 08:49:44 GMT", 7}, {"Sun Nov  6 08:49:44 1994", 7},
        {"Sun, 06 Nov 1994 08:49:37 GMT", 0}, {"Sun, 06 Nov 1994 08:49:36 GMT", 0}, {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
        {"Fri, 01 Jan 1904 00:00:00 GMT", 0}, {"Mon, 06 Nov 1995 08:49:36 GMT", MAX - 1}, {"Mon, 06 Nov 1995 08:49:38 GMT", MAX},
        {"Fri, 31 Dec 9999 23:59:59 GMT", MAX},
    };

    CHECK_READINGS(readings);
}

static void what_is_neither_is_not_said(void)
{
    static const reading readings[] = {
        {"", -1}, {" ", -1}, {"soon", -1}, {"-5", -1}, {"+5", -1}, {"1e9", -1}, {"0x10", -1}, {"7s", -1}, {"7 8", -1},
        {"7 seconds", -1}, {"1:30", -1}, {"00:00:07", -1}, {"7,", -1}, {",7", -1}, {"7,-1", -1}, {"nan", -1}, {"inf", -1},
        {"Sun, 32 Nov 1994 08:49:44 GMT", -1}, {"Sun, 06 Nov 1994", -1}, {"Sun, 06 Foo 1994 08:49:44 GMT", -1},
        {"1994-11-06T08:49:44Z", -1}, {"tomorrow 08:49:44", -1}, {"\xd9\xa7", -1}, {":", -1}, {"a:", -1},
    };
    char text[201];

    CHECK_READINGS(readings);
    memset(text, ':', sizeof text - 1);
    text[0] = 'a';
    text[sizeof text - 1] = '\0';
    CHECK_INT(of_value(text), -1);
}

static void of_several_the_longest_counts(void)
{
    CHECK_INT(of_lines("Retry-After: 9\r\nretry-AFTER: 11\r\nRETRY-AFTER: 7\r\n"), 11);
    CHECK_INT(of_lines("Retry-After: 7, 9\r\n"), 9);
    CHECK_INT(of_lines("Retry-After: soon\r\nRetry-After: 0\r\n"), 0);
    CHECK_INT(of_lines("Retry-After: 3\r\nRetry-After: Sun, 06 Nov 1994 08:49:44 GMT\r\n"), 7);
    CHECK_INT(of_lines("Retry-After:\r\n 7\r\n"), 7);
    CHECK_INT(of_lines("X-Retry-After: 7\r\nRetry-Afte: 7\r\nRetry-After-: 7\r\n"), -1);
    CHECK_INT(of_lines(""), -1);
}

int main(void)
{
    long before = grid_alloc_live();

    seconds_are_cut_to_the_limit();
    a_fraction_is_rounded_up();
    a_date_becomes_seconds_from_now_on();
    what_is_neither_is_not_said();
    of_several_the_longest_counts();
    CHECK_INT(grid_alloc_live(), before);
    return check_report();
}
