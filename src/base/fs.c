/*
 * base/fs.c - files and folders by path.
 *
 * INVARIANTS
 *
 *   F1  A file made by rdl_fs_write_durable or rdl_fs_put_if_absent has all of its bytes on
 *       disk before it has its name: written as .<name>.<pid>-<n>.tmp, synced, then renamed
 *       or linked, then its folder is synced before anyone is told.
 *   F2  Of any number of rdl_fs_put_if_absent on one name, in any processes, one succeeds.
 *   F3  A failed sync is never tried again: the page cache cannot be trusted after it, so
 *       the failure asks for a replay.
 *
 * Checked by tests/unit/fs_test.c.
 */
#include "base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fs_error.h"

enum {
    SYNC_FEW = 8, /* files that are synced one by one */
    WALK_DEPTH_MAX = 64,
    DEVICES_MAX = 16, /* file systems of one rdl_fs_sync_many */
};

rdl_code rdl_fs_fail(rdl_err *err, uint32_t flags, const char *verb, const char *path, int errnum)
{
    (void)rdl_err_set(err, errnum == ENOMEM ? RDL_ENOMEM : RDL_EIO, flags,
                      "could not %s \"%s\": %s", verb, path, strerror(errnum));
    switch (errnum) {
    case ENOSPC:
    case EDQUOT:
        return rdl_err_hint(err, "Free space on that file system, then start again.");
    case EACCES:
    case EPERM:
        return rdl_err_hint(err, "Check who may read and write it.");
    case EROFS:
        return rdl_err_hint(err, "The file system is mounted read-only.");
    case EMFILE:
    case ENFILE:
        return rdl_err_hint(err, "Raise the limit of open files (ulimit -n).");
    default:
        return err->code;
    }
}

/* Asking. */

rdl_code rdl_fs_stat(const char *path, rdl_stat *out, rdl_err *err)
{
    struct stat st;
    *out = (rdl_stat){0};
    if (stat(path, &st) != 0)
        return errno == ENOENT || errno == ENOTDIR ? RDL_OK
                                                   : rdl_fs_fail(err, 0, "look at", path, errno);
    *out = (rdl_stat){
        .exists = true,
        .is_dir = S_ISDIR(st.st_mode),
        .size = (uint64_t)st.st_size,
        .mtime_us = (int64_t)st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000,
        .inode = (uint64_t)st.st_ino,
        .device = (uint64_t)st.st_dev,
    };
    return RDL_OK;
}

bool rdl_fs_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

uint64_t rdl_fs_free_bytes(const char *path)
{
    struct statvfs s;
    return statvfs(path, &s) == 0 ? (uint64_t)s.f_bavail * (uint64_t)s.f_frsize : 0;
}

/* Folders. */

static rdl_code make_dir(const char *path, rdl_err *err)
{
    struct stat st;
    if (mkdir(path, 0777) == 0)
        return RDL_OK;
    int e = errno;
    if (e == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return RDL_OK;
    return rdl_fs_fail(err, 0, "create folder", path, e);
}

rdl_code rdl_fs_mkdirs(const char *path, rdl_err *err)
{
    struct stat st;
    char part[PATH_MAX];
    size_t n = strlen(path);
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return RDL_OK;
    if (n == 0 || n >= sizeof part)
        return rdl_fs_fail(err, 0, "create folder", path, n == 0 ? ENOENT : ENAMETOOLONG);
    memcpy(part, path, n + 1);
    for (size_t i = 1; i < n; i++) {
        if (part[i] != '/' || part[i - 1] == '/')
            continue;
        part[i] = '\0';
        rdl_code rc = make_dir(part, err);
        part[i] = '/';
        RDL_TRY(rc);
    }
    return make_dir(part, err);
}

rdl_code rdl_fs_unlink(const char *path, rdl_err *err)
{
    if (unlink(path) == 0 || errno == ENOENT)
        return RDL_OK;
    return rdl_fs_fail(err, 0, "remove", path, errno);
}

static rdl_code remove_in(const char *path, rdl_err *err, unsigned depth);

static rdl_code remove_children(DIR *d, const char *path, rdl_err *err, unsigned depth)
{
    char below[PATH_MAX];
    for (;;) {
        errno = 0;
        struct dirent *e = readdir(d);
        if (e == NULL)
            return errno == 0 ? RDL_OK : rdl_fs_fail(err, 0, "list", path, errno);
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        int n = snprintf(below, sizeof below, "%s/%s", path, e->d_name);
        if (n < 0 || (size_t)n >= sizeof below)
            return rdl_fs_fail(err, 0, "remove", path, ENAMETOOLONG);
        RDL_TRY(remove_in(below, err, depth + 1));
    }
}

static rdl_code remove_in(const char *path, rdl_err *err, unsigned depth)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return errno == ENOENT ? RDL_OK : rdl_fs_fail(err, 0, "remove", path, errno);
    if (!S_ISDIR(st.st_mode))
        return rdl_fs_unlink(path, err);
    if (depth > WALK_DEPTH_MAX)
        return rdl_fs_fail(err, 0, "remove", path, ELOOP);
    DIR *d = opendir(path);
    if (d == NULL)
        return errno == ENOENT ? RDL_OK : rdl_fs_fail(err, 0, "remove", path, errno);
    rdl_code rc = remove_children(d, path, err, depth);
    closedir(d);
    if (rc == RDL_OK && rmdir(path) != 0 && errno != ENOENT)
        rc = rdl_fs_fail(err, 0, "remove folder", path, errno);
    return rc;
}

