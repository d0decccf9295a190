/* The frame's parser: pure, in place, no I/O, no allocation. */
#include "frame.h"
#include <string.h>

static uint32_t load_u32(const uint8_t *bytes) {
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

bool frame_header(const uint8_t header[FRAME_HEADER], size_t *body_length) {
    *body_length = load_u32(header + 4);
    return memcmp(header, "PDK1", 4) == 0 && *body_length <= FRAME_BODY_MAX;
}

/* A string is everything up to its one NUL, which is its last byte. It can be set once. */
static bool set_string(char **string, uint8_t *bytes, size_t length) {
    if (*string || length == 0 || memchr(bytes, 0, length) != bytes + length - 1)
        return false;
    *string = (char *)bytes;
    return true;
}

static bool add_string(struct frame_list *list, size_t most, uint8_t *bytes, size_t length) {
    return list->count < most && set_string(&list->strings[list->count++], bytes, length);
}

static bool set_number(struct frame_number *number, uint64_t most, const uint8_t *bytes, size_t length) {
    if (number->given || length != 8)
        return false;
    *number = (struct frame_number){ true, load_u32(bytes) | (uint64_t)load_u32(bytes + 4) << 32 };
    return number->value <= most;
}

/* A secret's name becomes a file's name, so it can be neither a path nor one of the two special entries. */
static bool add_secret(struct frame *frame, const uint8_t *bytes, size_t length) {
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
    const char *name = (const char *)bytes;
    const uint8_t *nul = length > 0 ? memchr(bytes, 0, length) : NULL;
    if (!nul || frame->secret_count == FRAME_SECRETS_MAX)
        return false;
    size_t name_length = (size_t)(nul - bytes);
    frame->secrets[frame->secret_count++] = (struct frame_secret){ name, nul + 1, length - name_length - 1 };
    return name_length >= 1 && name_length <= SECRET_NAME_MAX && strspn(name, allowed) == name_length
        && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static bool parse_record(struct frame *frame, uint8_t type, uint8_t *bytes, size_t length) {
    switch (type) {
    case 'n':
        return length == NONCE_LENGTH + 1 && set_string(&frame->nonce, bytes, length)
            && strspn(frame->nonce, "0123456789abcdef") == NONCE_LENGTH;
    case 'a': return add_string(&frame->arguments, FRAME_ARGUMENTS_MAX, bytes, length);
    case 'e':
        return add_string(&frame->environment, FRAME_ENVIRONMENT_MAX, bytes, length)
            && bytes[0] != '=' && memchr(bytes, '=', length);
    case 'w': return set_string(&frame->directory, bytes, length) && bytes[0] == '/';
    case 'o': return set_number(&frame->output_max, FRAME_OUTPUT_MAX, bytes, length);
    case 'i': return set_number(&frame->input_length, UINT64_MAX, bytes, length);
    case 'd': return set_number(&frame->deadline_ms, UINT64_MAX, bytes, length);
    case 'c': return set_number(&frame->cpu_ms, UINT64_MAX, bytes, length);
    case 'p': return set_number(&frame->egress_port, UINT16_MAX, bytes, length) && frame->egress_port.value > 0;
    case 's': return add_secret(frame, bytes, length);
    case 'h': return length == 0 && !frame->hangup && (frame->hangup = true);
    default: return false;
    }
}

bool frame_parse(uint8_t *body, size_t length, struct frame *frame) {
    memset(frame, 0, sizeof *frame);
    for (size_t at = 0, size; at < length; at += size) {
        if (length - at < 5)
            return false;
        uint8_t type = body[at];
        size = load_u32(body + at + 1);
        at += 5;
        if (size > length - at || !parse_record(frame, type, body + at, size))
            return false;
    }
    return frame->nonce && frame->arguments.count > 0 && frame->directory && frame->output_max.given
        && frame->input_length.given && frame->deadline_ms.given;
}
