// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Finds asyncio's classes and functions in the data of a relocated ELF image.
 *
 * A stripped _asyncio still holds its classes as data. The interpreter finds a method through a
 * PyMethodDef table, so we do the same: look for slots that point at a telling name, read the
 * table around each, and take the class whose methods are Task's (or Future's). The class's own
 * name then confirms it: a static PyTypeObject up to 3.11, a PyType_Spec from 3.12. What calls a
 * step is found by the name of its type or method alone, which nothing else has.
 *
 * Invariants:
 *  - Nothing is returned that was only guessed. Two unconfirmed candidates are no candidate, and
 *    an address that should be code lies in an executable segment.
 *  - Memory is fixed-size arrays. Time is linear in the size of the image: the data is scanned
 *    once, and what each of a bounded number of hits costs is bounded too.
 */
#include "pyscan.h"

#include <string.h>

/* The names are merged by the linker and used elsewhere too, but only a few times a file. */
#define MAX_HITS	64
/* Task has about 20 methods, the longest table in CPython (str's) about 50. */
#define MAX_METHODS	128
#define MAX_SLOTS	128
#define MAX_METHOD_NAME 64

/* struct PyMethodDef: {char *name; void *func; int flags; char *doc}. */
#define METHOD_FUNC	 8
#define METHOD_FLAGS	 16
#define METHOD_DOC	 24
#define METHOD_SIZE	 32
/* The METH_* bits end at 0x200; an address that was taken for flags would be larger than this. */
#define METHOD_FLAGS_MAX 0xfff
#define METHOD_O	 0x8

/* struct _typeobject, counted from tp_name: the same in 3.8 to 3.13. */
#define TYPE_NAME      0x18
#define TYPE_BASICSIZE (0x20 - TYPE_NAME)
#define TYPE_ITEMSIZE  (0x28 - TYPE_NAME)
#define TYPE_DEALLOC   (0x30 - TYPE_NAME)
#define TYPE_CALL      (0x80 - TYPE_NAME)
#define TYPE_METHODS   (0xe8 - TYPE_NAME)
#define TYPE_FINALIZE  (0x188 - TYPE_NAME)

/* PyType_Spec: {char *name; int basicsize, itemsize; unsigned flags; PyType_Slot *slots}. */
#define SPEC_BASICSIZE	 8
#define SPEC_SLOTS	 24
/* PyType_Slot: {int slot; void *pfunc}. The numbers are stable ABI. */
#define SLOT_FUNC	 8
#define SLOT_SIZE	 16
#define SLOT_TP_CALL	 50
#define SLOT_TP_METHODS	 64
#define SLOT_TP_FINALIZE 80
#define SLOT_NUMBER_MAX	 0xff /* 3.13 has 82 */

/* Objects have a header of 16 bytes; Task's is under 300 in every version. */
#define BASICSIZE_MIN 16
#define BASICSIZE_MAX 4096

enum method { CANCEL, GET_STACK, SET_NAME, ADD_DONE_CALLBACK, GET_LOOP, SET_RESULT, METHOD_MAX };

static const char *const method_names[METHOD_MAX] = {
	[CANCEL] = "cancel",	 [GET_STACK] = "get_stack",
	[SET_NAME] = "set_name", [ADD_DONE_CALLBACK] = "add_done_callback",
	[GET_LOOP] = "get_loop", [SET_RESULT] = "set_result",
};

#define HAS(method) (1u << (method))

/* What is looked for: slots that point at one of these strings, in one list for each purpose. */
enum list {
	TASK_METHODS, /* one that is rare enough to look for */
	TASK_NAMES,
	FUTURE_METHODS, /* the same */
	FUTURE_NAMES,
	STEP_NAMES, /* the second from 3.12 */
	WAKEUP_NAMES,
	LIST_MAX,
};

static const struct {
	enum list list;
	const char *str;
} needles[] = {
	{TASK_METHODS, "get_stack"},	       {TASK_NAMES, "_asyncio.Task"},
	{FUTURE_METHODS, "add_done_callback"}, {FUTURE_NAMES, "_asyncio.Future"},
	{STEP_NAMES, "TaskStepMethWrapper"},   {STEP_NAMES, "_asyncio.TaskStepMethWrapper"},
	{WAKEUP_NAMES, "task_wakeup"},
};

