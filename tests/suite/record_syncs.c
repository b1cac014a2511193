/* Records the calls that make data durable, and renames, in the order in which they succeed: a line each in $SYNC_LOG.
   A test loads it into the real command line with LD_PRELOAD. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void record(const char *call, const char *from, const char *to) {
    char line[3 * PATH_MAX];
    int length = snprintf(line, sizeof line, "%s\t%s\t%s\n", call, from, to);
    int log = open(getenv("SYNC_LOG"), O_WRONLY | O_APPEND | O_CREAT, 0600);
    if (log < 0 || write(log, line, length) != length) abort();
    close(log);
}

static int record_sync(const char *name, int fd) {
    int (*call)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    int result = call(fd);
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (result == 0 && length > 0) {
        path[length] = 0;
        record("sync", path, "");
    }
    return result;
}

int fsync(int fd) { return record_sync("fsync", fd); }
int fdatasync(int fd) { return record_sync("fdatasync", fd); }

int rename(const char *from, const char *to) {
    int (*call)(const char *, const char *) = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
    char whole_from[PATH_MAX], whole_to[PATH_MAX];
    if (!realpath(from, whole_from)) whole_from[0] = 0;
    int result = call(from, to);
    if (result == 0) {
        if (!realpath(to, whole_to)) whole_to[0] = 0;
        record("rename", whole_from, whole_to);
    }
    return result;
}
