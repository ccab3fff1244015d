/* What libcurl's text tells of an HTTP/2 stream. The lines are those of libcurl 7.81 to
 * 8.22; spec/http2_spec.lua shows them at work with the one that runs. */
#include "check.h"
#include "http/stream.h"

#include <string.h>

enum { CONNECTION = 7, OTHER = 8 };

static CURL *easy;

static grid_stream begin(void)
{
    grid_stream stream = {0};

    grid_stream_begin(&stream, easy, &(grid_lease){.opened = CONNECTION}, 1);
    return stream;
}

static bool read_line(grid_stream *stream, const char *line)
{
    return grid_stream_read(stream, easy, "", 1, (grid_slice){line, strlen(line)});
}

static void check_ids(void)
{
    static const char *const lines[] = {
        "Using Stream ID: 5 (easy handle 0x55d0)\n",
        "Using Stream ID: 5\n",
        "[HTTP/2] [5] OPENED stream for https://localhost/x\n",
    };
    size_t i;

    for (i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        grid_stream stream = begin();

        CHECK(!read_line(&stream, "h2h3 [:path: /Using Stream ID: 9]\n"));
        CHECK(!read_line(&stream, lines[i]));
        CHECK(!read_line(&stream, "[HTTP/2] [9] [:method: POST]\n"));
        CHECK(stream.id == 5);
    }
}

static void check_goaway(const char *spelling)
{
    grid_stream stream = begin();
    char line[128];

    read_line(&stream, "Using Stream ID: 5\n");
    snprintf(line, sizeof line, "%s GOAWAY, error=0, last_stream=2147483647\n", spelling);
    CHECK(read_line(&stream, line) && stream.last == 2147483647);
    CHECK(!read_line(&stream, line)); /* again */
    CHECK(!grid_stream_refuse(&stream, CONNECTION, stream.last));
    snprintf(line, sizeof line, "%s GOAWAY, error=2, last_stream=0\n", spelling);
    CHECK(read_line(&stream, line) && stream.last == 0);
    CHECK(!stream.is_refused);
    CHECK(!grid_stream_refuse(&stream, OTHER, 0));
    CHECK(!grid_stream_refuse(&stream, CONNECTION, 5));
    CHECK(!stream.is_refused);
    CHECK(grid_stream_refuse(&stream, CONNECTION, 3) && stream.is_refused);
}

static void check_unknown_id(void)
{
    grid_stream stream = begin();

    CHECK(!grid_stream_refuse(&stream, CONNECTION, 0));
}

static void check_refused(const char *line, bool expected)
{
    grid_stream stream = begin();

    read_line(&stream, "Using Stream ID: 5\n");
    read_line(&stream, line);
    CHECK(stream.is_refused == expected);
}

static void check_closed(const char *line, bool expected)
{
    grid_stream stream = begin();

    read_line(&stream, line);
    CHECK(stream.is_closed == expected);
    /* Of no told length. */
    CHECK(!grid_stream_has_answer(&stream, easy, CURLE_HTTP2_STREAM, 0));
}

/* The request of this handle was never sent: that libcurl is silent proves nothing. */
static void check_retry(void)
{
    grid_stream stream = begin();

    read_line(&stream, "Using Stream ID: 5\n");
    read_line(&stream, "Connection died, retrying a fresh connect (retry count: 1)\n");
    CHECK(!stream.is_refused);
    /* Of the next connection. */
    CHECK(!read_line(&stream, "received GOAWAY, error=0, last_stream=1\n"));
    CHECK(!grid_stream_refuse(&stream, CONNECTION, 1));
}

static void check_before(void)
{
    grid_stream stream = {0};

    CHECK(!read_line(&stream, "received GOAWAY, error=0, last_stream=1\n"));
    CHECK(!grid_stream_refuse(&stream, 0, 0));
}

int main(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    easy = curl_easy_init();
    check_ids();
    check_goaway("recveived");
    check_goaway("received");
    check_unknown_id();
    check_refused("REFUSED_STREAM, retrying a fresh connect\n", true);
    check_refused("HTTP/2 stream 5 refused by server, try again on a new connection\n", true);
    check_refused("HTTP/2 stream 5 reset by server (error 0x8 CANCEL)\n", false);
    check_refused("HTTP/2 stream 5 was not closed cleanly: CANCEL (err 8)\n", false);
    check_refused("h2h3 [x: REFUSED_STREAM, retrying]\n", false);
    check_closed("stream 5 closed\n", true);
    check_closed("HTTP/2 stream 5 was reset\n", true);
    check_closed("HTTP/2 stream 5 was closed cleanly, but before getting all response headers\n", false);
    check_closed("HTTP/2 stream 5 reset by server (error 0x8 CANCEL)\n", false);
    check_closed("h2h3 [x: stream 5 closed]\n", false);
    check_retry();
    check_before();
    CHECK(grid_stream_status(easy) == 0);
    curl_easy_cleanup(easy);
    curl_global_cleanup();
    return check_report();
}
