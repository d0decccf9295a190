#pragma once
// JSON Schema (drafts 4 to 7) through Debian's valijson, behind a C interface.

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/// A compiled schema. Immutable; may be used by several threads at once.
typedef struct paddock_json_schema paddock_json_schema;

/// Called once for each violation: a JSON pointer into the document, and what is wrong there.
typedef void (*paddock_json_schema_report)(const char *path, const char *message, void *context);

/// Compiles a schema. Returns NULL and calls `report` when it is not JSON or not a schema.
paddock_json_schema *paddock_json_schema_compile(
    const char *schema, size_t length, paddock_json_schema_report report, void *context
);

/// Checks a document. Returns 1 when it is valid, 0 when not (each violation reported), -1 when it is not JSON.
int paddock_json_schema_validate(
    const paddock_json_schema *schema, const char *document, size_t length,
    paddock_json_schema_report report, void *context
);

void paddock_json_schema_free(paddock_json_schema *schema);

#ifdef __cplusplus
}
#endif
