/*
 * tests/fuzz/replay.c - a fuzz target without libFuzzer: its corpus, and a short, fixed run.
 *
 *     <target> DIR|FILE...     each file as it is, then MUTATIONS changed copies of it
 *
 * The changes depend on nothing but the file's bytes and their number, so a crash happens
 * again: what was being run when a signal came is written to stderr and, as the bytes
 * themselves, to crash-input in the working folder.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MUTATIONS = 400, INPUT_MAX = 1 << 20, GROW_MAX = 64, PATH_BYTES = 1024 };

static struct {
    char path[PATH_BYTES];
    int mutation; /* 0: the file itself */
    const uint8_t *data;
    size_t size;
    unsigned long runs;
} now;

/* Only calls that are safe in a signal handler. */
static void tell_and_die(int sig)
{
    char number[12];
    size_t at = sizeof number;
    for (int n = now.mutation; at > 0 && (n > 0 || at == sizeof number); n /= 10)
        number[--at] = (char)('0' + n % 10);
    ssize_t ignored = write(2, "crashed on ", 11);
    ignored = write(2, now.path, strlen(now.path));
    ignored = write(2, ", change ", 9);
    ignored = write(2, number + at, sizeof number - at);
    ignored = write(2, "\n", 1);
    int fd = open("crash-input", O_CREAT | O_TRUNC | O_WRONLY, 0644);
    if (fd >= 0) {
        ignored = write(fd, now.data, now.size);
        close(fd);
    }
    (void)ignored;
    signal(sig, SIG_DFL);
    raise(sig);
}

static uint64_t next(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static size_t cut_out(uint8_t *p, size_t n, uint64_t *rng)
{
    size_t at = next(rng) % n, len = next(rng) % (n - at) + 1;
    memmove(p + at, p + at + len, n - at - len);
    return n - len;
}

/* One to four changes: a bit, a byte that parsers care for, a cut, a repeat, an end. */
static size_t change(uint8_t *p, size_t n, size_t room, uint64_t *rng)
{
    static const uint8_t special[] = "\0\n\r\"\\{}[],:;'-+.eE0919\xff\xc0\x80\x7f ";
    for (unsigned k = 1 + (unsigned)(next(rng) % 4); k > 0 && n > 0; k--) {
        size_t at = next(rng) % n;
        switch (next(rng) % 5) {
        case 0:
            p[at] = (uint8_t)(p[at] ^ (1u << (next(rng) % 8)));
            break;
        case 1:
            p[at] = special[next(rng) % (sizeof special - 1)];
            break;
        case 2:
            n = cut_out(p, n, rng);
            break;
        case 3: {
            size_t len = next(rng) % GROW_MAX + 1;
            if (len > n - at)
                len = n - at;
            if (n + len > room)
                break;
            memmove(p + at + len, p + at, n - at);
            n += len;
            break;
        }
        default:
            n = at;
            break;
        }
    }
    return n;
}

static void run_one(const uint8_t *data, size_t size)
{
    /* An exact heap copy: the sanitizer sees a read one byte too far. */
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL)
        abort();
    memcpy(copy, data, size);
    now.data = copy;
    now.size = size;
    (void)LLVMFuzzerTestOneInput(copy, size);
    now.runs++;
    free(copy);
}

static int run_file(const char *path)
{
    static uint8_t seed[INPUT_MAX], work[INPUT_MAX + 4 * GROW_MAX];
    int fd = open(path, O_RDONLY);
    ssize_t n = fd >= 0 ? read(fd, seed, sizeof seed) : -1;
    if (fd >= 0)
        close(fd);
    if (n < 0) {
        fprintf(stderr, "could not read \"%s\"\n", path);
        return 1;
    }
    snprintf(now.path, sizeof now.path, "%s", path);
    now.mutation = 0;
    run_one(seed, (size_t)n);
    uint64_t rng = (uint64_t)n;
    for (ssize_t i = 0; i < n; i++)
        rng = rng * 31 + seed[i];
    for (now.mutation = 1; now.mutation <= MUTATIONS && n > 0; now.mutation++) {
        memcpy(work, seed, (size_t)n);
        run_one(work, change(work, (size_t)n, sizeof work, &rng));
    }
    return 0;
}

static int run_path(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        fprintf(stderr, "could not find \"%s\"\n", path);
        return 1;
    }
    if (!S_ISDIR(st.st_mode))
        return run_file(path);
    struct dirent **names = NULL;
    int n = scandir(path, &names, NULL, alphasort), bad = n < 0;
    for (int i = 0; i < n; i++) {
        char file[PATH_BYTES];
        if (names[i]->d_name[0] != '.') {
            snprintf(file, sizeof file, "%s/%s", path, names[i]->d_name);
            bad |= run_file(file);
        }
        free(names[i]);
    }
    free(names);
    return bad;
}

int main(int argc, char **argv)
{
    static const int deadly[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    int bad = argc < 2;
    for (size_t i = 0; i < sizeof deadly / sizeof deadly[0]; i++)
        signal(deadly[i], tell_and_die);
    for (int i = 1; i < argc; i++)
        bad |= run_path(argv[i]);
    printf("ok - %lu inputs\n", now.runs);
    return bad || now.runs == 0;
}
