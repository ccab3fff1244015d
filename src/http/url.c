#include "http/url.h"

#include "base/alloc.h"
#include "base/ascii.h"

#include <string.h>

struct grid_url {
    CURLU *parts;
    unsigned refs;
    uint64_t origin;
    char text[];
};

/* FNV-1a of the scheme and the authority, in lower case (RFC 3986 6.2.2.1). */
static uint64_t hash_origin(const char *text)
{
    const char *authority = strstr(text, "://");
    const char *end = authority ? authority + 3 + strcspn(authority + 3, "/?#") : text;
    uint64_t hash = 0xcbf29ce484222325;

    for (; text < end; text++) {
        hash ^= (unsigned char)grid_ascii_lower(*text);
        hash *= 0x100000001b3;
    }
    return hash;
}

grid_url *grid_url_new(const char *text)
{
    size_t size = strlen(text) + 1;
    grid_url *url = grid_malloc(sizeof *url + size);

    if (!url)
        return NULL;
    memcpy(url->text, text, size);
    url->refs = 1;
    url->origin = hash_origin(text);
    url->parts = curl_url();
    if (url->parts && curl_url_set(url->parts, CURLUPART_URL, text, 0) != CURLUE_OK) {
        curl_url_cleanup(url->parts);
        url->parts = NULL;
    }
    return url;
}

grid_url *grid_url_ref(grid_url *url)
{
    url->refs++;
    return url;
}

void grid_url_unref(grid_url *url)
{
    if (!url || --url->refs > 0)
        return;
    curl_url_cleanup(url->parts);
    grid_free(url);
}

bool grid_url_is(const grid_url *url, const char *text)
{
    return strcmp(url->text, text) == 0;
}

uint64_t grid_url_origin(const grid_url *url)
{
    return url->origin;
}

CURLU *grid_url_parts(const grid_url *url)
{
    return url->parts;
}
