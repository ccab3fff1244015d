/* The writer's thread: the caller never waits for the disk, and every write is whole and
 * durable when it is reported. */
#define _GNU_SOURCE /* mkdtemp, RTLD_NEXT */

#include "disk.h"
#include "folder.h"
#include "threads.h"

#include "base/alloc.h"
#include "base/writer.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- Helpers ---------------------------------------------------------------------- */

static const char *path_of(const char *name)
{
    static char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void content_is(const char *name, const char *expected)
{
    char text[64] = "";
    FILE *file = fopen(path_of(name), "r");

    if (file) {
        text[fread(text, 1, sizeof text - 1, file)] = '\0';
        fclose(file);
    }
    CHECK_STR(file ? text : NULL, expected);
}

static char temporary_folder[PATH_MAX];

/* Whether the file exists is looked at here; what it begins with does not matter. */
static grid_write *submit(grid_writer *writer, const char *name, const char *text, grid_error *err)
{
    const char *path = path_of(name);
    const grid_slice any = {"", 0}, none = {NULL, 0};
    const grid_swap swap = {
        .path = path,
        .temporary_folder = temporary_folder,
        .expected = access(path, F_OK) == 0 ? any : none,
        .bytes = {text, strlen(text)},
    };

    return grid_writer_replace_if(writer, &swap, err);
}

static grid_write *submit_removal(grid_writer *writer, const char *name, grid_error *err)
{
    return grid_writer_remove_if(writer, path_of(name), (grid_slice){"", 0}, err);
}

static grid_write *start(grid_writer *writer, const char *name, const char *text)
{
    grid_error err;
    grid_write *write = submit(writer, name, text, &err);

    CHECK(write != NULL);
    return write;
}

static bool is_readable(const grid_writer *writer, int milliseconds)
{
    struct pollfd one = {.fd = grid_writer_fd(writer), .events = POLLIN};

    return poll(&one, 1, milliseconds) == 1;
}

enum { LONG = 60000, SHORT = 20 }; /* milliseconds: nothing happens within SHORT */

static grid_write *take(grid_writer *writer)
{
    CHECK(is_readable(writer, LONG));
    return grid_writer_take_finished(writer);
}

static grid_writer *new_writer_of(unsigned most_threads)
{
    grid_error err;
    grid_writer *writer = grid_writer_new(most_threads, &err);

    CHECK(writer != NULL);
    return writer;
}

static grid_writer *new_writer(void)
{
    return new_writer_of(1);
}

/* ---- The tests -------------------------------------------------------------------- */

static void the_caller_goes_on_while_the_disk_does_not(void)
{
    grid_writer *writer = new_writer();
    grid_error err;
    grid_write *write = start(writer, "one", "text");

    CHECK(write != NULL);
    CHECK(!is_readable(writer, SHORT));
    CHECK(grid_writer_take_finished(writer) == NULL);
    content_is("one", NULL); /* not renamed before its bytes are on the disk */
    let_go(1);
    CHECK(!is_readable(writer, SHORT)); /* not reported before the folder is */
    let_go(1);
    CHECK(take(writer) == write);
    CHECK(GRID_SWAP_DONE == grid_write_result(write, &err));
    content_is("one", "text");
    CHECK(!is_readable(writer, 0));
    CHECK_INT(synced_files, 1);
    CHECK_INT(synced_folders, 1);
    CHECK(!synced_by_main);
    grid_write_free(write);
    grid_writer_free(writer);
}

static void writes_are_done_in_the_order_of_their_start(void)
{
    enum { MANY = 20 };
    grid_writer *writer = new_writer();
    grid_write *writes[MANY];
    char name[24];

    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "many-%d", i);
        writes[i] = start(writer, name, name);
    }
    let_go(2 * MANY);
    for (int i = 0; i < MANY; i++) {
        grid_write *write = take(writer);

        CHECK(write == writes[i]);
        CHECK_INT(grid_write_id(write), i + 1);
        grid_write_free(write);
        snprintf(name, sizeof name, "many-%d", i);
        content_is(name, name);
    }
    CHECK(!is_readable(writer, 0));
    CHECK(grid_writer_take_finished(writer) == NULL);
    grid_writer_free(writer);
}

