/*
 * cli/help.h - the tables of command.h as text for people, man, Markdown and shells.
 *
 * Thread: main.
 */
#ifndef RDL_CLI_HELP_H
#define RDL_CLI_HELP_H

#include "cli/cli.h"

RDL_MUST rdl_code rdl_help_command(const rdl_command *c, rdl_err *err); /* to stdout */
/* A script for "bash", "zsh" or "fish" (completion.c); RDL_EUSAGE for another shell. */
RDL_MUST rdl_code rdl_help_put_completion(rdl_buf *b, const char *shell, rdl_err *err);

#endif