rdl_code rdl_fs_remove_tree(const char *path, rdl_err *err)
{
    return remove_in(path, err, 0);
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

rdl_code rdl_fs_list(rdl_arena *a, const char *dir, rdl_names *out, rdl_err *err)
{
    RDL_VEC(char *) names = {0};
    DIR *d = opendir(dir);
    if (d == NULL)
        return rdl_fs_fail(err, 0, "list", dir, errno);
    for (;;) {
        errno = 0;
        struct dirent *e = readdir(d);
        if (e == NULL)
            break;
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            RDL_PUSH(a, &names) = rdl_arena_strdup(a, e->d_name);
    }
    int e = errno;
    closedir(d);
    if (e != 0)
        return rdl_fs_fail(err, 0, "list", dir, e);
    if (names.n > 0)
        qsort(names.v, names.n, sizeof *names.v, by_bytes);
    *out = (rdl_names){.v = names.v, .n = names.n};
    return RDL_OK;
}

typedef struct walker {
    rdl_arena *arena;
    const char *root;
    RDL_VEC(char *) found;
} walker;

/* Links to files are followed, links to folders are not: a link may lead back. */
static rdl_code walk_in(walker *w, const char *below, unsigned depth, rdl_err *err)
{
    rdl_names names = {0};
    char *dir = *below != '\0' ? rdl_path_join(w->arena, w->root, below)
                               : rdl_arena_strdup(w->arena, w->root);
    struct stat st;
    if (depth > WALK_DEPTH_MAX)
        return rdl_fs_fail(err, 0, "list", dir, ELOOP);
    if (depth > 0 && lstat(dir, &st) != 0 && errno == ENOENT)
        return RDL_OK; /* gone since its parent was listed */
    RDL_TRY(rdl_fs_list(w->arena, dir, &names, err));
    for (size_t i = 0; i < names.n; i++) {
        char *relative = *below != '\0' ? rdl_path_join(w->arena, below, names.v[i]) : names.v[i];
        char *path = rdl_path_join(w->arena, w->root, relative);
        if (lstat(path, &st) != 0)
            continue;
        if (S_ISDIR(st.st_mode)) {
            RDL_TRY(walk_in(w, relative, depth + 1, err));
        } else if (S_ISREG(st.st_mode) || (stat(path, &st) == 0 && S_ISREG(st.st_mode))) {
            RDL_PUSH(w->arena, &w->found) = relative;
        }
    }
    return RDL_OK;
}

rdl_code rdl_fs_walk(rdl_arena *a, const char *dir, rdl_names *out, rdl_err *err)
{
    walker w = {.arena = a, .root = dir};
    RDL_TRY(walk_in(&w, "", 0, err));
    if (w.found.n > 0)
        qsort(w.found.v, w.found.n, sizeof *w.found.v, by_bytes);
    *out = (rdl_names){.v = w.found.v, .n = w.found.n};
    return RDL_OK;
}

/* Syncing. */

static rdl_code sync_fd(int fd, const char *path, bool data_only, rdl_err *err)
{
    int e = RDL_FAULT_AT(FS_SYNC);
    if (e == RDL_FAULT_TORN)
        e = EIO;
    if (e == 0 && (data_only ? fdatasync(fd) : fsync(fd)) != 0)
        e = errno;
    return e == 0 ? RDL_OK : rdl_fs_fail(err, RDL_ERR_REPLAY, "sync", path, e);
}

static rdl_code sync_path(const char *path, int flags, rdl_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | flags);
    if (fd < 0)
        return rdl_fs_fail(err, RDL_ERR_REPLAY, "sync", path, errno);
    rdl_code rc = sync_fd(fd, path, (flags & O_DIRECTORY) == 0, err);
    close(fd);
    return rc;
}

