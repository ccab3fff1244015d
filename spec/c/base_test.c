/* Memory, buffers and errors: limits hold, what was secret is gone from memory that is
 * given back, and an allocation that fails leaves everything as it was. */
#include "check.h"

#include "base/alloc.h"
#include "base/buffer.h"

#include <stdint.h>
#include <stdlib.h>

static bool refuse_all(void)
{
    return false;
}

static long allowed;

static bool allow_some(void)
{
    return allowed-- > 0;
}

static void an_empty_buffer_holds_nothing(void)
{
    grid_buffer buffer;
    grid_error err = {0};

    grid_buffer_init(&buffer, 10);
    CHECK(buffer.data == NULL && buffer.size == 0);
    grid_buffer_clear(&buffer);
    CHECK(grid_buffer_append(&buffer, NULL, 0, &err));
    CHECK_INT(buffer.size, 0);
    CHECK_STR(buffer.data, "");
    grid_buffer_clear(&buffer);
    CHECK(buffer.data == NULL);
    CHECK_INT(buffer.limit, 10);
}

static void a_buffer_fills_up_to_its_ceiling_and_no_further(void)
{
    static const size_t limits[] = {0, 1, 255, 256, 257, 1000, 4096};
    /* A constant that the compiler sees is one that it warns of. */
    const volatile size_t huge = SIZE_MAX;
    grid_error err = {0};

    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        grid_buffer buffer;
        size_t size = 0;

        grid_buffer_init(&buffer, limits[i]);
        while (size < limits[i] && grid_buffer_append(&buffer, "x", 1, &err))
            size++;
        CHECK_INT(size, limits[i]);
        CHECK(buffer.capacity <= limits[i]);
        CHECK(!grid_buffer_append(&buffer, "y", 1, &err));
        CHECK_STR(err.code, "too_large");
        CHECK_INT(err.kind, GRID_PROTOCOL);
        CHECK_INT(buffer.size, limits[i]);
        CHECK(!buffer.size || (buffer.data[buffer.size - 1] == 'x' && buffer.data[buffer.size] == '\0'));
        /* No sum of sizes may overflow. */
        CHECK(!grid_buffer_append(&buffer, "y", huge, &err));
        CHECK_STR(err.code, "too_large");
        grid_buffer_clear(&buffer);
    }
}

static void an_append_is_all_or_nothing(void)
{
    grid_buffer buffer;
    grid_error err = {0};

    grid_buffer_init(&buffer, 8);
    CHECK(grid_buffer_append_text(&buffer, "12345", &err));
    CHECK(!grid_buffer_append_text(&buffer, "6789", &err));
    CHECK_STR(buffer.data, "12345");
    CHECK(grid_buffer_append_text(&buffer, "678", &err));
    CHECK_STR(buffer.data, "12345678");
    grid_buffer_clear(&buffer);
}

static void a_buffer_without_memory_stays_as_it_was(void)
{
    grid_buffer buffer;
    grid_error err = {0};
    char big[5000] = {0};

    grid_buffer_init(&buffer, 10000);
    grid_alloc_set_gate(refuse_all);
    CHECK(!grid_buffer_append_text(&buffer, "first", &err));
    CHECK_STR(err.code, "out_of_memory");
    CHECK_INT(err.kind, GRID_REQUEST);
    CHECK(buffer.data == NULL);
    grid_alloc_set_gate(NULL);
    CHECK(grid_buffer_append_text(&buffer, "first", &err));
    grid_alloc_set_gate(refuse_all);
    CHECK(!grid_buffer_append(&buffer, big, sizeof big, &err));
    CHECK_STR(buffer.data, "first");
    CHECK(grid_buffer_append_text(&buffer, ", then what has room", &err));
    grid_alloc_set_gate(NULL);
    CHECK_STR(buffer.data, "first, then what has room");
    grid_buffer_clear(&buffer);
}

static void appends_into_reserved_room_cannot_fail(void)
{
    grid_buffer buffer;
    grid_error err = {0};

    grid_buffer_init(&buffer, 10000);
    CHECK(grid_buffer_reserve(&buffer, 3000, &err));
    grid_alloc_set_gate(refuse_all);
    for (int i = 0; i < 3000; i++)
        if (!grid_buffer_append(&buffer, "z", 1, &err))
            break;
    grid_alloc_set_gate(NULL);
    CHECK_INT(buffer.size, 3000);
    grid_buffer_clear(&buffer);
}

/* ---- Memory of its owner ----------------------------------------------------------- */

enum { LENT = 16 };

static char lent[LENT];

static void lend(grid_buffer *buffer, size_t limit)
{
    memset(lent, '?', sizeof lent);
    grid_buffer_init(buffer, limit);
    grid_buffer_lend(buffer, lent, sizeof lent);
}

