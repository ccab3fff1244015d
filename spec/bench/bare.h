/* What the two bare programs share: one POST as the library would send it, on an easy handle, and a clock.
 *
 * Owns: the request, read from files that spec/bench/plain.lua writes, until the program ends.
 * Refuses to know: Lua, JSON, retries. An answer is counted and thrown away. */
#ifndef GRID_BENCH_BARE_H
#define GRID_BENCH_BARE_H

#include <curl/curl.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct request {
    const char *url;
    const char *ca_file;
    struct curl_slist *headers; /* one line of the file each */
    char *key;                  /* the last 8 digits of the idempotency key, in its header */
    char *body;
    size_t body_size;
} request;

static inline void die(const char *what)
{
    fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

static inline int to_count(const char *text)
{
    long count = strtol(text, NULL, 10);

    if (count < 1 || count > 1000000)
        die("a count is out of range");
    return (int)count;
}

static inline char *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    char *text = malloc(1 << 20);

    if (!file || !text)
        die(path);
    *size = fread(text, 1, (1 << 20) - 1, file);
    text[*size] = '\0';
    fclose(file);
    return text;
}

enum { PROCESS_DIGITS = 4, KEY_DIGITS = 8 };

/* The digits before those of the call are those of the process. */
static inline void find_key(request *self)
{
    struct curl_slist *line;
    char digits[PROCESS_DIGITS + 1];

    for (line = self->headers; line; line = line->next)
        if (strncmp(line->data, "x-idempotency-key:", 18) == 0)
            self->key = line->data + strlen(line->data) - KEY_DIGITS;
    if (!self->key)
        die("no idempotency key");
    snprintf(digits, sizeof digits, "%04x", (unsigned)getpid() & 0xffff);
    memcpy(self->key - PROCESS_DIGITS, digits, PROCESS_DIGITS);
}

/* Each call has a key of its own, as the library's have: a server may keep them. */
static inline void renew_key(const request *self)
{
    static unsigned count;
    char digits[KEY_DIGITS + 1];

    snprintf(digits, sizeof digits, "%08x", count++);
    memcpy(self->key, digits, KEY_DIGITS);
}

/* DIR/headers and DIR/body */
static inline void request_load(request *self, const char *url, const char *dir, const char *ca_file)
{
    char path[4096];
    size_t size;
    char *line;

    *self = (request){.url = url, .ca_file = ca_file};
    snprintf(path, sizeof path, "%s/headers", dir);
    for (line = strtok(read_file(path, &size), "\n"); line; line = strtok(NULL, "\n"))
        self->headers = curl_slist_append(self->headers, line);
    find_key(self);
    snprintf(path, sizeof path, "%s/body", dir);
    self->body = read_file(path, &self->body_size);
}

/* With headers of its own, so that both can be in flight with a key each. */
static inline void request_copy(request *self, const request *from)
{
    const struct curl_slist *line;

    *self = *from;
    self->headers = NULL;
    for (line = from->headers; line; line = line->next)
        self->headers = curl_slist_append(self->headers, line->data);
    find_key(self);
}

static inline size_t count_bytes(char *data, size_t one, size_t size, void *total)
{
    (void)data, (void)one;
    *(size_t *)total += size;
    return size;
}

static inline CURL *request_to_easy(const request *self, size_t *answered)
{
    CURL *easy = curl_easy_init();

    if (!easy)
        die("no memory");
    curl_easy_setopt(easy, CURLOPT_URL, self->url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, self->headers);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)self->body_size);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, self->body);
    curl_easy_setopt(easy, CURLOPT_CAINFO, self->ca_file);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, count_bytes);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, answered);
    return easy;
}

static inline void check_answer(CURL *easy, CURLcode code)
{
    long status = 0;

    if (code != CURLE_OK)
        die(curl_easy_strerror(code));
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200)
        die("the answer's status is not 200");
}

static inline double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

#endif
