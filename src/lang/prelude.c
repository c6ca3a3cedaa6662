/*
 * lang/prelude.c - prelude.sql inside the program.
 *
 * The assembler finds the file through the compiler's include path, so there is no generated
 * file and no second copy.
 */
#include "lang/load.h"

__asm__(".pushsection .rodata\n"
        "rdl_prelude_begin:\n"
        ".incbin \"lang/prelude.sql\"\n"
        "rdl_prelude_end:\n"
        ".byte 0\n"
        ".popsection\n");

extern const char rdl_prelude_begin[], rdl_prelude_end[];

rdl_str rdl_prelude_sql(void)
{
    return (rdl_str){rdl_prelude_begin, (size_t)(rdl_prelude_end - rdl_prelude_begin)};
}
