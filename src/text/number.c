#include "text/number.h"

#include "base/ascii.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Significant digits: a double, or the midpoint of two neighbours, has at most 768. */
enum { DIGITS_MAX = 800, DOUBLE_DIGITS = 17 };

/* 0.DIGITS × 10^point; no zeros at either end, no digits at all for zero. */
typedef struct decimal {
    bool negative;
    long long point;
    size_t count;
    char digits[DIGITS_MAX];
} decimal;

/* Digits after DIGITS_MAX decide only on which side of a midpoint the number lies: a
 * single 1 replaces them. */
static void add_digit(decimal *number, char digit)
{
    if (number->count == 0 && digit == '0')
        return;
    if (number->count < DIGITS_MAX)
        number->digits[number->count++] = digit;
    else if (digit != '0')
        number->digits[DIGITS_MAX - 1] = '1';
}

static void strip_zeros(decimal *number)
{
    while (number->count > 0 && number->digits[number->count - 1] == '0')
        number->count--;
}

/* Saturates above the length of any text, so that the digits cannot offset the
 * exponent. */
static long long read_exponent(const char *at, const char *end)
{
    const long long enough = 100000000000000000;
    bool negative = at < end && *at == '-';
    long long exponent = 0;

    if (at < end && !grid_ascii_is_digit(*at))
        at++;
    for (; at < end; at++)
        if (exponent < enough)
            exponent = exponent * 10 + (*at - '0');
    return negative ? -exponent : exponent;
}

static void read_decimal(grid_slice text, decimal *number)
{
    const char *at = text.data;
    const char *end = at + text.size;
    bool fraction = false;

    number->negative = *at == '-';
    number->point = 0;
    number->count = 0;
    for (at += number->negative; at < end && *at != 'e' && *at != 'E'; at++) {
        if (*at == '.') {
            fraction = true;
            continue;
        }
        add_digit(number, *at);
        if (fraction)
            number->point -= number->count == 0; /* the zeros of 0.00x */
        else
            number->point += number->count > 0;
    }
    if (at < end)
        number->point += read_exponent(at + 1, end);
    strip_zeros(number);
}

/* Written as an integer and a power of ten: a decimal point would depend on the
 * locale. */
static double value_of(const decimal *number)
{
    char text[DIGITS_MAX + 32];

    memcpy(text, number->digits, number->count);
    snprintf(text + number->count, sizeof text - number->count, "e%lld",
             number->point - (long long)number->count);
    return strtod(text, NULL);
}

/* The decimal of `count` digits that is nearest to a positive value; printf ties go to
 * the even digit, as ECMAScript's do. The character between the digits is the locale's
 * decimal point. */
static void nearest(double value, int count, decimal *number)
{
    char text[64];
    const char *at = text;

    snprintf(text, sizeof text, "%.*e", count - 1, value);
    number->count = 0;
    for (; *at != 'e'; at++)
        if (grid_ascii_is_digit(*at))
            number->digits[number->count++] = *at;
    number->point = read_exponent(at + 1, text + strlen(text)) + 1;
}

static void increment(decimal *number)
{
    size_t last = number->count;

    while (last > 0 && number->digits[last - 1] == '9')
        number->digits[--last] = '0';
    if (last > 0) {
        number->digits[last - 1]++;
    } else {
        number->digits[0] = '1';
        number->point++;
    }
}

/* The fewest digits that read back as `value`, and of those the nearest.
 *
 * Of decimals with DBL_DIG digits at most one reads back, so fewer than that are found as
 * its trailing zeros; below DBL_MIN doubles have less precision, and every count is
 * tried. Doubles just below a power of two lie twice as close as those above it: there
 * the nearest decimal may lie below and read back as the lower neighbour, while the next
 * one up reads back right. */
static void shortest(double value, decimal *number)
{
    int exponent;
    bool power_of_two = frexp(value, &exponent) == 0.5;

    for (int count = value < DBL_MIN ? 1 : DBL_DIG; count < DOUBLE_DIGITS; count++) {
        nearest(value, count, number);
        if (value_of(number) == value)
            return;
        if (power_of_two) {
            increment(number);
            if (value_of(number) == value)
                return;
        }
    }
    nearest(value, DOUBLE_DIGITS, number);
}

typedef struct writer {
    char *at;
} writer;

static void put(writer *to, const char *bytes, size_t size)
{
    memcpy(to->at, bytes, size);
    to->at += size;
}

static void put_zeros(writer *to, long long count)
{
    static const char zeros[] = "000000000000000000000";

    put(to, zeros, (size_t)count);
}

static void put_exponent(writer *to, long long exponent)
{
    char text[8];

    put(to, text, (size_t)snprintf(text, sizeof text, "e%+lld", exponent));
}

/* ECMA-262 Number::toString steps 6 to 12: k is count, n is point. */
static size_t write_decimal(const decimal *number, char text[GRID_NUMBER_MAX])
{
    long long count = (long long)number->count;
    long long point = number->point;
    const char *digits = number->digits;
    writer to = {text};

    if (number->negative)
        put(&to, "-", 1);
    if (point > 0 && point <= 21) {
        long long whole = count < point ? count : point;

        put(&to, digits, (size_t)whole);
        put_zeros(&to, point - whole);
        if (count > point) {
            put(&to, ".", 1);
            put(&to, digits + point, (size_t)(count - point));
        }
    } else if (point > -6 && point <= 0) {
        put(&to, "0.", 2);
        put_zeros(&to, -point);
        put(&to, digits, number->count);
    } else {
        put(&to, digits, 1);
        if (count > 1) {
            put(&to, ".", 1);
            put(&to, digits + 1, number->count - 1);
        }
        put_exponent(&to, point - 1);
    }
    return (size_t)(to.at - text);
}

/* A decimal of up to DBL_DIG digits, well inside a double's range, reads back as itself
 * and from no shorter one: its digits are the answer already. */
static bool is_shortest(const decimal *number)
{
    return number->count <= DBL_DIG && number->point > DBL_MIN_10_EXP + 1 &&
           number->point < DBL_MAX_10_EXP;
}

static size_t write_zero(char text[GRID_NUMBER_MAX])
{
    text[0] = '0';
    return 1;
}

size_t grid_number_canonical(grid_slice number, char text[GRID_NUMBER_MAX])
{
    decimal found;
    double value;

    read_decimal(number, &found);
    if (found.count == 0 || found.point < -323) /* rounds to 0, or is -0 */
        return write_zero(text);
    if (is_shortest(&found))
        return write_decimal(&found, text);
    if (found.point > DBL_MAX_10_EXP + 1)
        return 0;
    value = value_of(&found);
    if (isinf(value))
        return 0;
    if (value == 0)
        return write_zero(text);
    shortest(value, &found);
    strip_zeros(&found);
    return write_decimal(&found, text);
}

double grid_number_value(grid_slice number)
{
    decimal found;
    double value;

    read_decimal(number, &found);
    value = found.count ? value_of(&found) : 0;
    return found.negative ? -value : value;
}

size_t grid_number_whole(int64_t number, char text[GRID_NUMBER_MAX])
{
    char digits[GRID_NUMBER_MAX];
    char *first = digits + sizeof digits;
    uint64_t left = number < 0 ? -(uint64_t)number : (uint64_t)number;
    size_t size;

    do {
        *--first = (char)('0' + left % 10);
        left /= 10;
    } while (left);
    if (number < 0)
        *--first = '-';
    size = (size_t)(digits + sizeof digits - first);
    memcpy(text, first, size);
    return size;
}
