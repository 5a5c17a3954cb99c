// SPDX-License-Identifier: GPL-2.0-or-later
/* One table drives parsing and help; a wrong word is an error with the word in it. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "metrics.h"
#include "numparse.h"
#include "options.h"
#include "recorder.h"

enum {
	OPT_JSON = 256,
	OPT_FAIL_ON,
	OPT_EXIT_CODE,
	OPT_PORT,
	OPT_PEER,
	OPT_STRICT,
	OPT_LEDGERS,
	OPT_RING,
	OPT_ROOM,
	OPT_STATS,
	OPT_DURATION,
	OPT_PRECISE,
	OPT_HOOK,
	OPT_WITHOUT,
	OPT_VERBOSE,
	OPT_QUIET,
	OPT_ASCII,
	OPT_COLOR,
	OPT_NO_TIMELINE,
	OPT_NO_MEMORY,
	OPT_MOUSE,
	OPT_KEEP,
	OPT_MAX_SIZE,
	OPT_CANCEL_AT,
	OPT_CANCEL_USDT,
	OPT_NEVER_PROBE,
	OPT_ROTATE_SIZE,
	OPT_ROTATE_COUNT,
	OPT_SOCKET,
	OPT_SYSLOG,
	OPT_METRICS,
	OPT_METRICS_FILE,
	OPT_OTLP,
	OPT_KAFKA,
	OPT_TOPIC,
	OPT_KAFKA_CONFIG,
};

static const struct row {
	int val;
	const char *name, *arg;
	enum command_bit cmds;
	const char *help;
} rows[] = {
	{'b', "batch", NULL, FOR_SHOW, "plain text instead of a screen, for pipes and cron"},
	{'n', "count", "COUNT", FOR_SHOW, "with -b: end after so many refreshes"},
	{'d', "delay", "SECS", FOR_SHOW, "seconds between two refreshes (default 1; 0.1 to 3600)"},
	{'o', "sort", "COLUMN", FOR_SHOW, "sort by this column, -COLUMN the other way round"},
	{OPT_MOUSE, "mouse", NULL, FOR_SHOW,
	 "clicks and the wheel; the terminal selects no text then"},
	{'p', "pid", "PID", FOR_HOST | FOR_RECORD,
	 "only this process and what it forks from now on (repeatable)"},
	{'c', "comm", "COMM", FOR_LIVE, "only threads of this name (repeatable)"},
	{OPT_PORT, "port", "N", FOR_LIVE, "only connections to this port (repeatable)"},
	{OPT_PEER, "peer", "ADDR", FOR_LIVE, "only connections to this address (repeatable)"},
	{OPT_JSON, "json", "FILE", FOR_ALL, "events as NDJSON; - is standard output"},
	{OPT_ROTATE_SIZE, "rotate-size", "BYTES", FOR_LIVE,
	 "begin a new --json file before it is larger; SIGHUP opens it anew too"},
	{OPT_ROTATE_COUNT, "rotate-count", "N", FOR_LIVE,
	 "keep FILE.1 to FILE.N of the old ones (default 5)"},
	{OPT_SOCKET, "socket", "PATH", FOR_LIVE, "the same lines for readers of a Unix socket"},
	{OPT_SYSLOG, "syslog", "[=SOCKET]", FOR_LIVE,
	 "findings to the system's log (journald's too), or to the one behind SOCKET"},
	{OPT_METRICS, "metrics", "[ADDR:]PORT", FOR_LIVE,
	 "Prometheus' /metrics there (default address 127.0.0.1)"},
	{OPT_METRICS_FILE, "metrics-file", "FILE", FOR_LIVE,
	 "the same for node_exporter's textfile collector, every 5 s"},
	{OPT_OTLP, "otlp", "URL", FOR_LIVE, "findings as OpenTelemetry logs (OTLP/HTTP JSON)"},
	{OPT_KAFKA, "kafka", "BROKERS", FOR_LIVE, "events to Kafka, keyed by connection"},
	{OPT_TOPIC, "topic", "TOPIC", FOR_LIVE, "Kafka's topic (default mispair)"},
	{OPT_KAFKA_CONFIG, "kafka-config", "NAME=VALUE", FOR_LIVE,
	 "a setting of librdkafka, such as security.protocol=ssl (repeatable)"},
	{'w', "write", "FILE", FOR_LIVE, "record all that is seen, for `mispair replay`"},
	{OPT_MAX_SIZE, "max-size", "BYTES", FOR_LIVE,
	 "of the recording: at its end the run ends (default 1G)"},
	{OPT_KEEP, "keep", "TIME", FOR_LIVE,
	 "write only so much before each likely finding, and two seconds after"},
	{OPT_FAIL_ON, "fail-on", "LEVEL", FOR_ALL,
	 "exit 3 from this verdict on: reused, dirty, abandoned, never (run: reused)"},
	{OPT_EXIT_CODE, "exit-code", "N", FOR_ALL,
	 "exit status of such a finding (default 3), where a command has a 3 of its own"},
	{OPT_STRICT, "strict", NULL, FOR_ALL,
	 "exit 6 if evidence was lost or a process was blind; 4, 5 where only a part works"},
	{OPT_LEDGERS, "ledgers", NULL, FOR_LIVE,
	 "report every client connection's counts at its end"},
	{OPT_PRECISE, "precise", "WHEN", FOR_LIVE,
	 "probe cancellations themselves: auto (while a process is young, and after a finding), "
	 "always, never"},
	{OPT_CANCEL_AT, "cancel-at", "BINARY:SYMBOL[:ARG]", FOR_LIVE,
	 "a call of this function cancels a wait: that of the thread whose number or pthread_t is "
	 "argument ARG (1 to 6), else the caller's (repeatable)"},
	{OPT_CANCEL_USDT, "cancel-usdt", "BINARY:PROVIDER:NAME[:ARG]", FOR_LIVE,
	 "the same for a USDT probe (repeatable)"},
	{OPT_NEVER_PROBE, "never-probe", "NAME", FOR_LIVE,
	 "put no probe into processes whose executable has this name, which may be a pattern; "
	 "clickhouse* is always one (repeatable)"},
	{OPT_NO_MEMORY, "no-memory", NULL, FOR_LIVE,
	 "read no task from memory: probe every step, as for a CPython that is not known"},
	{OPT_HOOK, "hook", "TIER", FOR_LIVE, "force tp_btf, fexit or kprobe (see `mispair probe`)"},
	{OPT_WITHOUT, "without", "HOOK", FOR_LIVE,
	 "do not attach hrtimer_expire_entry, hrtimer_start or signal_deliver, of which waits are "
	 "told that a timeout or a signal ends (repeatable)"},
	{OPT_RING, "ring-size", "BYTES", FOR_LIVE, "ring buffer, 4K to 256M (default 4M)"},
	/* For tests of what is full: no map of the recorder holds more. */
	{OPT_ROOM, "room", "ENTRIES", FOR_LIVE, NULL},
	{OPT_STATS, "stats", "TIME", FOR_LIVE, "a stats event this often (default 10s, 0s: never)"},
	{OPT_DURATION, "duration", "TIME", FOR_HOST | FOR_RECORD, "stop after this long"},
	{OPT_NO_TIMELINE, "no-timeline", NULL, FOR_ALL, "one line a finding, no chart"},
	{OPT_QUIET, "quiet", NULL, FOR_ALL, "findings and losses only"},
	{OPT_ASCII, "ascii", NULL, FOR_ALL, "nothing outside ASCII"},
	{OPT_COLOR, "color", "WHEN", FOR_ALL, "auto, always, never (NO_COLOR is obeyed)"},
	{OPT_VERBOSE, "verbose", NULL, FOR_LIVE, "libbpf's log on standard error"},
	{'h', "help", NULL, FOR_ALL, "this text"},
};

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

