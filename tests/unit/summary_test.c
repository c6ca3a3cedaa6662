/*
 * tests/unit/summary_test.c - a summary says what the seals said, in a size that epochs do not add
 * to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "stream/journal.h"
#include "stream/summary.h"

static void visit(rdl_history *h, uint32_t type, const char *payload)
{
    rdl_err err = {0};
    if (rdl_history_visit(h, NULL, type, rdl_str_of(payload), &err) != RDL_OK)
        fail_msg("%s", err.msg);
}

/* Every kind of thing that a seal says; files that grow, are cleared and come again; a topic. */
static void live(rdl_history *h, rdl_arena *a, unsigned from, unsigned to)
{
    for (unsigned i = from; i <= to; i++) {
        visit(
            h, RDL_RECORD_SEAL,
            rdl_arena_printf(
                a,
                "{\"epoch\":%u,\"ts_us\":%u000000,\"delta\":true,\"partitions\":[%s],"
                "\"ranges\":[{\"source\":\"s\",\"path\":\"/in/grows\",\"shown\":\"grows\","
                "\"partition\":0,\"begin\":%u,\"end\":%u,\"first_record\":%u,\"records\":1,"
                "\"prefix_bytes\":%u,\"mtime_us\":5,\"hash\":\"%032x\"},"
                "{\"source\":\"k\",\"cluster\":\"c\",\"topic\":\"t\",\"topic_partition\":3,"
                "\"partition\":1,\"begin\":%u,\"end\":%u,\"records\":7,\"absent\":1}],"
                "\"snapshots\":[{\"source\":\"dim\",\"hash\":\"%032x\",\"rows\":%u,"
                "\"file\":\"000000000000000000000000000000fe\"}],"
                "\"tables\":[{\"table\":\"b.t\",\"fingerprint\":\"%032x\",\"new\":8,\"old\":0,"
                "\"quarantined\":%u,\"content\":\"f/1:%u\",\"rejected\":\"q/1:7\",\"fresh\":3,\"apart\":5,\"parts\":[[[\"k\",\"TEXT\",\"x\"],[\"n\",\"BIGINT\",null]]],\"evaluated\":true,\"took_us\":77,"
                "\"ledger\":{\"read\":9,\"written\":8,\"quarantined\":%u}}],"
                "\"watermarks\":[{\"table\":\"b.t\",\"partition\":\"s\",\"max_us\":-%u}],"
                "\"jobs\":[{\"name\":\"view g.v\",\"for_us\":%u,\"ran_us\":%u,\"cut\":%u,"
                "\"detail\":\"d\"}]}",
                i, i,
                i == 1 ? "{\"number\":0,\"source\":\"s\",\"name\":\"grows\"},"
                         "{\"number\":1,\"source\":\"k\",\"name\":\"t/3\"}"
                       : "",
                i * 10, i * 10 + 10, i, i * 10 + 10, i, i * 8, i * 8 + 8, i, i * 2, 7u, i % 2,
                i * 1000, i % 2, 100 - i % 100, i, i + 1, i));
        if (i % 3 == 0)
            visit(h, RDL_RECORD_PRUNE, rdl_arena_printf(a, "{\"epoch\":%u}", i - 2));
    }
}

static char *print(const rdl_history *h, rdl_arena *a)
{
    rdl_summary s = {0};
    rdl_buf b = {0};
    rdl_summary_print(h, a, &s);
    for (size_t i = 0; i < s.n; i++)
        rdl_buf_printf(&b, "%s\n", s.v[i].p);
    char *text = rdl_arena_strndup(a, b.p, b.n);
    rdl_buf_fini(&b);
    return text;
}

static void read_back(const rdl_history *from, rdl_arena *a, rdl_history *out)
{
    rdl_summary s = {0};
    rdl_summary_print(from, a, &s);
    rdl_history_init(out, a);
    for (size_t i = 0; i < s.n; i++)
        visit(out, RDL_RECORD_SUMMARY, s.v[i].p);
}

static void what_is_read_back_is_what_the_seals_said(void **state)
{
    rdl_arena a;
    rdl_history h, again;
    (void)state;
    rdl_arena_init(&a, 0);
    rdl_history_init(&h, &a);
    live(&h, &a, 1, 50);
    read_back(&h, &a, &again);
    assert_string_equal(print(&h, &a), print(&again, &a));
    const rdl_table_history *t = rdl_history_table(&again, RDL_STR("b.t"));
    assert_int_equal(again.epoch, 50);
    assert_int_equal(again.pruned, 46);
    assert_int_equal(again.partition_next, 2);
    assert_int_equal(t->segments.n, 4);
    assert_int_equal(t->segments.v[0].epoch, 47);
    assert_int_equal(t->ledger.read, 450);
    assert_int_equal(t->rows_total, 400);
    assert_int_equal(t->took_us, 77);
    assert_int_equal(t->last_changed_us, 50000000);
    assert_true(t->content.sum == 1275000);
    assert_int_equal(t->pruned_quarantined, 45);
    assert_int_equal(rdl_history_watermark(&again, RDL_STR("b.t"), RDL_STR("s")), -50);
    assert_int_equal(rdl_history_snapshot(&again, RDL_STR("dim"))->epoch, 50);
    assert_int_equal(rdl_history_snapshot(&again, RDL_STR("dim"))->file.lo, 0xfe);
    assert_int_equal(rdl_history_job(&again, RDL_STR("view g.v"))->cut, 50);
    assert_int_equal(rdl_history_partition(&again, RDL_STR("k"), RDL_STR("t/3")), 1);
    assert_int_equal(again.deltas.n, 4);

    /* And it goes on from there as if nothing had been put together. */
    live(&h, &a, 51, 60);
    live(&again, &a, 51, 60);
    assert_string_equal(print(&h, &a), print(&again, &a));
    rdl_arena_fini(&a);
}

