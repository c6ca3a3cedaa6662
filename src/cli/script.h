/*
 * cli/script.h - `raudal test`: scripts (*.slt) that say what a pipeline does with rows.
 *
 * FORMAT  Records are separated by blank lines; a line that begins with # is a comment.  The
 * first line of a record says what it is:
 *
 *   statement ok                      pipeline text, until a blank line; statements add up, and one
 *                                     of the same kind and name replaces the earlier one
 *   statement error [regex]           text that must be refused
 *   drop NAME                         takes the statement that makes NAME out of the text
 *   set NAME=VALUE                    as --set
 *   feed SOURCE [file=NAME] [append] [raw] [bare]
 *                                     lines until ---- as the source's next file; append: to the
 *                                     end of the file; raw: \xNN is a byte, \\ a backslash; bare:
 *                                     no newline after the last line
 *   remove SOURCE [file=NAME]         takes the file away
 *   clock 2026-01-01T00:00:00Z        the stepped clock; also: clock +10 seconds
 *   epoch [nothing]                   one step of the engine; nothing: there must be nothing to do
 *   run                               all there is, then lake and stores are brought up
 *   flush                             lake and stores are brought up
 *   refresh [TABLE]                   recomputes views
 *   epoch error REGEX, run error ...  must fail so
 *   crash [at] POINT [NTH]            runs, and is killed (SIGKILL) at the fault point
 *   crash                             is killed where it stands
 *   restart                           closes; the next command opens what is on disk
 *   sweep [NTH] [GLOB]                on roots of their own: killed at every fault point, 1st to
 *                                     NTH passing, and run again, gives what an undisturbed run
 *                                     gives, ledgers too, and verify agrees; each point that fits
 *                                     GLOB must be reached
 *   query TYPES [rowsort|valuesort]   SQL, ----, then the rows that are expected, until a blank
 *                                     line: cells are separated by a tab or by two spaces or more;
 *                                     NULL, (empty).  One letter a column; R rounds to three digits
 *   query error [REGEX]               SQL that must fail
 *   verify                            stream and batch must agree, stores too after run or flush
 *   ledger TABLE                      ----, then counters that are not 0, one a line
 *   report NAME [PARAMETER=VALUE ...]
 *                                     ----, then its text, as `raudal report` prints it; files of FOR
 *                                     EACH under ==> their last folder and name <==; an empty
 *                                     line is written (empty)
 *   mode TABLE                        ----, then how the view is maintained: incremental, append,
 *                                     groups, full
 *
 * In a folder with *.sql the scripts are those of its tests/ folder and the folder is the
 * pipeline; elsewhere each script holds its own.  Either way sources read a temporary folder
 * that feed fills: all sources of a folder, those FROM 'test:' of a script.
 *
 * The engine lives in a child process, so that a crash is a real one: SIGKILL, and nothing but
 * files is left.  Queries are answered by a reader in the parent.
 *
 * Thread: main.
 */
#ifndef RDL_CLI_SCRIPT_H
#define RDL_CLI_SCRIPT_H

#include "base/str.h"

/*
 * Run the scripts below dir (tests/ *.slt of a pipeline's folder, or the scripts of dir
 * itself). only: a glob over their names, NULL for all.  accept: what came out is written
 * into the scripts as what is expected.  report gets one line a script, and what differed;
 * counts are of scripts.  A script that fails is no error of this call; one that cannot be
 * read is.
 */
RDL_MUST rdl_code rdl_script_run_dir(const char *dir, const char *only, bool accept,
                                     rdl_buf *report, unsigned *passed, unsigned *failed,
                                     rdl_err *err);

#endif
