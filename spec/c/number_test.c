/* Numbers: every double reads and prints as in ECMAScript, with node as the judge.
 *
 * The locale is that of the environment, whose decimal point must not matter:
 * LC_ALL=de_DE.UTF-8 build/c/number_test */
#include "text/number.h"

#include "check.h"

#include <inttypes.h>
#include <locale.h>
#include <stdint.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define INSTRUMENTED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define INSTRUMENTED 1
#endif
#endif

static bool canonical_is(const char *number, size_t size, const char *want)
{
    char text[GRID_NUMBER_MAX + 1];
    size_t length = grid_number_canonical((grid_slice){number, size}, text);

    text[length] = '\0';
    return strcmp(length ? text : "refused", want) == 0;
}

/* RFC 8785 appendix B, with the doubles written by 17 digits. */
static void the_table_of_rfc_8785_holds(void)
{
    static const struct {
        uint64_t bits;
        const char *text;
    } table[] = {
        {0x0000000000000000, "0"},
        {0x8000000000000000, "0"},
        {0x0000000000000001, "5e-324"},
        {0x8000000000000001, "-5e-324"},
        {0x7fefffffffffffff, "1.7976931348623157e+308"},
        {0xffefffffffffffff, "-1.7976931348623157e+308"},
        {0x4340000000000000, "9007199254740992"},
        {0xc340000000000000, "-9007199254740992"},
        {0x4430000000000000, "295147905179352830000"},
        {0x44b52d02c7e14af5, "9.999999999999997e+22"},
        {0x44b52d02c7e14af6, "1e+23"},
        {0x44b52d02c7e14af7, "1.0000000000000001e+23"},
        {0x444b1ae4d6e2ef4e, "999999999999999700000"},
        {0x444b1ae4d6e2ef4f, "999999999999999900000"},
        {0x444b1ae4d6e2ef50, "1e+21"},
        {0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"},
        {0x3eb0c6f7a0b5ed8d, "0.000001"},
        {0x41b3de4355555553, "333333333.3333332"},
        {0x41b3de4355555554, "333333333.33333325"},
        {0x41b3de4355555555, "333333333.3333333"},
        {0x41b3de4355555556, "333333333.3333334"},
        {0x41b3de4355555557, "333333333.33333343"},
        {0xbecbf647612f3696, "-0.0000033333333333333333"},
        {0x43143ff3c1cb0959, "1424953923781206.2"},
    };

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char number[40];
        double value;

        memcpy(&value, &table[i].bits, sizeof value);
        snprintf(number, sizeof number, "%.16e", value);
        if (!CHECK(canonical_is(number, strlen(number), table[i].text)))
            printf("    %s\n", number);
    }
}

/* The nearest 16 digits to 2^-44 lie below it, where doubles are dense, and read back
 * as its neighbour; the next 16 digits up read back right, and are what ECMAScript
 * prints. */
static void a_power_of_two_takes_the_shortest_digits_on_its_wide_side(void)
{
    CHECK(canonical_is("5.6843418860808015e-14", 22, "5.684341886080802e-14"));
}

static void a_whole_number_is_what_printf_makes_of_it(void)
{
    static const int64_t numbers[] = {0, 1, -1, 9, 10, -10, 99, 1700000000000, 9007199254740992, INT64_MAX, INT64_MIN};

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char text[GRID_NUMBER_MAX + 1], want[GRID_NUMBER_MAX];

        text[grid_number_whole(numbers[i], text)] = '\0';
        snprintf(want, sizeof want, "%" PRId64, numbers[i]);
        CHECK_STR(text, want);
    }
}

/* Under valgrind and the sanitizers a sample has to do. */
static int doubles_to_compare(void)
{
#ifdef INSTRUMENTED
    return 100000;
#else
    return check_is_slowed() ? 10000 : 1000000;
#endif
}

static void every_number_is_what_node_makes_of_it(void)
{
    char command[64];
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size;
    int wrong = 0;
    int lines = 0;
    FILE *node;

    snprintf(command, sizeof command, "node spec/c/numbers.js %d", doubles_to_compare());
    node = popen(command, "r");
    if (!CHECK(node != NULL))
        return;
    while ((size = getline(&line, &capacity, node)) > 0) {
        char *space = memchr(line, ' ', (size_t)size);

        line[size - 1] = '\0';
        lines++;
        if (space && canonical_is(line, (size_t)(space - line), space + 1))
            continue;
        if (wrong++ < 10)
            printf("    node says: %.200s\n", line);
    }
    free(line);
    CHECK_INT(pclose(node), 0);
    CHECK_INT(wrong, 0);
    CHECK(lines > doubles_to_compare());
}

int main(void)
{
    the_table_of_rfc_8785_holds();
    a_power_of_two_takes_the_shortest_digits_on_its_wide_side();
    a_whole_number_is_what_printf_makes_of_it();
    setlocale(LC_ALL, "");
    every_number_is_what_node_makes_of_it();
    return check_report();
}
