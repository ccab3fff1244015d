#include "http/tls.h"

#include <openssl/ssl.h>

bool grid_tls_has_input(CURL *easy)
{
    const struct curl_tlssessioninfo *info = NULL;

    if (curl_easy_getinfo(easy, CURLINFO_TLS_SSL_PTR, &info) != CURLE_OK || !info)
        return false;
    return info->backend == CURLSSLBACKEND_OPENSSL && info->internals &&
           SSL_has_pending(info->internals);
}