/* `size` bytes of the owner's memory are wiped, and the bytes after them unchanged. */
static bool lent_is_wiped(size_t size)
{
    bool wiped = true;

    for (size_t i = 0; i < size; i++)
        wiped = wiped && lent[i] == 0;
    for (size_t i = size + 1; i < sizeof lent; i++) /* between the two stood a NUL */
        wiped = wiped && lent[i] == '?';
    return wiped;
}

static void a_buffer_fills_lent_memory_before_it_asks_for_its_own(void)
{
    char text[LENT] = "123456789012345";
    grid_buffer buffer;
    grid_error err = {0};

    /* The last one fits exactly, with its NUL. */
    for (size_t size = 0; size < LENT; size++) {
        lend(&buffer, 1000);
        grid_alloc_set_gate(refuse_all);
        CHECK(grid_buffer_append(&buffer, text, size, &err));
        grid_alloc_set_gate(NULL);
        CHECK(buffer.data == lent);
        CHECK_MEM(buffer.data, buffer.size, text, size);
        CHECK(lent[size] == '\0');
        grid_buffer_clear(&buffer);
        CHECK(lent_is_wiped(size));
    }
}

static void a_truncated_buffer_ends_with_a_nul_and_has_wiped_the_rest(void)
{
    grid_buffer buffer;
    grid_error err = {0};

    lend(&buffer, 1000);
    grid_buffer_truncate(&buffer, 0);
    CHECK(buffer.data == NULL);
    CHECK(grid_buffer_append_text(&buffer, "kept, not", &err));
    grid_buffer_truncate(&buffer, 4);
    CHECK_MEM(buffer.data, buffer.size, "kept", 4);
    for (size_t i = 4; i < 9; i++)
        CHECK(buffer.data[i] == '\0');
    CHECK(grid_buffer_append_text(&buffer, ", more", &err));
    CHECK_STR(buffer.data, "kept, more");
    grid_buffer_clear(&buffer);
}

static void a_buffer_asks_for_its_own_where_lent_memory_has_no_room_for_the_nul(void)
{
    char text[] = "1234567890123456";
    long before = grid_alloc_live();
    grid_buffer buffer;
    grid_error err = {0};

    lend(&buffer, 1000);
    CHECK(grid_buffer_append(&buffer, text, LENT, &err));
    CHECK(buffer.data != lent);
    CHECK_INT(grid_alloc_live(), before + 1);
    CHECK_MEM(buffer.data, buffer.size, text, LENT);
    CHECK(memcmp(lent, "????????????????", LENT) == 0);
    grid_buffer_clear(&buffer);
    CHECK_INT(grid_alloc_live(), before);
}

static void lent_memory_is_wiped_and_left_to_its_owner_when_it_is_outgrown(void)
{
    long before = grid_alloc_live();
    grid_buffer buffer;
    grid_error err = {0};

    lend(&buffer, 1000);
    CHECK(grid_buffer_append_text(&buffer, "123456789012345", &err));
    CHECK(grid_buffer_append_text(&buffer, "6", &err));
    CHECK(buffer.data != lent);
    CHECK_STR(buffer.data, "1234567890123456");
    CHECK(lent_is_wiped(LENT - 1));
    CHECK_INT(grid_alloc_live(), before + 1);
    grid_buffer_clear(&buffer);
    CHECK_INT(grid_alloc_live(), before);
    /* Once cleared, it begins there anew. */
    CHECK(grid_buffer_append_text(&buffer, "again", &err));
    CHECK(buffer.data == lent);
    CHECK_INT(grid_alloc_live(), before);
    grid_buffer_clear(&buffer);
}

static void lent_memory_does_not_raise_the_ceiling(void)
{
    grid_buffer buffer;
    grid_error err = {0};

    for (size_t limit = 0; limit < LENT + 2; limit++) {
        size_t size = 0;

        lend(&buffer, limit);
        while (size < LENT + 2 && buffer.capacity <= limit && grid_buffer_append(&buffer, "x", 1, &err))
            size++;
        CHECK(buffer.capacity <= limit);
        CHECK_INT(size, limit);
        CHECK_STR(err.code, "too_large");
        grid_buffer_clear(&buffer);
    }
}

static void a_buffer_without_memory_keeps_what_is_lent_as_it_was(void)
{
    grid_buffer buffer;
    grid_error err = {0};

    lend(&buffer, 1000);
    CHECK(grid_buffer_append_text(&buffer, "first", &err));
    grid_alloc_set_gate(refuse_all);
    CHECK(!grid_buffer_append_text(&buffer, "too much for it", &err));
    CHECK_STR(err.code, "out_of_memory");
    CHECK(buffer.data == lent);
    CHECK_STR(buffer.data, "first");
    CHECK(grid_buffer_append_text(&buffer, ", then ten", &err));
    grid_alloc_set_gate(NULL);
    CHECK_STR(buffer.data, "first, then ten");
    grid_buffer_clear(&buffer);
}

/* ---- What is given back ------------------------------------------------------------ */

