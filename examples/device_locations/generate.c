/*
 * generate.c - daily deliveries of device positions as they really come, and the truth about them.
 *
 *     generate --out DIR [--devices 300] [--days 14] [--seed 1]
 *
 * FILES
 *
 *   DIR/<arrival date>/part-0000.csv.gz     the positions of the day before
 *   DIR/<arrival date>/correction-N.csv.gz  positions of N days before, other
 *                                          coordinates, the same keys
 *   DIR/<arrival date>/again.csv.gz         yesterday's first file once more, byte by byte
 *   DIR.truth.json                          what a correct pipeline must count
 *
 * CSV with the header device_id,id_type,latitude,longitude,utc,horizontal_precision,country; gzip
 * of stored blocks, since what is tested is reading.
 *
 * SHAPE.  A position has a key (device, second) of its own; a repeated row, a correction and a
 * re-delivered file repeat keys.  The delivery of day MISSING_DAY does not come: its positions come
 * with the next.  Ids are written in mixed case, one time in ten in milliseconds, and three rows in
 * a hundred are wrong in one way each.
 *
 * INVARIANTS
 *
 *   G1  The same options give the same bytes.
 *   G2  Every line is counted under exactly one of the truth's fates; they add up to the lines
 *       written.
 *
 * Checked by tests/check_counts.sh.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    FIRST_DAY = 17918, /* 2019-01-22, days since 1970 */
    PER_DAY = 5,       /* positions of a device on a day */
    LOOKBACK_DAYS = 3,
    MISSING_DAY = 6,
    DAYS_MAX = 400,
    DEVICES_MAX = 1000000,
    BLOCK = 65535,
};

typedef enum fate {
    FATE_NEW,    /* the first of its key */
    FATE_REPEAT, /* its key is there, and it may be written again */
    FATE_TOO_OLD,
    FATE_POSITION, /* impossible coordinates */
    FATE_EQUAL,    /* latitude = longitude */
    FATE_TIME,
    FATE_DEVICE, /* no id */
    FATE_COUNT,
} fate;
static const char *const fate_names[] = {
    "new",           "repeated",   "correction_too_old", "position_possible",
    "position_real", "time_known", "device_known",
};

typedef struct file {
    char *text;
    size_t n, cap;
} file;

typedef struct world {
    const char *out;
    uint64_t seed;
    int devices, days;
    uint64_t lines, fates[FATE_COUNT], files, bytes;
    uint8_t *seen; /* by device: bit 0 January, bit 1 February */
} world;

static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* A number for a position and a purpose. */
static uint64_t roll(const world *w, int device, int day, int k, int purpose)
{
    return mix(mix(w->seed * 31 + (uint64_t)purpose) + (uint64_t)device * 1000003 +
               (uint64_t)day * 401 + (uint64_t)k);
}

static void die(const char *what, const char *name)
{
    fprintf(stderr, "generate: could not %s \"%s\": %s\n", what, name, strerror(errno));
    exit(6);
}

/* ---- gzip of stored blocks ---- */

static uint32_t crc32_of(const char *p, size_t n)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        crc ^= (unsigned char)p[i];
        for (int k = 0; k < 8; k++)
            crc = crc >> 1 ^ (UINT32_C(0xedb88320) & (uint32_t)(-(int32_t)(crc & 1)));
    }
    return ~crc;
}

static void put32(FILE *to, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        fputc((int)(v >> (8 * i) & 0xff), to);
}

static void write_gzip(world *w, const char *path, const file *f)
{
    static const unsigned char head[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255};
    FILE *to = fopen(path, "wb");
    if (to == NULL)
        die("create", path);
    fwrite(head, 1, sizeof head, to);
    size_t at = 0;
    do {
        size_t n = f->n - at < BLOCK ? f->n - at : BLOCK;
        fputc(at + n == f->n, to);
        fputc((int)(n & 0xff), to);
        fputc((int)(n >> 8), to);
        fputc((int)(~n & 0xff), to);
        fputc((int)(~n >> 8 & 0xff), to);
        fwrite(f->text + at, 1, n, to);
        at += n;
    } while (at < f->n);
    put32(to, crc32_of(f->text, f->n));
    put32(to, (uint32_t)f->n);
    w->bytes += (uint64_t)ftell(to);
    if (fclose(to) != 0)
        die("write", path);
    w->files++;
}

static void put(file *f, const char *text, size_t n)
{
    if (f->n + n > f->cap) {
        f->cap = (f->n + n) * 2 + 4096;
        f->text = realloc(f->text, f->cap);
        if (f->text == NULL)
            exit(70);
    }
    memcpy(f->text + f->n, text, n);
    f->n += n;
}