void options_help(FILE *to, enum command_bit cmd)
{
	char left[48];
	size_t i;

	for (i = 0; i < N_ROWS; i++) {
		const struct row *r = &rows[i];

		if (!(r->cmds & cmd) || !r->help)
			continue;
		snprintf(left, sizeof(left), "%s%c%s--%s%s%s", r->val < 256 ? "-" : " ",
			 r->val < 256 ? r->val : ' ', r->val < 256 ? ", " : "  ", r->name,
			 r->arg && strncmp(r->arg, "[=", 2) ? " " : "", r->arg ? r->arg : "");
		fprintf(to, "  %-24s %s\n", left, r->help);
	}
	if (!(cmd & FOR_SHOW))
		return;
	fputs("\nColumns (-o takes the name in the first column, the title, or the JSON key):\n",
	      to);
	for (i = 0; i < COL_MAX; i++)
		fprintf(to, "  %-11s %-10s %-25s %s\n", view_columns[i].name, view_columns[i].title,
			view_columns[i].json, view_columns[i].help);
}

static int bad(const char *option, const char *value, const char *why)
{
	fprintf(stderr, "mispair: --%s '%s': %s\n", option, value, why);
	return -EINVAL;
}

static int parse_pid(struct options *o, const char *s)
{
	uint64_t pid;
	char path[32];

	if (parse_u64(s, 1, 1u << 22, &pid))
		return bad("pid", s, "not a process ID");
	if (o->filters.n_pids == FILTER_MAX)
		return bad("pid", s, "too many (16 at most)");
	snprintf(path, sizeof(path), "/proc/%u", (unsigned int)pid);
	if (access(path, F_OK))
		return bad("pid", s, "no such process");
	o->filters.pids[o->filters.n_pids++] = (uint32_t)pid;
	o->filters.follow = 1;
	return 0;
}

