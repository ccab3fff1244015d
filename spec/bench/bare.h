/* What the two bare programs share: POSTs as the library would send them, on easy
 * handles, and a clock.
 *
 * Owns: the requests, read from files that spec/bench/plain.lua writes, until the program
 * ends.
 * Does not know: Lua, JSON, retries. An answer is counted and thrown away. */
#ifndef GRID_BENCH_BARE_H
#define GRID_BENCH_BARE_H

#include <curl/curl.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct body {
    const char *text;
    size_t size;
} body;

enum { MOST_BODIES = 4096 };

typedef struct request {
    const char *url;
    const char *ca_file;
    struct curl_slist *headers; /* one line of the file each */
    char *key;                  /* the last 8 digits of the idempotency key, in its header */
    const body *bodies;         /* one line of the file each, too */
    size_t body_count;
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

enum { MOST_BYTES = 1 << 24 };

static inline char *read_file(const char *dir, const char *name)
{
    char path[4096];
    FILE *file;
    char *text = malloc(MOST_BYTES);
    size_t size;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    file = fopen(path, "rb");
    if (!file || !text)
        die(path);
    size = fread(text, 1, MOST_BYTES - 1, file);
    text[size] = '\0';
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

static inline void set_body(CURL *easy, const body *next)
{
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)next->size);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, next->text);
}

/* Each call is for another session and has a key of its own, as the library's have: a
 * server may keep them. */
static inline void renew(const request *self, CURL *easy)
{
    static unsigned count;
    char digits[KEY_DIGITS + 1];

    set_body(easy, &self->bodies[count % self->body_count]);
    snprintf(digits, sizeof digits, "%08x", count++);
    memcpy(self->key, digits, KEY_DIGITS);
}

static inline size_t split(char *text, body *bodies)
{
    size_t count = 0;
    char *line;

    for (line = strtok(text, "\n"); line && count < MOST_BODIES; line = strtok(NULL, "\n"))
        bodies[count++] = (body){line, strlen(line)};
    return count;
}

/* DIR/headers and DIR/bodies */
static inline void request_load(request *self, const char *url, const char *dir, const char *ca_file)
{
    static body bodies[MOST_BODIES];
    char *line;

    *self = (request){.url = url, .ca_file = ca_file, .bodies = bodies};
    for (line = strtok(read_file(dir, "headers"), "\n"); line; line = strtok(NULL, "\n"))
        self->headers = curl_slist_append(self->headers, line);
    find_key(self);
    self->body_count = split(read_file(dir, "bodies"), bodies);
    if (!self->body_count)
        die("no bodies");
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
    set_body(easy, &self->bodies[0]);
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
