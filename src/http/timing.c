#include "http/timing.h"

static double seconds(CURL *easy, CURLINFO info)
{
    curl_off_t microseconds = 0;

    curl_easy_getinfo(easy, info, &microseconds);
    return (double)microseconds / 1e6;
}

static int http_version(CURL *easy)
{
    long version = CURL_HTTP_VERSION_NONE;

    curl_easy_getinfo(easy, CURLINFO_HTTP_VERSION, &version);
    switch (version) {
    case CURL_HTTP_VERSION_1_0:
        return 10;
    case CURL_HTTP_VERSION_1_1:
        return 11;
    case CURL_HTTP_VERSION_2_0:
        return 20;
    default:
        return 0;
    }
}

grid_timing grid_timing_read(CURL *easy)
{
    long connections = 0;

    curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &connections);
    return (grid_timing){
        .total = seconds(easy, CURLINFO_TOTAL_TIME_T),
        .connect = connections ? seconds(easy, CURLINFO_PRETRANSFER_TIME_T) : 0,
        .http_version = http_version(easy),
    };
}
