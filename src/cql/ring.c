/*
 * cql/ring.c - which nodes hold a token.
 *
 * The ring is all tokens of all nodes, sorted; a token belongs to the range whose end is
 * the first one not below it (after the last: the first).  SimpleStrategy takes the next
 * `factor` different nodes from there, NetworkTopologyStrategy in each datacentre the next
 * `factor` nodes, of different racks first.  Only replicas in our datacentre are of
 * interest here.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cql/internal.h"

void rdl_cql_replication_add(rdl_cql *s, rdl_str keyspace, rdl_cql_value options)
{
    rdl_arena *a = &s->ring_arena;
    rdl_cql_items it;
    rdl_cql_value key, item;
    rdl_err ignored;
    rdl_cql_replication r = {
        .keyspace = {rdl_arena_strndup(a, keyspace.n > 0 ? keyspace.p : "", keyspace.n),
                     keyspace.n}};
    if (options.n < 0 || rdl_cql_items_of(options, &it, &ignored) != RDL_OK)
        return;
    while (rdl_cql_items_next(&it, &key, &item)) {
        rdl_str k, v;
        unsigned factor = 0;
        char text[16];
        if (rdl_cql_get_text(key, &k, &ignored) != RDL_OK ||
            rdl_cql_get_text(item, &v, &ignored) != RDL_OK)
            return;
        snprintf(text, sizeof text, "%.*s", v.n > 15 ? 15 : (int)v.n, v.p);
        if (rdl_str_eq(k, RDL_STR("class"))) {
            r.by_rack = rdl_str_ends(v, "NetworkTopologyStrategy");
            r.all_centres = rdl_str_ends(v, "SimpleStrategy");
        } else if ((rdl_str_eq(k, RDL_STR("replication_factor")) ||
                    rdl_str_eq(k, rdl_str_of(s->datacentre))) &&
                   sscanf(text, "%u", &factor) == 1) { /* "3/1": transient ones come last */
            r.factor = factor > RDL_CQL_REPLICAS_MAX ? RDL_CQL_REPLICAS_MAX : factor;
        }
    }
    if (!r.by_rack && !r.all_centres)
        r.factor = 0;
    size_t n = s->replications_n;
    if ((n & (n - 1)) == 0) { /* grows at powers of two */
        rdl_cql_replication *more = RDL_NEWN(a, rdl_cql_replication, n > 0 ? 2 * n : 1);
        if (n > 0)
            memcpy(more, s->replications, n * sizeof *more);
        s->replications = more;
    }
    s->replications[s->replications_n++] = r;
}

static int by_token(const void *a, const void *b)
{
    int64_t x = ((const rdl_cql_token_range *)a)->token;
    int64_t y = ((const rdl_cql_token_range *)b)->token;
    return (x > y) - (x < y);
}

void rdl_cql_ring_build(rdl_cql *s)
{
    size_t n = 0;
    for (uint32_t i = 0; i < s->hosts_n; i++)
        n += s->hosts[i]->known ? s->hosts[i]->tokens_n : 0;
    s->ring = RDL_NEWN(&s->ring_arena, rdl_cql_token_range, n > 0 ? n : 1);
    s->ring_n = 0;
    for (uint32_t i = 0; i < s->hosts_n; i++)
        for (uint32_t k = 0; s->hosts[i]->known && k < s->hosts[i]->tokens_n; k++)
            s->ring[s->ring_n++] = (rdl_cql_token_range){s->hosts[i]->tokens[k], i};
    qsort(s->ring, s->ring_n, sizeof *s->ring, by_token);
    for (uint32_t i = 0; i < s->replications_n; i++)
        s->replications[i].replicas = NULL;
}

static bool holds(const uint16_t *hosts, uint32_t n, uint32_t host)
{
    for (uint32_t i = 0; i < n; i++)
        if (hosts[i] == host)
            return true;
    return false;
}

static bool rack_taken(const rdl_cql *s, const uint16_t *hosts, uint32_t n, uint32_t host)
{
    for (uint32_t i = 0; i < n; i++)
        if (strcmp(s->hosts[hosts[i]]->rack, s->hosts[host]->rack) == 0)
            return true;
    return false;
}

/* Replicas of the range that ends at ring[from]; at most factor, the rest are UINT16_MAX.
 */
static void walk(const rdl_cql *s, const rdl_cql_replication *r, uint32_t from, uint16_t *out)
{
    uint16_t seen[RDL_CQL_REPLICAS_MAX];
    uint32_t n = 0, seen_n = 0;
    /* First new racks, then whatever comes; SimpleStrategy needs the second pass alone. */
    for (int pass = r->by_rack ? 0 : 1; pass < 2 && n < r->factor; pass++) {
        for (uint32_t i = 0; i < s->ring_n && n < r->factor && seen_n < r->factor; i++) {
            uint32_t host = s->ring[(from + i) % s->ring_n].host;
            bool local = s->hosts[host]->local;
            if (holds(out, n, host))
                continue;
            if (r->all_centres) { /* replicas elsewhere count, but are not for us */
                if (holds(seen, seen_n, host))
                    continue;
                seen[seen_n++] = (uint16_t)host;
            }
            if (!local || (pass == 0 && rack_taken(s, out, n, host)))
                continue;
            out[n++] = (uint16_t)host;
        }
    }
    while (n < r->factor)
        out[n++] = UINT16_MAX;
}

static rdl_cql_replication *replication_of(rdl_cql *s, rdl_str keyspace)
{
    for (uint32_t i = 0; i < s->replications_n; i++)
        if (rdl_str_eq(s->replications[i].keyspace, keyspace))
            return &s->replications[i];
    return NULL;
}

uint32_t rdl_cql_replicas(rdl_cql *s, rdl_str keyspace, int64_t token, const uint16_t **out)
{
    rdl_cql_replication *r = replication_of(s, keyspace);
    if (r == NULL || r->factor == 0 || s->ring_n == 0)
        return 0;
    if (r->replicas == NULL) {
        r->replicas = RDL_NEWN(&s->ring_arena, uint16_t, (size_t)s->ring_n * r->factor);
        for (uint32_t i = 0; i < s->ring_n; i++)
            walk(s, r, i, r->replicas + (size_t)i * r->factor);
    }
    uint32_t lo = 0, hi = s->ring_n; /* the first range whose end is not below the token */
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (s->ring[mid].token < token)
            lo = mid + 1;
        else
            hi = mid;
    }
    *out = r->replicas + (size_t)(lo % s->ring_n) * r->factor;
    return r->factor;
}
