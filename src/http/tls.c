#include "http/tls.h"

#include "http/clock.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

static SSL *session_of(CURL *easy)
{
    const struct curl_tlssessioninfo *info = NULL;

    if (curl_easy_getinfo(easy, CURLINFO_TLS_SSL_PTR, &info) != CURLE_OK || !info)
        return NULL;
    return info->backend == CURLSSLBACKEND_OPENSSL ? info->internals : NULL;
}

bool grid_tls_has_input(CURL *easy)
{
    const SSL *session = session_of(easy);

    return session && SSL_has_pending(session);
}

/* BIO_set_callback_ex(3): a result of 0 or less before a read is returned
 * by BIO_read. */
static long on_read(BIO *bio, int operation, const char *data, size_t size, int number,
                    long longer, int result, size_t *processed)
{
    const double *until = (const double *)(void *)BIO_get_callback_arg(bio);

    (void)data, (void)size, (void)number, (void)longer, (void)processed;
    if (operation != BIO_CB_READ || *until == 0 || grid_clock_now() <= *until)
        return result;
    BIO_set_retry_read(bio);
    return -1;
}

void grid_tls_limit_reads(CURL *easy, double *until)
{
    SSL *session = session_of(easy);
    BIO *bio = session ? SSL_get_rbio(session) : NULL;

    if (!bio)
        return;
    BIO_set_callback_arg(bio, (char *)(void *)until);
    BIO_set_callback_ex(bio, on_read);
}

void grid_tls_clear_errors(void)
{
    ERR_clear_error();
}
