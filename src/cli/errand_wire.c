/*
 * cli/errand_wire.c - see the header.
 */
#include "cli/errand_wire.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/fs.h"

const char *rdl_wire_path(rdl_arena *a, const char *root)
{
    return rdl_path_join(a, rdl_path_join(a, root, "state"), "control");
}

const rdl_command *rdl_wire_command(const char *name)
{
    for (size_t i = 0; i < rdl_command_count; i++)
        if (rdl_commands[i].on_engine != NULL && strcmp(rdl_commands[i].name, name) == 0)
            return &rdl_commands[i];
    return NULL;
}

void rdl_wire_put(rdl_buf *b, const char *field)
{
    rdl_buf_put(b, field, strlen(field) + 1);
}

const char *rdl_wire_take(rdl_str *rest)
{
    const char *end = rest->n > 0 ? memchr(rest->p, '\0', rest->n) : NULL, *field = rest->p;
    if (end == NULL)
        return NULL;
    rest->n -= (size_t)(end - field) + 1;
    rest->p = end + 1;
    return field;
}

static void put_number(rdl_buf *b, unsigned n)
{
    rdl_buf_printf(b, "%u", n);
    rdl_buf_putc(b, '\0');
}

void rdl_wire_put_answer(rdl_buf *b, rdl_code rc, const rdl_err *err, const rdl_buf *said)
{
    put_number(b, (unsigned)rc);
    put_number(b, (unsigned)err->area);
    put_number(b, err->line);
    put_number(b, err->col);
    rdl_wire_put(b, err->file);
    rdl_wire_put(b, err->msg);
    rdl_wire_put(b, err->hint);
    rdl_wire_put(b, err->path);
    rdl_wire_put(b, rdl_buf_str(said));
}

static unsigned number(const char *field)
{
    return (unsigned)strtoul(field, NULL, 10);
}

rdl_code rdl_wire_take_answer(rdl_str answer, rdl_buf *said, rdl_err *err)
{
    enum { CODE, AREA, LINE, COL, FILE_NAME, MSG, HINT, PATH, SAID, FIELDS };
    const char *f[FIELDS];
    for (size_t i = 0; i < FIELDS; i++) {
        f[i] = rdl_wire_take(&answer);
        if (f[i] == NULL || (i == CODE && number(f[i]) > RDL_EBUG)) {
            rdl_err_set(err, RDL_EIO, 0,
                        "the run that holds the root gave an answer that this program "
                        "does not understand");
            return rdl_err_hint(err,
                                "Is it of another version?  Ask with that one, or stop it first.");
        }
    }
    rdl_buf_puts(said, f[SAID]);
    rdl_code rc = (rdl_code)number(f[CODE]);
    if (rc == RDL_OK)
        return RDL_OK;
    rdl_err_set(err, rc, 0, "%s", f[MSG]);
    err->area = (rdl_area)number(f[AREA]);
    err->line = number(f[LINE]);
    err->col = number(f[COL]);
    snprintf(err->file, sizeof err->file, "%s", f[FILE_NAME]);
    snprintf(err->hint, sizeof err->hint, "%s", f[HINT]);
    snprintf(err->path, sizeof err->path, "%s", f[PATH]);
    return rc;
}