static int parse_comm(struct options *o, const char *s)
{
	if (o->filters.n_comms == FILTER_MAX)
		return bad("comm", s, "too many (16 at most)");
	if (!*s || strlen(s) > 15)
		return bad("comm", s, "a thread's name has 1 to 15 bytes");
	memcpy(o->filters.comms[o->filters.n_comms++], s, strlen(s));
	return 0;
}

static int parse_port(struct options *o, const char *s)
{
	uint64_t port;

	if (parse_u64(s, 1, 65535, &port))
		return bad("port", s, "not a port (1 to 65535)");
	if (o->filters.n_ports == FILTER_MAX)
		return bad("port", s, "too many (16 at most)");
	o->filters.ports[o->filters.n_ports++] = (uint16_t)port;
	return 0;
}

static int parse_exit_code(struct options *o, const char *s)
{
	uint64_t n;

	if (parse_u64(s, 1, 255, &n))
		return bad("exit-code", s, "a number from 1 to 255 is wanted");
	o->found_status = (int)n;
	return 0;
}

static int parse_peer(struct options *o, const char *s)
{
	uint32_t n = o->filters.n_peers;

	if (n == FILTER_MAX)
		return bad("peer", s, "too many (16 at most)");
	if (inet_pton(AF_INET, s, o->filters.peers[n].addr) == 1)
		o->filters.peers[n].family = AF_INET;
	else if (inet_pton(AF_INET6, s, o->filters.peers[n].addr) == 1)
		o->filters.peers[n].family = AF_INET6;
	else
		return bad("peer", s, "not an IPv4 or IPv6 address (names are not looked up)");
	o->filters.n_peers++;
	return 0;
}

static int one_of(const char *option, const char *s, const char *const *words, int *out)
{
	int i;

	for (i = 0; words[i]; i++) {
		if (!strcmp(s, words[i])) {
			*out = i;
			return 0;
		}
	}
	fprintf(stderr, "mispair: --%s '%s': one of", option, s);
	for (i = 0; words[i]; i++)
		fprintf(stderr, "%s %s", i ? "," : "", words[i]);
	fprintf(stderr, " is wanted\n");
	return -EINVAL;
}