static void a_write_that_fails_says_why_and_leaves_the_old_file(void)
{
    grid_writer *writer = new_writer();
    grid_error err = {0};
    grid_write *write;

    failing_with = EIO;
    write = start(writer, "one", "lost");
    let_go(1);
    CHECK(take(writer) == write);
    CHECK(GRID_SWAP_FAILED == grid_write_result(write, &err));
    CHECK_INT(err.kind, GRID_STORE);
    CHECK_STR(err.code, "not_written");
    CHECK(strstr(err.message, strerror(EIO)) != NULL);
    failing_with = 0;
    grid_write_free(write);
    content_is("one", "text");
    grid_writer_free(writer);
}

static void takes_failure(grid_writer *writer, const char *code, int number)
{
    grid_error err = {.code = ""};
    grid_write *write = take(writer);

    CHECK(write && GRID_SWAP_FAILED == grid_write_result(write, &err));
    CHECK_INT(err.kind, GRID_STORE);
    CHECK_STR(err.code, code);
    if (!CHECK(strstr(err.message, strerror(number)) != NULL))
        printf("    %s\n", err.message);
    grid_write_free(write);
}

static void what_the_disk_refuses_is_told_and_the_next_write_is_done(void)
{
    grid_writer *writer = new_writer();
    grid_write *last;
    grid_error err;

    disk_is_full = true;
    start(writer, "one", "lost");
    takes_failure(writer, "not_written", ENOSPC);
    disk_is_full = false;
    start(writer, "no folder/one", "lost");
    let_go(1);
    takes_failure(writer, "not_written", ENOENT);
    CHECK(submit_removal(writer, "nothing", &err) != NULL);
    last = take(writer);
    CHECK(last && GRID_SWAP_CONFLICT == grid_write_result(last, &err));
    grid_write_free(last);
    last = start(writer, "one", "text");
    let_go(2);
    CHECK(take(writer) == last && GRID_SWAP_DONE == grid_write_result(last, &err));
    grid_write_free(last);
    grid_writer_free(writer);
}

static void a_file_is_removed_in_its_turn(void)
{
    grid_writer *writer = new_writer();
    grid_error err;

    start(writer, "two", "text");
    CHECK(submit_removal(writer, "two", &err) != NULL);
    let_go(2);
    for (int i = 0; i < 2; i++) {
        grid_write *write = take(writer);

        CHECK(GRID_SWAP_DONE == grid_write_result(write, &err));
        CHECK_INT(grid_write_id(write), i + 1);
        grid_write_free(write);
        /* The removal is not reported before it is durable. */
        CHECK(!is_readable(writer, SHORT));
        let_go(1 - i);
    }
    CHECK(access(path_of("two"), F_OK) != 0);
    grid_writer_free(writer);
}

static void a_writer_that_is_freed_first_does_what_it_was_given(void)
{
    grid_writer *writer = new_writer();

    start(writer, "one", "first");
    start(writer, "two", "second");
    let_go(4);
    grid_writer_free(writer);
    content_is("one", "first");
    content_is("two", "second");
}

static void a_writer_has_no_thread_before_its_first_write_and_one_after(void)
{
    grid_writer *writer = new_writer();
    int before = count_entries("/proc/self/task");

    for (int i = 0; i < 2; i++) {
        grid_write *write = start(writer, "one", "again");

        CHECK_INT(count_entries("/proc/self/task"), before + 1);
        let_go(2);
        CHECK(take(writer) == write);
        grid_write_free(write);
    }
    grid_writer_free(writer);
    CHECK_INT(count_entries("/proc/self/task"), before);
}

/* A write that the disk holds up does not hold up the others, as long as there is a
 * thread for them. */
static void a_further_thread_is_started_by_a_write_that_finds_all_others_busy(void)
{
    enum { MOST = 3, MANY = 8 };
    grid_writer *writer = new_writer_of(MOST);
    int before = count_entries("/proc/self/task");
    char name[24];

    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "many-%d", i);
        start(writer, name, "at once");
        CHECK_INT(count_entries("/proc/self/task"), before + (i < MOST ? i + 1 : MOST));
    }
    CHECK(!is_readable(writer, SHORT));
    let_go(2 * MANY);
    for (int i = 0; i < MANY; i++) {
        grid_write *write = take(writer);

        CHECK(write != NULL);
        grid_write_free(write);
    }
    CHECK(!is_readable(writer, 0));
    CHECK_INT(count_entries("/proc/self/task"), before + MOST);
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "many-%d", i);
        content_is(name, "at once");
    }
    grid_writer_free(writer);
    CHECK_INT(count_entries("/proc/self/task"), before);
}

