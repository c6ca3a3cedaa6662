/*
 * tests/fuzz/journal_fuzz.c - a journal of any bytes is read, torn or refused; never more.
 *
 * The reading is done twice and must agree, and what a writer's open leaves behind must be
 * whole.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "stream/journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static rdl_code add_up(void *arg, uint32_t type, uint64_t sequence, rdl_str payload, rdl_err *err)
{
    uint64_t *sum = arg;
    (void)err;
    *sum = *sum * 31 + type + sequence + payload.n;
    for (size_t i = 0; i < payload.n; i++)
        *sum = *sum * 31 + (uint8_t)payload.p[i];
    return RDL_OK;
}

static void check(const char *path)
{
    rdl_err err = {0};
    rdl_journal *j = NULL;
    uint64_t first = 0, second = 0, third = 0;
    rdl_code rc = rdl_journal_read(path, NULL, add_up, &first, &err);
    if (rc != rdl_journal_open(path, NULL, add_up, &second, &j, &err) || first != second)
        abort();
    rdl_journal_close(j);
    if (rc != RDL_OK)
        return;
    /* Whatever was torn is cut off now. */
    if (rdl_journal_open(path, NULL, add_up, &third, &j, &err) != RDL_OK || third != first ||
        rdl_journal_was_torn(j))
        abort();
    rdl_journal_close(j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rdl_arena a;
    rdl_err err = {0};
    rdl_file *f = NULL;
    rdl_arena_init(&a, 0);
    char *dir = rdl_fs_temp_dir(&a, "journal-fuzz", &err);
    if (dir == NULL)
        abort();
    char *path = rdl_path_join(&a, dir, "journal");
    if (rdl_file_create(path, &f, &err) != RDL_OK || rdl_file_write(f, data, size, &err) != RDL_OK)
        abort();
    rdl_file_close(f);
    check(path);
    (void)!rdl_fs_remove_tree(dir, &err);
    rdl_arena_fini(&a);
    return 0;
}
