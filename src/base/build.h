/*
 * base/build.h - which program this is, to the byte.
 *
 * What one build worked out and wrote down is another build's to ignore.  A version number
 * does not tell two builds apart; the linker's build ids do.
 *
 * Thread: any.
 */
#ifndef RDL_BASE_BUILD_H
#define RDL_BASE_BUILD_H

#include "base/hash.h"

/*
 * A hash of the build ids of the program and of every library that is loaded.  False when one
 * of them has none: then nothing may be taken over from another run.
 */
bool rdl_build_identity(rdl_hash128 *out);

#endif