static void begin_file(file *f)
{
    static const char header[] =
        "device_id,id_type,latitude,longitude,utc,horizontal_precision,country\n";
    f->n = 0;
    put(f, header, sizeof header - 1);
}

/* ---- days ---- */

static void date_of(int day, int *year, int *month, int *mday)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int n = FIRST_DAY + day - 17897; /* 2019-01-01 */
    *year = 2019;
    *month = 0;
    while (n >= lengths[*month]) {
        n -= lengths[*month];
        *month = *month + 1;
        if (*month == 12) {
            *month = 0;
            ++*year;
        }
    }
    *month += 1;
    *mday = n + 1;
}

/* ---- rows ---- */

static const char *type_of(const world *w, int device)
{
    return roll(w, device, 0, 0, 1) % 3 == 0 ? "idfa" : "aaid";
}

static fate wrong_in(const world *w, int device, int day, int k)
{
    uint64_t r = roll(w, device, day, k, 2) % 1000;
    return r < 8    ? FATE_POSITION
           : r < 16 ? FATE_EQUAL
           : r < 24 ? FATE_TIME
           : r < 30 ? FATE_DEVICE
                    : FATE_NEW;
}

static void write_case(char *text, uint64_t r)
{
    for (char *c = text; *c != '\0' && r % 4 == 0; c++)
        if (*c >= 'a' && *c <= 'z')
            *c = (char)(*c - 32);
}

/* One line; `round` moves the coordinates, so that a correction differs. */
static void put_row(world *w, file *f, int device, int day, int k, int round, fate as)
{
    char id[40], type[8], time[32], line[200];
    uint64_t h = roll(w, device, 0, 0, 3), r = roll(w, device, day, k, 4 + round);
    int64_t at = ((int64_t)FIRST_DAY + day) * 86400 + k * (86400 / PER_DAY) +
                 (int64_t)(roll(w, device, day, k, 3) % 9000);
    double latitude = 4.0 + (double)(r % 100000) / 1e5,
           longitude = -74.5 + (double)(r / 100000 % 100000) / 1e5;
    snprintf(id, sizeof id, "%08x-%04x-%04x-%012" PRIx64, (unsigned)(h >> 32),
             (unsigned)(h & 0xffff), (unsigned)(device & 0xffff), h & UINT64_C(0xffffffffffff));
    snprintf(type, sizeof type, "%s", type_of(w, device));
    write_case(id, r >> 40);
    write_case(type, r >> 44);
    fate wrong = wrong_in(w, device, day, k);
    if (wrong == FATE_POSITION)
        latitude += 95;
    if (wrong == FATE_EQUAL)
        longitude = latitude;
    snprintf(time, sizeof time, wrong == FATE_TIME ? "n/a" : "%" PRId64,
             roll(w, device, day, k, 9) % 10 == 0 ? at * 1000 : at);
    int n =
        snprintf(line, sizeof line, "%s,%s,%.5f,%.5f,%s,%d,%s\n", wrong == FATE_DEVICE ? "" : id,
                 type, latitude, longitude, time, (int)(r % 60) + 5, r % 50 == 0 ? "EC" : "CO");
    put(f, line, (size_t)n);
    w->lines++;
    w->fates[wrong != FATE_NEW ? wrong : as]++;
    if (wrong == FATE_NEW && as == FATE_NEW) {
        int year, month, mday;
        date_of(day, &year, &month, &mday);
        if (month <= 8)
            w->seen[device] |= (uint8_t)(1u << (month - 1));
    }
}

static void put_day(world *w, file *f, int day, int round, fate as)
{
    for (int k = 0; k < PER_DAY; k++) {
        for (int d = 0; d < w->devices; d++) {
            if (roll(w, d, day, 0, 5) % 10 < 3)
                continue; /* not seen on this day */
            bool corrected = roll(w, d, day, k, 6) % 20 == 0;
            if (round > 0 &&
                (!corrected || (as == FATE_TOO_OLD && wrong_in(w, d, day, k) != FATE_NEW)))
                continue;
            put_row(w, f, d, day, k, round, as);
            if (round == 0 && roll(w, d, day, k, 7) % 40 == 0)
                put_row(w, f, d, day, k, 0, FATE_REPEAT);
        }
    }
}

/* Counted again, as what it is on its second arrival. */
static void count_again(world *w, const world *before, const world *after)
{
    w->lines += after->lines - before->lines;
    for (int i = 0; i < FATE_COUNT; i++) {
        uint64_t n = after->fates[i] - before->fates[i];
        w->fates[i == FATE_NEW ? FATE_REPEAT : i] += n;
    }
}