/* How a class is recognised: by the names of its methods, and then by its own. */
struct class_shape {
	enum list methods, names;
	uint32_t has, has_not;
};

static const struct class_shape task_shape = {
	.methods = TASK_METHODS,
	.names = TASK_NAMES,
	.has = HAS(CANCEL) | HAS(GET_STACK) | HAS(SET_NAME),
};

static const struct class_shape future_shape = {
	.methods = FUTURE_METHODS,
	.names = FUTURE_NAMES,
	.has = HAS(CANCEL) | HAS(ADD_DONE_CALLBACK) | HAS(GET_LOOP) | HAS(SET_RESULT),
	.has_not = HAS(GET_STACK),
};

/* Addresses of slots that point at one string. */
struct hits {
	uint32_t n;
	uint64_t slot[MAX_HITS];
};

struct scan {
	struct hits lists[LIST_MAX];
};

struct method_table {
	uint64_t first, anchor; /* the entry that was hit, and the lowest that may be the start */
	uint64_t cancel;
	uint32_t has;
};

static bool is_identifier(const struct elfview *elf, uint64_t vaddr)
{
	const uint8_t *str;
	size_t avail;

	str = elfview__span(elf, vaddr, &avail);
	if (!str)
		return false;
	for (size_t i = 0; i < avail && i < MAX_METHOD_NAME; i++) {
		uint8_t c = str[i];
		bool letter = c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		if (!c)
			return i > 0;
		if (!letter && (i == 0 || c < '0' || c > '9'))
			return false;
	}
	return false;
}

/* Reads the method at ENTRY; false if that is not a method. */
static bool read_method(const struct elfview *elf, uint64_t entry, uint64_t *name, uint64_t *func)
{
	uint64_t doc;
	uint32_t flags;
	size_t avail;

	if (!elfview__u64(elf, entry, name) || !elfview__u64(elf, entry + METHOD_FUNC, func) ||
	    !elfview__u32(elf, entry + METHOD_FLAGS, &flags) ||
	    !elfview__u64(elf, entry + METHOD_DOC, &doc))
		return false;
	if (!flags || flags > METHOD_FLAGS_MAX)
		return false;
	/* __class_getitem__ is Py_GenericAlias, which lives in the interpreter. */
	if (*func != ELFVIEW_EXTERNAL && !elfview__is_code(elf, *func))
		return false;
	if (doc && doc != ELFVIEW_EXTERNAL && !elfview__span(elf, doc, &avail))
		return false;
	return is_identifier(elf, *name);
}

/* Reads the table that has a method at ANCHOR; false if there is none, or if it does not end. */
static bool read_table(const struct elfview *elf, uint64_t anchor, struct method_table *table)
{
	uint64_t entry, name, func;
	unsigned int n;

	memset(table, 0, sizeof(*table));
	table->anchor = table->first = anchor;
	for (n = 0; n < MAX_METHODS; n++) {
		if (!read_method(elf, table->first - METHOD_SIZE, &name, &func))
			break;
		table->first -= METHOD_SIZE;
	}
	for (entry = table->first; n <= 2 * MAX_METHODS; n++, entry += METHOD_SIZE) {
		if (!read_method(elf, entry, &name, &func))
			return elfview__u64(elf, entry, &name) && !name && entry > anchor;
		for (int m = 0; m < METHOD_MAX; m++) {
			if (!elfview__str_is(elf, name, method_names[m]))
				continue;
			if (m == CANCEL)
				table->cancel = func;
			table->has |= 1u << m;
		}
	}
	return false;
}

static void note_hit(struct hits *hits, uint64_t slot)
{
	if (hits->n < MAX_HITS)
		hits->slot[hits->n++] = slot;
}

static void scan_slot(struct scan *scan, const uint8_t *str, size_t avail, uint64_t slot)
{
	for (size_t i = 0; i < sizeof(needles) / sizeof(needles[0]); i++) {
		const char *needle = needles[i].str;
		size_t len;

		/* Most pointers are to something else; the first byte says so. */
		if (*str != (uint8_t)*needle)
			continue;
		len = strlen(needle) + 1;
		if (avail >= len && memcmp(str, needle, len) == 0)
			note_hit(&scan->lists[needles[i].list], slot);
	}
}