/* Was the block that held `size` secret bytes clean when it was freed? glibc hands a
 * freed block out again to the next one of the same size; sanitizers and valgrind do
 * not, and there this says nothing. The allocator's own links take 16 bytes. */
static bool came_back_clean(const volatile void *freed, size_t block, size_t size)
{
    char *again = malloc(block);
    bool clean = true;

    if (again && again == freed)
        for (size_t i = 16; i < size; i++)
            clean = clean && again[i] == 0;
    free(again);
    return clean;
}

static void bytes_are_wiped_when_a_buffer_grows_and_when_it_is_cleared(void)
{
    grid_buffer buffer;
    grid_error err = {0};
    char secret[3000];
    const volatile void *old;
    size_t block;

    memset(secret, 's', sizeof secret);
    grid_buffer_init(&buffer, 10000);
    CHECK(grid_buffer_append(&buffer, secret, 2000, &err));
    old = buffer.data;
    block = buffer.capacity + 1;
    CHECK(grid_buffer_append(&buffer, secret, 3000, &err));
    CHECK(buffer.data != old);
    CHECK(came_back_clean(old, block, 2000));
    old = buffer.data;
    block = buffer.capacity + 1;
    grid_buffer_clear(&buffer);
    CHECK(came_back_clean(old, block, 5000));
}

/* ---- The door to malloc ------------------------------------------------------------ */

static void every_block_is_counted_until_it_is_freed(void)
{
    long before = grid_alloc_live();
    char *block = grid_malloc(10), *zeroed = grid_calloc(10), *empty = grid_malloc(0);

    CHECK_INT(grid_alloc_live(), before + 3);
    CHECK(zeroed[0] == 0 && zeroed[9] == 0);
    grid_free(block);
    CHECK_INT(grid_alloc_live(), before + 2);
    grid_free(zeroed);
    grid_free(empty);
    grid_free(NULL);
    CHECK_INT(grid_alloc_live(), before);
}

static void the_gate_fails_the_allocation_that_it_chooses(void)
{
    long before = grid_alloc_live();
    char *allocated;

    allowed = 1;
    grid_alloc_set_gate(allow_some);
    allocated = grid_malloc(10);
    CHECK(allocated != NULL);
    CHECK(grid_malloc(1) == NULL);
    CHECK(grid_calloc(1) == NULL);
    grid_alloc_set_gate(NULL);
    CHECK_INT(grid_alloc_live(), before + 1);
    grid_free(allocated);
    CHECK_INT(grid_alloc_live(), before);
}

static void a_wipe_leaves_nothing(void)
{
    char bytes[] = "secret";

    grid_wipe(bytes + 1, 4);
    CHECK_MEM(bytes, sizeof bytes, "s\0\0\0\0t", sizeof bytes);
    grid_wipe(NULL, 0);
}

/* ---- Errors ------------------------------------------------------------------------ */

static void an_error_is_cut_to_its_room(void)
{
    grid_error err = {0};
    char text[1000];

    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    CHECK(!grid_error_set(&err, GRID_CRYPTO, text, "%s", text));
    CHECK_INT(strlen(err.code), sizeof err.code - 1);
    CHECK_INT(strlen(err.message), sizeof err.message - 1);
}

static void every_kind_has_its_public_name(void)
{
    CHECK_STR(grid_kind_name(GRID_REQUEST), "request");
    CHECK_STR(grid_kind_name(GRID_NETWORK), "network");
    CHECK_STR(grid_kind_name(GRID_TIMEOUT), "timeout");
    CHECK_STR(grid_kind_name(GRID_TLS), "tls");
    CHECK_STR(grid_kind_name(GRID_PROTOCOL), "protocol");
    CHECK_STR(grid_kind_name(GRID_CRYPTO), "crypto");
    CHECK_STR(grid_kind_name(GRID_STORE), "store");
}

int main(void)
{
    an_empty_buffer_holds_nothing();
    a_buffer_fills_up_to_its_ceiling_and_no_further();
    an_append_is_all_or_nothing();
    a_buffer_without_memory_stays_as_it_was();
    appends_into_reserved_room_cannot_fail();
    a_buffer_fills_lent_memory_before_it_asks_for_its_own();
    a_truncated_buffer_ends_with_a_nul_and_has_wiped_the_rest();
    a_buffer_asks_for_its_own_where_lent_memory_has_no_room_for_the_nul();
    lent_memory_is_wiped_and_left_to_its_owner_when_it_is_outgrown();
    lent_memory_does_not_raise_the_ceiling();
    a_buffer_without_memory_keeps_what_is_lent_as_it_was();
    bytes_are_wiped_when_a_buffer_grows_and_when_it_is_cleared();
    every_block_is_counted_until_it_is_freed();
    the_gate_fails_the_allocation_that_it_chooses();
    a_wipe_leaves_nothing();
    an_error_is_cut_to_its_room();
    every_kind_has_its_public_name();
    return check_report();
}
