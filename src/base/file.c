/*
 * base/file.c - append-only files and the lock on a root.
 *
 * INVARIANTS
 *
 *   F4  A file that rdl_file_open_append or rdl_file_create made has its name on disk after
 *       the first rdl_file_sync: that one syncs the folder too.
 *   F5  rdl_file_size is what has been written whole: after a write that failed half way,
 *       the file is cut back to it.
 *
 * A lock is an open-file-description lock: it belongs to the opened file, so two takers in
 * one process conflict too, and the kernel drops it with the process.  The text in the file
 * is for people; only the kernel's lock decides.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/fs.h"
#include "base/fs_error.h"

struct rdl_file {
    int fd;
    bool made; /* the folder has not been synced since */
    uint64_t size;
    char path[]; /* NUL-terminated */
};

struct rdl_lock {
    int fd;
};

static rdl_code file_new(const char *path, int fd, bool made, rdl_file **out, rdl_err *err)
{
    struct stat st;
    size_t n = strlen(path);
    rdl_file *f = NULL;
    if (fstat(fd, &st) != 0 || S_ISDIR(st.st_mode)) {
        int e = S_ISDIR(st.st_mode) ? EISDIR : errno;
        close(fd);
        return rdl_fs_fail(err, 0, "open", path, e);
    }
    f = malloc(sizeof *f + n + 1);
    if (f == NULL) {
        close(fd);
        return rdl_err_nomem(err);
    }
    *f = (rdl_file){.fd = fd, .made = made, .size = (uint64_t)st.st_size};
    memcpy(f->path, path, n + 1);
    *out = f;
    return RDL_OK;
}

static rdl_code open_file(const char *path, int flags, rdl_file **out, rdl_err *err)
{
    bool made = false;
    int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT && (flags & O_ACCMODE) != O_RDONLY) {
        fd = open(path, flags | O_CREAT | O_CLOEXEC, 0666);
        made = true;
    }
    if (fd < 0)
        return rdl_fs_fail(err, 0, "open", path, errno);
    return file_new(path, fd, made, out, err);
}

rdl_code rdl_file_open_append(const char *path, rdl_file **out, rdl_err *err)
{
    return open_file(path, O_RDWR | O_APPEND, out, err);
}

rdl_code rdl_file_create(const char *path, rdl_file **out, rdl_err *err)
{
    return open_file(path, O_RDWR | O_APPEND | O_TRUNC, out, err);
}

rdl_code rdl_file_open_read(const char *path, rdl_file **out, rdl_err *err)
{
    return open_file(path, O_RDONLY, out, err);
}

static int write_whole(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, p, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return errno;
        p += done;
        n -= (size_t)done;
    }
    return 0;
}

rdl_code rdl_file_write(rdl_file *f, const void *p, size_t n, rdl_err *err)
{
    int e = RDL_FAULT_AT(FS_WRITE);
    if (e == RDL_FAULT_TORN) {
        /* Half of it stays, as after a loss of power: a reader has to cope with that. */
        (void)write_whole(f->fd, p, n / 2);
        e = rdl_fault_kill(RDL_FAULT_FS_WRITE);
        return rdl_fs_fail(err, RDL_ERR_REPLAY, "write", f->path, e);
    }
    if (e == 0) {
        e = write_whole(f->fd, p, n);
        if (e != 0 && ftruncate(f->fd, (off_t)f->size) != 0)
            e = errno;
    }
    if (e != 0)
        return rdl_fs_fail(err, RDL_ERR_REPLAY, "write", f->path, e);
    f->size += n;
    return RDL_OK;
}

static rdl_code sync_folder(rdl_file *f, rdl_err *err)
{
    rdl_arena a;
    rdl_arena_init(&a, 0);
    rdl_code rc = rdl_fs_sync_dir(rdl_path_dir(&a, f->path), err);
    rdl_arena_fini(&a);
    if (rc == RDL_OK)
        f->made = false;
    return rc;
}

