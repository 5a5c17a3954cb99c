// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Well-known ports of request and reply protocols. Only the port is looked at: mispair reads no
 * payload, so this is a label and never evidence.
 */
#include "protocol.h"

#include <stddef.h>

static const struct {
	uint16_t port;
	const char *name;
} ports[] = {
	{80, "http"},
	/* The application protocol; OpenTelemetry says TLS in other attributes. */
	{443, "http"},
	{3306, "mysql"},
	{4222, "nats"},
	{5432, "postgresql"},
	{5672, "amqp"},
	{6379, "redis"},
	{8080, "http"},
	{9042, "cassandra"},
	{9092, "kafka"},
	{11211, "memcached"},
	{27017, "mongodb"},
};

const char *protocol_from_port(uint16_t port)
{
	size_t i;

	for (i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		if (ports[i].port == port)
			return ports[i].name;
	}
	return NULL;
}
