#pragma once
// Strict JSON (RFC 8259) through nlohmann's reader, the one that the schemas are checked with.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// What the reader meets, in order. Each returns false to stop.
typedef struct {
    bool (*null_value)(void *context);
    bool (*boolean)(bool value, void *context);
    bool (*integer)(int64_t value, void *context);
    bool (*number)(double value, void *context);
    bool (*string)(const char *bytes, size_t length, void *context);
    bool (*key)(const char *bytes, size_t length, void *context);
    /// `is_object`, or an array.
    bool (*begin)(bool is_object, void *context);
    bool (*end)(void *context);
} paddock_json_handler;

/// Reads one value and nothing after it. Recursion-free. Returns false at the first thing that is not JSON.
bool paddock_json_read(const char *text, size_t length, const paddock_json_handler *handler, void *context);

#ifdef __cplusplus
}
#endif
