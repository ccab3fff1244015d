/* The whole test library of the C units: checks that count, and a report that ends a
 * program.
 *
 *     static void a_closed_buffer_is_empty(void) { CHECK(grid_buffer_length(&b) == 0); }
 *     int main(void) { a_closed_buffer_is_empty(); return check_report(); }
 *
 * A failed check prints where it stands and the test goes on; every check counts as
 * one. The last line, "N passed, N failed", is what spec/support/suite reads. Does not
 * know: the core. */
#ifndef GRID_SPEC_CHECK_H
#define GRID_SPEC_CHECK_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check_passed, check_failed;

/* Does the program run under valgrind? spec/support/each names it in UNDER. There a part
 * of what only repeats the same code has to do. */
static inline bool check_is_slowed(void)
{
    const char *under = getenv("UNDER");

    return under && *under;
}

static inline bool check_count(bool ok, const char *file, int line, const char *what)
{
    if (ok) {
        check_passed++;
    } else {
        check_failed++;
        printf("%s:%d: not so: %s\n", file, line, what);
    }
    return ok;
}

/* Prints bytes so that a reader sees where they end and which are not text. */
static inline void check_show(const char *label, const void *bytes, size_t length)
{
    const unsigned char *at = (const unsigned char *)bytes;
    printf("    %s (%zu bytes): \"", label, length);
    for (size_t i = 0; i < length && i < 200; i++) {
        if (at[i] >= 0x20 && at[i] < 0x7f)
            putchar(at[i]);
        else
            printf("\\x%02x", at[i]);
    }
    printf(length > 200 ? "…\n" : "\"\n");
}

static inline bool check_bytes(const void *got, size_t got_length, const void *want,
                               size_t want_length, const char *file, int line, const char *what)
{
    bool ok = got_length == want_length && (want_length == 0 || memcmp(got, want, want_length) == 0);
    if (!check_count(ok, file, line, what)) {
        check_show("got ", got, got_length);
        check_show("want", want, want_length);
    }
    return ok;
}

static inline bool check_string(const char *got, const char *want, const char *file, int line,
                                const char *what)
{
    if (got == NULL || want == NULL)
        return check_count(got == want, file, line, what);
    return check_bytes(got, strlen(got), want, strlen(want), file, line, what);
}

static inline bool check_integer(long long got, long long want, const char *file, int line,
                                 const char *what)
{
    if (!check_count(got == want, file, line, what))
        printf("    got %lld, want %lld\n", got, want);
    return got == want;
}

/* Each gives back whether it held, so that a test can stop early: if (!CHECK(p))
 * return; */
#define CHECK(condition) check_count((condition), __FILE__, __LINE__, #condition)
#define CHECK_INT(got, want) \
    check_integer((long long)(got), (long long)(want), __FILE__, __LINE__, #got " == " #want)
#define CHECK_STR(got, want) check_string((got), (want), __FILE__, __LINE__, #got " is " #want)
#define CHECK_MEM(got, got_length, want, want_length) \
    check_bytes((got), (got_length), (want), (want_length), __FILE__, __LINE__, #got " is " #want)

static inline int check_report(void)
{
    printf("%d passed, %d failed\n", check_passed, check_failed);
    return check_failed == 0 && check_passed > 0 ? 0 : 1;
}

#endif
