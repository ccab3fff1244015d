/* Durable replacements of a file, one after another.
 *
 * bare_replace FOLDER NAME BYTES_FILE COUNT: prints the seconds that COUNT replacements
 * of FOLDER/NAME by the content of BYTES_FILE take. */
#include "replace.h"

#include <time.h>

enum { MAX_SIZE = 65536 };

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static size_t read_file(const char *path, char bytes[MAX_SIZE])
{
    FILE *file = fopen(path, "rb");
    size_t size;

    need(file != NULL, path);
    size = fread(bytes, 1, MAX_SIZE, file);
    need(size > 0 && size < MAX_SIZE, path);
    fclose(file);
    return size;
}

int main(int argc, char **argv)
{
    static char bytes[MAX_SIZE];
    size_t size;
    double start;
    int folder;

    if (argc != 5) {
        fputs("usage: bare_replace FOLDER NAME BYTES_FILE COUNT\n", stderr);
        return 2;
    }
    size = read_file(argv[3], bytes);
    folder = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    need(folder >= 0, argv[1]);
    replace(folder, argv[2], bytes, size);
    start = now();
    for (long i = strtol(argv[4], NULL, 10); i > 0; i--)
        replace(folder, argv[2], bytes, size);
    printf("%.9f\n", now() - start);
    return 0;
}
