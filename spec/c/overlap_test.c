/* Runs of bytes that two texts have in common: as a search for each run would find
 * them. */
#define _GNU_SOURCE /* memmem */
#include "check.h"

#include "text/overlap.h"

#include <stdlib.h>

static bool overlap(const char *text, const char *other, size_t size)
{
    return grid_overlaps((grid_slice){text, strlen(text)}, (grid_slice){other, strlen(other)}, size);
}

static void a_run_is_found_wherever_it_stands(void)
{
    CHECK(overlap("abcd", "abcd", 4));
    CHECK(overlap("abcdxxx", "yyyabcd", 4));
    CHECK(overlap("xxxabcd", "abcdyyy", 4));
    CHECK(overlap("id-secret12-x", "key=secret12", 8));
    CHECK(!overlap("id-secret12-x", "key=secret1?", 8));
    CHECK(overlap("id-secret12-x", "key=secret1?", 7));
}

static void texts_that_are_too_short_have_none(void)
{
    CHECK(!overlap("", "", 4));
    CHECK(!overlap("abc", "abc", 4));
    CHECK(!overlap("abcd", "abc", 4));
    CHECK(!overlap("abc", "abcd", 4));
    CHECK(!overlap("abcdefg", "abcdefg", 8));
}

static bool overlap_slowly(grid_slice text, grid_slice other, size_t size)
{
    for (size_t i = 0; i + size <= other.size; i++)
        if (memmem(text.data, text.size, other.data + i, size))
            return true;
    return false;
}

/* Texts of few letters, so that some overlap and some do not, and of many bytes, so that
 * the marks are full. */
static void the_answer_is_that_of_a_plain_search(void)
{
    static char text[3000], other[3000];
    int found = 0;

    srandom(7);
    for (int round = 0; round < 3000; round++) {
        grid_slice a = {text, (size_t)random() % (round % 100 ? 40 : sizeof text)};
        grid_slice b = {other, (size_t)random() % (round % 50 ? 40 : sizeof other)};
        size_t size = GRID_OVERLAP_MIN + (size_t)random() % 6;
        int letters = round % 3 ? 4 : 256;
        for (size_t i = 0; i < a.size; i++)
            text[i] = (char)(random() % letters);
        for (size_t i = 0; i < b.size; i++)
            other[i] = (char)(random() % letters);
        CHECK(grid_overlaps(a, b, size) == overlap_slowly(a, b, size));
        found += grid_overlaps(a, b, size);
    }
    CHECK(found > 100 && found < 2900);
}

int main(void)
{
    a_run_is_found_wherever_it_stands();
    texts_that_are_too_short_have_none();
    the_answer_is_that_of_a_plain_search();
    return check_report();
}
