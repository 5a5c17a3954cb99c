// SPDX-License-Identifier: GPL-2.0-or-later
/* Produce and forget; delivery reports count what was not delivered after all. */
#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connkey.h"
#include "dynlib.h"
#include "outlet_kafka.h"

#define LAST_MS 3000 /* what is left at the end may take so long */

static struct {
	__typeof__(&rd_kafka_conf_new) conf_new;
	__typeof__(&rd_kafka_conf_set) conf_set;
	__typeof__(&rd_kafka_conf_set_dr_msg_cb) set_report;
	__typeof__(&rd_kafka_conf_set_opaque) set_opaque;
	__typeof__(&rd_kafka_conf_set_log_cb) set_log;
	__typeof__(&rd_kafka_conf_set_error_cb) set_error;
	__typeof__(&rd_kafka_conf_destroy) conf_destroy;
	__typeof__(&rd_kafka_new) new;
	__typeof__(&rd_kafka_topic_new) topic_new;
	__typeof__(&rd_kafka_topic_destroy) topic_destroy;
	__typeof__(&rd_kafka_produce) produce;
	__typeof__(&rd_kafka_poll) poll;
	__typeof__(&rd_kafka_flush) flush;
	__typeof__(&rd_kafka_outq_len) waiting;
	__typeof__(&rd_kafka_destroy) destroy;
} lib;

struct kafka {
	struct outlet outlet;
	rd_kafka_t *rk;
	rd_kafka_topic_t *topic;
	char *brokers;
	bool said;
	uint64_t failures;
};

/* In rd_kafka_poll(), so on the collector's thread. */
static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *m, void *ctx)
{
	struct kafka *k = ctx;

	(void)rk;
	if (m->err)
		k->failures++;
}

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *ctx)
{
	struct kafka *k = ctx;

	(void)rk;
	(void)code;
	if (!k->said)
		fprintf(stderr, "mispair: Kafka at %s: %s; events wait and are tried again\n",
			k->brokers, reason);
	k->said = true;
}

/* What it would log of every attempt is said once, by on_error(). */
static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	(void)rk;
	(void)level;
	(void)facility;
	(void)text;
}

static void on_line(void *ctx, const struct event_line *e)
{
	struct kafka *k = ctx;
	char key[512];

	connection_key(e, key, sizeof(key));
	/* Without the newline: a message has an end of its own. */
	if (lib.produce(k->topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, (void *)e->text,
			e->len - 1, key, strlen(key), NULL))
		k->failures++;
}

static void on_tick(void *ctx)
{
	lib.poll(((struct kafka *)ctx)->rk, 0);
}

static uint64_t get_failures(void *ctx)
{
	return ((struct kafka *)ctx)->failures;
}

static void on_finish(void *ctx)
{
	struct kafka *k = ctx;

	if (k->rk) {
		lib.flush(k->rk, LAST_MS);
		k->failures += (uint64_t)lib.waiting(k->rk);
		if (k->failures)
			fprintf(stderr, "mispair: %llu events did not reach Kafka at %s\n",
				(unsigned long long)k->failures, k->brokers);
		if (k->topic)
			lib.topic_destroy(k->topic);
		lib.destroy(k->rk);
	}
	free(k->brokers);
	free(k);
}

static int load(char *err, size_t errlen)
{
	static const char *const names[] = {"librdkafka.so.1", NULL};
	const struct dynlib_symbol symbols[] = {
		{"rd_kafka_conf_new", &lib.conf_new},
		{"rd_kafka_conf_set", &lib.conf_set},
		{"rd_kafka_conf_set_dr_msg_cb", &lib.set_report},
		{"rd_kafka_conf_set_opaque", &lib.set_opaque},
		{"rd_kafka_conf_set_log_cb", &lib.set_log},
		{"rd_kafka_conf_set_error_cb", &lib.set_error},
		{"rd_kafka_conf_destroy", &lib.conf_destroy},
		{"rd_kafka_new", &lib.new},
		{"rd_kafka_topic_new", &lib.topic_new},
		{"rd_kafka_topic_destroy", &lib.topic_destroy},
		{"rd_kafka_produce", &lib.produce},
		{"rd_kafka_poll", &lib.poll},
		{"rd_kafka_flush", &lib.flush},
		{"rd_kafka_outq_len", &lib.waiting},
		{"rd_kafka_destroy", &lib.destroy},
	};

	return dynlib_load(names, "librdkafka1", symbols, sizeof(symbols) / sizeof(symbols[0]), err,
			   errlen);
}

static bool set(rd_kafka_conf_t *conf, const char *name, const char *value, char *err,
		size_t errlen)
{
	return lib.conf_set(conf, name, value, err, errlen) == RD_KAFKA_CONF_OK;
}

static bool configure(rd_kafka_conf_t *conf, const struct outlet_kafka_opts *o, char *err,
		      size_t errlen)
{
	const char *const *c;
	char name[128];

	/* Bounded in memory; a default partitioner that other clients of the topic share. */
	if (!set(conf, "bootstrap.servers", o->brokers, err, errlen) ||
	    !set(conf, "client.id", "mispair", err, errlen) ||
	    !set(conf, "linger.ms", "100", err, errlen) ||
	    !set(conf, "partitioner", "murmur2_random", err, errlen) ||
	    !set(conf, "queue.buffering.max.kbytes", "32768", err, errlen))
		return false;
	for (c = o->config; c && *c; c++) {
		const char *eq = strchr(*c, '=');

		if (!eq || (size_t)(eq - *c) >= sizeof(name)) {
			snprintf(err, errlen, "'%s' is not NAME=VALUE", *c);
			return false;
		}
		memcpy(name, *c, (size_t)(eq - *c));
		name[eq - *c] = 0;
		if (!set(conf, name, eq + 1, err, errlen))
			return false;
	}
	return true;
}

int outlet_kafka_new(const struct outlet_kafka_opts *o, struct outlet **out, char *err,
		     size_t errlen)
{
	rd_kafka_conf_t *conf;
	struct kafka *k;
	int e = load(err, errlen);

	if (e)
		return e;
	k = calloc(1, sizeof(*k));
	conf = lib.conf_new();
	if (!k || !conf || !(k->brokers = strdup(o->brokers))) {
		snprintf(err, errlen, "out of memory");
		free(k);
		return -ENOMEM;
	}
	lib.set_report(conf, on_report);
	lib.set_error(conf, on_error);
	lib.set_log(conf, on_log);
	lib.set_opaque(conf, k);
	if (!configure(conf, o, err, errlen)) {
		lib.conf_destroy(conf);
		on_finish(k);
		return -EINVAL;
	}
	k->rk = lib.new(RD_KAFKA_PRODUCER, conf, err, errlen);
	if (!k->rk) {
		lib.conf_destroy(conf);
		on_finish(k);
		return -EINVAL;
	}
	k->topic = lib.topic_new(k->rk, o->topic, NULL);
	if (!k->topic) {
		snprintf(err, errlen, "'%s' cannot be a Kafka topic", o->topic);
		on_finish(k);
		return -EINVAL;
	}
	k->outlet = (struct outlet){.ctx = k,
				    .line = on_line,
				    .tick = on_tick,
				    .failures = get_failures,
				    .finish = on_finish};
	*out = &k->outlet;
	return 0;
}
