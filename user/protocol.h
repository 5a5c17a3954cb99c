/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MISPAIR_PROTOCOL_H
#define MISPAIR_PROTOCOL_H

#include <stdint.h>

/*
 * The protocol that usually lives on a server's TCP port (host order), as OpenTelemetry's
 * network.protocol.name, or NULL. A guess for people to read: no verdict may depend on it. The
 * string is constant and lives for ever.
 */
const char *protocol_from_port(uint16_t port);

#endif
