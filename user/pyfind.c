// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Finds CPython's asyncio in an ELF file.
 *
 * A stripped _asyncio still holds its classes as data. The interpreter finds a method through a
 * PyMethodDef table, so we do the same: look for slots that point at a telling name, read the
 * table around each, and take the class whose methods are Task's (or Future's). The class's own
 * name then confirms it: a static PyTypeObject up to 3.11, a PyType_Spec from 3.12.
 *
 * Invariants:
 *  - Nothing is returned that was only guessed. Two unconfirmed candidates are no candidate, and
 *    an address that should be code lies in an executable segment.
 *  - Memory is the image, fixed-size arrays and what elfview needs. Time is linear in the size of
 *    the image: the data is scanned once, and what each of a bounded number of hits costs is
 *    bounded too.
 */
#include "pyfind.h"

#include "elfview.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(PYFIND_MAX_SEGMENTS == ELFVIEW_MAX_SEGMENTS, "every segment of a view is reported");

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
	TASK_METHODS,
	TASK_NAMES,
	FUTURE_METHODS,
	FUTURE_NAMES,
	STEP_NAMES,
	WAKEUP_NAMES,
	LIST_MAX,
};

static const struct {
	const char *str;
	enum list list;
} needles[] = {
	/* Methods that are rare enough to look for. */
	{"get_stack", TASK_METHODS},	     {"add_done_callback", FUTURE_METHODS},
	{"_asyncio.Task", TASK_NAMES},	     {"_asyncio.Future", FUTURE_NAMES},
	{"TaskStepMethWrapper", STEP_NAMES}, {"_asyncio.TaskStepMethWrapper", STEP_NAMES},
	{"task_wakeup", WAKEUP_NAMES},
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

struct pyclass {
	bool found;
	struct method_table methods;
	uint64_t type, finalize;
	uint32_t basicsize;
};

/* Symbols that we ask for by name. */
enum symbol {
	SYM_CURRENT_TASKS,
	SYM_TASK_CANCEL,
	SYM_FUTURE_CANCEL,
	SYM_DICT_TYPE,
	SYM_VERSION,
	SYM_MAX,
};

static const struct {
	const char *name;
	uint8_t type;
	uint64_t size; /* 0: any */
} symbol_names[SYM_MAX] = {
	[SYM_CURRENT_TASKS] = {"current_tasks", STT_OBJECT, 8},
	[SYM_TASK_CANCEL] = {"_asyncio_Task_cancel", STT_FUNC, 0},
	[SYM_FUTURE_CANCEL] = {"_asyncio_Future_cancel", STT_FUNC, 0},
	[SYM_DICT_TYPE] = {"PyDict_Type", STT_OBJECT, 0},
	[SYM_VERSION] = {"Py_Version", STT_OBJECT, 8},
};

struct symbols {
	uint64_t value[SYM_MAX]; /* 0: not there */
	bool clash[SYM_MAX];	 /* two different ones of that name: neither can be believed */
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

static void set_details(const struct elfview *elf, struct pyclass *cls, uint64_t basicsize,
			uint64_t finalize)
{
	if (is_basicsize(basicsize))
		cls->basicsize = basicsize;
	if (elfview__is_code(elf, finalize))
		cls->finalize = finalize;
}

/* Whether the name at NAME belongs to the static type that has this table. */
static bool confirm_by_type(const struct elfview *elf, uint64_t name, struct pyclass *cls)
{
	uint64_t methods, basicsize, finalize;

	if (!elfview__u64(elf, name + TYPE_METHODS, &methods) ||
	    !is_start_of(&cls->methods, methods) ||
	    !elfview__u64(elf, name + TYPE_BASICSIZE, &basicsize) ||
	    !elfview__u64(elf, name + TYPE_FINALIZE, &finalize))
		return false;
	cls->type = name - TYPE_NAME;
	set_details(elf, cls, basicsize, finalize);
	return true;
}

/* The same for a type that is made at run time from a PyType_Spec. */
static bool confirm_by_spec(const struct elfview *elf, uint64_t name, struct pyclass *cls)
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
			ours = is_start_of(&cls->methods, func);
		else if (slot == SLOT_TP_FINALIZE)
			finalize = func;
	}
	if (ours)
		set_details(elf, cls, basicsize, finalize);
	return ours;
}

