/*
 * stream/lease.c - see the header.
 */
#include "stream/lease.h"

#include <stdatomic.h>

#include "base/clock.h"
#include "base/machine.h"

enum { LEASE_MAX_US = 60 * 1000 * 1000 };

struct rdl_lease {
    rdl_lock *lock;
    const char *path;
};

static const char *folder(rdl_arena *a, const rdl_root *root)
{
    return rdl_path_join(a, root->state, "readers");
}

rdl_lease *rdl_lease_take(rdl_arena *a, const rdl_root *root)
{
    static atomic_uint count;
    rdl_err ignored;
    rdl_lock *lock = NULL;
    const char *dir = folder(a, root);
    const char *path = rdl_arena_printf(a, "%s/%ld-%u", dir, rdl_process_id(),
                                        atomic_fetch_add(&count, 1));
    if (!rdl_fs_exists(root->state) || rdl_fs_mkdirs(dir, &ignored) != RDL_OK ||
        rdl_lock_take(path, "reader", &lock, &ignored) != RDL_OK)
        return NULL;
    rdl_lease *l = RDL_NEW(a, rdl_lease);
    *l = (rdl_lease){.lock = lock, .path = path};
    return l;
}

void rdl_lease_release(rdl_lease *l)
{
    rdl_err ignored;
    if (l == NULL)
        return;
    (void)!rdl_fs_unlink(l->path, &ignored);
    rdl_lock_release(l->lock);
}

/* A file that was just made may not be locked yet, so age counts before the lock does. */
static bool is_held(const char *path)
{
    rdl_err ignored;
    rdl_stat st;
    if (rdl_fs_stat(path, &st, &ignored) != RDL_OK || !st.exists)
        return false;
    if (rdl_now_us(&rdl_clock_system) - st.mtime_us < LEASE_MAX_US)
        return rdl_lock_held(path);
    if (!rdl_lock_held(path))
        (void)!rdl_fs_unlink(path, &ignored);
    return false;
}

bool rdl_leases_held(const rdl_root *root)
{
    rdl_arena a;
    rdl_names names = {0};
    rdl_err ignored;
    bool held = false;
    rdl_arena_init(&a, 0);
    const char *dir = folder(&a, root);
    if (rdl_fs_exists(dir) && rdl_fs_list(&a, dir, &names, &ignored) == RDL_OK)
        for (size_t i = 0; i < names.n; i++)
            held |= is_held(rdl_path_join(&a, dir, names.v[i]));
    rdl_arena_fini(&a);
    return held;
}
