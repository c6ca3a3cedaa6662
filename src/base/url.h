/*
 * base/url.h - URLs of sources and stores as people may see them.
 *
 * Thread: any.
 */
#ifndef RDL_BASE_URL_H
#define RDL_BASE_URL_H

#include "base/arena.h"
#include "base/str.h"

/*
 * The URL without its secrets: the password of user:password@host, and the values of parameters
 * whose names say that they are secret (password=, sslpassword=, secret=), are replaced by ***.
 */
void rdl_url_put_shown(rdl_buf *out, rdl_str url);
rdl_str rdl_url_shown(rdl_arena *a, rdl_str url); /* the same, in a */
void rdl_url_put_json(rdl_buf *out, rdl_str url); /* the same, as a JSON text */
bool rdl_url_has_secret(rdl_str url);             /* what is shown is another text */

#endif
