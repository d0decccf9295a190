/* The sandbox's end of the way out: TCP on its loopback, passed on to the runner's proxy behind a unix socket. */
#ifndef PADDOCK_FORWARDER_H
#define PADDOCK_FORWARDER_H
#include <stdint.h>
#include <sys/types.h>

/* Listens on 127.0.0.1:port, and then starts the process that forwards: its pid, or -1. In that process it first wipes
 * the caller's secrets, and closes all descriptors but the listener. The caller's descriptors must leave no gap. Which
 * signals are blocked stays as it is. */
pid_t forwarder_start(uint16_t port, void *secrets, size_t length);
#endif
