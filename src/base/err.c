/*
 * base/err.c - filling, hinting and locating the one error type.
 */
#include "base/err.h"

#include <stdio.h>
#include <string.h>

rdl_code rdl_err_set(rdl_err *err, rdl_code code, uint32_t flags, const char *fmt, ...)
{
    va_list ap;
    memset(err, 0, sizeof *err);
    err->code = code;
    err->flags = flags;
    va_start(ap, fmt);
    vsnprintf(err->msg, sizeof err->msg, fmt, ap);
    va_end(ap);
    return code;
}

rdl_code rdl_err_hint(rdl_err *err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err->hint, sizeof err->hint, fmt, ap);
    va_end(ap);
    return err->code;
}

rdl_code rdl_err_area(rdl_code rc, rdl_err *err, rdl_area area)
{
    if (rc != RDL_OK && err->area == RDL_AREA_NONE)
        err->area = area;
    return rc;
}

rdl_code rdl_err_in(rdl_code rc, rdl_err *err, const char *fmt, ...)
{
    char where[120];
    va_list ap;
    if (rc == RDL_OK)
        return rc;
    va_start(ap, fmt);
    vsnprintf(where, sizeof where, fmt, ap);
    va_end(ap);

    /* Outermost first: put `where` in front of what is there, cut at the end. */
    const char *sep = err->path[0] != '\0' ? " > " : "";
    size_t at = strlen(where), gap = at + strlen(sep), keep = strlen(err->path);
    if (keep > sizeof err->path - 1 - gap)
        keep = sizeof err->path - 1 - gap;
    memmove(err->path + gap, err->path, keep);
    memcpy(err->path, where, at);
    memcpy(err->path + at, sep, gap - at);
    err->path[gap + keep] = '\0';
    return rc;
}

const char *rdl_code_name(rdl_code code)
{
    static const char *const names[] = {"OK",    "EUSAGE",  "ESCHEMA",   "EDATA",  "EIO",
                                        "ENET",  "EREMOTE", "ECONFLICT", "ELIMIT", "ENOMEM",
                                        "ESTOP", "EDIFF",   "EBUG"};
    return (size_t)code < sizeof names / sizeof names[0] ? names[code] : "EBUG";
}

int rdl_err_exit_code(const rdl_err *err)
{
    if (err->code == RDL_OK || err->code == RDL_ESTOP)
        return 0;
    if (err->code == RDL_EDIFF)
        return 1;
    if (err->code == RDL_EBUG)
        return 70;
    if (err->area != RDL_AREA_NONE)
        return (int)err->area;
    return err->code == RDL_EUSAGE || err->code == RDL_ESCHEMA ? 2 : 6;
}

rdl_code rdl_err_nomem(rdl_err *err)
{
    return rdl_err_set(err, RDL_ENOMEM, 0, "out of memory");
}