/* Notes every pointer in the initialised data that points at one of our strings. */
static void scan_data(const struct elfview *elf, struct scan *scan)
{
	uint64_t budget = elf->size;

	memset(scan, 0, sizeof(*scan));
	for (uint32_t i = 0; i < elf->n_segments; i++) {
		const struct elfview_segment *seg = &elf->segments[i];
		uint64_t skip = -seg->vaddr & 7; /* pointers are aligned in memory */

		/* Segments may share bytes of the file; the cost stays that of one file. */
		if (!seg->write || seg->filesz > budget)
			continue;
		budget -= seg->filesz;
		for (; skip < seg->filesz && seg->filesz - skip >= 8; skip += 8) {
			const uint8_t *str;
			uint64_t value;
			size_t avail;

			memcpy(&value, elf->data + seg->offset + skip, sizeof(value));
			if (!value)
				continue;
			str = elfview__span(elf, value, &avail);
			if (str)
				scan_slot(scan, str, avail, seg->vaddr + skip);
		}
	}
}

static bool is_start_of(const struct method_table *table, uint64_t vaddr)
{
	return vaddr >= table->first && vaddr <= table->anchor &&
	       (vaddr - table->first) % METHOD_SIZE == 0;
}

static bool is_basicsize(uint64_t size)
{
	return size >= BASICSIZE_MIN && size <= BASICSIZE_MAX;
}

static void set_details(const struct elfview *elf, struct pyscan_class *cls, uint64_t basicsize,
			uint64_t finalize)
{
	if (is_basicsize(basicsize))
		cls->basicsize = basicsize;
	if (elfview__is_code(elf, finalize))
		cls->finalize = finalize;
}

/* Whether the name at NAME belongs to the static type that has this table. */
static bool confirm_by_type(const struct elfview *elf, uint64_t name,
			    const struct method_table *table, struct pyscan_class *cls)
{
	uint64_t methods, basicsize, finalize;

	if (!elfview__u64(elf, name + TYPE_METHODS, &methods) || !is_start_of(table, methods) ||
	    !elfview__u64(elf, name + TYPE_BASICSIZE, &basicsize) ||
	    !elfview__u64(elf, name + TYPE_FINALIZE, &finalize))
		return false;
	cls->type = name - TYPE_NAME;
	set_details(elf, cls, basicsize, finalize);
	return true;
}

/* The same for a type that is made at run time from a PyType_Spec. */
static bool confirm_by_spec(const struct elfview *elf, uint64_t name,
			    const struct method_table *table, struct pyscan_class *cls)
{
	uint64_t slots, func, finalize = 0;
	uint32_t slot, basicsize;
	bool ours = false;

	if (!elfview__u32(elf, name + SPEC_BASICSIZE, &basicsize) ||
	    !elfview__u64(elf, name + SPEC_SLOTS, &slots))
		return false;
	for (int i = 0; i < MAX_SLOTS; i++, slots += SLOT_SIZE) {
		if (!elfview__u32(elf, slots, &slot) || !slot ||
		    !elfview__u64(elf, slots + SLOT_FUNC, &func))
			break;
		if (slot == SLOT_TP_METHODS)
			ours = is_start_of(table, func);
		else if (slot == SLOT_TP_FINALIZE)
			finalize = func;
	}
	if (ours)
		set_details(elf, cls, basicsize, finalize);
	return ours;
}

