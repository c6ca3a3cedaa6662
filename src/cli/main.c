/*
 * cli/main.c - the program `raudal`.
 */
#include "cli/cli.h"

int main(int argc, char **argv)
{
    return rdl_cli_main(argc, argv);
}
