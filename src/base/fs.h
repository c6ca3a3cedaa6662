/*
 * base/fs.h - files and folders.  The operating system's file calls are made here alone.
 *
 * Paths are NUL-terminated.  Every failure names the path.  Names of the form `.<x>.tmp`
 * are ours to remove.  Fault points FS_WRITE, FS_SYNC, FS_RENAME sit in this file.
 *
 * Thread: any.
 */
#ifndef RDL_BASE_FS_H
#define RDL_BASE_FS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

typedef struct rdl_stat {
    bool exists, is_dir;
    uint64_t size;    /* bytes */
    int64_t mtime_us; /* since 1970 */
    uint64_t inode, device;
} rdl_stat;

/* A missing path is not a failure: out->exists is false. */
RDL_MUST rdl_code rdl_fs_stat(const char *path, rdl_stat *out, rdl_err *err);
bool rdl_fs_exists(const char *path);
RDL_MUST rdl_code rdl_fs_mkdirs(const char *path, rdl_err *err);      /* as mkdir -p */
RDL_MUST rdl_code rdl_fs_unlink(const char *path, rdl_err *err);      /* missing is fine */
RDL_MUST rdl_code rdl_fs_remove_tree(const char *path, rdl_err *err); /* missing is fine */
RDL_MUST rdl_code rdl_fs_rename(const char *from, const char *to, rdl_err *err);
/* The file under a second name, which must be new; where there are no links (another file system,
 * say), a copy of it.  Neither name is synced. */
RDL_MUST rdl_code rdl_fs_link(const char *from, const char *to, rdl_err *err);
RDL_MUST rdl_code rdl_fs_sync_dir(const char *path, rdl_err *err);
RDL_MUST rdl_code rdl_fs_sync_file(const char *path, rdl_err *err);
/* Sync many files and their folders: one syncfs(2) when there are more than a few. */
RDL_MUST rdl_code rdl_fs_sync_many(const char *const *paths, size_t n, rdl_err *err);
/* Names in a folder, sorted by bytes, without "." and ".."; in the arena. */
typedef struct rdl_names {
    char **v;
    size_t n;
} rdl_names;
RDL_MUST rdl_code rdl_fs_list(rdl_arena *a, const char *dir, rdl_names *out, rdl_err *err);
/* All regular files below dir, as paths relative to it, sorted by bytes. */
RDL_MUST rdl_code rdl_fs_walk(rdl_arena *a, const char *dir, rdl_names *out, rdl_err *err);
/* Paths matching a glob (* ? [..] and ** for any folders), sorted by bytes. */
RDL_MUST rdl_code rdl_fs_glob(rdl_arena *a, const char *pattern, rdl_names *out, rdl_err *err);

/* Whole file into out (appended).  RDL_ELIMIT when larger than max bytes (0: no bound). */
RDL_MUST rdl_code rdl_fs_read(const char *path, uint64_t max, rdl_buf *out, rdl_err *err);
/* Read-only map of a whole file; an empty file gives p = "" and n = 0. */
typedef struct rdl_map_file {
    const char *p;
    size_t n;
} rdl_map_file;
RDL_MUST rdl_code rdl_fs_map(const char *path, rdl_map_file *out, rdl_err *err);
void rdl_fs_unmap(rdl_map_file *m);
/* Has the system begin to read bytes [from, from + n) into its cache, and returns at once.  A hint:
 * what cannot be read ahead is met when it is read. */
void rdl_fs_read_ahead(const char *path, uint64_t from, uint64_t n);

/* Write under another name, sync, rename over, sync the folder.  All or nothing. */
RDL_MUST rdl_code rdl_fs_write_durable(const char *path, const void *p, size_t n, rdl_err *err);
/*
 * As write_durable, but publishes with link(2): RDL_ECONFLICT if the name exists already, so
 * that of two writers one wins.
 */
RDL_MUST rdl_code rdl_fs_put_if_absent(const char *path, const void *p, size_t n, rdl_err *err);

/* An append-only file. */
typedef struct rdl_file rdl_file;
RDL_MUST rdl_code rdl_file_open_append(const char *path, rdl_file **out, rdl_err *err);
RDL_MUST rdl_code rdl_file_create(const char *path, rdl_file **out, rdl_err *err); /* truncates */
RDL_MUST rdl_code rdl_file_write(rdl_file *f, const void *p, size_t n, rdl_err *err);
RDL_MUST rdl_code rdl_file_sync(rdl_file *f, rdl_err *err); /* fdatasync; failure is REPLAY */
RDL_MUST rdl_code rdl_file_truncate(rdl_file *f, uint64_t size, rdl_err *err);
RDL_MUST rdl_code rdl_file_pread(rdl_file *f, void *p, size_t n, uint64_t at, size_t *out_n,
                                 rdl_err *err);
RDL_MUST rdl_code rdl_file_open_read(const char *path, rdl_file **out, rdl_err *err);
uint64_t rdl_file_size(rdl_file *f);
void rdl_file_close(rdl_file *f); /* NULL is fine */

/*
 * An exclusive advisory lock on a file whose text says who holds it ("pid 41 on host, since
 * ...").  RDL_ECONFLICT names the holder.  Released by close or by the process's end.
 */
typedef struct rdl_lock rdl_lock;
RDL_MUST rdl_code rdl_lock_take(const char *path, const char *who, rdl_lock **out, rdl_err *err);
void rdl_lock_release(rdl_lock *l);
bool rdl_lock_held(const char *path); /* by any process, this one included; takes nothing */

/* Join in an arena: dir/name; an absolute name stands alone. */
char *rdl_path_join(rdl_arena *a, const char *dir, const char *name);
const char *rdl_path_base(const char *path); /* after the last slash */
char *rdl_path_dir(rdl_arena *a, const char *path);
/* Absolute, without . and .. and doubled slashes (links are not resolved). */
char *rdl_path_absolute(rdl_arena *a, const char *path);
char *rdl_fs_temp_dir(rdl_arena *a, const char *prefix, rdl_err *err); /* new; NULL: err */
uint64_t rdl_fs_free_bytes(const char *path); /* of the file system; 0 when it cannot be told */

/* Waiting for a folder to change (inotify where there is one). */
typedef struct rdl_watch rdl_watch;
RDL_MUST rdl_code rdl_watch_new(rdl_watch **out, rdl_err *err);
RDL_MUST rdl_code rdl_watch_add(rdl_watch *w, const char *dir, rdl_err *err);
/* True when something changed, false at the timeout or when wake was called. */
bool rdl_watch_wait(rdl_watch *w, int timeout_ms);
/* Waits for wake alone: true when it was called, false at the timeout.  Changes stay to be seen. */
bool rdl_watch_pause(rdl_watch *w, int timeout_ms);
void rdl_watch_wake(rdl_watch *w); /* from any thread or signal handler */
void rdl_watch_free(rdl_watch *w);

#endif