static int parse_word(struct options *o, int val, const char *s)
{
	static const char *const levels[] = {"reused", "dirty", "abandoned", "never", NULL};
	static const enum verdict verdicts[] = {VERDICT_REUSED, VERDICT_DIRTY, VERDICT_ABANDONED,
						VERDICT_NONE};
	static const char *const precise[] = {"auto", "always", "never", NULL};
	static const char *const colors[] = {"never", "always", "auto", NULL};
	static const char *const tiers[] = {"tp_btf", "fexit", "kprobe", NULL};
	static const char *const spare[] = {"hrtimer_expire_entry", "hrtimer_start",
					    "signal_deliver", NULL};
	int n = 0, e;

	if (val == OPT_FAIL_ON) {
		e = one_of("fail-on", s, levels, &n);
		o->fail_on = verdicts[n];
	} else if (val == OPT_PRECISE) {
		e = one_of("precise", s, precise, &n);
		o->precise = (enum precise)n;
	} else if (val == OPT_HOOK) {
		e = one_of("hook", s, tiers, &n);
		o->tier = s;
	} else if (val == OPT_WITHOUT) {
		e = one_of("without", s, spare, &n);
		o->without |= 1u << n; /* enum spare_hook */
	} else {
		e = one_of("color", s, colors, &n);
		o->color = n == 2 ? -1 : n;
	}
	return e;
}

static int parse_sort(struct options *o, const char *s)
{
	const char *word = *s == '-' ? s + 1 : s;
	int i;

	o->sort = view_column_find(word);
	o->sort_reverse = *s == '-';
	if (o->sort != COL_MAX && !view_columns[o->sort].pools)
		return 0;
	fprintf(stderr, "mispair: --sort '%s': no such column; there are", s);
	for (i = 0; i < COL_MAX; i++)
		if (!view_columns[i].pools)
			fprintf(stderr, " %s", view_columns[i].name);
	fputc('\n', stderr);
	return -EINVAL;
}

static int apply_top(struct options *o, int val, const char *s)
{
	switch (val) {
	case 'b':
		o->batch = true;
		return 0;
	case 'n':
		return parse_u64(s, 1, 1000000000, &o->count)
			       ? bad("count", s, "a number from 1 on is wanted")
			       : 0;
	case 'd':
		return parse_seconds_ns(s, 100000000, 3600000000000ULL, &o->delay_ns)
			       ? bad("delay", s, "seconds from 0.1 to 3600 are wanted")
			       : 0;
	case 'o':
		return parse_sort(o, s);
	default:
		o->mouse = true;
		return 0;
	}
}

static int parse_record(struct options *o, int val, const char *s)
{
	if (val == OPT_MAX_SIZE)
		return parse_size(s, RECORDER_SIZE_MIN, 1ULL << 50, &o->max_size)
			       ? bad("max-size", s, "a size from 512K is wanted")
			       : 0;
	if (val == OPT_KEEP)
		return parse_duration_ns(s, 1000000000ULL, 3600ULL * 1000000000, &o->keep_ns)
			       ? bad("keep", s, "a time from 1s to 1h is wanted")
			       : 0;
	o->record = s;
	return *s && strcmp(s, "-") ? 0 : bad("write", s, "a file name is wanted");
}

static int parse_url(struct options *o, const char *s)
{
	o->otlp = s;
	return strncmp(s, "http://", 7) && strncmp(s, "https://", 8)
		       ? bad("otlp", s, "a URL such as http://127.0.0.1:4318/v1/logs is wanted")
		       : 0;
}

static int parse_kafka_config(struct options *o, const char *s)
{
	int n = 0;

	while (o->kafka_config[n])
		n++;
	if (n == KAFKA_CONFIG_MAX)
		return bad("kafka-config", s, "too many (16 at most)");
	o->kafka_config[n] = s;
	return strchr(s, '=') > s ? 0 : bad("kafka-config", s, "NAME=VALUE is wanted");
}

static int parse_cancel(struct options *o, int val, const char *s)
{
	const char *name = val == OPT_CANCEL_AT ? "cancel-at" : "cancel-usdt";
	char why[128];

	if (o->n_cancels == PROBESPEC_MAX)
		return bad(name, s, "too many (16 at most)");
	if (probespec_parse(s, val == OPT_CANCEL_USDT, &o->cancels[o->n_cancels], why, sizeof(why)))
		return bad(name, s, why);
	o->n_cancels++;
	return 0;
}

