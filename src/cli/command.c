/*
 * cli/command.c - the commands; see command.h for who reads this table.
 */
#include "cli/command.h"

#define BIT(id) RDL_CLI_BIT(id)
#define ROOTED (BIT(SET) | BIT(ROOT) | BIT(ENV))
#define FORMATS (BIT(FORMAT) | BIT(JSON))
#define READER (ROOTED | FORMATS | BIT(MEMORY) | BIT(THREADS))
#define ENGINE (ROOTED | BIT(MEMORY) | BIT(THREADS) | BIT(LOG_LEVEL))

enum {
    ANY = 255
};

const rdl_command rdl_commands[] = {
    {.name = "init",
     .synopsis = "DIR",
     .line = "Write a small pipeline that runs, to start from",
     .about = "Makes the folder DIR with a source, a cleaned table, two views, a "
              "published table, a query, sample data and a test.  Everything in it is "
              "commented: it is meant to be read and changed.  A folder that is not empty "
              "is left alone.",
     .examples = "raudal init shop\n"
                 "raudal run shop --once\n"
                 "raudal query shop sales_of product=tea",
     .args_max = 0,
     .has_dir = true,
     .run = rdl_cmd_init},
    {.name = "check",
     .synopsis = "[DIR]",
     .line = "Read and bind the pipeline's text; say what is wrong with it, and where",
     .about = "Nothing is run and no root is needed.  All errors that can be found in one "
              "go are printed with file, line and a caret; --json prints them for an "
              "editor.",
     .examples = "raudal check shop\n"
                 "raudal check shop --json\n"
                 "raudal check shop --variables",
     .options = BIT(SET) | BIT(ENV) | BIT(JSON) | BIT(VARIABLES),
     .has_dir = true,
     .run = rdl_cmd_check},
    {.name = "explain",
     .synopsis = "[DIR [TABLE]]",
     .line = "Show the graph and how each table is kept up to date, and why",
     .about = "For every table: what it reads, whether it is maintained incrementally, by "
              "groups or recomputed, what in its text forced that, its keys and the state "
              "it keeps.  With a TABLE, the SQL that an epoch runs for it as well.",
     .examples = "raudal explain shop\n"
                 "raudal explain shop gold.sales_by_day",
     .options = BIT(SET) | BIT(ENV) | BIT(JSON),
     .args_max = 1,
     .has_dir = true,
     .run = rdl_cmd_explain},
    {.name = "run",
     .synopsis = "[DIR]",
     .line = "Run the pipeline: read, judge, aggregate, write the lake, fill the stores",
     .about = "With --once it processes all there is now and stops; without, it waits for "
              "more until SIGINT or SIGTERM, which finish the epoch (a second one aborts "
              "it; nothing is lost either way).  It ends with a table of where the time "
              "went and the balance: every row that came in is written, or counted as "
              "what else became of it.  --only and --from (a table and all that reads it) "
              "leave the others as they are; they catch up later.  A table, source or "
              "store that fails is put aside with what depends on it and tried again, the "
              "others go on; with --once its failure is given at the end.  Settings such "
              "as trigger_interval and max_files_per_epoch stand in raudal.env.",
     .examples = "raudal run shop --once\n"
                 "raudal run shop --root /data/shop --memory 2GB\n"
                 "raudal run shop --only 'bronze.*' --once\n"
                 "raudal run shop --from silver.sales --once\n"
                 "raudal run shop --env prod\n"
                 "raudal run shop --metrics 127.0.0.1:9464 --log-level info",
     .options = ENGINE | FORMATS | BIT(ONCE) | BIT(ONLY) | BIT(FROM) | BIT(ADOPT) | BIT(METRICS),
     .has_dir = true,
     .run = rdl_cmd_run},
    {.name = "status",
     .synopsis = "[DIR]",
     .line = "Show epochs, rows, lag, watermarks, stores and the last runs",
     .about = "Reads the root beside a run that is going on, and never waits for it.",
     .examples = "raudal status shop\n"
                 "raudal status shop --watch\n"
                 "raudal status shop --json",
     .options = READER | BIT(WATCH) | BIT(INTERNAL),
     .has_dir = true,
     .run = rdl_cmd_status},
    {.name = "alerts",
     .synopsis = "[DIR]",
     .line = "Show where the alerts stand; look at them now, or send a test",
     .about = "A run looks at the alerts beside its epochs and at its end.  --check does "
              "it from elsewhere, a timer for example, which also notices that no run "
              "goes on; it exits 1 when an alert is active.  A notice that cannot be "
              "delivered is kept and tried again for a day.",
     .examples = "raudal alerts shop\n"
                 "raudal alerts shop --check\n"
                 "raudal alerts shop --test late_sales",
     .options = READER | BIT(CHECK) | BIT(TEST),
     .has_dir = true,
     .run = rdl_cmd_alerts},
    {.name = "query",
     .synopsis = "[DIR [NAME [PARAMETER=VALUE ...]]]",
     .line = "Ask a query of the pipeline's queries/ folder, answered by the serving store",
     .about = "NAME is a file queries/NAME.sql; its parameters are written $name in the "
              "text and described in its leading comment.  One whose description says "
              "(default ...) may be left out.  Without a NAME the queries and their "
              "parameters are listed.",
     .examples = "raudal query shop\n"
                 "raudal query shop sales_of product=tea\n"
                 "raudal query shop sales_of product=tea --format csv",
     .options = ROOTED | FORMATS | BIT(STORE),
     .args_max = ANY,
     .has_dir = true,
     .run = rdl_cmd_query},
    {.name = "report",
     .synopsis = "[DIR [NAME [PARAMETER=VALUE ...]]]",
     .line = "Print a report, or write its files; without a name list them",
     .about = "A report is a CREATE REPORT of the pipeline's text.  It is read from the "
              "last sealed epoch, beside a run that is going on, and only from the lake "
              "files that its WHERE can need; how many these were is said on stderr.  "
              "Parameters without a default must be given.  --format csv, json, text or "
              "html prints another form than the declared.  --write writes the files that "
              "TO names, as a run does at its end.",
     .examples = "raudal report shop\n"
                 "raudal report shop sales_of product=tea\n"
                 "raudal report shop sales_of product=tea --format html --out tea.html\n"
                 "raudal report shop monthly --write",
     .options = ROOTED | FORMATS | BIT(MEMORY) | BIT(THREADS) | BIT(WRITE) | BIT(OUT),
     .args_max = ANY,
     .has_dir = true,
     .run = rdl_cmd_report},
    {.name = "sql",
     .synopsis = "[DIR [\"SELECT ...\"]]",
     .line = "Any SQL over the lake, read-only; interactive without a text",
     .about = "Tables are named as in the pipeline (gold.sales_by_day); s.\"t$rows\" "
              "shows a streaming table with the identity of its rows, quarantine.s_t what "
              "was rejected.  A table can be read as it was: FROM s.t VERSION AS OF 3, or "
              "TIMESTAMP AS OF '2025-08-01 12:00:00'.  Without a text and with a terminal "
              "it asks for statements; they end in a semicolon.  .help lists what else it "
              "understands.",
     .examples = "raudal sql shop \"SELECT * FROM gold.sales_by_day\"\n"
                 "raudal sql shop \"FROM quarantine.bronze_sales\" --json\n"
                 "raudal sql shop < questions.sql",
     .options = READER,
     .args_max = 1,
     .has_dir = true,
     .run = rdl_cmd_sql},
    {.name = "verify",
     .synopsis = "[DIR]",
     .line =
         "Prove that stream and batch agree, and that the stores hold what the lake holds",
     .about = "At one sealed cut: every view is computed again from its inputs and "
              "compared key by key, every streaming table is compared with its ledger, "
              "every published table with the lake.  Beside a run a store that is behind is "
              "compared as of its own epoch, or, if that is no longer known, without the rows "
              "that later epochs change.  A view that waits for its time, and the result of a "
              "program, are told as not compared.  Prints the keys that differ and "
              "exits 1 when there is any.  --repair then computes views again and fills "
              "stores again, and verifies once more.",
     .examples = "raudal verify shop\n"
                 "raudal verify shop --repair\n"
                 "raudal verify shop --only 'gold.*' --json",
     .options = READER | BIT(ONLY) | BIT(SAMPLES) | BIT(NO_STORES) | BIT(REPAIR) | BIT(ADOPT),
     .has_dir = true,
     .run = rdl_cmd_verify},
    {.name = "why",
     .synopsis = "DIR TABLE COLUMN=VALUE ...",
     .line = "Follow one row: where it came from, where it went, why it is not there",
     .about = "Names a row by values of its columns.  Says which record of which source "
              "it was, what each table made of it (written, quarantined and why, "
              "duplicate of which row, filtered, dropped) and which row of each view "
              "counts it.  A duplicate is kept nowhere: name it by its whole deduplication key.",
     .examples = "raudal why shop bronze.sales sale_id=s4\n"
                 "raudal why shop gold.sales_by_day product=tea sale_date=2025-08-01",
     .options = READER | BIT(LIMIT),
     .args_min = 2,
     .args_max = ANY,
     .has_dir = true,
     .run = rdl_cmd_why},
    {.name = "refresh",
     .synopsis = "[DIR [TABLE ...]]",
     .line = "Compute views again from the lake, and what lies downstream",
     .about = "The result replaces what is there as one epoch, computed with the "
              "snapshots as they are now.  Without a TABLE all views are computed again.  "
              "--from and --to take the rows of a range alone (from is in it, to is not): "
              "of the view's partition or key column that is a date or time, in UTC.  A "
              "run that holds the root is asked to do it, between two epochs.",
     .examples = "raudal refresh shop\n"
                 "raudal refresh shop gold.sales_by_day\n"
                 "raudal refresh shop gold.sales_by_hour --from '2026-11-21 14:00' --to '2026-11-21 "
                 "15:00'\n"
                 "raudal refresh shop --rebuild-state    # a run of keyed state is damaged",
     .options = ENGINE | BIT(ONLY) | BIT(ADOPT) | BIT(REBUILD_STATE) | BIT(FROM) | BIT(TO),
     .args_max = ANY,
     .has_dir = true,
     .run = rdl_cmd_errand,
     .on_engine = rdl_errand_refresh},
    {.name = "publish",
     .synopsis = "[DIR [TABLE ...]]",
     .line = "Fill the stores from the lake, without computing anything again",
     .about = "For a store that is empty, lost, or was restored from an old copy.  Each "
              "published table is replaced whole in one transaction: readers see the old "
              "or the new rows.  A run that holds the root is asked to do it.",
     .examples = "raudal publish shop\n"
                 "raudal publish shop gold.sales_by_day --adopt",
     .options = ENGINE | BIT(ONLY) | BIT(ADOPT),
     .args_max = ANY,
     .has_dir = true,
     .run = rdl_cmd_errand,
     .on_engine = rdl_errand_publish},
    {.name = "provision",
     .synopsis = "[DIR [TABLE ...]]",
     .line = "Make what PUBLISH and SEED need in their stores: tables, keys, indexes, rows",
     .about = "Prints each statement and runs it; what is there already is left alone, so "
              "that it may run before every deployment.  --dry-run prints and changes "
              "nothing.  A table that people made is taken as it stands: a missing unique "
              "key is added, unless rows share one, which are named first.  One whose "
              "columns do not fit is refused, with the columns.  The rows of SEED "
              "statements are loaded by upsert.  A run makes missing tables too; "
              "provision lets another role, with more rights, do it.",
     .examples = "raudal provision shop --dry-run > ddl.sql\n"
                 "raudal provision shop\n"
                 "raudal provision shop gold.sales_by_day",
     .options = ROOTED | BIT(ONLY) | BIT(DRY_RUN),
     .args_max = ANY,
     .has_dir = true,
     .run = rdl_cmd_provision},
    {.name = "backfill",
     .synopsis = "[DIR]",
     .line = "Read all sources again, from the beginning, into a fresh root",
     .about = "The kappa way to recompute: the same text over the same input gives the "
              "same tables.  --root names the fresh root, which must be empty; when it is "
              "done, compare, and run from the new root.  Stores with a path below the "
              "root are filled there.",
     .examples = "raudal backfill shop --root /data/shop-again",
     .options = ENGINE | FORMATS | BIT(ADOPT),
     .has_dir = true,
     .run = rdl_cmd_backfill},
    {.name = "lake tables",
     .synopsis = "[DIR]",
     .line = "List the Delta tables of the lake with their size",
     .about = "Every table is a Delta table below ROOT/lake: any reader of Delta or "
              "Parquet can read the path that is shown.  A table that left the text stays "
              "until `raudal lake drop` removes it.",
     .examples = "raudal lake tables shop",
     .options = ROOTED | FORMATS,
     .has_dir = true,
     .run = rdl_cmd_lake_tables},
    {.name = "lake history",
     .synopsis = "DIR TABLE",
     .line = "List the versions of a table, the newest first",
     .about = "A version can be read with: SELECT ... FROM table VERSION AS OF n.",
     .examples = "raudal lake history shop bronze.sales",
     .options = ROOTED | FORMATS | BIT(LIMIT),
     .args_min = 1,
     .args_max = 1,
     .has_dir = true,
     .run = rdl_cmd_lake_history},
    {.name = "lake files",
     .synopsis = "DIR TABLE",
     .line = "List the files of a table's newest version with their partitions",
     .about = "Paths are relative to the table's folder.",
     .examples = "raudal lake files shop bronze.sales --format csv",
     .options = ROOTED | FORMATS,
     .args_min = 1,
     .args_max = 1,
     .has_dir = true,
     .run = rdl_cmd_lake_files},
    {.name = "lake compact",
     .synopsis = "[DIR [TABLE ...]]",
     .line = "Merge small files of the lake's tables, partition by partition",
     .about = "Changes no row.  Old files stay until vacuum removes them.  The root's "
              "lock is taken; while a run holds it, that run does the work between two epochs.",
     .examples = "raudal lake compact shop\n"
                 "raudal lake compact shop bronze.sales --dry-run",
     .options = ENGINE | BIT(ONLY) | BIT(DRY_RUN),
     .args_max = ANY,
     .has_dir = true,
     .run = rdl_cmd_lake_compact,
     .on_engine = rdl_errand_lake_compact},
    {.name = "lake vacuum",
     .synopsis = "[DIR [TABLE ...]]",
     .line = "Remove files that no recent version of a table uses",
     .about = "Versions older than --retention can no longer be read afterwards.",
     .examples = "raudal lake vacuum shop --dry-run\n"
                 "raudal lake vacuum shop bronze.sales --retention '30 days'",
     .options = ENGINE | BIT(ONLY) | BIT(DRY_RUN) | BIT(RETENTION),
     .args_max = ANY,
     .has_dir = true,
     .run = rdl_cmd_lake_vacuum,
     .on_engine = rdl_errand_lake_vacuum},
    {.name = "lake drop",
     .synopsis = "DIR TABLE ...",
     .line = "Remove tables that left the text, with all their rows",
     .about = "Their folders in the lake and their quarantine are removed, and what the root "
              "remembers of them.  A table of the same name begins anew.  What was published of "
              "them stays in its store.  `raudal lake tables` lists the tables that left.",
     .examples = "raudal lake drop shop bronze.old_sales --dry-run\n"
                 "raudal lake drop shop bronze.old_sales",
     .options = ENGINE | BIT(DRY_RUN),
     .args_min = 1,
     .args_max = ANY,
     .has_dir = true,
     .run = rdl_cmd_errand,
     .on_engine = rdl_errand_lake_drop},
    {.name = "quarantine list",
     .synopsis = "[DIR]",
     .line = "Count what was rejected, by table and reason",
     .about = "A rejected row lies in quarantine.<schema>_<table> with its bytes, where "
              "it came from and every reason.",
     .examples = "raudal quarantine list shop",
     .options = READER,
     .has_dir = true,
     .run = rdl_cmd_quarantine_list},
    {.name = "quarantine show",
     .synopsis = "DIR TABLE",
     .line = "Show the rejected rows of a table",
     .about = "In arrival order, at most --limit of them.",
     .examples = "raudal quarantine show shop bronze.sales --limit 5\n"
                 "raudal quarantine show shop bronze.sales --json",
     .options = READER | BIT(LIMIT),
     .args_min = 1,
     .args_max = 1,
     .has_dir = true,
     .run = rdl_cmd_quarantine_show},
    {.name = "quarantine replay",
     .synopsis = "DIR TABLE",
     .line = "Judge rejected rows again, by today's text",
     .about = "For rows that a mended constraint, body or type would now let through.  "
              "They keep their identity, are never late, and may turn out to be "
              "duplicates; those that are rejected again stay.  What is written flows on "
              "to views and stores in the same epoch.  A run that holds the root is asked "
              "to do it.",
     .examples = "raudal quarantine replay shop bronze.sales\n"
                 "raudal quarantine replay shop bronze.sales --where \"list_contains(reasons, "
                 "'sold_some')\"",
     .options = ENGINE | BIT(ADOPT) | BIT(WHERE),
     .args_min = 1,
     .args_max = 1,
     .has_dir = true,
     .run = rdl_cmd_errand,
     .on_engine = rdl_errand_replay},
    {.name = "quarantine dismiss",
     .synopsis = "DIR TABLE",
     .line = "Say of rejected rows that they wait no longer",
     .about = "For rows that were mended at their origin and came again, or that nobody wants.  "
              "They stay in the quarantine as they are, with \"dismissed\" among their reasons; "
              "no replay takes them up, and the ledger counts them as replayed and dropped.  "
              "--where says which: SQL over the quarantine's columns, true for all.  A run that "
              "holds the root is asked to do it.",
     .examples = "raudal quarantine dismiss shop bronze.sales --where \"record->>'sale_id' = "
                 "'s3'\"\n"
                 "raudal quarantine dismiss shop bronze.sales --where \"list_contains(reasons, "
                 "'malformed')\"",
     .options = ENGINE | BIT(ADOPT) | BIT(WHERE),
     .args_min = 1,
     .args_max = 1,
     .has_dir = true,
     .run = rdl_cmd_errand,
     .on_engine = rdl_errand_dismiss},
    {.name = "docs",
     .synopsis = "[DIR]",
     .line = "Print the data dictionary, made from the SQL and its comments",
     .about = "The -- lines above a statement describe its table, those above or beside a "
              "column the column; a line \"owner: ..\" names who answers for it.  "
              "--format markdown, html or json.  HTML (one page, nothing beside it) and "
              "JSON tell of the root too, where there is one: sizes, partitions, quality "
              "by day.",
     .examples = "raudal docs shop > dictionary.md\n"
                 "raudal docs shop --format html > dictionary.html",
     .options = READER | BIT(INTERNAL),
     .has_dir = true,
     .run = rdl_cmd_docs},
    {.name = "discover",
     .synopsis = "PATH",
     .line = "Infer CREATE SOURCE statements from files, with doubts as comments",
     .about = "PATH is a file, a folder or a pattern.  Files of one format in one folder "
              "make one source, CSV files with quite other headers beside them another; JSON "
              "(lines or arrays), CSV and Parquet are known, compressed or not.  A sample is read.  What was inferred passes raudal "
              "check; read its doubts before use.",
     .examples = "raudal discover landing > shop/01_sources.sql\n"
                 "raudal discover 'landing/*.csv.gz'",
     .args_min = 1,
     .args_max = 1,
     .run = rdl_cmd_discover},
    {.name = "test",
     .synopsis = "[DIR]",
     .line = "Run the pipeline's own tests: the scripts tests/*.slt",
     .about = "A script feeds rows, steps the clock, runs epochs and says which rows it "
              "expects.  Exits 1 when a script fails.  --accept writes what came out into "
              "the scripts.",
     .examples = "raudal test shop\n"
                 "raudal test shop --only late*",
     .options = BIT(ONLY) | BIT(ACCEPT),
     .has_dir = true,
     .run = rdl_cmd_test},
    {.name = "doctor",
     .synopsis = "[DIR]",
     .line = "Look for what is wrong with this machine and this root",
     .about = "Versions of libraries, limits, disk space, who holds the lock, and whether "
              "journal, lake and stores can be read.  Changes nothing.  Exits 1 when "
              "something is wrong.",
     .examples = "raudal doctor\n"
                 "raudal doctor shop\n"
                 "raudal doctor --faults",
     .options = ROOTED | FORMATS | BIT(FAULTS),
     .has_dir = true,
     .run = rdl_cmd_doctor},
    {.name = "version",
     .synopsis = "",
     .line = "Print the version of Raudal and of the libraries it computes with",
     .about = "",
     .examples = "raudal version --json",
     .options = BIT(JSON),
     .run = rdl_cmd_version},
    {.name = "help",
     .synopsis = "[COMMAND | SUBJECT]",
     .line = "Explain a command, or list them all",
     .about = "SUBJECT is settings (and the options of sources and publications), metrics, or "
              "tables (raudal.*).  With --man, --markdown or --completion it prints the manual "
              "page, the reference or what a shell needs to complete commands and options.",
     .examples = "raudal help run\n"
                 "raudal help settings\n"
                 "raudal help --man | man -l -\n"
                 "source <(raudal help --completion bash)",
     .options = BIT(MAN) | BIT(MARKDOWN) | BIT(COMPLETION),
     .args_max = 2,
     .run = rdl_cmd_help},
};

const size_t rdl_command_count = sizeof rdl_commands / sizeof rdl_commands[0];
