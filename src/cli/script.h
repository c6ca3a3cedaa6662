/*
 * cli/script.h - `raudal test`: scripts in the manner of sqllogictest, as tests/slt
 * describes.
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
RDL_MUST rdl_code rdl_script_run_dir(const char *dir,
                                     const char *only,
                                     bool accept,
                                     rdl_buf *report,
                                     unsigned *passed,
                                     unsigned *failed,
                                     rdl_err *err);

#endif
