/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The one table of what can be lost and of what can be full: maps of the recorder, tables and caps
 * of the collector. Both sides include it.
 *
 * LOSSES is append-only, since recordings have numbers of it. A row: its id (LOSS_ID), its name in
 * events and metrics, what has happened, whom it hides, and how it lifts. "" at the last two: it is
 * no limit, but something that could not be seen or written.
 *
 * LIMITS says of each map and each cap which loss tells that it is full (NONE: none, and the last
 * column says why that hides nobody), and who can fill it. A test compares it with the source: a
 * map or a cap that has no row fails, and so does a row that ANYBODY can fill and no test fills.
 */
#ifndef MISPAIR_LIMIT_TABLE_H
#define MISPAIR_LIMIT_TABLE_H

#define LOSSES(X)                                                                                  \
	X(RING_FULL, "ring_full", "events did not fit into the ring buffer",                       \
	  "the connections of these events, which are called unobserved",                          \
	  "the collector empties the ring; --ring-size")                                           \
	X(LEDGER_ALLOC, "ledger_alloc", "the kernel had no memory to follow a socket", "", "")     \
	X(TASK_UNREADABLE, "task_unreadable", "an owner's memory could not be read", "", "")       \
	X(LATE_ATTACH, "late_attach", "requests were sent before the runtime was known", "", "")   \
	/* Once for all maps; now each has its own name. */                                        \
	X(MAP_FULL, "map_full", "a process, a loop or a cancellation did not fit into a map", "",  \
	  "")                                                                                      \
	X(LAYOUT, "layout", "a task did not look as its layout table says", "", "")                \
	X(RETURN, "return", "the kernel did not tell how a probed call ended", "", "")             \
	X(SKIPPED, "skipped", "the kernel skipped a program that was running already", "", "")     \
	X(TRACK_FULL, "track_full", "the table of connections was full",                           \
	  "suspicious connections that are not in it yet",                                         \
	  "a connection in it ends, or has had clean exchanges")                                   \
	X(BAD_RECORD, "bad_record", "a record had an unexpected size", "", "")                     \
	X(SINK, "sink", "lines of output could not be written", "", "")                            \
	X(PROBES, "probes", "processes were not looked into or probed, for want of descriptors",   \
	  "tasks and cancellations of processes that were met since", "a probed process ends")     \
	X(PROCS_FULL, "procs_full", "a process did not fit into the kernel's table",               \
	  "who owns requests in that process", "any process in it ends")                           \
	X(RUNTIMES_FULL, "runtimes_full",                                                          \
	  "what a process runs did not fit into the kernel's table",                               \
	  "tasks of that process: its owners are threads", "any process in it ends")               \
	X(TREE_FULL, "tree_full", "a child did not fit into the table of followed processes",      \
	  "that child and its children, under run and -p", "a followed process ends")              \
	X(STEPPING_FULL, "stepping_full", "the running task of a thread did not fit",              \
	  "owners of that thread's requests, where tasks are told by probes",                      \
	  "a thread in it ends; within seconds where that was missed")                             \
	X(CANCELLED_FULL, "cancelled_full", "probed cancellations pushed out others of before",    \
	  "when tasks were cancelled and by whom; that they were, their memory shows",             \
	  "fewer than fit are cancelled in two seconds")                                           \
	X(LOOPS_FULL, "loops_full", "the thread of an event loop did not fit",                     \
	  "tasks of that loop: its owners are not known", "a process with event loops in it ends") \
	X(ENDED_FULL, "ended_full", "ends of tasks pushed out others of before",                   \
	  "that a task at the same address is another, where tasks are told by probes",            \
	  "fewer than fit end in two seconds")                                                     \
	X(SIGNALS_FULL, "signals_full", "a signal that a thread handled did not fit",              \
	  "that signal in findings about that thread",                                             \
	  "a thread in it ends; it is looked for every two seconds")                               \
	X(WAITS_FULL, "waits_full", "how a thread's wait ended did not fit",                       \
	  "timeouts, ends and interrupts of threads that are not in it",                           \
	  "a thread in it ends: its word is kept for a minute, and for two seconds while it is "   \
	  "full")                                                                                  \
	X(PROBED_WAITS_FULL, "probed_waits_full", "a probed cancellation of a thread did not fit", \
	  "that cancellation", "as waits_full")                                                    \
	X(HINTS_FULL, "hints_full", "a cancellation of somebody in a process did not fit",         \
	  "the name of that cancellation", "a process in it ends")                                 \
	X(UNIX_CLIENTS_FULL, "unix_clients_full", "Unix clients pushed out others of before",      \
	  "the moment of these clients' close; the next pass finds that they are gone",            \
	  "fewer than fit connect in two seconds")                                                 \
	X(ADOPTABLES_FULL, "adoptables_full",                                                      \
	  "a connection that was open at the start did not fit", "that connection",                \
	  "not: it is filled at the start only")                                                   \
	X(LISTENING_FULL, "listening_full", "a listening port did not fit, at the start",          \
	  "nobody; connections that port has accepted are taken for clients'",                     \
	  "not: it is filled at the start only")                                                   \
	X(KEYED_LEDGERS_FULL, "keyed_ledgers_full", "a socket did not fit into the table of all",  \
	  "that socket, in the kprobe tier", "a socket in it ends")                                \
	X(CALLS_FULL, "calls_full", "a thread that calls the kernel did not fit",                  \
	  "that thread's calls, in the kprobe tier", "a thread in it ends")                        \
	X(THREADS_FULL, "threads_full", "a thread was not among the first of its process",         \
	  "who was cancelled there, by a probe, in a pid namespace of its own",                    \
	  "the process has fewer threads")                                                         \
	X(QUEUE_FULL, "queue_full", "events did not fit into the collector's queue",               \
	  "the connections of these events", "the collector has worked on what lies in it")        \
	X(NAMES_FULL, "names_full", "the name of a process did not fit",                           \
	  "nobody; findings have no name of that process", "a process that was named ends")        \
	X(ADAPTER_HOT, "adapter_hot", "a probed function was called too often by a process",       \
	  "cancellations that it tells, in that process only",                                     \
	  "it is probed again after 30 s, then after twice as long each time, up to ten minutes")  \
	X(RECORDING_FULL, "recording_full", "blocks did not fit into the recording",               \
	  "nobody; they are missing in the recording (--max-size)",                                \
	  "not; under --keep a new file takes what comes next")                                    \
	X(RECORDING_SHORT, "recording_short",                                                      \
	  "the flight recorder's memory is shorter than --keep",                                   \
	  "nobody; the recording begins later", "less happens")                                    \
	X(UNSEEN, "unseen", "connections took replies in a way that no hook sees (splice)", "",    \
	  "")                                                                                      \
	X(MPTCP, "mptcp", "connections of MPTCP are not observed", "", "")                         \
	X(THROTTLED, "throttled", "a process or user had its share of the ring buffer",            \
	  "that process's own connections, which are called unobserved",                           \
	  "the collector empties the ring")                                                        \
	X(INDEX_FULL, "index_full", "a socket did not fit among those that passes look at",        \
	  "what only time tells of it: abandoned, dirty, leaked; until its next event",            \
	  "fewer sockets are in use or in doubt between two passes")

