/*
 * Fuzz target: variables, lexer and parser of the pipeline language; DuckDB is not needed.
 *
 * Whatever the bytes: no crash, every place that is reported lies in the text, and what the
 * parser reads as a statement lies in the text too.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "lang/ast.h"
#include "lang/variables.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_place(rdl_pos pos)
{
    uint32_t line, col;
    if (pos.file == NULL)
        return;
    assert(pos.at <= pos.file->text.n && pos.len <= pos.file->text.n - pos.at);
    rdl_pos_line(pos, &line, &col);
    assert(line > 0 && col > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const set[] = {"A=", "B=x'y", "C=a long value; SELECT"};
    const rdl_load_options options = {.set = set, .set_count = 3};
    rdl_arena a;
    rdl_diags diags;
    rdl_variables variables;
    rdl_script script = {0};
    rdl_buf said = {0};
    if (size > 65536)
        return 0;
    rdl_arena_init(&a, 0);
    rdl_diags_init(&diags, &a);
    rdl_variables_init(&variables, &a, NULL, &options, &diags);
    rdl_text_file file = {
        .path = "fuzz.sql",
        .original = {rdl_arena_strndup(&a, (const char *)data, size), size},
    };
    rdl_variables_replace(&variables, &file, &diags);
    rdl_parse(&a, &file, &diags, &script);
    for (size_t i = 0; i < diags.list.n; i++)
        check_place(diags.list.v[i].pos);
    for (size_t i = 0; i < script.list.n; i++) {
        const rdl_stmt *s = script.list.v[i];
        check_place(s->name.pos);
        assert(s->end <= file.text.n);
        if (s->kind == RDL_STMT_STREAMING || s->kind == RDL_STMT_VIEW) {
            check_place(s->u.table.body.sql.pos);
            assert(s->u.table.body.blanked.n == s->u.table.body.sql.text.n);
        }
    }
    rdl_diags_print(&diags, true, &said);
    rdl_diags_print_json(&diags, &said);
    rdl_buf_fini(&said);
    rdl_arena_fini(&a);
    return 0;
}