rdl_code rdl_fs_sync_dir(const char *path, rdl_err *err)
{
    return sync_path(path, O_DIRECTORY, err);
}

rdl_code rdl_fs_sync_file(const char *path, rdl_err *err)
{
    return sync_path(path, 0, err);
}

/* The folder of a path; false when it does not fit. */
static bool folder_of(const char *path, char out[PATH_MAX])
{
    size_t n = (size_t)(rdl_path_base(path) - path);
    if (n >= PATH_MAX)
        return false;
    while (n > 1 && path[n - 1] == '/')
        n--;
    memcpy(out, n > 0 ? path : ".", n > 0 ? n : 1);
    out[n > 0 ? n : 1] = '\0';
    return true;
}

static rdl_code sync_folder_of(const char *path, rdl_err *err)
{
    char dir[PATH_MAX];
    if (!folder_of(path, dir))
        return rdl_fs_fail(err, RDL_ERR_REPLAY, "sync", path, ENAMETOOLONG);
    return rdl_fs_sync_dir(dir, err);
}

static bool same_folder(const char *a, const char *b)
{
    size_t n = (size_t)(rdl_path_base(a) - a);
    return n == (size_t)(rdl_path_base(b) - b) && memcmp(a, b, n) == 0;
}

static rdl_code sync_few(const char *const *paths, size_t n, rdl_err *err)
{
    for (size_t i = 0; i < n; i++)
        RDL_TRY(rdl_fs_sync_file(paths[i], err));
    for (size_t i = 0; i < n; i++) {
        bool seen = false;
        for (size_t j = 0; j < i && !seen; j++)
            seen = same_folder(paths[i], paths[j]);
        if (!seen)
            RDL_TRY(sync_folder_of(paths[i], err));
    }
    return RDL_OK;
}

static rdl_code sync_file_system(const char *path, dev_t seen[], size_t *seen_n, rdl_err *err)
{
    struct stat st;
    rdl_code rc = RDL_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        rc = rdl_fs_fail(err, RDL_ERR_REPLAY, "sync", path, errno);
        goto out;
    }
    for (size_t i = 0; i < *seen_n; i++) {
        if (seen[i] == st.st_dev)
            goto out;
    }
    int e = RDL_FAULT_AT(FS_SYNC);
    if (e == 0 && syncfs(fd) != 0)
        e = errno;
    if (e != 0)
        rc = rdl_fs_fail(err, RDL_ERR_REPLAY, "sync", path, e > 0 ? e : EIO);
    else if (*seen_n < DEVICES_MAX)
        seen[(*seen_n)++] = st.st_dev;
out:
    if (fd >= 0)
        close(fd);
    return rc;
}

rdl_code rdl_fs_sync_many(const char *const *paths, size_t n, rdl_err *err)
{
    dev_t seen[DEVICES_MAX];
    size_t seen_n = 0;
    if (n <= SYNC_FEW)
        return sync_few(paths, n, err);
    for (size_t i = 0; i < n; i++)
        RDL_TRY(sync_file_system(paths[i], seen, &seen_n, err));
    return RDL_OK;
}

/* Reading whole files. */

static rdl_code open_whole(const char *path, int *out_fd, uint64_t *out_size, rdl_err *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return rdl_fs_fail(err, 0, "open", path, errno);
    int e = fstat(fd, &st) != 0 ? errno : S_ISDIR(st.st_mode) ? EISDIR : 0;
    if (e != 0) {
        close(fd);
        return rdl_fs_fail(err, 0, "read", path, e);
    }
    *out_fd = fd;
    *out_size = (uint64_t)st.st_size;
    return RDL_OK;
}

