/*
 * cli/terminal.c - how wide text is, how wide the terminal is, and whether it has colours.
 *
 * Widths are our own, not the C library's: those depend on the locale, and output must not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/cli.h"

/* First and last code points, sorted; the Unicode blocks that matter in tables. */
static const uint32_t zero_width[][2] = {
    {0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD}, {0x0610, 0x061A}, {0x064B, 0x065F},
    {0x0900, 0x0902}, {0x093C, 0x093C}, {0x0941, 0x0948}, {0x0E34, 0x0E3A}, {0x0E47, 0x0E4E},
    {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF}, {0x200B, 0x200F}, {0x202A, 0x202E}, {0x2060, 0x2064},
    {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}, {0xFEFF, 0xFEFF},
};
static const uint32_t double_width[][2] = {
    {0x1100, 0x115F},   {0x231A, 0x231B},   {0x23E9, 0x23EC},   {0x2614, 0x2615},
    {0x2648, 0x2653},   {0x26A1, 0x26A1},   {0x26BD, 0x26BE},   {0x26C4, 0x26C5},
    {0x2705, 0x2705},   {0x270A, 0x270B},   {0x2728, 0x2728},   {0x274C, 0x274C},
    {0x2753, 0x2755},   {0x2795, 0x2797},   {0x2E80, 0x303E},   {0x3041, 0x33FF},
    {0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xA000, 0xA4CF},   {0xA960, 0xA97F},
    {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},
    {0xFFE0, 0xFFE6},   {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF}, {0x1F900, 0x1F9FF},
    {0x20000, 0x3FFFD},
};

static bool in(const uint32_t (*ranges)[2], size_t n, uint32_t c)
{
    for (size_t i = 0; i < n && c >= ranges[i][0]; i++)
        if (c <= ranges[i][1])
            return true;
    return false;
}

/* One code point of UTF-8 at *at; a byte that is none counts as one. */
static uint32_t next(rdl_str s, size_t *at)
{
    unsigned char c = (unsigned char)s.p[(*at)++];
    unsigned more = c >= 0xF0 ? 3 : c >= 0xE0 ? 2 : c >= 0xC0 ? 1 : 0;
    uint32_t x = more == 3 ? c & 7 : more == 2 ? c & 15 : more == 1 ? c & 31 : c;
    while (more-- > 0 && *at < s.n && ((unsigned char)s.p[*at] & 0xC0) == 0x80)
        x = x << 6 | ((unsigned char)s.p[(*at)++] & 63);
    return x;
}

size_t rdl_text_width(rdl_str s)
{
    size_t width = 0;
    for (size_t at = 0; at < s.n;) {
        uint32_t c = next(s, &at);
        if (in(zero_width, sizeof zero_width / sizeof zero_width[0], c))
            continue;
        width += in(double_width, sizeof double_width / sizeof double_width[0], c) ? 2 : 1;
    }
    return width;
}

/* Bytes of the longest beginning that takes at most so many columns. */
static size_t fitting(rdl_str s, size_t width)
{
    size_t at = 0, used = 0;
    while (at < s.n) {
        size_t from = at;
        (void)next(s, &at);
        size_t one = rdl_text_width((rdl_str){s.p + from, at - from});
        if (used + one > width)
            return from;
        used += one;
    }
    return s.n;
}

static void put_spaces(rdl_buf *b, size_t n)
{
    while (n-- > 0)
        rdl_buf_putc(b, ' ');
}

void rdl_put_padded(rdl_buf *b, rdl_str s, size_t width, bool right)
{
    size_t is = rdl_text_width(s);
    if (is > width && width > 0) { /* cut, with an ellipsis in the last column */
        s.n = fitting(s, width - 1);
        is = rdl_text_width(s);
        rdl_buf_put(b, s.p, s.n);
        rdl_buf_puts(b, "\xE2\x80\xA6");
        put_spaces(b, width - is - 1);
        return;
    }
    if (right)
        put_spaces(b, width - is);
    rdl_buf_put(b, s.p, s.n);
    if (!right)
        put_spaces(b, width - is);
}

bool rdl_cli_color(int fd)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(fd) && (no == NULL || no[0] == '\0') &&
           (term == NULL || strcmp(term, "dumb") != 0);
}

unsigned rdl_cli_width(int fd)
{
    struct winsize w = {0};
    if (!isatty(fd))
        return 0;
    if (ioctl(fd, TIOCGWINSZ, &w) != 0 || w.ws_col == 0)
        return 80;
    return w.ws_col;
}

void rdl_put_bytes(rdl_buf *b, uint64_t bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double x = (double)bytes;
    size_t unit = 0;
    while (x >= 1024 && unit + 1 < sizeof units / sizeof units[0]) {
        x /= 1024;
        unit++;
    }
    rdl_buf_printf(b, unit == 0 || x >= 100 ? "%.0f %s" : "%.1f %s", x, units[unit]);
}

void rdl_put_seconds(rdl_buf *b, double seconds)
{
    if (seconds < 0.0995)
        rdl_buf_printf(b, "%.0f ms", seconds * 1000);
    else if (seconds < 120)
        rdl_buf_printf(b, seconds < 10 ? "%.2f s" : "%.1f s", seconds);
    else
        rdl_buf_printf(b, "%ld min %02ld s", (long)seconds / 60, (long)seconds % 60);
}
