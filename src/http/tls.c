#include "http/tls.h"

#include "http/clock.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <string.h>

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

bool grid_tls_has_session(CURL *easy)
{
    return session_of(easy) != NULL;
}

bool grid_tls_lacks_http2(CURL *easy)
{
    const SSL *session = session_of(easy);
    const unsigned char *protocol = NULL;
    unsigned size = 0;

    if (session)
        SSL_get0_alpn_selected(session, &protocol, &size);
    return session && !(size == 2 && memcmp(protocol, "h2", 2) == 0);
}

bool grid_tls_count_written(CURL *easy, uint64_t *bytes)
{
    const SSL *session = session_of(easy);
    BIO *bio = session ? SSL_get_wbio(session) : NULL;

    if (bio)
        *bytes = BIO_number_written(bio);
    return bio != NULL;
}

/* libcurl 8.22 lets OpenSSL read ahead: the record of an early answer and that of a later
 * one would be read at once. */
bool grid_tls_count_read(CURL *easy, uint64_t *bytes)
{
    SSL *session = session_of(easy);
    BIO *bio = session ? SSL_get_rbio(session) : NULL;

    if (!bio)
        return false;
    SSL_set_read_ahead(session, 0);
    *bytes = BIO_number_read(bio);
    return true;
}

/* RFC 8446 5.2: header, tag, and type of the content; RFC 5288 3 and RFC 7905 2: in TLS
 * 1.2, GCM adds 8 bytes of its nonce, and ChaCha20 none. 0: another cipher. */
static size_t record_overhead(const SSL *session)
{
    enum { HEADER = 5, TAG = 16, TYPE = 1, NONCE = 8 };
    const SSL_CIPHER *suite = SSL_get_current_cipher(session);
    int cipher = suite ? SSL_CIPHER_get_cipher_nid(suite) : NID_undef;
    bool is_gcm = cipher == NID_aes_128_gcm || cipher == NID_aes_256_gcm;

    if (!is_gcm && cipher != NID_chacha20_poly1305)
        return 0;
    if (SSL_version(session) >= TLS1_3_VERSION)
        return HEADER + TAG + TYPE;
    return HEADER + TAG + (is_gcm ? NONCE : 0);
}

bool grid_tls_wrote_less(CURL *easy, uint64_t before, size_t content)
{
    const SSL *session = session_of(easy);
    uint64_t now = 0;
    size_t overhead;

    if (!grid_tls_count_written(easy, &now))
        return false;
    overhead = record_overhead(session);
    return overhead ? now - before < content + overhead : now == before;
}

/* Counts the reads of a connection until another one reads: libcurl serves connections
 * one after another. */
static bool is_granted(grid_read_limit *limit, const void *connection)
{
    if (limit->connection != connection) {
        limit->connection = connection;
        limit->count = 0;
    }
    return limit->count++ < limit->granted || grid_clock_now() <= limit->until;
}

/* The number of the entry, as a BIO can keep it. */
static void *mark_of(const grid_read_limit *limit)
{
    void *mark = NULL;

    memcpy(&mark, &limit->entry, sizeof limit->entry);
    return mark;
}

/* The connection to an HTTPS proxy is a BIO of type SSL in libcurl before 7.87. */
static void note_rest(grid_read_limit *limit, BIO *bio)
{
    int fd = BIO_method_type(bio) == BIO_TYPE_SSL ? (int)BIO_get_fd(bio, NULL) : -1;

    if (fd >= 0 && BIO_pending(bio) > 0)
        limit->rest = fd;
    else if (fd == limit->rest)
        limit->rest = -1;
}

/* RFC 9112 9.8: the end of a connection without close_notify is not the end of an answer
 * that has no length. OpenSSL detects it by BIO_eof, which the BIO of libcurl 7.88 does
 * not implement. */
static bool is_unexpected_end(BIO *bio, int result)
{
    return result == 0 && !BIO_should_retry(bio) && !BIO_eof(bio);
}

/* BIO_set_callback_ex(3): a result of 0 or less before a read is returned
 * by BIO_read. */
static long on_bio(BIO *bio, int operation, const char *data, size_t size, int number,
                    long longer, int result, size_t *processed)
{
    grid_read_limit *limit = (grid_read_limit *)(void *)BIO_get_callback_arg(bio);

    (void)data, (void)number, (void)longer;
    if (operation == (BIO_CB_WRITE | BIO_CB_RETURN))
        limit->is_blocked |= result > 0 ? *processed < size : BIO_should_retry(bio) != 0;
    if (operation == (BIO_CB_READ | BIO_CB_RETURN) && result > 0) {
        BIO_set_app_data(bio, mark_of(limit));
        note_rest(limit, bio);
    }
    if (operation == (BIO_CB_READ | BIO_CB_RETURN) && is_unexpected_end(bio, result))
        ERR_raise(ERR_LIB_SSL, SSL_R_UNEXPECTED_EOF_WHILE_READING);
    if (operation != BIO_CB_READ || limit->until == 0 || is_granted(limit, bio))
        return result;
    note_rest(limit, bio);
    BIO_set_retry_read(bio);
    return -1;
}

void grid_read_limit_begin(grid_read_limit *limit, double seconds)
{
    unsigned entry = limit->entry + 1;

    *limit = (grid_read_limit){
        .entry = entry, .until = grid_clock_now() + seconds, .granted = GRID_GRANTED_READS, .rest = -1};
}

void grid_read_limit_end(grid_read_limit *limit)
{
    limit->until = 0;
}

void grid_tls_limit_reads(CURL *easy, grid_read_limit *limit)
{
    SSL *session = session_of(easy);
    BIO *bio = session ? SSL_get_rbio(session) : NULL;

    if (!bio)
        return;
    BIO_set_callback_arg(bio, (char *)(void *)limit);
    BIO_set_callback_ex(bio, on_bio);
}

bool grid_tls_has_read(CURL *easy)
{
    SSL *session = session_of(easy);
    BIO *bio = session ? SSL_get_rbio(session) : NULL;

    return bio && BIO_get_callback_ex(bio) == on_bio &&
           BIO_get_app_data(bio) == mark_of((grid_read_limit *)(void *)BIO_get_callback_arg(bio));
}

bool grid_tls_reads_authorities(const char *file)
{
    X509_STORE *store = X509_STORE_new();
    bool ok = store && X509_STORE_load_file(store, file) == 1;

    X509_STORE_free(store);
    return ok;
}

/* ERR_clear_error takes 1,000 instructions, also for an empty queue. */
void grid_tls_clear_errors(void)
{
    if (ERR_peek_error() != 0)
        ERR_clear_error();
}
