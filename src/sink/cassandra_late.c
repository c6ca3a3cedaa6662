/*
 * sink/cassandra_late.c - rows that went out when the claim may have been lost (O5).
 *
 *   answered within HOLD_MS of the last look   there before an heir removes old rows (O4): free
 *   answered later                             late: kept until the next look
 *   never answered                             retry
 *
 *   a look finds the claim standing    what was answered before it is free
 *   a look finds it overtaken          late and retry are removed again: withdraw
 *
 * A removal bears the timestamp of the row that it takes back: at equal times Cassandra lets the
 * removal win, whichever comes first, and all that the newer owner wrote is later (O3, W4).  Where
 * the newer claim is our own root's at the very same time, it writes the very same rows: nothing is
 * taken back then.  Late removals of ours harm nobody: they are older still.
 *
 * How many slots are late is bounded by those in flight: before more are sent the claim is looked at.
 */
#include "sink/cassandra_internal.h"

#include <inttypes.h>

#include "base/clock.h"

enum { ATTEMPTS_MAX = 5 };

static bool is_late(const rdl_cassandra *s, int64_t at_us)
{
    return s->to >= 0 && at_us - s->held_us > (int64_t)RDL_CASSANDRA_HOLD_MS * 1000;
}

void rdl_cassandra_late_answer(rdl_cassandra *s, rdl_cassandra_slot *slot)
{
    slot->answered_us = rdl_monotonic_us();
    if (slot->kind == RDL_CASSANDRA_REMOVE || !is_late(s, slot->answered_us)) {
        rdl_cassandra_slot_give_back(s, slot);
        return;
    }
    slot->next = s->late;
    s->late = slot;
}

void rdl_cassandra_late_forget(rdl_cassandra *s)
{
    rdl_cassandra_slot *slot = s->late, *next;
    s->late = NULL;
    for (; slot != NULL; slot = next) {
        next = slot->next;
        if (!is_late(s, slot->answered_us)) {
            rdl_cassandra_slot_give_back(s, slot);
            continue;
        }
        slot->next = s->late; /* answered while we looked, and that took long */
        s->late = slot;
    }
}

/* Another claim than ours stands, and it writes at later times. */
static bool overtaken(rdl_cassandra *s)
{
    rdl_err ignored = {0};
    const rdl_cassandra_progress *now = &s->overtaker;
    if (!s->overtaken) {
        if (!is_late(s, rdl_monotonic_us()) ||
            rdl_cassandra_progress_read(s, s->table->name, &s->overtaker, &ignored) != RDL_OK)
            return false;
    }
    return now->exists && (now->write_us > s->write_us || strcmp(now->root, s->root_uuid) != 0);
}

/* The removal of a row at its own time. */
static rdl_code take_back(rdl_cassandra *s, const rdl_cassandra_slot *slot, size_t row,
                          rdl_err *err)
{
    rdl_cql_writer w;
    rdl_cassandra_slot *out = rdl_cassandra_slot_take(s, RDL_CASSANDRA_REMOVE);
    if (out == NULL)
        return rdl_err_nomem(err);
    out->later_us = rdl_cassandra_slot_time(slot) - rdl_cassandra_slot_time(out);
    rdl_cql_row_begin(&w, s->table->remove, &out->rows, err);
    for (size_t i = 0; i < s->table->key_count; i++) {
        rdl_cql_value v = rdl_cassandra_row_value(rdl_cassandra_slot_row(slot, row),
                                                  s->table->insert, (uint32_t)s->table->key[i]);
        rdl_cql_put_raw(&w, (rdl_str){(const char *)v.p, (size_t)v.n});
    }
    rdl_code rc = rdl_cql_row_end(&w);
    if (rc != RDL_OK) {
        rdl_cassandra_slot_give_back(s, out);
        return rc;
    }
    uint32_t end = (uint32_t)out->rows.n;
    rdl_buf_put(&out->ends, &end, sizeof end);
    out->count = 1;
    return rdl_cassandra_slot_send(s, out, err);
}

/* The list is freed, also after a failure. */
static rdl_code take_back_all(rdl_cassandra *s, rdl_cassandra_slot *slot, rdl_code rc, rdl_err *err)
{
    for (rdl_cassandra_slot *next; slot != NULL; slot = next) {
        next = slot->next;
        for (size_t i = 0; i < slot->count && slot->kind != RDL_CASSANDRA_REMOVE && rc == RDL_OK;
             i++)
            rc = take_back(s, slot, i, err);
        rdl_cassandra_slot_give_back(s, slot);
    }
    return rc;
}

/* Until all is answered, or some has failed too often. */
static rdl_code settle(rdl_cassandra *s, rdl_err *err)
{
    for (unsigned turn = 0;; turn++) {
        rdl_err own = {0};
        rdl_code rc = rdl_cql_drain(s->session, &own);
        if (rc != RDL_OK && (own.flags & RDL_ERR_RETRY) == 0) {
            *err = own;
            return rc;
        }
        rc = RDL_OK;
        if (s->retry == NULL || turn == ATTEMPTS_MAX)
            break;
        RDL_TRY(rdl_cassandra_pause(s, turn, err));
        rdl_cassandra_slot *slot = s->retry, *next;
        s->retry = NULL;
        s->retry_count = 0;
        for (; slot != NULL; slot = next) {
            next = slot->next;
            if (rc == RDL_OK)
                rc = rdl_cassandra_slot_send(s, slot, err);
            else
                rdl_cassandra_slot_give_back(s, slot);
        }
        RDL_TRY(rc);
    }
    if (s->retry != NULL || s->failed != RDL_OK)
        return rdl_err_set(err, RDL_ENET, 0, "%s", s->failure.msg);
    return RDL_OK;
}

void rdl_cassandra_withdraw(rdl_cassandra *s, rdl_err *err)
{
    rdl_err own = {0};
    if (s->table == NULL || s->to < 0)
        return;
    (void)!rdl_cql_drain(s->session, &own);
    if ((s->late == NULL && s->retry == NULL) || !overtaken(s))
        return;
    rdl_cassandra_slot *late = s->late, *unanswered = s->retry;
    s->late = s->retry = NULL;
    s->retry_count = 0;
    s->failed = RDL_OK;
    rdl_code rc = take_back_all(s, late, RDL_OK, &own);
    rc = take_back_all(s, unanswered, rc, &own);
    if (rc == RDL_OK)
        rc = settle(s, &own);
    if (rc != RDL_OK && err != NULL)
        rdl_err_hint(err, "Rows that went out late may be left there: let the table's owner run "
                          "`raudal verify --repair`.");
}