static rdl_code too_large(const char *path, uint64_t max, rdl_err *err)
{
    return rdl_err_set(err, RDL_ELIMIT, 0, "could not read \"%s\": it is larger than %llu bytes",
                       path, (unsigned long long)max);
}

rdl_code rdl_fs_read(const char *path, uint64_t max, rdl_buf *out, rdl_err *err)
{
    uint64_t size = 0, done = 0;
    int fd = -1;
    rdl_code rc = RDL_OK;
    RDL_TRY(open_whole(path, &fd, &size, err));
    while (rc == RDL_OK) {
        if (max != 0 && (size > max || done > max)) {
            rc = too_large(path, max, err);
            break;
        }
        /* One byte more than the size, so that the end is seen without growing again. */
        rdl_buf_reserve(out, size > done ? (size_t)(size - done) + 1 : 4096);
        ssize_t got = read(fd, out->p + out->n, out->cap - out->n - 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            rc = rdl_fs_fail(err, 0, "read", path, errno);
        if (got <= 0)
            break;
        out->n += (size_t)got;
        done += (uint64_t)got;
        out->p[out->n] = '\0';
    }
    if (out->p != NULL)
        out->p[out->n] = '\0';
    close(fd);
    return rc;
}

rdl_code rdl_fs_map(const char *path, rdl_map_file *out, rdl_err *err)
{
    uint64_t size = 0;
    int fd = -1;
    rdl_code rc = RDL_OK;
    RDL_TRY(open_whole(path, &fd, &size, err));
    *out = (rdl_map_file){.p = "", .n = 0};
    if (size > 0) {
        void *p = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED)
            rc = rdl_fs_fail(err, 0, "map", path, errno);
        else
            *out = (rdl_map_file){.p = p, .n = (size_t)size};
    }
    close(fd);
    return rc;
}

void rdl_fs_unmap(rdl_map_file *m)
{
    if (m->n > 0)
        munmap((void *)(uintptr_t)m->p, m->n);
    *m = (rdl_map_file){.p = "", .n = 0};
}

void rdl_fs_read_ahead(const char *path, uint64_t from, uint64_t n)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return;
    (void)posix_fadvise(fd, (off_t)from, (off_t)n, POSIX_FADV_WILLNEED);
    close(fd);
}

/* Publishing. */

rdl_code rdl_fs_rename(const char *from, const char *to, rdl_err *err)
{
    int e = RDL_FAULT_AT(FS_RENAME);
    if (e == 0 && rename(from, to) != 0)
        e = errno;
    return e == 0 ? RDL_OK : rdl_fs_fail(err, RDL_ERR_REPLAY, "rename to", to, e > 0 ? e : EIO);
}

static rdl_code write_all(int fd, const char *path, const void *p, size_t n, rdl_err *err)
{
    int e = RDL_FAULT_AT(FS_WRITE);
    const char *at = p;
    size_t left = e == RDL_FAULT_TORN ? n / 2 : n;
    if (e > 0)
        return rdl_fs_fail(err, RDL_ERR_REPLAY, "write", path, e);
    while (left > 0) {
        ssize_t done = write(fd, at, left);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return rdl_fs_fail(err, RDL_ERR_REPLAY, "write", path, errno);
        at += done;
        left -= (size_t)done;
    }
    if (e == RDL_FAULT_TORN)
        return rdl_fs_fail(err, RDL_ERR_REPLAY, "write", path, rdl_fault_kill(RDL_FAULT_FS_WRITE));
    return RDL_OK;
}

/* <folder>/.<name>.<pid>-<n>.tmp, complete and synced. */
static rdl_code write_temporary(const char *path, const void *p, size_t n, char tmp[PATH_MAX],
                                rdl_err *err)
{
    static atomic_uint serial; /* names only; says nothing about the data */
    const char *name = rdl_path_base(path);
    rdl_code rc;
    int len = snprintf(tmp, PATH_MAX, "%.*s.%s.%ld-%u.tmp", (int)(name - path), path, name,
                       (long)getpid(), atomic_fetch_add(&serial, 1) + 1);
    if (len < 0 || len >= PATH_MAX)
        return rdl_fs_fail(err, 0, "create", path, ENAMETOOLONG);
    int fd = open(tmp, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0666);
    if (fd < 0)
        return rdl_fs_fail(err, RDL_ERR_REPLAY, "create", tmp, errno);
    rc = write_all(fd, path, p, n, err);
    if (rc == RDL_OK)
        rc = sync_fd(fd, path, false, err);
    if (close(fd) != 0 && rc == RDL_OK)
        rc = rdl_fs_fail(err, RDL_ERR_REPLAY, "close", path, errno);
    if (rc != RDL_OK)
        unlink(tmp);
    return rc;
}

