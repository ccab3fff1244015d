/* What libcurl leaves behind when it is entered does not reach the program: neither
 * SIGPIPE, of a libcurl that raises it, nor errors in OpenSSL's queue. The libcurl
 * here pretends to be of another version, and does both in every entry. */
#define _GNU_SOURCE /* RTLD_NEXT */
#include "child.h"
#include "http_support.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <openssl/err.h>
#include <signal.h>

enum { OLD = 0x075600, NEW = 0x075700 };

static loopback server;
static curl_version_info_data pretended;
static const char *bad_entry; /* the one that raises SIGPIPE; NULL: all */
static int entered;
static bool was_blocked; /* in the last entry */

/* libcurl's own function of that name. */
#define REAL(name)                                  \
    __extension__({                                 \
        __typeof__(name) *function;                 \
        void *symbol = dlsym(RTLD_NEXT, #name);     \
        memcpy(&function, &symbol, sizeof function); \
        function;                                   \
    })

static bool sigpipe_is(int (*get)(sigset_t *))
{
    sigset_t set;

    sigemptyset(&set);
    return get(&set) == 0 && sigismember(&set, SIGPIPE) == 1;
}

static int blocked_set(sigset_t *set)
{
    return pthread_sigmask(SIG_BLOCK, NULL, set);
}

static bool is_blocked(void)
{
    return sigpipe_is(blocked_set);
}

static bool is_pending(void)
{
    return sigpipe_is(sigpending);
}

static void misbehave(const char *entry)
{
    int ends[2];

    entered++;
    was_blocked = is_blocked();
    ERR_raise(ERR_LIB_USER, ERR_R_INTERNAL_ERROR);
    if ((bad_entry && strcmp(bad_entry, entry) != 0) || pretended.version_num >= NEW || pipe(ends) != 0)
        return;
    close(ends[0]);
    if (write(ends[1], "x", 1) == 1)
        abort();
    close(ends[1]);
}

/* These take the place of libcurl's own.
 * NOLINTBEGIN(readability-inconsistent-declaration-parameter-name) */

curl_version_info_data *curl_version_info(CURLversion age)
{
    unsigned version = pretended.version_num;

    pretended = *REAL(curl_version_info)(age);
    if (version)
        pretended.version_num = version;
    return &pretended;
}

CURLMcode curl_multi_socket_action(CURLM *multi, curl_socket_t fd, int mask, int *running)
{
    misbehave("socket_action");
    return REAL(curl_multi_socket_action)(multi, fd, mask, running);
}

CURLMcode curl_multi_perform(CURLM *multi, int *running)
{
    misbehave("socket_action");
    return REAL(curl_multi_perform)(multi, running);
}

CURLMcode curl_multi_add_handle(CURLM *multi, CURL *easy)
{
    misbehave("add_handle");
    return REAL(curl_multi_add_handle)(multi, easy);
}

CURLMcode curl_multi_remove_handle(CURLM *multi, CURL *easy)
{
    misbehave("remove_handle");
    return REAL(curl_multi_remove_handle)(multi, easy);
}

void curl_easy_cleanup(CURL *easy)
{
    misbehave("easy_cleanup");
    REAL(curl_easy_cleanup)(easy);
}

CURL *curl_easy_init(void)
{
    misbehave("easy_init");
    return REAL(curl_easy_init)();
}

CURLM *curl_multi_init(void)
{
    misbehave("multi_init");
    return REAL(curl_multi_init)();
}

CURLMcode curl_multi_cleanup(CURLM *multi)
{
    misbehave("multi_cleanup");
    return REAL(curl_multi_cleanup)(multi);
}

/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */

static void queue_is_empty(void)
{
    CHECK(ERR_peek_error() == 0);
}

/* Every function of the room that enters libcurl. */
static void live(void)
{
    grid_error err;
    grid_engine *engine = grid_engine_new(NULL, &err);
    grid_exchange exchange = exchange_with(server.port, "GET");
    grid_transfer *transfer;

    queue_is_empty();
    transfer = start(engine, &exchange);
    queue_is_empty();
    while (!grid_transfer_is_finished(transfer)) {
        grid_engine_step(engine);
        queue_is_empty();
        loopback_step(&server);
        grid_engine_wait(engine, 0.001);
        queue_is_empty();
    }
    grid_transfer_free(transfer);
    queue_is_empty();
    grid_transfer_free(start(engine, &exchange)); /* in flight */
    queue_is_empty();
    exchange.headers = &(grid_slice){"no header", 9};
    exchange.header_count = 1;
    CHECK(!grid_transfer_start(engine, &exchange, &err));
    queue_is_empty();
    grid_engine_unref(engine);
    queue_is_empty();
    CHECK(entered > 8);
}

static volatile sig_atomic_t handled;

static void on_sigpipe(int number)
{
    (void)number;
    handled++;
}

static void a_program_that_leaves_sigpipe_alone_goes_on(void)
{
    live();
    CHECK(was_blocked);
    CHECK(!is_blocked() && !is_pending());
}

static void a_handler_hears_of_nothing(void)
{
    signal(SIGPIPE, on_sigpipe);
    live();
    CHECK_INT(handled, 0);
    raise(SIGPIPE);
    CHECK_INT(handled, 1);
}

static void block(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void one_that_was_blocked_stays_so_and_none_is_left(void)
{
    block();
    live();
    CHECK(is_blocked() && !is_pending());
}

static void one_that_was_pending_stays_so(void)
{
    sigset_t set;
    int number = 0;

    block();
    raise(SIGPIPE);
    live();
    if (!CHECK(is_blocked() && is_pending()))
        return;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    CHECK(sigwait(&set, &number) == 0 && number == SIGPIPE);
    CHECK(!is_pending());
}

static void other_signals_are_left_alone(void)
{
    sigset_t before, after;

    pthread_sigmask(SIG_BLOCK, NULL, &before);
    live();
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    for (int number = 1; number < SIGRTMIN; number++)
        CHECK_INT(sigismember(&after, number), sigismember(&before, number));
}

static void a_libcurl_that_raises_none_costs_no_system_call(void)
{
    live();
    CHECK(!was_blocked);
}

typedef struct {
    unsigned version;
    const char *entry;
    void (*test)(void);
} pretence;

static void pretend(void *context)
{
    const pretence *with = context;

    pretended.version_num = with->version;
    bad_entry = with->entry;
    with->test();
}

/* In a child, since a process asks for the version once. */
static void in_a_child(unsigned version, const char *entry, void (*test)(void))
{
    pretence with = {version, entry, test};

    if (!CHECK(check_child(pretend, &with)))
        printf("    in %s, with version %x\n", entry ? entry : "every entry", version);
}

int main(void)
{
    static const char *const entries[] = {"socket_action", "add_handle", "remove_handle", "easy_cleanup",
                                          "easy_init",     "multi_init", "multi_cleanup"};

    loopback_open(&server);
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++)
        in_a_child(OLD, entries[i], a_program_that_leaves_sigpipe_alone_goes_on);
    in_a_child(OLD, NULL, a_handler_hears_of_nothing);
    in_a_child(OLD, NULL, one_that_was_blocked_stays_so_and_none_is_left);
    in_a_child(OLD, NULL, one_that_was_pending_stays_so);
    in_a_child(OLD, NULL, other_signals_are_left_alone);
    in_a_child(NEW, NULL, a_libcurl_that_raises_none_costs_no_system_call);
    loopback_close(&server);
    return check_report();
}