/*
 * MAP: a map of the recorder's, by its name; CAP: a name in the source, or a field. Then who fills
 * it: ANYBODY hides others, OWN hides who does, HOST: by more than one user may have, ROOT: by the
 * command line, NOBODY: it is never full, or hides nobody. Last: how much it holds, or why not.
 */
#define LIMITS(X)                                                                                  \
	X(MAP, ledgers, LEDGER_ALLOC, HOST,                                                        \
	  "one for each socket: the kernel's memory alone limits it")                              \
	X(MAP, keyed_ledgers, KEYED_LEDGERS_FULL, ANYBODY, "kprobe tier: 65,536 sockets")          \
	X(MAP, calls, CALLS_FULL, ANYBODY,                                                         \
	  "kprobe tier: as many threads as the host may have, 65,536 at most")                     \
	X(MAP, ring, RING_FULL, HOST, "4 MiB, or --ring-size, of which a user has a share")        \
	X(MAP, procs, PROCS_FULL, ANYBODY,                                                         \
	  "as many processes as the host may have, or 0.4 % of its memory")                        \
	X(MAP, runtimes, RUNTIMES_FULL, NOBODY, "as procs, which are full before")                 \
	X(MAP, tree, TREE_FULL, ANYBODY, "as procs; run and -p only")                              \
	X(MAP, cancelled, CANCELLED_FULL, ANYBODY, "8,192 in two seconds")                         \
	X(MAP, loops, LOOPS_FULL, ANYBODY, "16,384 event loops")                                   \
	X(MAP, stepping, STEPPING_FULL, ANYBODY, "as calls")                                       \
	X(MAP, ended, ENDED_FULL, ANYBODY, "32,768 in two seconds")                                \
	X(MAP, signals, SIGNALS_FULL, ANYBODY, "as calls")                                         \
	X(MAP, waits, WAITS_FULL, ANYBODY, "as calls")                                             \
	X(MAP, probed_waits, PROBED_WAITS_FULL, ANYBODY, "16,384 threads")                         \
	X(MAP, hints, HINTS_FULL, NOBODY, "as procs, which are full before")                       \
	X(MAP, callers, NONE, NOBODY,                                                              \
	  "as procs; without its count a process is not found to call too often")                  \
	X(MAP, adapter_calls, NONE, NOBODY, "one for each adapter")                                \
	X(MAP, adoptables, ADOPTABLES_FULL, ANYBODY, "65,536 connections, at the start")           \
	X(MAP, unix_clients, UNIX_CLIENTS_FULL, ANYBODY, "16,384 in two seconds")                  \
	X(MAP, closing, NONE, NOBODY, "room for one, on each processor")                           \
	X(MAP, listening, LISTENING_FULL, NOBODY, "65,536, as many as there are ports")            \
	X(MAP, losses, NONE, NOBODY, "one for each cause")                                         \
	X(MAP, counters, NONE, NOBODY, "one for each total")                                       \
	X(MAP, added, NONE, NOBODY, "one for each LRU map")                                        \
	X(MAP, socket_index, INDEX_FULL, ANYBODY,                                                  \
	  "262,144 sockets; in the other tiers 16,384 or more, by what the host has")              \
	X(MAP, asked, NONE, NOBODY, "a batch of a pass")                                           \
	X(MAP, rows, NONE, NOBODY, "a batch of a pass")                                            \
	X(MAP, looked, NONE, NOBODY, "room for one")                                               \
	X(MAP, shares, THROTTLED, ANYBODY,                                                         \
	  "a process: as much of the ring as is free beside it; a user: twice that")               \
	X(MAP, throttles, NONE, NOBODY, "whose loss does not fit is told in the sum only")         \
	X(CAP, tracks, TRACK_FULL, ANYBODY, "8,192 suspicious connections")                        \
	X(CAP, PROBE_BUDGET_MAX, NONE, NOBODY,                                                     \
	  "of a number; a budget that ends takes nothing but exact times")                         \
	X(CAP, FILTER_MAX, NONE, ROOT, "options of one kind; more are refused")                    \
	X(CAP, THREADS_MAX, THREADS_FULL, OWN,                                                     \
	  "256 threads of a process in a pid namespace of its own")                                \
	X(CAP, LEDGER_PERHAPS_MAX, NONE, OWN, "a count in a ledger stops there")                   \
	X(CAP, LEDGER_PUSHES_MAX, NONE, OWN, "a count in a ledger stops there")                    \
	X(CAP, PTHREAD_MAX, NONE, NOBODY, "a distance in memory")                                  \
	X(CAP, BUFFER_MAX, NONE, OWN, "a stream's buffer that is larger is not believed")          \
	X(CAP, LANES_MAX, NONE, NOBODY, "the screen: lanes of a chart")                            \
	X(CAP, LISTINGS_MAX, NONE, OWN,                                                            \
	  "its mappings never stood still: its runtime is not found")                              \
	X(CAP, LOOKS_MAX, NONE, OWN, "a Python that has not loaded asyncio is not asked again")    \
	X(CAP, BSS_SCAN_MAX, NONE, OWN,                                                            \
	  "current_tasks lies further behind: its runtime event says so")                          \
	X(CAP, STRANGE_MAX, NONE, OWN, "its memory leads nowhere: its runtime event says so")      \
	X(CAP, RUNTIMES_MAX, NONE, NOBODY,                                                         \
	  "the newest 256 runtimes stand before a flight recording")                               \
	X(CAP, RING_BYTES, RECORDING_SHORT, HOST, "256 MB of a flight recorder's memory")          \
	X(CAP, max_size, RECORDING_FULL, ANYBODY, "--max-size")                                    \
	X(CAP, HOST_FINDINGS_MAX, NONE, NOBODY, "there are fewer things that a host may lack")     \
	X(CAP, KEYS_MAX, NONE, NOBODY, "keys of the index that are read at once")                  \
	X(CAP, SOCKETS_MAX, NONE, NOBODY, "room of socket_index, which has its row")               \
	X(CAP, BACKOFF_MAX, NONE, NOBODY, "a time between tries")                                  \
	X(CAP, OUTLETS_MAX, NONE, ROOT, "options; there are five kinds")                           \
	X(CAP, NUMBER_MAX, NONE, NOBODY, "larger numbers are strings")                             \
	X(CAP, TIMELINE_MAX, NONE, OWN, "the oldest steps but the first fall out of a timeline")   \
	X(CAP, DATA_MAX, NONE, OWN,                                                                \
	  "uvloop's data lie further behind: owners of its loops are not known")                   \
	X(CAP, DESCRIPTORS_MAX, PROBES, ANYBODY,                                                   \
	  "65,536 descriptors, or fewer where the host has it so")                                 \
	X(CAP, ARG_MAX_NUMBER, NONE, ROOT, "of an option; more is refused")                        \
	X(CAP, RETRIES_MAX, NONE, OWN, "asked again at its next connection")                       \
	X(CAP, UNANSWERED_MAX, NONE, OWN,                                                          \
	  "a loop that was asked about in vain is asked about at each send")                       \
	X(CAP, SECTION_MAX, NONE, OWN, "a larger section of its file is not read")                 \
	X(CAP, GO_MAX, NONE, OWN, "what is behind is not read: its version is not known")          \
	X(CAP, TABLE_MAX, NONE, OWN, "a larger table of its file is not read")                     \
	X(CAP, WANTED_MAX, NONE, OWN, "further functions of its file are not looked at")           \
	X(CAP, READERS_MAX, SINK, ROOT, "32 readers of --socket")                                  \
	X(CAP, MAX_HITS, NONE, OWN, "further candidates in its file are not looked at")            \
	X(CAP, MAX_METHODS, NONE, OWN, "further methods in its file are not looked at")            \
	X(CAP, MAX_SLOTS, NONE, OWN, "further slots in its file are not looked at")                \
	X(CAP, MAX_METHOD_NAME, NONE, OWN, "a longer name is none that is looked for")             \
	X(CAP, METHOD_FLAGS_MAX, NONE, OWN, "a larger number is none of a method")                 \
	X(CAP, SLOT_NUMBER_MAX, NONE, OWN, "a larger number is none of a slot")                    \
	X(CAP, BASICSIZE_MAX, NONE, OWN, "a larger object is no task")                             \
	X(CAP, ACL_MAX, NONE, OWN, "a longer list: its file is not probed")                        \
	X(CAP, ENTRIES_MAX, NONE, OWN, "a larger table in its memory is not read")                 \
	X(CAP, SINKS_MAX, NONE, ROOT, "there are no more kinds")                                   \
	X(CAP, KNOWN_MAX, NAMES_FULL, HOST, "262,144 processes")                                   \
	X(CAP, ELFVIEW_MAX_SEGMENTS, NONE, OWN, "a file with more is not read")                    \
	X(CAP, ELFVIEW_MAX_NAME, NONE, OWN, "a longer name is none that is looked for")            \
	X(CAP, RECORD_MAX, NONE, OWN, "a record of perf's has no longer path")                     \
	X(CAP, CPUS_MAX, NONE, ROOT,                                                               \
	  "run: mappings on further processors are seen at the first connection")                  \
	X(CAP, REC_LAYOUT_MAX, NONE, NOBODY, "of a recording's header")                            \
	X(CAP, REC_BLOCK_MAX, NONE, NOBODY, "of a recording's block")                              \
	X(CAP, QUEUE_MAX, QUEUE_FULL, HOST, "64 MB of events, which the ring holds no more of")    \
	X(CAP, NAME_MAX_LEN, NONE, OWN, "a longer name is none that is looked for")                \
	X(CAP, MAX_NOTES, NONE, OWN, "further notes in its file are not looked at")                \
	X(CAP, MAX_NOTE_BYTES, NONE, OWN, "larger notes in its file are not looked at")            \
	X(CAP, MAX_UNALIGNED, NONE, OWN, "a larger part of its file is not read")                  \
	X(CAP, ITEM_BODY_MAX, NONE, NOBODY, "longer items are not made")                           \
	X(CAP, NEVERPROBE_MAX, NONE, ROOT, "options; more are refused")                            \
	X(CAP, EXPECT_MAX, NONE, OWN, "a larger interpreter is read when it connects")             \
	X(CAP, UNUSED_MAX, NONE, NOBODY,                                                           \
	  "files that nobody maps are read again when somebody does")                              \
	X(CAP, STORIES_MAX, NONE, HOST,                                                            \
	  "the screen: further rows have their verdict and no timeline")                           \
	X(CAP, ENDED_MAX, NONE, NOBODY,                                                            \
	  "the screen: rows of connections that ended, oldest first")                              \
	X(CAP, VIEW_ROWS_LIMIT, NONE, NOBODY, "the screen: its lines")                             \
	X(CAP, FUNCTIONS_MAX, NONE, OWN,                                                           \
	  "further functions of one adapter in its file are not probed")                           \
	X(CAP, W_PROCESS_MAX, NONE, NOBODY, "a column's width")                                    \
	X(CAP, W_PEER_MAX, NONE, NOBODY, "a column's width")                                       \
	X(CAP, METRICS_NAMES_MAX, NONE, NOBODY, "there are fewer maps and programs")               \
	X(CAP, HOOKS_MAX, NONE, NOBODY, "there are fewer hooks")                                   \
	X(CAP, CIE_MAX, NONE, OWN, "what is behind it in its file is not read")                    \
	X(CAP, HELPERS_MAX, NONE, NOBODY, "threads that detach probes at the end")                 \
	X(CAP, PROBESPEC_MAX, NONE, ROOT, "options; more are refused")                             \
	X(CAP, CALLS_MAX, ADAPTER_HOT, ANYBODY, "2,000 calls a second by one process")             \
	X(CAP, PAUSE_MAX, NONE, NOBODY, "a time")                                                  \
	X(CAP, WORDS_MAX, NONE, NOBODY, "the screen: of a text")                                   \
	X(CAP, KAFKA_CONFIG_MAX, NONE, ROOT, "options; more are refused")                          \
	X(CAP, PYFIND_MAX_FILE, NONE, OWN, "a larger file is not read: its runtime event says so") \
	X(CAP, PYFIND_MAX_SEGMENTS, NONE, OWN, "a file with more is not read")                     \
	X(CAP, MAPPINGS_MAX, NONE, OWN, "what it has mapped behind so many mappings is not found")

#define LOSS_ENUM(id, name, what, whom, lifts)	LOSS_##id,
#define KLOSS_ENUM(id, name, what, whom, lifts) KLOSS_##id,

/* Losses by cause. What the recorder counts, it counts under the same number. */
enum loss { LOSSES(LOSS_ENUM) LOSS_MAX };
enum kernel_loss { LOSSES(KLOSS_ENUM) KLOSS_MAX };

#endif
