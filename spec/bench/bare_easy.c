/* bare_easy URL DIR CA CALLS: the least that libcurl can be asked for, one call after
 * another over one connection, on one easy handle. Prints the seconds of the second of
 * two rounds of CALLS calls. */
#include "bare.h"

static void run(const request *post, CURL *easy, int calls)
{
    int i;

    for (i = 0; i < calls; i++) {
        renew(post, easy);
        check_answer(easy, curl_easy_perform(easy));
    }
}

int main(int count, char **arguments)
{
    request post;
    size_t answered = 0;
    CURL *easy;
    double start;
    int calls;

    if (count != 5)
        die("bare_easy URL DIR CA CALLS");
    calls = to_count(arguments[4]);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    request_load(&post, arguments[1], arguments[2], arguments[3]);
    easy = request_to_easy(&post, &answered);
    run(&post, easy, calls);
    start = now();
    run(&post, easy, calls);
    printf("%.6f\n", now() - start);
    curl_easy_cleanup(easy);
    curl_global_cleanup();
    return answered == 0;
}
