// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Finds CPython's asyncio in an ELF file: puts together what pyscan finds in its data, what its
 * symbols say, and its segments. Also reads the file, and its version from its path.
 *
 * Invariants:
 *  - Nothing is returned that was only guessed: two different symbols of one name are none, and an
 *    address that should be code lies in an executable segment. A function is reported for
 *    probing only if the file proves that it begins there (elfview__function_begins()).
 *  - Memory is the image and what elfview needs. Time is linear in the size of the image.
 */
#include "pyfind.h"

#include "elfview.h"
#include "pyscan.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(PYFIND_MAX_SEGMENTS == ELFVIEW_MAX_SEGMENTS, "every segment of a view is reported");

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

/*
 * Uprobes are attached by file offset. One in the middle of an instruction would break the process,
 * so a function whose beginning is not proved is unknown.
 */
static void report_offsets(const struct elfview *elf, struct pyfind_result *out)
{
	struct {
		uint64_t *vaddr, *offset;
	} all[] = {
		{&out->task_cancel_vaddr, &out->task_cancel_offset},
		{&out->task_finalize_vaddr, &out->task_finalize_offset},
		{&out->task_step_vaddr, &out->task_step_offset},
		{&out->task_wakeup_vaddr, &out->task_wakeup_offset},
	};
	enum { N = sizeof(all) / sizeof(all[0]) };
	uint64_t vaddrs[N];
	bool begins[N];

	for (int i = 0; i < N; i++)
		vaddrs[i] = *all[i].vaddr;
	elfview__function_begins(elf, vaddrs, N, begins);
	for (int i = 0; i < N; i++) {
		if (!vaddrs[i])
			continue;
		if (begins[i]) {
			elfview__code_offset(elf, vaddrs[i], all[i].offset);
		} else {
			*all[i].vaddr = 0;
			out->unproved = true;
		}
	}
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
	struct symbols syms;
	struct elfview elf;
	struct pyscan scan;
	const char *why;
	int error;

	error = elfview__open(&elf, data, size, &why);
	if (error)
		return fail(error, why, err, errlen);
	elfview__relocate(&elf);
	report_view(&elf, out);
	pyscan__find(&elf, &scan);
	if (scan.task.found) {
		out->has_asyncio = true;
		out->task_cancel_vaddr = scan.task.cancel;
		out->task_type_vaddr = scan.task.type;
		out->task_basicsize = scan.task.basicsize;
		out->task_finalize_vaddr = scan.task.finalize;
		if (scan.future.found)
			out->future_cancel_vaddr = scan.future.cancel;
	}
	find_symbols(&elf, &syms);
	report_symbols(&elf, &syms, out);
	if (out->has_asyncio) {
		out->task_step_vaddr = scan.task_step;
		out->task_wakeup_vaddr = scan.task_wakeup;
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