static void find_class(const struct elfview *elf, const struct scan *scan,
		       const struct class_shape *shape, struct pyclass *cls)
{
	const struct hits *names = &scan->lists[shape->names];
	const struct hits *anchors = &scan->lists[shape->methods];
	struct pyclass unconfirmed = {.found = false};
	unsigned int n = 0;

	for (uint32_t i = 0; i < anchors->n; i++) {
		memset(cls, 0, sizeof(*cls));
		if (!read_table(elf, anchors->slot[i], &cls->methods))
			continue;
		if ((cls->methods.has & shape->has) != shape->has ||
		    (cls->methods.has & shape->has_not) ||
		    !elfview__is_code(elf, cls->methods.cancel))
			continue;
		cls->found = true;
		for (uint32_t j = 0; j < names->n; j++) {
			if (confirm_by_type(elf, names->slot[j], cls) ||
			    confirm_by_spec(elf, names->slot[j], cls))
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

/* Whether NAME is WANTED, also after link-time optimisation has made a local name unique. */
static bool symbol_is(const char *name, const char *wanted)
{
	static const char suffix[] = ".lto_priv";
	size_t len = strlen(wanted);

	if (strncmp(name, wanted, len) != 0)
		return false;
	return !name[len] || strncmp(name + len, suffix, sizeof(suffix) - 1) == 0;
}

static void note_symbol(void *ctx, const struct elfview_symbol *sym)
{
	struct symbols *syms = ctx;

	for (int i = 0; i < SYM_MAX; i++) {
		if (sym->type != symbol_names[i].type ||
		    !symbol_is(sym->name, symbol_names[i].name))
			continue;
		if (symbol_names[i].size && sym->size != symbol_names[i].size)
			continue;
		if (syms->value[i] && syms->value[i] != sym->value)
			syms->clash[i] = true;
		syms->value[i] = sym->value;
	}
}

static void find_symbols(const struct elfview *elf, struct symbols *syms)
{
	memset(syms, 0, sizeof(*syms));
	elfview__each_symbol(elf, note_symbol, syms);
	for (int i = 0; i < SYM_MAX; i++) {
		if (syms->clash[i])
			syms->value[i] = 0;
	}
}

static void report_symbols(const struct elfview *elf, const struct symbols *syms,
			   struct pyfind_result *out)
{
	uint64_t vaddr = syms->value[SYM_CURRENT_TASKS], version;
	const struct elfview_segment *seg = elfview__segment_of(elf, vaddr);

	if (vaddr && vaddr % 8 == 0 && seg && seg->write)
		out->current_tasks_vaddr = vaddr;
	vaddr = syms->value[SYM_DICT_TYPE];
	if (vaddr && elfview__segment_of(elf, vaddr))
		out->dict_type_vaddr = vaddr;
	vaddr = syms->value[SYM_VERSION];
	if (vaddr && elfview__u64(elf, vaddr, &version) && version >> 24 == 3)
		out->py_version = version >> 16;
	if (!out->has_asyncio && elfview__is_code(elf, syms->value[SYM_TASK_CANCEL])) {
		out->has_asyncio = true;
		out->task_cancel_vaddr = syms->value[SYM_TASK_CANCEL];
		if (elfview__is_code(elf, syms->value[SYM_FUTURE_CANCEL]))
			out->future_cancel_vaddr = syms->value[SYM_FUTURE_CANCEL];
	}
}

static void report_view(const struct elfview *elf, struct pyfind_result *out)
{
	struct elfview_range bss = elfview__bss(elf);

	out->stripped = !elf->symtab;
	out->bss_vaddr = bss.vaddr;
	out->bss_size = bss.size;
	memcpy(out->build_id, elf->build_id, sizeof(out->build_id));
	out->build_id_len = elf->build_id_len;
	out->n_segments = elf->n_segments;
	for (uint32_t i = 0; i < elf->n_segments; i++) {
		const struct elfview_segment *seg = &elf->segments[i];

		out->segments[i] = (struct pyfind_segment){
			.vaddr = seg->vaddr,
			.filesz = seg->filesz,
			.memsz = seg->memsz,
			.offset = seg->offset,
			.write = seg->write,
			.exec = seg->exec,
		};
	}
}

/* Uprobes are attached by file offset. */
static void report_offsets(const struct elfview *elf, struct pyfind_result *out)
{
	if (out->task_cancel_vaddr)
		elfview__code_offset(elf, out->task_cancel_vaddr, &out->task_cancel_offset);
	if (out->task_finalize_vaddr)
		elfview__code_offset(elf, out->task_finalize_vaddr, &out->task_finalize_offset);
	if (out->task_step_vaddr)
		elfview__code_offset(elf, out->task_step_vaddr, &out->task_step_offset);
	if (out->task_wakeup_vaddr)
		elfview__code_offset(elf, out->task_wakeup_vaddr, &out->task_wakeup_offset);
}

static int fail(int error, const char *why, char *err, size_t errlen)
{
	if (err && errlen)
		snprintf(err, errlen, "%s", why);
	return error;
}

/* Analyses the image at DATA and writes its relocations into it. */
static int analyse(void *data, size_t size, struct pyfind_result *out, char *err, size_t errlen)
{
	struct pyclass task, future;
	struct symbols syms;
	struct elfview elf;
	struct scan scan;
	const char *why;
	int error;

	error = elfview__open(&elf, data, size, &why);
	if (error)
		return fail(error, why, err, errlen);
	elfview__relocate(&elf);
	report_view(&elf, out);
	scan_data(&elf, &scan);
	find_class(&elf, &scan, &task_shape, &task);
	if (task.found) {
		out->has_asyncio = true;
		out->task_cancel_vaddr = task.methods.cancel;
		out->task_type_vaddr = task.type;
		out->task_basicsize = task.basicsize;
		out->task_finalize_vaddr = task.finalize;
		find_class(&elf, &scan, &future_shape, &future);
		if (future.found)
			out->future_cancel_vaddr = future.methods.cancel;
	}
	find_symbols(&elf, &syms);
	report_symbols(&elf, &syms, out);
	if (out->has_asyncio) {
		out->task_step_vaddr = only_function(&elf, &scan.lists[STEP_NAMES], step_at);
		out->task_wakeup_vaddr = only_function(&elf, &scan.lists[WAKEUP_NAMES], wakeup_at);
	}
	/* One function for both would report every cancelled future as a cancelled task. */
	if (out->task_cancel_vaddr == out->future_cancel_vaddr)
		out->task_cancel_vaddr = out->future_cancel_vaddr = 0;
	/* Their first arguments differ. */
	if (out->task_step_vaddr == out->task_wakeup_vaddr)
		out->task_step_vaddr = out->task_wakeup_vaddr = 0;
	report_offsets(&elf, out);
	elfview__close(&elf);
	return 0;
}

static void begin(struct pyfind_result *out, char *err, size_t errlen)
{
	memset(out, 0, sizeof(*out));
	if (err && errlen)
		*err = '\0';
}

int pyfind_analyse(const void *data, size_t size, struct pyfind_result *out, char *err,
		   size_t errlen)
{
	const char *why;
	void *copy;
	int error;

	begin(out, err, errlen);
	/* Before the copy: most of what we are shown is not ours. */
	error = elfview__check(data, size, &why);
	if (error)
		return fail(error, why, err, errlen);
	copy = malloc(size);
	if (!copy)
		return fail(-ENOMEM, "not enough memory for a copy of the file", err, errlen);
	memcpy(copy, data, size);
	error = analyse(copy, size, out, err, errlen);
	free(copy);
	return error;
}

/* Reads exactly SIZE bytes at the start of FD. */
static int read_fully(int fd, void *buf, size_t size, const char **why)
{
	size_t done = 0;
	ssize_t n;

	while (done < size) {
		n = pread(fd, (char *)buf + done, size - done, done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			*why = "cannot read the file";
			return -errno;
		}
		if (!n) {
			*why = "the file shrank while it was read";
			return -EINVAL;
		}
		done += n;
	}
	return 0;
}

/*
 * Reads the file behind FD into *DATA (free() it). On an error *WHY says why, and there is nothing
 * to free.
 */
static int read_file(int fd, void **data, size_t *size, const char **why)
{
	char head[sizeof(Elf64_Ehdr)];
	struct stat st;
	int err;

	*why = "cannot stat the file";
	if (fstat(fd, &st) < 0)
		return -errno;
	*why = "not a regular file";
	if (!S_ISREG(st.st_mode))
		return -ENOEXEC;
	*why = "larger than we are willing to read";
	if (st.st_size > (off_t)PYFIND_MAX_FILE)
		return -EFBIG;
	*size = st.st_size;
	*why = "shorter than an ELF header";
	if (*size < sizeof(head))
		return -ENOEXEC;
	/* The header first: most of what a process has open or mapped is not for us. */
	err = read_fully(fd, head, sizeof(head), why);
	if (err)
		return err;
	err = elfview__check(head, sizeof(head), why);
	if (err)
		return err;
	*why = "not enough memory to read the file";
	*data = malloc(*size);
	if (!*data)
		return -ENOMEM;
	err = read_fully(fd, *data, *size, why);
	if (err)
		free(*data);
	return err;
}

int pyfind_analyse_fd(int fd, struct pyfind_result *out, char *err, size_t errlen)
{
	const char *why;
	void *data = NULL;
	size_t size = 0;
	int error;

	begin(out, err, errlen);
	error = read_file(fd, &data, &size, &why);
	if (error)
		return fail(error, why, err, errlen);
	error = analyse(data, size, out, err, errlen);
	free(data);
	return error;
}

/* The version that follows "python" in one path component: "python3.11", "cpython-311". */
static uint32_t version_in(const char *str, size_t len)
{
	static const char python[] = "python";
	const char *end = str + len, *pos;
	uint32_t minor;
	int digits;

	for (; (pos = memmem(str, end - str, python, sizeof(python) - 1)); str = pos) {
		pos += sizeof(python) - 1;
		if (pos < end && *pos == '-')
			pos++;
		if (pos == end || *pos != '3')
			continue;
		pos++;
		if (pos < end && *pos == '.')
			pos++;
		minor = 0;
		for (digits = 0; pos < end && *pos >= '0' && *pos <= '9' && digits < 3; digits++)
			minor = minor * 10 + (*pos++ - '0');
		if (digits == 1 || digits == 2)
			return 0x0300 | minor;
	}
	return 0;
}

uint32_t pyfind_version_from_path(const char *path)
{
	const char *end = path + strlen(path), *start;
	uint32_t version;

	/* From the end: the file knows better than the directory that it was put into. */
	for (;; end = start - 1) {
		start = end;
		while (start > path && start[-1] != '/')
			start--;
		version = version_in(start, end - start);
		if (version || start == path)
			return version;
	}
}
