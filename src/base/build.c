/*
 * base/build.c - build ids of what is loaded.
 *
 * The linker puts a note "GNU" of type NT_GNU_BUILD_ID into each program and library: a hash of
 * its content.  The kernel's own library (vdso) changes with the kernel and computes nothing.
 */
#include "base/build.h"

#include <link.h>
#include <string.h>

#include "base/str.h"

typedef struct collecting {
    rdl_buf ids;
    bool missing;
} collecting;

static size_t padded(size_t n)
{
    return (n + 3) & ~(size_t)3;
}

/* The build id among the notes of one segment, appended; false when it is not there. */
static bool take_id(const char *notes, size_t n, rdl_buf *out)
{
    size_t at = 0;
    while (n - at >= sizeof(ElfW(Nhdr))) {
        ElfW(Nhdr) h;
        memcpy(&h, notes + at, sizeof h);
        size_t name = at + sizeof h, desc = name + padded(h.n_namesz);
        size_t next = desc + padded(h.n_descsz);
        if (next > n || next < at)
            return false;
        if (h.n_type == NT_GNU_BUILD_ID && h.n_namesz == 4 && memcmp(notes + name, "GNU", 4) == 0) {
            rdl_buf_printf(out, "%zu:", (size_t)h.n_descsz);
            rdl_buf_put(out, notes + desc, h.n_descsz);
            return true;
        }
        at = next;
    }
    return false;
}

static int visit(struct dl_phdr_info *info, size_t size, void *arg)
{
    collecting *c = arg;
    bool found = info->dlpi_name != NULL && strstr(info->dlpi_name, "vdso") != NULL;
    (void)size;
    for (size_t i = 0; i < info->dlpi_phnum && !found; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        if (ph->p_type == PT_NOTE)
            found = take_id((const char *)(info->dlpi_addr + ph->p_vaddr), ph->p_memsz, &c->ids);
    }
    c->missing = c->missing || !found;
    return 0;
}

bool rdl_build_identity(rdl_hash128 *out)
{
    collecting c = {0};
    dl_iterate_phdr(visit, &c);
    *out = rdl_hash128_of(rdl_buf_str(&c.ids), c.ids.n);
    bool ok = !c.missing && c.ids.n > 0;
    rdl_buf_fini(&c.ids);
    return ok;
}
