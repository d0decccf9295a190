#pragma once
// glibc keeps a resolver's state for each thread, behind a macro that Swift cannot import.

#include <resolv.h>

// This thread's next lookups take a name as it is: resolv.conf's search list is not tried. What resolv.conf says else is
// read again. A trailing dot would do the same for DNS, and would no longer find the names of /etc/hosts; resolver(3).
static inline int paddock_resolve_absolute(void) {
    if (res_init() != 0)
        return -1;
    _res.options &= ~(RES_DEFNAMES | RES_DNSRCH);
    return 0;
}
