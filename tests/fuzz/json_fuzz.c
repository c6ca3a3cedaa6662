/*
 * tests/fuzz/json_fuzz.c - any bytes as JSON lines or an array: no crash, every record
 * counted, and the same rows whatever the windows.
 */
#include "decode_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return decode_fuzz(RDL_DECODE_JSON, data, size);
}
