/* Preloaded into nginx by spec/nginx/names_spec.lua: a name server that takes its time.
 *
 * Owns nothing. A look-up of slow.invalid does not end; any other is the C library's. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

typedef int lookup(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
    lookup *real;
    void *symbol;

    if (name && strcmp(name, "slow.invalid") == 0) {
        for (;;)
            pause();
    }
    symbol = dlsym(RTLD_NEXT, "getaddrinfo");
    memcpy(&real, &symbol, sizeof real);
    return real(name, service, hints, result);
}
