#include "http/retry_after.h"

#include "base/ascii.h"
#include "http/date.h"

static void skip(grid_slice *rest)
{
    rest->data++;
    rest->size--;
}

static void skip_blanks(grid_slice *rest)
{
    while (rest->size && (rest->data[0] == ' ' || rest->data[0] == '\t'))
        skip(rest);
}

/* Reads any number of digits. The RFC has no fractions; a fraction is rounded up. */
static long read_seconds(grid_slice *rest)
{
    long seconds = 0;
    bool has_fraction = false;

    if (!rest->size || !grid_ascii_is_digit(rest->data[0]))
        return -1;
    for (; rest->size && grid_ascii_is_digit(rest->data[0]); skip(rest))
        if (seconds < GRID_RETRY_AFTER_MAX)
            seconds = seconds * 10 + (rest->data[0] - '0');
    if (rest->size && rest->data[0] == '.')
        for (skip(rest); rest->size && grid_ascii_is_digit(rest->data[0]); skip(rest))
            has_fraction = has_fraction || rest->data[0] != '0';
    seconds += has_fraction;
    return seconds < GRID_RETRY_AFTER_MAX ? seconds : GRID_RETRY_AFTER_MAX;
}

/* A proxy may have joined repeated fields: "7, 9". */
static long read_list_of_seconds(grid_slice rest)
{
    long longest = -1, seconds;

    for (;;) {
        skip_blanks(&rest);
        seconds = read_seconds(&rest);
        if (seconds < 0)
            return -1;
        longest = seconds > longest ? seconds : longest;
        skip_blanks(&rest);
        if (!rest.size)
            return longest;
        if (rest.data[0] != ',')
            return -1;
        skip(&rest);
    }
}

static long read_date(grid_slice value, time_t now)
{
    time_t date = grid_date_parse(value);

    if (date == -1)
        return -1;
    if (date <= now)
        return 0;
    return date - now < GRID_RETRY_AFTER_MAX ? (long)(date - now) : GRID_RETRY_AFTER_MAX;
}

static long read_value(grid_slice value, time_t now)
{
    long seconds = read_list_of_seconds(value);

    return seconds >= 0 ? seconds : read_date(value, now);
}

long grid_retry_after(const grid_headers *headers, time_t now)
{
    grid_slice name, value;
    long longest = -1;
    size_t at = 0;

    while (grid_headers_next(headers, &at, &name, &value)) {
        if (grid_slice_is(name, "retry-after")) {
            long seconds = read_value(value, now);
            longest = seconds > longest ? seconds : longest;
        }
    }
    return longest;
}
