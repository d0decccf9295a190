#pragma once
// JSON Schema (drafts 4 to 7) through Debian's valijson, behind a C interface.

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
    PADDOCK_SCHEMA_VALID,
    /// The document breaks the schema; each violation has been reported.
    PADDOCK_SCHEMA_VIOLATED,
    /// The schema is none; the reason has been reported.
    PADDOCK_SCHEMA_BAD_SCHEMA,
    PADDOCK_SCHEMA_BAD_DOCUMENT,
    /// The check took too much time, memory or stack, or no process could be had for it.
    PADDOCK_SCHEMA_TOO_EXPENSIVE,
} paddock_schema_verdict;

/// Called once for each violation, at most 20 times: a JSON pointer into the document, and what is wrong there.
typedef void (*paddock_schema_report)(const char *path, const char *message, void *context);

/// Checks a document against a schema, or the schema alone when `document` is NULL.
///
/// Both may be a stranger's, and a schema can be written to recurse or to search for ever. So the check runs in a
/// child process with limits of its own; the caller waits for at most `seconds` and a little more.
paddock_schema_verdict paddock_schema_check(
    const char *schema, size_t schema_length, const char *document, size_t document_length, unsigned seconds,
    paddock_schema_report report, void *context
);

#ifdef __cplusplus
}
#endif
