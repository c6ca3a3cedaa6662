/*
 * lake/shown.c - which epoch a table shows, from the end of its log.
 *
 * A start with nothing to do asks this of every table, and the answer lies in the newest commit:
 * its line {"txn":{"appId":"<root>","version":<epoch>...}}.  Where a commit of ours has no such line
 * (compaction), the one before is asked.  A commit that is not ours, or whose bytes are not those
 * that were written, is left to the whole log's reader, which knows every form and every error.
 */
#include <inttypes.h>

#include "base/fs.h"
#include "lake/delta.h"

enum {
    LOOK_BACK_MAX = 16,
    BYTES_MAX = 64 << 20,
};

typedef enum answer {
    FOUND,
    NOT_HERE,
    UNKNOWN,
} answer;

static bool number_after(const char **p, const char *end, int64_t *out)
{
    int64_t v = 0;
    const char *from = *p;
    for (; *p < end && **p >= '0' && **p <= '9' && v <= (INT64_MAX - 9) / 10; (*p)++)
        v = v * 10 + (**p - '0');
    *out = v;
    return *p > from && *p < end && (**p == ',' || **p == '}');
}

/* Our own writer's line (delta_write.c) in a commit that is ours to the byte. */
static answer find_txn(rdl_str all, const char *app_id, int64_t *out)
{
    rdl_buf want = {0};
    rdl_buf_puts(&want, "\n{\"txn\":{\"appId\":");
    rdl_buf_put_json_text(&want, rdl_str_of(app_id));
    rdl_buf_puts(&want, ",\"version\":");
    const char *at = memmem(all.p, all.n, want.p, want.n);
    answer a = NOT_HERE;
    if (at != NULL) {
        at += want.n;
        a = number_after(&at, all.p + all.n, out) ? FOUND : UNKNOWN;
    }
    rdl_buf_fini(&want);
    return a;
}

static answer ask(rdl_arena *a, const char *dir, int64_t version, const char *app_id, int64_t *out)
{
    rdl_buf bytes = {0};
    rdl_err ignored = {0};
    answer found = UNKNOWN;
    if (rdl_fs_read(rdl_delta_commit_path(a, dir, version), BYTES_MAX, &bytes, &ignored) == RDL_OK) {
        const rdl_str all = {rdl_buf_str(&bytes), bytes.n};
        if (rdl_delta_is_ours(all))
            found = find_txn(all, app_id, out);
    }
    rdl_buf_fini(&bytes);
    return found;
}

rdl_code rdl_lake_shown(const char *dir, const char *app_id, int64_t *out_version, int64_t *out_txn,
                        rdl_err *err)
{
    rdl_arena call;
    rdl_delta_listing list;
    answer found = UNKNOWN;
    rdl_arena_init(&call, 0);
    *out_version = *out_txn = -1;
    rdl_code rc = rdl_delta_list(&call, dir, &list, err);
    size_t n = list.commit_count;
    bool none = rc == RDL_OK && n == 0 && list.checkpoint_count == 0;
    bool cleaned = list.checkpoint_count > 0 &&
                   (n == 0 || list.checkpoints[list.checkpoint_count - 1] > list.commits[n - 1]);
    for (size_t i = 0; rc == RDL_OK && !cleaned && i < n && i < LOOK_BACK_MAX; i++) {
        int64_t v = list.commits[n - 1 - i];
        if (v != list.commits[n - 1] - (int64_t)i)
            break;
        found = ask(&call, dir, v, app_id, out_txn);
        if (found != NOT_HERE)
            break;
    }
    if (found == FOUND) {
        *out_version = list.commits[n - 1];
    } else if (rc == RDL_OK && !none) {
        rdl_lake_snapshot s;
        rc = rdl_lake_load(&call, dir, app_id, -1, &s, err);
        *out_version = s.version;
        *out_txn = s.txn_version;
    }
    rdl_arena_fini(&call);
    return rc;
}