rdl_code rdl_file_sync(rdl_file *f, rdl_err *err)
{
    int e = RDL_FAULT_AT(FS_SYNC);
    if (e == 0 && fdatasync(f->fd) != 0)
        e = errno;
    if (e != 0)
        return rdl_fs_fail(err, RDL_ERR_REPLAY, "sync", f->path, e > 0 ? e : EIO);
    return f->made ? sync_folder(f, err) : RDL_OK;
}

rdl_code rdl_file_truncate(rdl_file *f, uint64_t size, rdl_err *err)
{
    if (ftruncate(f->fd, (off_t)size) != 0)
        return rdl_fs_fail(err, RDL_ERR_REPLAY, "cut", f->path, errno);
    f->size = size;
    return RDL_OK;
}

rdl_code rdl_file_pread(rdl_file *f, void *p, size_t n, uint64_t at, size_t *out_n, rdl_err *err)
{
    char *to = p;
    size_t done = 0;
    while (done < n) {
        ssize_t got = pread(f->fd, to + done, n - done, (off_t)(at + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return rdl_fs_fail(err, 0, "read", f->path, errno);
        if (got == 0)
            break;
        done += (size_t)got;
    }
    *out_n = done;
    return RDL_OK;
}

uint64_t rdl_file_size(rdl_file *f)
{
    return f->size;
}

void rdl_file_close(rdl_file *f)
{
    if (f == NULL)
        return;
    close(f->fd);
    free(f);
}

/* The lock. */

static rdl_code held(const char *path, int fd, rdl_err *err)
{
    char text[200];
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    size_t len = n > 0 ? (size_t)n : 0;
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\0'))
        len--;
    text[len] = '\0';
    (void)rdl_err_set(err, RDL_ECONFLICT, RDL_ERR_RETRY, "could not lock \"%s\": held by %s", path,
                      len > 0 ? text : "another process");
    return rdl_err_hint(err, "One process writes to a root at a time; stop that one first.");
}

static rdl_code write_holder(int fd, const char *path, const char *who, rdl_err *err)
{
    char host[65] = "?";
    rdl_buf text = {0};
    (void)gethostname(host, sizeof host - 1);
    rdl_buf_printf(&text, "%s, pid %ld on %s, since ", who, (long)getpid(), host);
    rdl_timestamp_print_iso(rdl_now_us(&rdl_clock_system), &text);
    rdl_buf_putc(&text, '\n');
    int e = ftruncate(fd, 0) != 0 ? errno : write_whole(fd, text.p, text.n);
    rdl_buf_fini(&text);
    return e == 0 ? RDL_OK : rdl_fs_fail(err, 0, "write", path, e);
}

rdl_code rdl_lock_take(const char *path, const char *who, rdl_lock **out, rdl_err *err)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    rdl_code rc = RDL_OK;
    rdl_lock *l = NULL;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return rdl_fs_fail(err, 0, "open lock", path, errno);
    if (fcntl(fd, F_OFD_SETLK, &whole) != 0) {
        rc = errno == EAGAIN || errno == EACCES ? held(path, fd, err)
                                                : rdl_fs_fail(err, 0, "lock", path, errno);
        goto fail;
    }
    rc = write_holder(fd, path, who, err);
    if (rc != RDL_OK)
        goto fail;
    l = malloc(sizeof *l);
    if (l == NULL) {
        rc = rdl_err_nomem(err);
        goto fail;
    }
    l->fd = fd;
    *out = l;
    return RDL_OK;
fail:
    close(fd);
    return rc;
}

/* The file stays: removing it would let two takers hold locks on two files of one name. */
void rdl_lock_release(rdl_lock *l)
{
    if (l == NULL)
        return;
    (void)!ftruncate(l->fd, 0);
    close(l->fd);
    free(l);
}

bool rdl_lock_held(const char *path)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool held = fcntl(fd, F_OFD_GETLK, &whole) == 0 && whole.l_type != F_UNLCK;
    close(fd);
    return held;
}