rdl_code rdl_fs_write_durable(const char *path, const void *p, size_t n, rdl_err *err)
{
    char tmp[PATH_MAX];
    RDL_TRY(write_temporary(path, p, n, tmp, err));
    rdl_code rc = rdl_fs_rename(tmp, path, err);
    if (rc != RDL_OK) {
        unlink(tmp);
        return rc;
    }
    return sync_folder_of(path, err);
}

static rdl_code exists_already(const char *path, rdl_err *err)
{
    (void)rdl_err_set(err, RDL_ECONFLICT, RDL_ERR_REPLAY,
                      "could not create \"%s\": it exists already", path);
    return rdl_err_hint(err, "Another writer was first.");
}

/*
 * On a file system without links the name appears before its bytes: two writers still
 * cannot both win, but a crash in the middle leaves a short file that its reader must
 * detect.
 */
static rdl_code create_exclusively(const char *path, const void *p, size_t n, rdl_err *err)
{
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
    if (fd < 0)
        return errno == EEXIST ? exists_already(path, err)
                               : rdl_fs_fail(err, RDL_ERR_REPLAY, "create", path, errno);
    rdl_code rc = write_all(fd, path, p, n, err);
    if (rc == RDL_OK)
        rc = sync_fd(fd, path, false, err);
    close(fd);
    if (rc != RDL_OK)
        unlink(path);
    return rc;
}

rdl_code rdl_fs_put_if_absent(const char *path, const void *p, size_t n, rdl_err *err)
{
    char tmp[PATH_MAX];
    rdl_code rc = RDL_OK;
    if (rdl_fs_exists(path))
        return exists_already(path, err);
    RDL_TRY(write_temporary(path, p, n, tmp, err));
    int e = RDL_FAULT_AT(FS_RENAME);
    if (e == 0 && link(tmp, path) != 0)
        e = errno;
    unlink(tmp);
    if (e == EEXIST)
        return exists_already(path, err);
    if (e == EPERM || e == EOPNOTSUPP || e == ENOSYS || e == EMLINK)
        rc = create_exclusively(path, p, n, err);
    else if (e != 0)
        rc = rdl_fs_fail(err, RDL_ERR_REPLAY, "create", path, e > 0 ? e : EIO);
    return rc == RDL_OK ? sync_folder_of(path, err) : rc;
}

static rdl_code copy_file(const char *from, const char *to, rdl_err *err)
{
    rdl_map_file map = {0};
    rdl_file *f = NULL;
    RDL_TRY(rdl_fs_map(from, &map, err));
    rdl_code rc = rdl_file_create(to, &f, err);
    if (rc == RDL_OK)
        rc = rdl_file_write(f, map.p, map.n, err);
    rdl_file_close(f);
    rdl_fs_unmap(&map);
    if (rc != RDL_OK)
        unlink(to);
    return rc;
}

rdl_code rdl_fs_link(const char *from, const char *to, rdl_err *err)
{
    int e = RDL_FAULT_AT(FS_RENAME);
    if (e == 0 && link(from, to) != 0)
        e = errno;
    if (e == EXDEV || e == EPERM || e == EOPNOTSUPP || e == ENOSYS || e == EMLINK)
        return copy_file(from, to, err);
    if (e != 0)
        return rdl_fs_fail(err, RDL_ERR_REPLAY, "create", to, e > 0 ? e : EIO);
    return RDL_OK;
}

char *rdl_fs_temp_dir(rdl_arena *a, const char *prefix, rdl_err *err)
{
    const char *base = getenv("TMPDIR");
    char *path =
        rdl_arena_printf(a, "%s/%s-XXXXXX", base != NULL && *base != '\0' ? base : "/tmp", prefix);
    if (mkdtemp(path) != NULL)
        return path;
    (void)rdl_fs_fail(err, 0, "create temporary folder", path, errno);
    return NULL;
}
