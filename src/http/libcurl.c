#include "http/libcurl.h"

#include <curl/curl.h>
#include <pthread.h>

static unsigned version;

static void ask(void)
{
    version = curl_version_info(CURLVERSION_NOW)->version_num;
}

static void ask_once(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, ask);
}

bool grid_libcurl_raises_sigpipe(void)
{
    ask_once();
    return version < 0x075700;
}
