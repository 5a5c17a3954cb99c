// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * librdkafka's mock cluster and a consumer of it: prints its brokers, then each message of TOPIC as
 * "PARTITION KEY VALUE", tabs between, until standard input ends.
 */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static rd_kafka_t *client(rd_kafka_type_t type, const char *brokers)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char err[512];
	rd_kafka_t *rk;

	if (brokers) {
		rd_kafka_conf_set(conf, "bootstrap.servers", brokers, err, sizeof(err));
		rd_kafka_conf_set(conf, "group.id", "test", err, sizeof(err));
	}
	rk = rd_kafka_new(type, conf, err, sizeof(err));
	if (!rk) {
		fprintf(stderr, "kafka_mock: %s\n", err);
		exit(1);
	}
	return rk;
}

int main(int argc, char **argv)
{
	const char *topic = argc > 1 ? argv[1] : "mispair";
	rd_kafka_t *owner = client(RD_KAFKA_PRODUCER, NULL), *consumer;
	rd_kafka_mock_cluster_t *cluster = rd_kafka_mock_cluster_new(owner, 3);
	struct pollfd in = {.fd = 0, .events = POLLIN};
	rd_kafka_topic_partition_list_t *list;
	rd_kafka_message_t *m;
	int i;

	if (!cluster || rd_kafka_mock_topic_create(cluster, topic, 4, 1)) {
		fprintf(stderr, "kafka_mock: no cluster\n");
		return 1;
	}
	printf("%s\n", rd_kafka_mock_cluster_bootstraps(cluster));
	fflush(stdout);
	consumer = client(RD_KAFKA_CONSUMER, rd_kafka_mock_cluster_bootstraps(cluster));
	list = rd_kafka_topic_partition_list_new(4);
	for (i = 0; i < 4; i++)
		rd_kafka_topic_partition_list_add(list, topic, i)->offset = 0;
	rd_kafka_assign(consumer, list);
	rd_kafka_poll_set_consumer(consumer);
	while (poll(&in, 1, 0) == 0) {
		m = rd_kafka_consumer_poll(consumer, 100);
		if (m && !m->err) {
			printf("%d\t%.*s\t%.*s\n", (int)m->partition, (int)m->key_len,
			       (const char *)m->key, (int)m->len, (const char *)m->payload);
			fflush(stdout);
		}
		if (m)
			rd_kafka_message_destroy(m);
	}
	rd_kafka_topic_partition_list_destroy(list);
	rd_kafka_consumer_close(consumer);
	rd_kafka_destroy(consumer);
	rd_kafka_mock_cluster_destroy(cluster);
	rd_kafka_destroy(owner);
	return 0;
}