static int add_never_probe(struct options *o, const char *s)
{
	if (o->never_probe.n == NEVERPROBE_MAX)
		return bad("never-probe", s, "too many (32 at most)");
	o->never_probe.names[o->never_probe.n++] = s;
	return *s && !strchr(s, '/')
		       ? 0
		       : bad("never-probe", s, "a file's name is wanted, without its directory");
}

static int parse_export(struct options *o, int val, const char *s)
{
	uint64_t n = 0;

	switch (val) {
	case OPT_ROTATE_SIZE:
		return parse_size(s, 4096, 1ULL << 50, &o->rotate_size)
			       ? bad("rotate-size", s, "a size from 4K is wanted")
			       : 0;
	case OPT_ROTATE_COUNT:
		if (parse_u64(s, 0, 1000, &n))
			return bad("rotate-count", s, "a number up to 1000 is wanted");
		o->rotate_count = (uint32_t)n;
		return 0;
	case OPT_SOCKET:
		o->socket = s;
		return *s ? 0 : bad("socket", s, "a file name is wanted");
	case OPT_SYSLOG:
		o->syslog = true;
		o->syslog_path = s;
		return 0;
	case OPT_METRICS:
		o->metrics = s;
		return metrics_parse_address(s, NULL) ? bad("metrics", s, "[ADDR:]PORT is wanted")
						      : 0;
	case OPT_METRICS_FILE:
		o->metrics_file = s;
		return *s ? 0 : bad("metrics-file", s, "a file name is wanted");
	case OPT_OTLP:
		return parse_url(o, s);
	case OPT_KAFKA:
		o->kafka = s;
		return *s ? 0 : bad("kafka", s, "HOST:PORT of a broker is wanted");
	case OPT_TOPIC:
		o->topic = s;
		return *s ? 0 : bad("topic", s, "a topic is wanted");
	}
	return parse_kafka_config(o, s);
}

static int apply(struct options *o, int val, const char *s)
{
	if (val >= OPT_ROTATE_SIZE)
		return parse_export(o, val, s);
	switch (val) {
	case 'b':
	case 'n':
	case 'd':
	case 'o':
	case OPT_MOUSE:
		return apply_top(o, val, s);
	case 'w':
	case OPT_MAX_SIZE:
	case OPT_KEEP:
		return parse_record(o, val, s);
	case 'p':
		return parse_pid(o, s);
	case 'c':
		return parse_comm(o, s);
	case OPT_CANCEL_AT:
	case OPT_CANCEL_USDT:
		return parse_cancel(o, val, s);
	case OPT_PORT:
		return parse_port(o, s);
	case OPT_PEER:
		return parse_peer(o, s);
	case OPT_JSON:
		o->json = s;
		return *s ? 0 : bad("json", s, "a file name or - is wanted");
	case OPT_FAIL_ON:
	case OPT_PRECISE:
	case OPT_COLOR:
	case OPT_HOOK:
	case OPT_WITHOUT:
		return parse_word(o, val, s);
	case OPT_EXIT_CODE:
		return parse_exit_code(o, s);
	case OPT_STRICT:
		o->strict = true;
		return 0;
	case OPT_LEDGERS:
		o->ledgers = true;
		return 0;
	case OPT_ROOM:
		return parse_u64(s, 1, 65536, &o->room)
			       ? bad("room", s, "a number from 1 to 65536 is wanted")
			       : 0;
	case OPT_RING:
		return parse_size(s, 4096, 256u << 20, &o->ring_size)
			       ? bad("ring-size", s, "a size from 4K to 256M is wanted")
			       : 0;
	case OPT_STATS:
		return parse_duration_ns(s, 0, 86400ULL * 1000000000, &o->stats_ns)
			       ? bad("stats", s, "a time such as 500ms or 10s is wanted")
			       : 0;
	case OPT_DURATION:
		return parse_duration_ns(s, 1, 365ULL * 86400 * 1000000000, &o->duration_ns)
			       ? bad("duration", s, "a time such as 30s is wanted")
			       : 0;
	case OPT_NO_TIMELINE:
		o->no_timeline = true;
		return 0;
	case OPT_NEVER_PROBE:
		return add_never_probe(o, s);
	case OPT_NO_MEMORY:
		o->no_memory = true;
		return 0;
	case OPT_QUIET:
		o->quiet = true;
		return 0;
	case OPT_ASCII:
		o->ascii = true;
		return 0;
	case OPT_VERBOSE:
		o->verbose = true;
		return 0;
	}
	return -EINVAL;
}

