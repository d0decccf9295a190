/* Fuzzes the frame's parser: whatever the bytes are, what it accepts lies inside them and is within its limits.
 * An input is a whole frame, header included; without a good header all of it is taken as a body. */
#include "../../Sources/SandboxInit/frame.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition) do { if (!(condition)) { fprintf(stderr, "broken: %s\n", #condition); abort(); } } while (0)

static const uint8_t *body;
static size_t body_length;

static void check_inside(const void *at, size_t length) {
    const uint8_t *start = at;
    CHECK(start >= body && start <= body + body_length && length <= (size_t)(body + body_length - start));
}

/* A string lies in the body with its NUL. */
static size_t check_string(const char *text) {
    check_inside(text, 1);
    const char *nul = memchr(text, 0, (size_t)((const char *)body + body_length - text));
    CHECK(nul != NULL);
    return (size_t)(nul - text);
}

static void check_list(const struct frame_list *list, size_t most) {
    CHECK(list->count <= most);
    for (size_t i = 0; i < list->count; i++)
        check_string(list->strings[i]);
    CHECK(list->strings[list->count] == NULL);
}

static void check_frame(const struct frame *frame) {
    CHECK(check_string(frame->nonce) == NONCE_LENGTH);
    for (size_t i = 0; i < NONCE_LENGTH; i++)
        CHECK(strchr("0123456789abcdef", frame->nonce[i]) && frame->nonce[i]);
    CHECK(check_string(frame->directory) > 0 && frame->directory[0] == '/');
    CHECK(frame->arguments.count >= 1);
    check_list(&frame->arguments, FRAME_ARGUMENTS_MAX);
    check_list(&frame->environment, FRAME_ENVIRONMENT_MAX);
    for (size_t i = 0; i < frame->environment.count; i++)
        CHECK(strchr(frame->environment.strings[i], '=') > frame->environment.strings[i]);
    CHECK(frame->output_max.given && frame->output_max.value <= FRAME_OUTPUT_MAX);
    CHECK(frame->input_length.given && frame->deadline_ms.given);
    CHECK(frame->egress_port.value <= UINT16_MAX && frame->egress_port.given == (frame->egress_port.value > 0));
    CHECK(frame->secret_count <= FRAME_SECRETS_MAX);
    for (size_t i = 0; i < frame->secret_count; i++) {
        const struct frame_secret *secret = &frame->secrets[i];
        size_t length = check_string(secret->name);
        CHECK(length >= 1 && length <= SECRET_NAME_MAX && !strchr(secret->name, '/'));
        CHECK(strcmp(secret->name, ".") != 0 && strcmp(secret->name, "..") != 0);
        CHECK((const char *)secret->bytes == secret->name + length + 1);
        check_inside(secret->bytes, secret->length);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct frame frame, again;
    size_t announced = 0;
    if (size >= FRAME_HEADER && frame_header(data, &announced) && announced <= size - FRAME_HEADER) {
        CHECK(announced <= FRAME_BODY_MAX);
        data += FRAME_HEADER;
        size = announced;
    }
    uint8_t *copy = malloc(size); /* exactly as long, so that the sanitizer sees every byte read beyond it */
    if (!copy)
        return 0;
    if (size > 0)
        memcpy(copy, data, size);
    body = copy;
    body_length = size;
    if (frame_parse(copy, size, &frame)) {
        check_frame(&frame);
        CHECK(memcmp(copy, data, size) == 0);
        CHECK(!frame_parse(copy, size - 1, &again)); /* no beginning of a frame is a frame */
    }
    free(copy);
    return 0;
}