static void find_class(const struct elfview *elf, const struct scan *scan,
		       const struct class_shape *shape, struct pyscan_class *cls)
{
	const struct hits *names = &scan->lists[shape->names];
	const struct hits *anchors = &scan->lists[shape->methods];
	struct pyscan_class unconfirmed = {.found = false};
	struct method_table table;
	unsigned int n = 0;

	for (uint32_t i = 0; i < anchors->n; i++) {
		if (!read_table(elf, anchors->slot[i], &table))
			continue;
		if ((table.has & shape->has) != shape->has || (table.has & shape->has_not) ||
		    !elfview__is_code(elf, table.cancel))
			continue;
		*cls = (struct pyscan_class){.found = true, .cancel = table.cancel};
		for (uint32_t j = 0; j < names->n; j++) {
			if (confirm_by_type(elf, names->slot[j], &table, cls) ||
			    confirm_by_spec(elf, names->slot[j], &table, cls))
				return;
		}
		unconfirmed = *cls;
		n++;
	}
	*cls = unconfirmed;
	cls->found = n == 1;
}

/* What calling an instance runs, by the static type whose name is at NAME; 0 if that is no type. */
static uint64_t call_of_type(const struct elfview *elf, uint64_t name)
{
	uint64_t basicsize, itemsize, dealloc, call;

	if (!elfview__u64(elf, name + TYPE_BASICSIZE, &basicsize) ||
	    !elfview__u64(elf, name + TYPE_ITEMSIZE, &itemsize) ||
	    !elfview__u64(elf, name + TYPE_DEALLOC, &dealloc) ||
	    !elfview__u64(elf, name + TYPE_CALL, &call))
		return 0;
	/* A spec has its flags, which are never 0, where a type has the size of an item. */
	if (!is_basicsize(basicsize) || itemsize || !elfview__is_code(elf, dealloc) ||
	    !elfview__is_code(elf, call))
		return 0;
	return call;
}

/* The same by a PyType_Spec. */
static uint64_t call_of_spec(const struct elfview *elf, uint64_t name)
{
	uint64_t slots, func, call = 0;
	uint32_t slot, basicsize;

	if (!elfview__u32(elf, name + SPEC_BASICSIZE, &basicsize) || !is_basicsize(basicsize) ||
	    !elfview__u64(elf, name + SPEC_SLOTS, &slots))
		return 0;
	for (int i = 0; i < MAX_SLOTS && elfview__u32(elf, slots, &slot); i++, slots += SLOT_SIZE) {
		if (!slot)
			return elfview__is_code(elf, call) ? call : 0;
		if (slot > SLOT_NUMBER_MAX || !elfview__u64(elf, slots + SLOT_FUNC, &func))
			return 0;
		if (slot != SLOT_TP_CALL)
			continue;
		if (call)
			return 0;
		call = func;
	}
	return 0;
}

static uint64_t step_at(const struct elfview *elf, uint64_t name)
{
	uint64_t call = call_of_type(elf, name);

	return call ? call : call_of_spec(elf, name);
}

/* TaskWakeupDef is a PyMethodDef of its own, not in a table, and has no doc. */
static uint64_t wakeup_at(const struct elfview *elf, uint64_t name)
{
	uint64_t func, doc;
	uint32_t flags;

	if (!elfview__u64(elf, name + METHOD_FUNC, &func) ||
	    !elfview__u32(elf, name + METHOD_FLAGS, &flags) ||
	    !elfview__u64(elf, name + METHOD_DOC, &doc))
		return 0;
	return flags == METHOD_O && !doc && elfview__is_code(elf, func) ? func : 0;
}

/* The one function that FUNCTION_AT makes of the hits; 0 if there is none, or more than one. */
static uint64_t only_function(const struct elfview *elf, const struct hits *hits,
			      uint64_t (*function_at)(const struct elfview *elf, uint64_t name))
{
	uint64_t only = 0, func;

	if (hits->n == MAX_HITS) /* there may be more */
		return 0;
	for (uint32_t i = 0; i < hits->n; i++) {
		func = function_at(elf, hits->slot[i]);
		if (func && only && func != only)
			return 0;
		if (func)
			only = func;
	}
	return only;
}

void pyscan__find(const struct elfview *view, struct pyscan *out)
{
	struct scan scan;

	scan_data(view, &scan);
	find_class(view, &scan, &task_shape, &out->task);
	find_class(view, &scan, &future_shape, &out->future);
	out->task_step = only_function(view, &scan.lists[STEP_NAMES], step_at);
	out->task_wakeup = only_function(view, &scan.lists[WAKEUP_NAMES], wakeup_at);
}
