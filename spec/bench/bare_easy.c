/* bare_easy URL DIR CA CALLS: the least that libcurl can be asked for, one call after another over one connection, on one
 * easy handle. Prints the seconds that CALLS calls took after a first one. */
#include "bare.h"

int main(int count, char **arguments)
{
    request post;
    size_t answered = 0;
    CURL *easy;
    double start;
    int i, calls;

    if (count != 5)
        die("bare_easy URL DIR CA CALLS");
    calls = to_count(arguments[4]);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    request_load(&post, arguments[1], arguments[2], arguments[3]);
    easy = request_to_easy(&post, &answered);
    check_answer(easy, curl_easy_perform(easy));
    start = now();
    for (i = 0; i < calls; i++) {
        renew(&post, easy);
        check_answer(easy, curl_easy_perform(easy));
    }
    printf("%.6f\n", now() - start);
    curl_easy_cleanup(easy);
    curl_global_cleanup();
    return answered == 0;
}