/* Filters as one line for `start`. */
static void remember_filter(struct options *o, int val, const char *name, const char *s)
{
	size_t at = strlen(o->filter_text);

	if (val == 'p' || val == 'c' || val == OPT_PORT || val == OPT_PEER)
		snprintf(o->filter_text + at, sizeof(o->filter_text) - at, "%s--%s %s",
			 at ? " " : "", name, s);
}

int options_parse(struct options *o, enum command_bit cmd, int argc, char **argv)
{
	struct option longs[N_ROWS + 1] = {{0}};
	/* A command's own options are not ours; a replay has no command. */
	char shorts[2 * N_ROWS + 4] = "+:";
	size_t i, n = 0;
	int val, index;

	memset(o, 0, sizeof(*o));
	o->color = -1;
	o->ring_size = 4u << 20;
	o->stats_ns = 10ULL * 1000000000;
	o->max_size = 1ULL << 30;
	o->rotate_count = 5;
	o->topic = "mispair";
	o->found_status = EXIT_FOUND;
	o->fail_on = cmd == FOR_RUN ? VERDICT_REUSED : VERDICT_NONE;
	if (cmd == FOR_REPLAY)
		memcpy(shorts, ":", 2);
	for (i = 0; i < N_ROWS; i++) {
		if (!(rows[i].cmds & cmd))
			continue;
		longs[n].name = rows[i].name;
		longs[n].has_arg = !rows[i].arg ? no_argument
				   : rows[i].arg[0] == '[' && rows[i].arg[1] == '='
					   ? optional_argument
					   : required_argument;
		longs[n++].val = rows[i].val;
		if (rows[i].val < 256)
			snprintf(shorts + strlen(shorts), 3, "%c%s", rows[i].val,
				 rows[i].arg ? ":" : "");
	}
	optind = 0;
	while ((val = getopt_long(argc, argv, shorts, longs, &index)) != -1) {
		if (val == 'h')
			return 1;
		if (val == '?' || val == ':') {
			const char *what =
				val == ':' ? "a value is missing after" : "unknown option";

			/* Among short ones, optind moves on only after the last of a word. */
			if (val == '?' && optopt > 0 && optopt < 256)
				fprintf(stderr, "mispair: %s '-%c' (--help lists the options)\n",
					what, optopt);
			else
				fprintf(stderr, "mispair: %s '%s' (--help lists the options)\n",
					what, argv[optind - 1]);
			return -EINVAL;
		}
		for (i = 0; i < N_ROWS && rows[i].val != val; i++)
			;
		if (apply(o, val, optarg))
			return -EINVAL;
		remember_filter(o, val, rows[i].name, optarg);
	}
	o->command = argv + optind;
	if ((cmd & FOR_HOST) && argv[optind]) {
		fprintf(stderr, "mispair: unexpected word '%s'\n", argv[optind]);
		return -EINVAL;
	}
	if (cmd == FOR_RUN && !argv[optind]) {
		fprintf(stderr, "mispair: no command to run; try: mispair run -- CMD ARG...\n");
		return -EINVAL;
	}
	if (cmd != FOR_REPLAY && o->keep_ns && !o->record) {
		fprintf(stderr, "mispair: --keep is for a recording: -w FILE is missing\n");
		return -EINVAL;
	}
	return 0;
}

int errno_to_exit(int e)
{
	if (!e)
		return EXIT_NOTHING;
	if (e == -EPERM || e == -EACCES)
		return EXIT_PRIVILEGE;
	return e == -EOPNOTSUPP ? EXIT_KERNEL : EXIT_FAILED;
}
