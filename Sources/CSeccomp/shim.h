#pragma once
// Typed inline wrappers around libseccomp's function-like macros, and around what its export needs: Swift cannot import
// the former, and memfd_create(2) is behind _GNU_SOURCE.

#include <seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline uint32_t paddock_seccomp_errno(uint16_t number) {
    return SCMP_ACT_ERRNO(number);
}

// The bits of the mask, and no others, must be those of the value.
static inline struct scmp_arg_cmp paddock_seccomp_masked(unsigned int argument, uint64_t mask, uint64_t value) {
    return (struct scmp_arg_cmp){ argument, SCMP_CMP_MASKED_EQ, mask, value };
}

// A file in memory that is closed on exec.
static inline int paddock_memory_file(const char *name) {
    return (int)syscall(SYS_memfd_create, name, 1U);
}
