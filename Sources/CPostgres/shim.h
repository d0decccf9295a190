#pragma once
// libpq's functions are plain ones, which Swift imports as they are.

#include <libpq-fe.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>
// To wait for libpq's sockets: Swift's Glibc module is without them.
#include <sys/epoll.h>
#include <sys/eventfd.h>

// libpq speaks TLS by way of OpenSSL, whose exit handler can crash a process that ends while another thread is in it.
// Call it before the first connection: the first initialisation decides.
static inline int paddock_openssl_without_exit_handler(void) {
    return OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
}

// Whether OpenSSL holds bytes that libpq has not taken: the socket does not tell of them.
static inline int paddock_pq_has_pending(PGconn *connection) {
    SSL *tls = (SSL *) PQsslStruct(connection, "OpenSSL");
    return tls != NULL && SSL_pending(tls) > 0;
}
