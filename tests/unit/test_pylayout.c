// SPDX-License-Identifier: GPL-2.0-or-later
/* The layout table against structures spelled out from CPython's headers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "pylayout.h"

typedef void *ptr;

/* PyObject_HEAD and FutureObj_HEAD up to fut_result. */
#define FUTURE_BEGINS ptr refcnt, type, loop, callback0, context0, callbacks, exception

/* fut_state, fut_log_tb, fut_blocking, dict, fut_weakreflist */
#define FUTURE_STATE                                                                               \
	int state, log_tb, blocking;                                                               \
	ptr dict, weakreflist

#define TASK_TAIL                                                                                  \
	ptr waiter, coro, name, context;                                                           \
	int must_cancel, log_destroy

/* _PyErr_StackItem of 3.9 and 3.10. */
struct stack_item {
	ptr exc_type, exc_value, exc_traceback, previous;
};

struct task39 {
	FUTURE_BEGINS;
	ptr result, source_tb, cancel_msg;
	FUTURE_STATE;
	struct stack_item cancelled_exc_state;
	TASK_TAIL;
};

struct task310 {
	FUTURE_BEGINS;
	ptr exception_tb, result, source_tb, cancel_msg;
	FUTURE_STATE;
	struct stack_item cancelled_exc_state;
	TASK_TAIL;
};

struct task311 {
	FUTURE_BEGINS;
	ptr exception_tb, result, source_tb, cancel_msg;
	FUTURE_STATE;
	ptr cancelled_exc;
	TASK_TAIL;
	int cancels;
};

/* PyDictKeysObject before dk_indices. */
struct keys39 {
	ptr refcnt;
	ptrdiff_t size;
	ptr lookup;
	ptrdiff_t usable, nentries;
};

struct keys311 {
	ptr refcnt;
	uint8_t log2_size, log2_index_bytes, kind;
	uint32_t version;
	ptrdiff_t usable, nentries;
};

/* PyASCIIObject: the text of a compact ASCII str follows it. */
struct ascii {
	ptr refcnt, type;
	ptrdiff_t length, hash;
	uint32_t state;
	ptr wstr;
};

/* PyCodeObject up to co_name. */
struct code39 {
	ptr refcnt, type;
	int argcount, posonly, kwonly, nlocals, stacksize, flags, firstlineno;
	ptr code, consts, names, varnames, freevars, cellvars, cell2arg, filename, name;
};

struct code311 {
	ptr refcnt, type;
	ptrdiff_t size;
	ptr consts, names, exceptiontable;
	int flags;
	short warmup, linearray_entry_size;
	int argcount, posonly, kwonly, stacksize, firstlineno, nlocalsplus, nlocals, nplaincells,
		ncells, nfrees;
	ptr localsplusnames, localspluskinds, filename, name;
};

static void python_3_9_is_as_its_headers_say(void **state)
{
	const struct task_layout *l = pylayout_find(0x0309);

	(void)state;
	assert_non_null(l);
	assert_int_equal(l->version, 0x0309);
	assert_int_equal(l->state, offsetof(struct task39, state));
	assert_int_equal(l->task, offsetof(struct task39, waiter));
	assert_int_equal(l->size, sizeof(struct task39));
	assert_int_equal(l->exception, offsetof(struct task39, exception));
	assert_int_equal(l->has_cancels, 0);
	assert_int_equal(l->keys_header, sizeof(struct keys39));
	assert_int_equal(l->keys_nentries, offsetof(struct keys39, nentries));
	assert_int_equal(l->keys_log2, 0);
	assert_int_equal(l->name_text, sizeof(struct ascii));
	assert_int_equal(l->code_name, offsetof(struct code39, name));
	assert_int_equal(l->frames, PYFRAMES_39);
}

static void python_3_10_is_as_its_headers_say(void **state)
{
	const struct task_layout *l = pylayout_find(0x030a);

	(void)state;
	assert_non_null(l);
	assert_int_equal(l->version, 0x030a);
	assert_int_equal(l->state, offsetof(struct task310, state));
	assert_int_equal(l->task, offsetof(struct task310, waiter));
	assert_int_equal(l->size, sizeof(struct task310));
	assert_int_equal(l->exception, offsetof(struct task310, exception));
	assert_int_equal(l->has_cancels, 0);
	assert_int_equal(l->keys_header, sizeof(struct keys39));
	assert_int_equal(l->keys_nentries, offsetof(struct keys39, nentries));
	assert_int_equal(l->keys_log2, 0);
	assert_int_equal(l->name_text, sizeof(struct ascii));
	assert_int_equal(l->code_name, offsetof(struct code39, name));
	assert_int_equal(l->frames, PYFRAMES_310);
}

static void python_3_11_is_as_its_headers_say_and_as_it_was_measured(void **state)
{
	const struct task_layout *l = pylayout_find(0x030b);

	(void)state;
	assert_non_null(l);
	assert_int_equal(l->version, 0x030b);
	assert_int_equal(l->state, offsetof(struct task311, state));
	assert_int_equal(l->task, offsetof(struct task311, waiter));
	assert_int_equal(l->size, sizeof(struct task311));
	assert_int_equal(l->exception, offsetof(struct task311, exception));
	assert_int_equal(l->has_cancels, 1);
	assert_int_equal(l->keys_header, sizeof(struct keys311));
	assert_int_equal(l->keys_nentries, offsetof(struct keys311, nentries));
	assert_int_equal(l->keys_log2, 1);
	assert_int_equal(l->name_text, sizeof(struct ascii));
	assert_int_equal(l->code_name, offsetof(struct code311, name));
	assert_int_equal(l->frames, PYFRAMES_311);
	/* DESIGN: measured on 3.11.2. */
	assert_int_equal(l->state, 88);
	assert_int_equal(l->task + offsetof(struct pytask_tail, coro), 136);
	assert_int_equal(l->task + offsetof(struct pytask_tail, name), 144);
	assert_int_equal(l->task + offsetof(struct pytask_tail, cancels), 168);
}

/* What is read of a task must lie inside it: the tail without its padding. */
static void no_read_reaches_past_a_task(void **state)
{
	static const uint32_t versions[] = {0x0309, 0x030a, 0x030b};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		const struct task_layout *l = pylayout_find(versions[i]);
		size_t tail = l->has_cancels ? offsetof(struct pytask_tail, pad)
					     : offsetof(struct pytask_tail, cancels);

		assert_true(sizeof(struct pytask_head) <= l->state);
		assert_true(l->exception + 8u <= l->state);
		assert_true(l->state + 4u <= l->task);
		assert_true(l->task + tail <= l->size);
	}
}

static void a_version_that_was_not_looked_at_has_no_layout(void **state)
{
	static const uint32_t unknown[] = {0,	   1,	   0x0207,     0x0307,	0x0308,	   0x030c,
					   0x030d, 0x0400, 0x0003030b, 0x1030b, UINT32_MAX};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		assert_null(pylayout_find(unknown[i]));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(python_3_9_is_as_its_headers_say),
		cmocka_unit_test(python_3_10_is_as_its_headers_say),
		cmocka_unit_test(python_3_11_is_as_its_headers_say_and_as_it_was_measured),
		cmocka_unit_test(no_read_reaches_past_a_task),
		cmocka_unit_test(a_version_that_was_not_looked_at_has_no_layout),
	};

	return cmocka_run_group_tests_name("pylayout", tests, NULL, NULL);
}
