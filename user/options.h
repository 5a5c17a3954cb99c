/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options that `run` and `trace` share, from one table. */
#ifndef MISPAIR_OPTIONS_H
#define MISPAIR_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "asyncio.h"
#include "finding.h"
#include "neverprobe.h"
#include "probespec.h"
#include "view_columns.h"
#include "hooks.h"
#include "../bpf/events.h"

/* Exit codes; README lists them. */
enum {
	EXIT_NOTHING = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_FOUND = 3,
	EXIT_KERNEL = 4,
	EXIT_PRIVILEGE = 5,
	EXIT_LOST = 6,
};

/* What standard output shows, beside events: lines as they happen, or connections. */
enum show { SHOW_LINES, SHOW_VIEW, SHOW_BATCH };

#define KAFKA_CONFIG_MAX 16

struct options {
	const char *json;     /* NULL: none; "-": stdout */
	enum verdict fail_on; /* VERDICT_NONE: never */
	int found_status;     /* of a finding at or above it */
	bool strict, ledgers, verbose, quiet, ascii, no_timeline, no_memory;
	int color; /* -1: if stdout is a terminal and NO_COLOR is not set */
	uint64_t ring_size, room;
	uint64_t stats_ns;    /* 0: no periodic stats */
	uint64_t duration_ns; /* 0: until a signal */
	enum precise precise;
	const char *tier;
	unsigned int without; /* enum spare_hook */
	enum show show;
	bool batch, mouse, sort_reverse;
	enum view_column sort;
	uint64_t count;	   /* screens in batch mode, 0: no end */
	uint64_t delay_ns; /* between two refreshes of the view, 0: its own default */
	struct filters filters;
	char filter_text[512];
	bool patient;	      /* replay: standard output is waited for, however slowly it is read */
	uint64_t rotate_size; /* 0: never */
	uint32_t rotate_count;
	const char *socket; /* NULL: none */
	bool syslog;
	const char *syslog_path; /* NULL: /dev/log */
	const char *otlp, *kafka, *topic;
	const char *kafka_config[KAFKA_CONFIG_MAX + 1];
	const char *metrics, *metrics_file;
	const char *record;			 /* NULL: none */
	uint64_t max_size;			 /* of the recording */
	uint64_t keep_ns;			 /* flight recorder, 0: record all */
	struct probespec cancels[PROBESPEC_MAX]; /* --cancel-at, --cancel-usdt */
	uint32_t n_cancels;
	struct neverprobe never_probe; /* --never-probe */
	char **command; /* run, record: what follows the options; replay: its words */
};

enum command_bit {
	FOR_RUN = 1,
	FOR_TRACE = 2,
	FOR_TOP = 4,
	FOR_RECORD = 8,
	FOR_REPLAY = 16,
	FOR_HOST = FOR_TRACE | FOR_TOP,
	FOR_LIVE = FOR_RUN | FOR_HOST | FOR_RECORD, /* they look at this host */
	FOR_SHOW = FOR_TOP | FOR_REPLAY,
	FOR_ALL = FOR_LIVE | FOR_REPLAY,
};

/* 0; -EINVAL after a message on stderr; 1: help is asked for. */
int options_parse(struct options *o, enum command_bit cmd, int argc, char **argv);

/* The option table as help text. */
void options_help(FILE *to, enum command_bit cmd);

int errno_to_exit(int e);

#endif
