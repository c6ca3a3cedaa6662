/*
 * lang/publish_options.c - see the header.
 */
#include "lang/publish_options.h"

#include <inttypes.h>

static const char levels[] = "ONE LOCAL_ONE TWO THREE QUORUM LOCAL_QUORUM EACH_QUORUM ALL";

const rdl_publish_option rdl_publish_options[] = {
    {"cassandra", "replication", RDL_PUBLISH_MAP, 0, 0, NULL, "SimpleStrategy, 1 replica",
     "Of a keyspace that is created: {'class': 'NetworkTopologyStrategy', 'dc1': 3}, or a "
     "number of replicas in the connection's data centre."},
    {"cassandra", "default_time_to_live", RDL_PUBLISH_COUNT, 0, 630720000, NULL, "0: for ever",
     "Seconds after which a row that was not written again is gone; verify leaves such "
     "tables' missing rows alone."},
    {"cassandra", "compaction", RDL_PUBLISH_MAP, 0, 0, NULL, "the server's",
     "{'class': 'LeveledCompactionStrategy'}, or the name of the class alone."},
    {"cassandra", "compression", RDL_PUBLISH_MAP, 0, 0, NULL, "the server's",
     "{'class': 'ZstdCompressor'}, or the name of the class alone."},
    {"cassandra", "gc_grace_seconds", RDL_PUBLISH_COUNT, 0, 2147483647, NULL, "the server's",
     "How long tombstones are kept."},
    {"cassandra", "comment", RDL_PUBLISH_TEXT, 0, 0, NULL, "the table's name in the lake",
     "Of a table that is created."},
    {"cassandra", "consistency", RDL_PUBLISH_WORD, 0, 0, levels, "LOCAL_QUORUM",
     "How many replicas acknowledge a row before it counts as written."},
    {"cassandra", "types", RDL_PUBLISH_TEXT, 0, 0, NULL, "by the column's type",
     "CQL types of some columns, as in 'tags set<text>, cost decimal'; of a table that is "
     "there, its own types hold."},
    {"cassandra", "batch_bytes", RDL_PUBLISH_COUNT, 0, 51200, NULL, "4096",
     "Rows of one partition go together up to so many bytes; 0: each row alone."},
    {"cassandra", "in_flight", RDL_PUBLISH_COUNT, 1, 32768, NULL, "adaptive, up to 1024",
     "At most so many requests wait for their answer."},
    {"postgres", "fillfactor", RDL_PUBLISH_COUNT, 10, 100, NULL, "75; 100 for a streaming table",
     "Of a table that is created: how full its pages are filled.  Room on the page lets a row be "
     "updated without touching an index."},
    {"postgres", "indexes", RDL_PUBLISH_TEXT, 0, 0, NULL, "none but the key's",
     "Further indexes: 'id; type, window_start' is one over id and one over two columns."},
};
const size_t rdl_publish_option_count = sizeof rdl_publish_options / sizeof rdl_publish_options[0];

const char *const rdl_publish_stores[] = {"sqlite", "cassandra", "postgres", "postgresql"};
const size_t rdl_publish_store_count = sizeof rdl_publish_stores / sizeof rdl_publish_stores[0];

const rdl_publish_option *rdl_publish_option_find(rdl_str store, rdl_str name)
{
    if (rdl_str_eq_nocase(store, RDL_STR("postgresql"))) /* another spelling */
        store = RDL_STR("postgres");
    for (size_t i = 0; i < rdl_publish_option_count; i++) {
        const rdl_publish_option *o = &rdl_publish_options[i];
        if (rdl_str_eq_nocase(store, rdl_str_of(o->store)) &&
            rdl_str_eq_nocase(name, rdl_str_of(o->name)))
            return o;
    }
    return NULL;
}

static bool is_count(const rdl_publish_option *o, rdl_str s)
{
    int64_t x = 0;
    if (s.n == 0 || s.n > 18)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        x = 10 * x + (s.p[i] - '0');
    }
    return x >= o->least && x <= o->most;
}

static bool is_word(const char *words, rdl_str s)
{
    while (*words != '\0') {
        size_t n = strcspn(words, " ");
        if (rdl_str_eq_nocase(s, (rdl_str){words, n}))
            return true;
        words += n + (words[n] == ' ' ? 1 : 0);
    }
    return false;
}

/* {'k': 'v', 'n': 3}, quotes closed; or one word or number. */
static bool is_map(rdl_str s)
{
    bool quoted = false;
    size_t colons = 0;
    if (s.n == 0)
        return false;
    if (s.p[0] != '{') {
        for (size_t i = 0; i < s.n; i++) {
            char c = s.p[i];
            if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '.'))
                return false;
        }
        return true;
    }
    for (size_t i = 1; i + 1 < s.n; i++) {
        if (s.p[i] == '\'')
            quoted = !quoted;
        else if (!quoted && (s.p[i] == '{' || s.p[i] == '}' || s.p[i] == ';'))
            return false;
        else if (!quoted && s.p[i] == ':')
            colons++;
    }
    return s.n > 2 && s.p[s.n - 1] == '}' && !quoted && colons > 0;
}

const char *rdl_publish_option_wants(rdl_arena *a, const rdl_publish_option *o, rdl_str value)
{
    switch (o->kind) {
    case RDL_PUBLISH_COUNT:
        return is_count(o, value) ? NULL
                                  : rdl_arena_printf(a, "a number from %" PRId64 " to %" PRId64,
                                                     o->least, o->most);
    case RDL_PUBLISH_WORD:
        return is_word(o->words, value) ? NULL : rdl_arena_printf(a, "one of %s", o->words);
    case RDL_PUBLISH_MAP:
        return is_map(value) ? NULL : "a map such as {'class': 'Name', 'option': 1}";
    default:
        return NULL;
    }
}
