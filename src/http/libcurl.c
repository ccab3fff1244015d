#include "http/libcurl.h"

#include "base/ascii.h"

#include <curl/curl.h>
#include <dirent.h>
#include <pthread.h>
#include <string.h>

static const char *name;
static unsigned version;
static int features;
static const char *ca_folder;

enum { HASH_DIGITS = 8 };

/* The names that openssl-rehash(1) makes: 5ed36f99.0 */
static bool is_hash(const char *file)
{
    return strspn(file, "0123456789abcdef") == HASH_DIGITS && file[HASH_DIGITS] == '.' &&
           grid_ascii_is_digit(file[HASH_DIGITS + 1]);
}

static bool is_hashed(const char *folder)
{
    DIR *entries = opendir(folder);
    const struct dirent *entry;
    bool found = false;

    if (!entries)
        return false;
    while (!found && (entry = readdir(entries)))
        found = is_hash(entry->d_name);
    closedir(entries);
    return found;
}

static const char *find_ca_folder(const curl_version_info_data *info)
{
    if (version >= 0x081100 || !info->cainfo || !info->capath)
        return NULL;
    if (!info->ssl_version || strncmp(info->ssl_version, "OpenSSL/", strlen("OpenSSL/")) != 0)
        return NULL;
    return is_hashed(info->capath) ? info->capath : NULL;
}

static void read_info(void)
{
    const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);

    name = info->version;
    version = info->version_num;
    features = info->features;
    ca_folder = find_ca_folder(info);
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

bool grid_libcurl_reports_too_large(void)
{
    read_info_once();
    return version >= 0x080600;
}

const char *grid_libcurl_ca_folder(void)
{
    read_info_once();
    return ca_folder;
}
