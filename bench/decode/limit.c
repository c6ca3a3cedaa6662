/*
 * bench/decode/limit.c - how fast this machine reads the antenna records when a program knows
 * nothing else: plain C for this one schema, in this order, without checks of what it passes over.
 *
 *   limit FILE ROUNDS
 *
 * One thread.  Each field becomes a value in a column (text: pointer and length); no table, no
 * system columns, no UTF-8, no grammar.  A general decoder is measured by how near it comes.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/fs.h"

enum { CHUNK = 2048 };

typedef struct columns {
    int64_t at[CHUNK], bytes[CHUNK];
    const char *text[3][CHUNK];
    uint32_t length[3][CHUNK];
} columns;

static double cpu_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static const char *number(const char *p, int64_t *out)
{
    int64_t v = 0;
    for (; (unsigned char)(*p - '0') < 10; p++)
        v = v * 10 + (*p - '0');
    *out = v;
    return p;
}

static const char *text(const char *p, const char **out, uint32_t *length)
{
    const char *end = memchr(p, '"', 64);
    *out = p;
    *length = (uint32_t)(end - p);
    return end + 1;
}

/* {"timestamp":N,"antenna_id":"..","id":"..","bytes":N,"app":".."} */
static uint64_t decode(const char *p, const char *end, columns *c, uint64_t *sum)
{
    uint64_t rows = 0;
    size_t row = 0;
    while (p < end) {
        p = number(p + 13, &c->at[row]);
        p = text(p + 15, &c->text[0][row], &c->length[0][row]);
        p = text(p + 7, &c->text[1][row], &c->length[1][row]);
        p = number(p + 9, &c->bytes[row]);
        p = text(p + 8, &c->text[2][row], &c->length[2][row]) + 2;
        *sum += (uint64_t)c->bytes[row];
        rows++;
        row = row + 1 == CHUNK ? 0 : row + 1;
    }
    return rows;
}

int main(int argc, char **argv)
{
    rdl_err err;
    rdl_buf b = {0};
    static columns c;
    if (argc != 3 || rdl_fs_read(argv[1], UINT64_C(1) << 34, &b, &err) != RDL_OK) {
        fprintf(stderr, "usage: limit FILE ROUNDS\n");
        return 2;
    }
    for (unsigned long i = strtoul(argv[2], NULL, 10); i > 0; i--) {
        uint64_t sum = 0;
        double from = cpu_seconds();
        uint64_t rows = decode(b.p, b.p + b.n, &c, &sum);
        printf("limit\tplain C\t1\t%.4f\t%.4f\t%llu\t%llu\n", cpu_seconds() - from,
               cpu_seconds() - from, (unsigned long long)rows, (unsigned long long)sum);
    }
    rdl_buf_fini(&b);
    return 0;
}
