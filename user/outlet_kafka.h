/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every event to a Kafka topic, keyed by its connection (connkey.h), so that the events of both
 * ends of a connection meet in one partition. librdkafka's queue is bounded and its threads do the
 * waiting.
 */
#ifndef MISPAIR_OUTLET_KAFKA_H
#define MISPAIR_OUTLET_KAFKA_H

#include "outlet.h"

struct outlet_kafka_opts {
	const char *brokers, *topic;
	const char *const *config; /* "NAME=VALUE" of librdkafka, NULL-terminated; may be NULL */
};

int outlet_kafka_new(const struct outlet_kafka_opts *o, struct outlet **out, char *err,
		     size_t errlen);

#endif
