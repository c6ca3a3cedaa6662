/*
 * lake/data.h - what the ways of making data files share: data.c by our own Parquet writer,
 * data_copy.c by DuckDB's COPY, part.c before their commit.
 */
#ifndef RDL_LAKE_DATA_H
#define RDL_LAKE_DATA_H

#include "lake/delta.h"

typedef struct rdl_data_writer {
    rdl_arena *arena;
    const rdl_lake_table *table;
    const rdl_lake_commit_info *info;
    bool compaction;
    rdl_schema stored;   /* columns that lie in the file */
    rdl_column *keys;    /* partition columns with their types */
    const char *columns; /* tag of every file */
    RDL_VEC(rdl_delta_file) files;
    RDL_VEC(const char *) sync; /* what must be on disk before the log names it */
    const char *folder;         /* of the newest file, relative */
} rdl_data_writer;

/* SELECT of the stored columns as the file has them. */
void rdl_data_put_stored(const rdl_data_writer *w, rdl_buf *sql);
/* The same of select, and the partition's texts rdl_k0, rdl_k1, ...: v and the value, or
 * n for NULL; ordered by these and order_by. */
void rdl_data_put_select(const rdl_data_writer *w,
                         const char *select,
                         const char *order_by,
                         rdl_buf *sql);
/* Which columns lie in the files, and which are the partition's. */
void rdl_data_split(rdl_data_writer *w);
/* Gives a new file its path below the table, and makes its folder.  *absolute is where it goes. */
RDL_MUST rdl_code rdl_data_place(rdl_data_writer *w,
                                 rdl_delta_file *f,
                                 const char **absolute,
                                 rdl_err *err);

/* The writer's files, with their rows and bytes. */
rdl_data_files rdl_data_made(const rdl_data_writer *w);

/* data_copy.c */
RDL_MUST rdl_code rdl_data_copy(rdl_data_writer *w,
                                rdl_conn *conn,
                                const char *select,
                                const char *order_by,
                                rdl_err *err);

#endif
