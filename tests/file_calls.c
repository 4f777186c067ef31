/* Stands between a program and the C library: logs the system calls of the program on files and
   sockets, and makes a chosen one fail, fall short or kill the process. Loaded with LD_PRELOAD.

   It sees what goes through the functions of the library, as in CPython, pyarrow and the standard
   library of Rust. It does not see calls that the library makes inside itself, such as those of
   `fread`, or that a program makes by number.

   CALLS_LOG   every call is a line in this file: the kind, and the path if there is one
   CALLS_ROOT  only calls on paths below it are counted and logged; all paths if it is not set

   `calls_arm` chooses the call that goes wrong. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define PROCEED 0
#define SHORT -1
#define TORN -2
#define KILL -3

static char root[PATH_MAX], kind_armed[32];
static int log_file = -1, how_armed;
static long at_armed = -1;
static int sticks;
static atomic_long seen;

/* Which call goes wrong: the one with the number `at` of its kind, from 0, and with `on` all later
   ones too. `how` is an errno, or -1 for half of the bytes, -2 for half of them and then a kill,
   -3 for a kill before the call. */
void calls_arm(const char *below, const char *log, const char *kind, long at, int how, int on) {
    snprintf(root, sizeof root, "%s", below);
    snprintf(kind_armed, sizeof kind_armed, "%s", kind);
    at_armed = at, how_armed = how, sticks = on, seen = 0;
    if (log_file >= 0) syscall(SYS_close, log_file);
    log_file = *log ? (int)syscall(SYS_openat, AT_FDCWD, log,
                                   O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)
                    : -1;
}

__attribute__((constructor)) static void begin(void) {
    const char *log = getenv("CALLS_LOG"), *below = getenv("CALLS_ROOT");
    if (log) calls_arm(below ? below : "", log, "", -1, 0, 0);
}

static void write_line(const char *mark, const char *kind, const char *path) {
    char line[PATH_MAX + 64];
    int size = snprintf(line, sizeof line, "%s%s %s\n", mark, kind, path);
    if (log_file >= 0) syscall(SYS_write, log_file, line, size);
}

/* What becomes of a call on a path. */
static int decide(const char *kind, const char *path) {
    int before = errno, wrong = 0;
    if (log_file < 0 && at_armed < 0) return PROCEED;
    if (strncmp(path, root, strlen(root)) != 0) return PROCEED;
    if (at_armed >= 0 && strcmp(kind, kind_armed) == 0) {
        long mine = atomic_fetch_add(&seen, 1);
        wrong = mine == at_armed || (sticks && mine > at_armed);
    }
    write_line(wrong ? "!" : "", kind, path);
    if (wrong && how_armed == KILL) kill(getpid(), SIGKILL);
    errno = before;
    return wrong ? how_armed : PROCEED;
}

static const char *of_descriptor(int descriptor, char *found) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t size = syscall(SYS_readlinkat, AT_FDCWD, link, found, PATH_MAX - 1);
    found[size > 0 ? size : 0] = 0;
    return found;
}

static const char *absolute(int directory, const char *path, char *found) {
    char base[PATH_MAX];
    if (*path == '/') {
        snprintf(found, PATH_MAX, "%s", path);
        return found;
    }
    if (directory != AT_FDCWD) of_descriptor(directory, base);
    else if (syscall(SYS_getcwd, base, sizeof base) < 0) *base = 0;
    /* A name that is longer than a path may be is refused by the call itself. */
    if (strlen(base) + strlen(path) + 2 > PATH_MAX) *found = 0;
    else strcat(strcat(strcpy(found, base), "/"), path);
    return found;
}

#define OR_FAIL(decided)                \
    do {                                \
        int wrong_ = (decided);         \
        if (wrong_ > 0) {               \
            errno = wrong_;             \
            return -1;                  \
        }                               \
    } while (0)

static int decide_at(const char *kind, int directory, const char *path) {
    char found[PATH_MAX];
    return decide(kind, absolute(directory, path, found));
}

static int decide_on(const char *kind, int descriptor) {
    char found[PATH_MAX];
    return decide(kind, of_descriptor(descriptor, found));
}

/* The bytes that go through, fewer if the call is to fall short. */
static size_t part(int how, size_t size) { return how < 0 && size > 1 ? size / 2 : size; }

static ssize_t torn(int how, ssize_t done) {
    if (how == TORN) kill(getpid(), SIGKILL);
    return done;
}

/* open */

static int opened(int directory, const char *path, int flags, mode_t mode) {
    int writes = (flags & O_ACCMODE) != O_RDONLY;
    OR_FAIL(decide_at(flags & O_CREAT ? "create" : writes ? "open-to-write" : "open", directory, path));
    return (int)syscall(SYS_openat, directory, path, flags, mode);
}

#define MODE_OF(flags)                          \
    mode_t mode = 0;                            \
    if ((flags) & (O_CREAT | O_TMPFILE)) {      \
        va_list rest;                           \
        va_start(rest, flags);                  \
        mode = va_arg(rest, mode_t);            \
        va_end(rest);                           \
    }

