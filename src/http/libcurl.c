#include "http/libcurl.h"

#include <curl/curl.h>
#include <pthread.h>

static const char *name;
static unsigned version;
static int features;

static void read_info(void)
{
    const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);

    name = info->version;
    version = info->version_num;
    features = info->features;
}

static void read_info_once(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, read_info);
}

const char *grid_libcurl_version(void)
{
    read_info_once();
    return name;
}

bool grid_libcurl_raises_sigpipe(void)
{
    read_info_once();
    return version < 0x075700;
}

bool grid_libcurl_has_http2(void)
{
    read_info_once();
    return (features & CURL_VERSION_HTTP2) != 0;
}

bool grid_libcurl_reports_goaway(void)
{
    read_info_once();
    return version >= 0x075800;
}

bool grid_libcurl_omits_refusal(void)
{
    read_info_once();
    return version < 0x080000 || (version >= 0x080700 && version < 0x081300);
}

bool grid_libcurl_omits_connection_loss(void)
{
    read_info_once();
    return version < 0x080000;
}