static void a_writer_of_several_threads_that_is_freed_first_does_what_it_was_given(void)
{
    grid_writer *writer = new_writer_of(2);

    start(writer, "one", "at once");
    start(writer, "two", "at once");
    start(writer, "many-0", "last");
    let_go(6);
    grid_writer_free(writer);
    content_is("one", "at once");
    content_is("two", "at once");
    content_is("many-0", "last");
}

static void a_signal_of_the_process_is_handled_by_the_caller(void)
{
    grid_writer *writer = new_writer();

    start(writer, "one", "signal");
    check_signal_is_the_callers(SHORT);
    let_go(2);
    grid_writer_free(writer);
}

static int in_child(grid_writer *writer)
{
    grid_error err = {0};
    bool refused = !grid_writer_is_ours(writer) && !submit(writer, "child", "x", &err) && strcmp(err.code, "forked") == 0 &&
                   !grid_writer_take_finished(writer);

    grid_writer_free(writer);
    return refused && access(path_of("child"), F_OK) != 0 ? 0 : 1;
}

static void a_forked_child_writes_nothing_and_its_parent_goes_on(unsigned most_threads)
{
    grid_writer *writer = new_writer_of(most_threads);
    grid_write *write = start(writer, "one", "parent"), *second = start(writer, "two", "parent");
    int status = -1;
    pid_t child;

    CHECK(!is_readable(writer, SHORT)); /* a thread is at the first */
    child = fork();
    if (child == 0)
        _exit(in_child(writer));
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    let_go(4);
    for (int i = 0; i < 2; i++) {
        grid_write *taken = take(writer);

        CHECK(taken == write || taken == second);
        grid_write_free(taken);
    }
    content_is("one", "parent");
    content_is("two", "parent");
    grid_writer_free(writer);
}

static bool no_memory(void)
{
    return false;
}

static void without_memory_no_write_is_submitted(void)
{
    grid_writer *writer = new_writer();
    grid_error err = {0};

    grid_alloc_set_gate(no_memory);
    CHECK(grid_writer_new(1, &err) == NULL);
    CHECK_STR(err.code, "out_of_memory");
    CHECK(submit(writer, "one", "x", &err) == NULL);
    CHECK_STR(err.code, "out_of_memory");
    CHECK(submit_removal(writer, "one", &err) == NULL);
    CHECK_STR(err.code, "out_of_memory");
    grid_alloc_set_gate(NULL);
    content_is("one", "parent");
    grid_writer_free(writer);
}

static void clear_folder(void)
{
    char name[24];

    unlink(path_of("one"));
    unlink(path_of("two"));
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "many-%d", i);
        unlink(path_of(name));
    }
    CHECK(rmdir(temporary_folder) == 0);
    folder_remove();
}

int main(void)
{
    long before = grid_alloc_live();

    main_thread = pthread_self();
    sem_init(&leave, 0, 0);
    if (!folder_make())
        return check_report();
    strcpy(temporary_folder, path_of("tmp"));
    CHECK(mkdir(temporary_folder, 0700) == 0);
    the_caller_goes_on_while_the_disk_does_not();
    writes_are_done_in_the_order_of_their_start();
    a_write_that_fails_says_why_and_leaves_the_old_file();
    what_the_disk_refuses_is_told_and_the_next_write_is_done();
    a_file_is_removed_in_its_turn();
    a_writer_that_is_freed_first_does_what_it_was_given();
    a_writer_has_no_thread_before_its_first_write_and_one_after();
    a_further_thread_is_started_by_a_write_that_finds_all_others_busy();
    a_writer_of_several_threads_that_is_freed_first_does_what_it_was_given();
    a_signal_of_the_process_is_handled_by_the_caller();
    a_forked_child_writes_nothing_and_its_parent_goes_on(1);
    a_forked_child_writes_nothing_and_its_parent_goes_on(2);
    without_memory_no_write_is_submitted();
    clear_folder();
    CHECK_INT(grid_alloc_live(), before);
    return check_report();
}
