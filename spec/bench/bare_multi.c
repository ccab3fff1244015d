/* bare_multi URL DIR CA CALLS CONCURRENCY: the least that a program on
 * curl_multi_socket_action and epoll can do: CALLS calls, CONCURRENCY in flight, over one
 * HTTP/2 connection; each easy handle goes straight into its next call. Prints the
 * seconds of the second of two such rounds. */
#include "bare.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/epoll.h>

static CURLM *multi;
static int epoll;
static double due = -1; /* negative: no timer */

static void start(CURL *easy)
{
    char *own = NULL;

    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &own);
    renew((const request *)(const void *)own, easy);
    curl_multi_add_handle(multi, easy);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *known)
{
    struct epoll_event event = {.data.fd = fd};

    (void)easy, (void)context;
    if (what == CURL_POLL_REMOVE)
        return epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL), 0;
    event.events = (what & CURL_POLL_IN ? EPOLLIN : 0U) | (what & CURL_POLL_OUT ? EPOLLOUT : 0U);
    epoll_ctl(epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
    curl_multi_assign(multi, fd, &multi);
    return 0;
}

static int on_timer(CURLM *handle, long milliseconds, void *context)
{
    (void)handle, (void)context;
    due = milliseconds < 0 ? -1 : now() + (double)milliseconds / 1000;
    return 0;
}

static void step(void)
{
    struct epoll_event ready[64];
    double left = due < 0 ? 1 : due - now();
    int i, running, count = epoll_wait(epoll, ready, 64, left > 0 ? (int)(left * 1000) + 1 : 0);

    for (i = 0; i < count; i++)
        curl_multi_socket_action(multi, ready[i].data.fd,
                                 (ready[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
                                     (ready[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0),
                                 &running);
    if (due >= 0 && due <= now()) {
        due = -1;
        curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
}

/* Starts `more` of the calls that finished again; returns how many finished. */
static int collect(int *more)
{
    CURLMsg *message;
    int left, finished = 0;

    while ((message = curl_multi_info_read(multi, &left))) {
        CURL *easy = message->easy_handle;

        check_answer(easy, message->data.result);
        curl_multi_remove_handle(multi, easy);
        finished++;
        if (*more > 0) {
            start(easy);
            --*more;
        }
    }
    return finished;
}

static void run(CURL **easies, int concurrency, int calls)
{
    int i, open = calls < concurrency ? calls : concurrency, more = calls - open, done = 0;

    for (i = 0; i < open; i++)
        start(easies[i]);
    while (done < calls) {
        step();
        done += collect(&more);
    }
}

int main(int count, char **arguments)
{
    enum { MOST = 1024 };
    static CURL *easies[MOST];
    static request posts[MOST];
    request post;
    size_t answered = 0;
    int i, calls, concurrency;
    double begin;

    if (count != 6)
        die("bare_multi URL DIR CA CALLS CONCURRENCY");
    calls = to_count(arguments[4]);
    concurrency = to_count(arguments[5]);
    if (concurrency > MOST)
        die("CONCURRENCY is out of range");
    curl_global_init(CURL_GLOBAL_DEFAULT);
    request_load(&post, arguments[1], arguments[2], arguments[3]);
    multi = curl_multi_init();
    epoll = epoll_create1(EPOLL_CLOEXEC);
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
    for (i = 0; i < concurrency; i++) {
        request_copy(&posts[i], &post);
        easies[i] = request_to_easy(&posts[i], &answered);
        curl_easy_setopt(easies[i], CURLOPT_PRIVATE, &posts[i]);
        curl_easy_setopt(easies[i], CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
        curl_easy_setopt(easies[i], CURLOPT_PIPEWAIT, 1L);
    }
    run(easies, concurrency, calls);
    begin = now();
    run(easies, concurrency, calls);
    printf("%.6f\n", now() - begin);
    for (i = 0; i < concurrency; i++)
        curl_easy_cleanup(easies[i]);
    curl_multi_cleanup(multi);
    curl_global_cleanup();
    return answered == 0;
}
