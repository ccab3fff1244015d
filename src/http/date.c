#include "http/date.h"

#include "base/ascii.h"

#include <curl/curl.h>

#include <string.h>

/* Each of the three forms begins with a weekday and has a time; curl_getdate accepts
 * more. */
time_t grid_date_parse(grid_slice text)
{
    char date[64];

    if (text.size < 1 || text.size >= sizeof date || !grid_ascii_is_letter(text.data[0]) || !memchr(text.data, ':', text.size))
        return -1;
    memcpy(date, text.data, text.size);
    date[text.size] = '\0';
    return curl_getdate(date, NULL);
}
