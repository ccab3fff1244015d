/* The system calls that a durable replacement of a file cannot do without: the bytes are
 * written to a new file in the folder of the old one, fsync, rename, fsync of the folder.
 * No lock, no comparison with the old file.
 *
 * bare_replace FOLDER NAME BYTES_FILE COUNT: prints the seconds that COUNT replacements
 * of FOLDER/NAME by the content of BYTES_FILE take. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { MAX_SIZE = 65536 };

static void need(int done, const char *what)
{
    if (done)
        return;
    perror(what);
    exit(1);
}

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

static void replace(int folder, const char *name, const char *bytes, size_t size)
{
    static const char temporary[] = "new";
    int fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    need(fd >= 0, "open");
    need(write(fd, bytes, size) == (ssize_t)size, "write");
    need(fsync(fd) == 0, "fsync");
    need(close(fd) == 0, "close");
    need(renameat(folder, temporary, folder, name) == 0, "rename");
    need(fsync(folder) == 0, "fsync of the folder");
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
