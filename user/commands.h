/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands; argv[0] is the command's own name. Each returns an exit code. */
#ifndef MISPAIR_COMMANDS_H
#define MISPAIR_COMMANDS_H

int cmd_run(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_trace(int argc, char **argv);
int cmd_record(int argc, char **argv);
int cmd_replay(int argc, char **argv);
int cmd_probe(int argc, char **argv);
int cmd_schema(int argc, char **argv);
int cmd_limits(int argc, char **argv);

struct options;

/* What run and trace do once their options are parsed. */
int run_command(const struct options *o);
int trace_host(const struct options *o);

/* What this standard output can show of connections: the live view, batches, or lines. */
void top_choose(struct options *o);

#endif
