/* The limit on reads: libcurl takes a TLS connection for empty while it is reached, and
 * loses nothing by that; the first reads are granted in any case. */
#include "check.h"
#include "http/clock.h"
#include "http/tls.h"
#include "remote.h"

typedef struct call {
    CURL *easy;
    CURLM *multi;
    grid_read_limit limit;
    size_t received;
    CURLcode code;
    bool was_sent;
    bool is_done;
} call;

static int on_request(void *context, char *to, char *from, int to_port, int from_port)
{
    call *self = context;

    (void)to, (void)from, (void)to_port, (void)from_port;
    grid_tls_limit_reads(self->easy, &self->limit);
    self->was_sent = true;
    return CURL_PREREQFUNC_OK;
}

static size_t on_body(char *data, size_t one, size_t size, void *context)
{
    call *self = context;

    (void)data, (void)one;
    self->received += size;
    return size;
}

static void prepare(call *self, const remote *server, long version)
{
    char url[128];

    snprintf(url, sizeof url, "%s/ok", server->https);
    *self = (call){.easy = curl_easy_init(), .multi = curl_multi_init()};
    curl_easy_setopt(self->easy, CURLOPT_URL, url);
    curl_easy_setopt(self->easy, CURLOPT_CAINFO, server->ca);
    curl_easy_setopt(self->easy, CURLOPT_HTTP_VERSION, version);
    curl_easy_setopt(self->easy, CURLOPT_PREREQFUNCTION, on_request);
    curl_easy_setopt(self->easy, CURLOPT_PREREQDATA, self);
    curl_easy_setopt(self->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(self->easy, CURLOPT_WRITEDATA, self);
    curl_multi_add_handle(self->multi, self->easy);
}

/* False: no call was needed. */
static bool move(call *self)
{
    CURLMsg *message;
    int running, left;

    if (self->is_done)
        return false;
    curl_multi_perform(self->multi, &running);
    message = curl_multi_info_read(self->multi, &left);
    if (message) {
        self->is_done = true;
        self->code = message->data.result;
    } else {
        curl_multi_poll(self->multi, NULL, 0, 5, NULL);
    }
    return true;
}

static void finish(call *self)
{
    for (int i = 0; i < 2000 && move(self); i++)
        ;
    CHECK(self->is_done && self->code == CURLE_OK && self->received > 0);
    curl_multi_remove_handle(self->multi, self->easy);
    curl_easy_cleanup(self->easy);
    curl_multi_cleanup(self->multi);
}

static void check_limit(const remote *server, long version)
{
    call self;
    int i;

    prepare(&self, server, version);
    self.limit.until = grid_clock_now(); /* over before the request goes out */
    for (i = 0; i < 2000 && !self.was_sent && move(&self); i++)
        ;
    CHECK(self.was_sent);
    for (i = 0; i < 50 && move(&self); i++) /* the answer comes meanwhile */
        ;
    CHECK(!self.is_done && self.received == 0);
    grid_read_limit_end(&self.limit);
    finish(&self);
}

/* A process that was not scheduled for the time of the limit. */
static void check_granted(const remote *server, long version)
{
    call self;
    int i;

    prepare(&self, server, version);
    for (i = 0; i < 2000 && !self.is_done; i++) {
        grid_read_limit_begin(&self.limit, -1);
        move(&self);
    }
    finish(&self);
}

/* In the clear and before there is a connection, nothing is limited. */
static void check_without_tls(void)
{
    grid_read_limit limit = {.until = 1}; /* long ago */
    CURL *easy = curl_easy_init();

    grid_tls_limit_reads(easy, &limit);
    CHECK(!grid_tls_has_input(easy) && !grid_tls_has_read(easy));
    curl_easy_cleanup(easy);
}

int main(void)
{
    remote server;

    curl_global_init(CURL_GLOBAL_DEFAULT);
    check_without_tls();
    if (CHECK(remote_open(&server))) {
        check_limit(&server, CURL_HTTP_VERSION_1_1);
        check_granted(&server, CURL_HTTP_VERSION_1_1);
        if (curl_version_info(CURLVERSION_NOW)->features & CURL_VERSION_HTTP2) {
            check_limit(&server, CURL_HTTP_VERSION_2TLS);
            check_granted(&server, CURL_HTTP_VERSION_2TLS);
        }
        remote_close(&server);
    }
    curl_global_cleanup();
    return check_report();
}