int open(const char *path, int flags, ...) { MODE_OF(flags) return opened(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE_OF(flags) return opened(AT_FDCWD, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { MODE_OF(flags) return opened(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE_OF(flags) return opened(at, path, flags, mode); }

typedef FILE *fopen_type(const char *, const char *);

static FILE *opened_stream(const char *name, const char *path, const char *mode) {
    int how = decide_at(strpbrk(mode, "wa") ? "create" : strchr(mode, '+') ? "open-to-write" : "open", AT_FDCWD, path);
    if (how > 0) {
        errno = how;
        return NULL;
    }
    return ((fopen_type *)dlsym(RTLD_NEXT, name))(path, mode);
}

FILE *fopen(const char *path, const char *mode) { return opened_stream("fopen", path, mode); }
FILE *fopen64(const char *path, const char *mode) { return opened_stream("fopen64", path, mode); }

/* read, write */

ssize_t read(int file, void *into, size_t size) {
    int how = decide_on("read", file);
    OR_FAIL(how);
    return syscall(SYS_read, file, into, part(how, size));
}

ssize_t pread(int file, void *into, size_t size, off_t at) {
    int how = decide_on("read", file);
    OR_FAIL(how);
    return syscall(SYS_pread64, file, into, part(how, size), at);
}

ssize_t pread64(int file, void *into, size_t size, off_t at) { return pread(file, into, size, at); }

ssize_t write(int file, const void *from, size_t size) {
    int how = decide_on("write", file);
    OR_FAIL(how);
    return torn(how, syscall(SYS_write, file, from, part(how, size)));
}

ssize_t pwrite(int file, const void *from, size_t size, off_t at) {
    int how = decide_on("write", file);
    OR_FAIL(how);
    return torn(how, syscall(SYS_pwrite64, file, from, part(how, size), at));
}

ssize_t pwrite64(int file, const void *from, size_t size, off_t at) { return pwrite(file, from, size, at); }

ssize_t writev(int file, const struct iovec *parts, int count) {
    int how = decide_on("write", file);
    OR_FAIL(how);
    return torn(how, syscall(SYS_writev, file, parts, how < 0 && count > 1 ? count / 2 : count));
}

ssize_t copy_file_range(int from, off_t *from_at, int into, off_t *into_at, size_t size, unsigned flags) {
    int how = decide_on("write", into);
    OR_FAIL(how);
    return torn(how, syscall(SYS_copy_file_range, from, from_at, into, into_at, part(how, size), flags));
}

ssize_t sendfile(int into, int from, off_t *at, size_t size) {
    int how = decide_on("write", into);
    OR_FAIL(how);
    return torn(how, syscall(SYS_sendfile, into, from, at, part(how, size)));
}

ssize_t sendfile64(int into, int from, off_t *at, size_t size) { return sendfile(into, from, at, size); }

/* what makes it last */

/* Not passed on: nothing here cuts the power, and most of a small run would wait for the disk. */
int fsync(int file) {
    OR_FAIL(decide_on("fsync", file));
    return 0;
}

int fdatasync(int file) { return fsync(file); }

int close(int file) {
    /* A file that could not be closed is closed: only the error is told, as on NFS. */
    int how = decide_on("close", file), done = (int)syscall(SYS_close, file);
    OR_FAIL(how);
    return done;
}

/* names */

int rename(const char *from, const char *into) { return renameat(AT_FDCWD, from, AT_FDCWD, into); }

int renameat(int from_at, const char *from, int into_at, const char *into) {
    decide_at("rename-from", from_at, from);
    OR_FAIL(decide_at("rename", into_at, into));
    return (int)syscall(SYS_renameat2, from_at, from, into_at, into, 0);
}

int unlinkat(int at, const char *path, int flags) {
    OR_FAIL(decide_at("unlink", at, path));
    return (int)syscall(SYS_unlinkat, at, path, flags);
}

int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

int mkdirat(int at, const char *path, mode_t mode) {
    OR_FAIL(decide_at("mkdir", at, path));
    return (int)syscall(SYS_mkdirat, at, path, mode);
}

int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

int linkat(int from_at, const char *from, int into_at, const char *into, int flags) {
    OR_FAIL(decide_at("link", into_at, into));
    return (int)syscall(SYS_linkat, from_at, from, into_at, into, flags);
}

int link(const char *from, const char *into) { return linkat(AT_FDCWD, from, AT_FDCWD, into, 0); }

int symlinkat(const char *to, int at, const char *path) {
    OR_FAIL(decide_at("link", at, path));
    return (int)syscall(SYS_symlinkat, to, at, path);
}

int symlink(const char *to, const char *path) { return symlinkat(to, AT_FDCWD, path); }

/* sizes and memory */

int ftruncate(int file, off_t size) {
    OR_FAIL(decide_on("truncate", file));
    return (int)syscall(SYS_ftruncate, file, size);
}

int ftruncate64(int file, off_t size) { return ftruncate(file, size); }

int truncate(const char *path, off_t size) {
    OR_FAIL(decide_at("truncate", AT_FDCWD, path));
    return (int)syscall(SYS_truncate, path, size);
}

int truncate64(const char *path, off_t size) { return truncate(path, size); }

void *mmap(void *at, size_t size, int allowed, int flags, int file, off_t offset) {
    int how = file < 0 ? PROCEED : decide_on("mmap", file);
    if (how > 0) {
        errno = how;
        return MAP_FAILED;
    }
    return (void *)syscall(SYS_mmap, at, size, allowed, flags, file, offset);
}

void *mmap64(void *at, size_t size, int allowed, int flags, int file, off_t offset) {
    return mmap(at, size, allowed, flags, file, offset);
}

/* networks: only logged */

int socket(int domain, int type, int protocol) {
    char what[32];
    snprintf(what, sizeof what, "domain %d", domain);
    write_line("", "socket", what);
    return (int)syscall(SYS_socket, domain, type, protocol);
}
