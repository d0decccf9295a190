/* What the runner asks for. Every pointer points into the body that was parsed. */
#ifndef PADDOCK_FRAME_H
#define PADDOCK_FRAME_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FRAME_HEADER = 8, FRAME_BODY_MAX = 1 << 20, FRAME_OUTPUT_MAX = 64 << 20, NONCE_LENGTH = 32,
    FRAME_ARGUMENTS_MAX = 1024, FRAME_ENVIRONMENT_MAX = 1024, FRAME_SECRETS_MAX = 64, SECRET_NAME_MAX = 64,
};
struct frame_number { bool given; uint64_t value; };
struct frame_list { size_t count; char *strings[FRAME_ARGUMENTS_MAX + 1]; }; /* NULL-terminated, as exec wants it */
struct frame_secret { const char *name; const uint8_t *bytes; size_t length; };

struct frame {
    char *nonce, *directory;
    struct frame_list arguments, environment;
    struct frame_number output_max, input_length, deadline_ms, cpu_ms, egress_port;
    struct frame_secret secrets[FRAME_SECRETS_MAX];
    size_t secret_count;
    bool hangup;
};

/* Reads "PDK1" and the body's length; false if it is no header of ours. */
bool frame_header(const uint8_t header[FRAME_HEADER], size_t *body_length);
/* Parses a whole body in place; false if it is not exactly a valid one. */
bool frame_parse(uint8_t *body, size_t length, struct frame *frame);
#endif