static void epochs_add_nothing_to_a_summary_and_to_memory(void **state)
{
    rdl_arena a, scratch;
    rdl_history h;
    (void)state;
    rdl_arena_init(&a, 0);
    rdl_arena_init(&scratch, 0);
    rdl_history_init(&h, &a);
    live(&h, &scratch, 1, 300);
    size_t first = strlen(print(&h, &scratch)), ranges = h.ranges.n;
    rdl_arena_fini(&scratch);
    rdl_arena_init(&scratch, 0);
    live(&h, &scratch, 301, 9000);
    assert_int_equal(ranges, 2);
    assert_int_equal(h.ranges.n, 2);
    /* Numbers have a few digits more. */
    assert_in_range(strlen(print(&h, &scratch)), 1, first + 200);
    rdl_arena_fini(&scratch);
    rdl_arena_fini(&a);
}

static const char clear_text[] = "{\"done\":%s,\"files\":[{\"source\":\"s\",\"path\":\"/in/%s\"}]}";
static const char file_text[] =
    "{\"epoch\":%u,\"ts_us\":%u,\"ranges\":[{\"source\":\"s\",\"path\":\"/in/%s\",\"shown\":\"x\","
    "\"partition\":%u,\"end\":10,\"hash\":\"%032x\"}]}";

static void a_cleared_file_stays_cleared_and_its_content_known(void **state)
{
    rdl_arena a;
    rdl_history h, again;
    (void)state;
    rdl_arena_init(&a, 0);
    rdl_history_init(&h, &a);
    visit(&h, RDL_RECORD_SEAL, rdl_arena_printf(&a, file_text, 1, 1, "x", 0, 11));
    visit(&h, RDL_RECORD_SEAL, rdl_arena_printf(&a, file_text, 2, 2, "y", 1, 12));
    visit(&h, RDL_RECORD_CLEAR, rdl_arena_printf(&a, clear_text, "false", "x"));
    visit(&h, RDL_RECORD_CLEAR, rdl_arena_printf(&a, clear_text, "true", "x"));
    visit(&h, RDL_RECORD_CLEAR, rdl_arena_printf(&a, clear_text, "false", "y"));
    visit(&h, RDL_RECORD_SEAL, rdl_arena_printf(&a, file_text, 3, 3, "x", 2, 13));
    read_back(&h, &a, &again);
    assert_int_equal(again.ranges.n, 3);
    assert_int_equal(again.ranges.v[0].cleared, RDL_CLEARED);
    assert_int_equal(again.ranges.v[0].range.u.file.prefix_hash.lo, 11);
    assert_int_equal(again.ranges.v[1].cleared, RDL_CLEARING);
    assert_int_equal(again.ranges.v[2].cleared, RDL_NOT_CLEARED);
    assert_int_equal(again.ranges.v[2].epoch, 3);
    assert_string_equal(print(&h, &a), print(&again, &a));
    rdl_arena_fini(&a);
}

static void many_files_are_many_records_of_bounded_size(void **state)
{
    rdl_arena a;
    rdl_history h, again;
    rdl_summary s = {0};
    (void)state;
    rdl_arena_init(&a, 0);
    rdl_history_init(&h, &a);
    for (unsigned i = 1; i <= 5000; i++)
        visit(&h, RDL_RECORD_SEAL,
              rdl_arena_printf(&a, file_text, i, i, rdl_arena_printf(&a, "%u", i), i, i));
    rdl_summary_print(&h, &a, &s);
    assert_int_equal(s.n, 1 + 3);
    for (size_t i = 0; i < s.n; i++)
        assert_in_range(s.v[i].n, 1, 1 << 20);
    read_back(&h, &a, &again);
    assert_int_equal(again.ranges.n, 5000);
    assert_int_equal(again.epoch, 5000);
    rdl_arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_back_is_what_the_seals_said),
        cmocka_unit_test(epochs_add_nothing_to_a_summary_and_to_memory),
        cmocka_unit_test(a_cleared_file_stays_cleared_and_its_content_known),
        cmocka_unit_test(many_files_are_many_records_of_bounded_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