static void path_in(const world *w, int arrival, const char *name, char *out, size_t n)
{
    int year, month, mday;
    date_of(arrival, &year, &month, &mday);
    snprintf(out, n, "%s/%04d-%02d-%02d", w->out, year, month, mday);
    if (mkdir(out, 0755) != 0 && errno != EEXIST)
        die("make", out);
    size_t at = strlen(out);
    snprintf(out + at, n - at, "/%s", name);
}

static void deliver(world *w, file *f, int arrival, const char *name)
{
    char path[600];
    path_in(w, arrival, name, path, sizeof path);
    write_gzip(w, path, f);
}

/* What comes on the day after `day`. */
static void put_arrival(world *w, file *f, file *last, int day)
{
    world before = *w;
    begin_file(f);
    if (day == MISSING_DAY + 1)
        put_day(w, f, MISSING_DAY, 0, FATE_NEW);
    put_day(w, f, day, 0, FATE_NEW);
    deliver(w, f, day + 1, "part-0000.csv.gz");
    world after = *w;
    if (day % 4 == 3 && day >= 2) {
        begin_file(last);
        put_day(w, last, day - 1, 1, FATE_REPEAT);
        deliver(w, last, day + 1, "correction-2.csv.gz");
    }
    if (day % 5 == 4 && day >= 4) {
        begin_file(last);
        put_day(w, last, day - LOOKBACK_DAYS, 2, FATE_TOO_OLD);
        deliver(w, last, day + 1, "correction-4.csv.gz");
    }
    if (day == 9) {
        deliver(w, f, day + 2, "again.csv.gz");
        count_again(w, &before, &after);
    }
}

static void write_truth(const world *w)
{
    char path[600];
    uint64_t staged = w->fates[FATE_NEW], months[2][2] = {{0}};
    snprintf(path, sizeof path, "%s.truth.json", w->out);
    for (int d = 0; d < w->devices; d++)
        for (int m = 0; m < 2; m++)
            months[m][strcmp(type_of(w, d), "idfa") == 0] += w->seen[d] >> m & 1;
    FILE *to = fopen(path, "w");
    if (to == NULL)
        die("create", path);
    fprintf(to, "{\"files\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"lines\": %" PRIu64, w->files,
            w->bytes, w->lines);
    for (int i = 0; i < FATE_COUNT; i++)
        fprintf(to, ", \"%s\": %" PRIu64, fate_names[i], w->fates[i]);
    fprintf(to, ", \"staged\": %" PRIu64, staged);
    fprintf(to,
            ", \"201901_aaid\": %" PRIu64 ", \"201901_idfa\": %" PRIu64
            ", \"201902_aaid\": %" PRIu64 ", \"201902_idfa\": %" PRIu64 "}\n",
            months[0][0], months[0][1], months[1][0], months[1][1]);
    if (fclose(to) != 0)
        die("write", path);
    printf("%" PRIu64 " files, %" PRIu64 " lines in %s; the truth about them in %s\n", w->files,
           w->lines, w->out, path);
}

static long number(const char *name, const char *text, long min, long max)
{
    char *end;
    long v = strtol(text, &end, 10);
    if (*text != '\0' && *end == '\0' && v >= min && v <= max)
        return v;
    fprintf(stderr, "generate: --%s is \"%s\", not a number from %ld to %ld\n", name, text, min,
            max);
    exit(2);
}

int main(int argc, char **argv)
{
    world w = {.seed = 1, .devices = 300, .days = 14};
    file f = {0}, other = {0};
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--out") == 0)
            w.out = argv[i + 1];
        else if (strcmp(argv[i], "--devices") == 0)
            w.devices = (int)number("devices", argv[i + 1], 1, DEVICES_MAX);
        else if (strcmp(argv[i], "--days") == 0)
            w.days = (int)number("days", argv[i + 1], 1, DAYS_MAX);
        else if (strcmp(argv[i], "--seed") == 0)
            w.seed = (uint64_t)number("seed", argv[i + 1], 0, 1000000000);
        else
            argc = 0;
    }
    if (w.out == NULL || argc % 2 == 0) {
        fprintf(stderr, "usage: generate --out DIR [--devices 300] [--days 14] [--seed 1]\n");
        return 2;
    }
    if (mkdir(w.out, 0755) != 0 && errno != EEXIST)
        die("make", w.out);
    w.seen = calloc((size_t)w.devices, 1);
    if (w.seen == NULL)
        return 70;
    for (int day = 0; day < w.days; day++)
        if (day != MISSING_DAY)
            put_arrival(&w, &f, &other, day);
    write_truth(&w);
    free(w.seen);
    free(f.text);
    free(other.text);
    return 0;
}
