/*
 * sink/text_value.h - values that a store keeps as text, read back into vectors.
 *
 * Reads what rdl_vector_print (scalars) and rdl_vector_print_json (lists, maps, structs)
 * write, exactly: a value printed and read is the same value.
 *
 * Thread: any; a slot belongs to one chunk.
 */
#ifndef RDL_SINK_TEXT_VALUE_H
#define RDL_SINK_TEXT_VALUE_H

#include "duck/vector.h"

/* How far the elements of a list's children are filled; one per vector, shaped as its type.
 */
typedef struct rdl_text_slot rdl_text_slot;
struct rdl_text_slot {
    size_t used, room; /* elements of the children; LIST and MAP */
    rdl_text_slot *children;
};

void rdl_text_slot_init(rdl_arena *a, const rdl_type *t, rdl_text_slot *out);
/* After the chunk was reset: its lists are empty again. */
void rdl_text_slot_reset(const rdl_type *t, rdl_text_slot *s);
/* Before the chunk is given away: tell its lists how long they are. */
void rdl_text_slot_finish(rdl_vector *v, const rdl_text_slot *s);
/* Room for n more elements in the children of a LIST or MAP. */
bool rdl_text_slot_reserve(rdl_vector *v, rdl_text_slot *s, size_t n);
/*
 * For a store's scan: give the rows of the chunk away, if there are any, and begin the next.
 * slots: one for each column.
 */
RDL_MUST rdl_code rdl_text_slots_flush(rdl_chunk *chunk, rdl_text_slot *slots,
                                       rdl_code (*visit)(void *arg, const rdl_chunk *rows,
                                                         rdl_err *err),
                                       void *arg, rdl_err *err);
/* False when the text is not a value of v's type.  NULL is the caller's business. */
bool rdl_text_read(rdl_str text, rdl_vector *v, size_t row, rdl_text_slot *s);

#endif
