/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Builds a small ELF image that looks to a reader like CPython's _asyncio: two method tables, the
 * type (or its spec) of Task and of what calls its steps, relocations in the chosen form, symbols
 * if asked for, .eh_frame.
 *
 * Addresses differ from file offsets by another amount in each segment, so that code which mixes
 * them up fails. Everything has a fixed place, so that a test can break one thing by its name.
 */
#ifndef MISPAIR_TESTS_ELFBUILD_H
#define MISPAIR_TESTS_ELFBUILD_H

#include <assert.h>
#include <elf.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* File offsets. */
enum {
	EB_PHDRS = sizeof(Elf64_Ehdr),
	EB_NOTE = 0x1d0,
	EB_STRINGS = 0x200,
	EB_DYNSYM = 0x380,
	EB_DYNSTR = 0x440,
	EB_HASH = 0x4a0,
	EB_RELOCS = 0x500,
	EB_FRAME_HDR = 0xb00,
	EB_CIE = 0xb60,
	EB_FDES = 0xb74,
	EB_CODE = 0xd00,
	EB_DATA = 0xe00,
	EB_DYNAMIC = EB_DATA,
	EB_TASK_TABLE = EB_DATA + 0x120,
	EB_FUTURE_TABLE = EB_DATA + 0x220,
	EB_TYPE = EB_DATA + 0x300, /* PyTypeObject, or PyType_Spec and its slots */
	EB_VERSION = EB_DATA + 0x4a0,
	EB_DICT_TYPE = EB_DATA + 0x4b0,
	EB_STEP = EB_DATA + 0x4c0,   /* as EB_TYPE, of TaskStepMethWrapper */
	EB_WAKEUP = EB_DATA + 0x5a0, /* the only PyMethodDef there */
	EB_SYMTAB = EB_DATA + 0x5e0, /* from here on not loaded */
	EB_STRTAB = EB_SYMTAB + 0xc0,
	EB_SHDRS = EB_STRTAB + 0x80,
	EB_TAIL = EB_SHDRS + 3 * sizeof(Elf64_Shdr), /* the last string, when it has to be last */
	EB_MAX = EB_TAIL + 64,
};

/* Program headers, in order. */
enum {
	EB_PH_TEXT,
	EB_PH_CODE,
	EB_PH_DATA,
	EB_PH_TAIL,
	EB_PH_DYNAMIC,
	EB_PH_FRAMES,
	EB_PH_NOTE,
	EB_PH_MAX
};

/* Entries of the dynamic section that tests break. */
enum { EB_DYN_SYMTAB, EB_DYN_RELA = 4, EB_DYN_RELASZ, EB_DYN_NULL, EB_DYN_MAX };

#define EB_CODE_SHIFT 0x1000
#define EB_DATA_SHIFT 0x2000
#define EB_TAIL_SHIFT 0x3000
#define EB_BSS_SIZE   0xa8

/* Functions, by their distance from EB_CODE. */
#define EB_TASK_CANCEL	 0x10
#define EB_FUTURE_CANCEL 0x20
#define EB_FINALIZE	 0x30
#define EB_OTHER	 0x40
#define EB_TASK_STEP	 0x50
#define EB_TASK_WAKEUP	 0x60
#define EB_FUNCTIONS	 6    /* each has an FDE and an entry of .eh_frame_hdr, in this order */
#define EB_FUNCTION_SIZE 0x10 /* of each */

#define EB_FDE(n)   (EB_FDES + (n)*20)
#define EB_ENTRY(n) (EB_FRAME_HDR + 12 + (n)*8)

#define EB_BASICSIZE	  176
#define EB_STEP_BASICSIZE 32

enum eb_relocs { EB_RELA, EB_RELR, EB_IN_PLACE };
enum eb_tail { EB_NO_TAIL, EB_TAIL_WITH_NUL, EB_TAIL_WITHOUT_NUL };

struct elfbuild_opts {
	enum eb_relocs relocs;
	enum eb_tail tail; /* "get_stack" is the last thing in the file */
	uint16_t machine;  /* 0: x86-64 */
	uint64_t base;	   /* not 0: ET_EXEC */
	bool stripped;	   /* no .symtab */
	bool headless;	   /* no section headers at all */
	bool spec;	   /* 3.12: PyType_Spec instead of PyTypeObject */
	bool stepless;	   /* neither TaskStepMethWrapper nor task_wakeup */
	bool unnamed;	   /* neither: only the tables */
	bool endless;	   /* Task's table has no terminator */
	bool gnu_hash;	   /* DT_GNU_HASH instead of DT_HASH */
	bool no_tables;	   /* only the symbols */
	bool by_symbol;	   /* Task.cancel's slot is relocated against a dynamic symbol */
	bool frameless;	   /* no .eh_frame_hdr */
};

struct elfbuild {
	uint8_t bytes[EB_MAX];
	size_t size;
	struct elfbuild_opts opts;
	size_t next_string, n_relocs;
};

static inline uint64_t eb_vaddr(const struct elfbuild *eb, uint64_t offset)
{
	uint64_t vaddr = eb->opts.base + offset;

	if (offset >= EB_TAIL)
		return vaddr + EB_TAIL_SHIFT;
	if (offset >= EB_DATA)
		return vaddr + EB_DATA_SHIFT;
	if (offset >= EB_CODE)
		return vaddr + EB_CODE_SHIFT;
	return vaddr;
}

static inline void eb_put(struct elfbuild *eb, size_t offset, const void *from, size_t len)
{
	assert(offset + len <= sizeof(eb->bytes));
	memcpy(eb->bytes + offset, from, len);
}

static inline void eb_put32(struct elfbuild *eb, size_t offset, uint32_t value)
{
	eb_put(eb, offset, &value, sizeof(value));
}

static inline void eb_put64(struct elfbuild *eb, size_t offset, uint64_t value)
{
	eb_put(eb, offset, &value, sizeof(value));
}

/* Adds a RELA entry. SYM 0 makes it relative. */
static inline void eb_rela(struct elfbuild *eb, uint64_t vaddr, uint32_t sym, int64_t addend)
{
	bool arm = eb->opts.machine == EM_AARCH64;
	uint32_t relative = arm ? R_AARCH64_RELATIVE : R_X86_64_RELATIVE;
	uint32_t absolute = arm ? R_AARCH64_ABS64 : R_X86_64_64;
	Elf64_Rela rela = {
		.r_offset = vaddr,
		.r_info = ELF64_R_INFO(sym, sym ? absolute : relative),
		.r_addend = addend,
	};

	assert(EB_RELOCS + (eb->n_relocs + 1) * sizeof(rela) <= EB_FRAME_HDR);
	eb_put(eb, EB_RELOCS + eb->n_relocs++ * sizeof(rela), &rela, sizeof(rela));
}

/* Makes the slot at file offset SLOT point at file offset TARGET. */
static inline void eb_point(struct elfbuild *eb, size_t slot, size_t target)
{
	switch (eb->opts.relocs) {
	case EB_RELA:
		eb_rela(eb, eb_vaddr(eb, slot), 0, eb_vaddr(eb, target));
		break;
	case EB_RELR:
		/* An even word is an address to relocate; no need for bitmaps. */
		eb_put64(eb, EB_RELOCS + eb->n_relocs++ * 8, eb_vaddr(eb, slot));
		eb_put64(eb, slot, eb_vaddr(eb, target));
		break;
	case EB_IN_PLACE:
		eb_put64(eb, slot, eb_vaddr(eb, target));
		break;
	}
}

static inline size_t eb_string(struct elfbuild *eb, const char *str)
{
	size_t offset = eb->next_string, len = strlen(str) + 1;

	if (eb->opts.tail != EB_NO_TAIL && strcmp(str, "get_stack") == 0) {
		eb_put(eb, EB_TAIL, str, len);
		return EB_TAIL;
	}
	assert(offset + len <= EB_DYNSYM);
	eb_put(eb, offset, str, len);
	eb->next_string += len;
	return offset;
}

static inline void eb_method(struct elfbuild *eb, size_t entry, const char *name, size_t func)
{
	eb_point(eb, entry, eb_string(eb, name));
	if (eb->opts.by_symbol && func == EB_TASK_CANCEL)
		eb_rela(eb, eb_vaddr(eb, entry + 8), 3, EB_TASK_CANCEL - EB_OTHER);
	else
		eb_point(eb, entry + 8, EB_CODE + func);
	eb_put32(eb, entry + 16, 8); /* METH_O */
	eb_point(eb, entry + 24, EB_STRINGS);
}

static inline void eb_tables(struct elfbuild *eb)
{
	size_t entry = EB_TASK_TABLE;

	eb_method(eb, entry, "set_result", EB_OTHER);
	eb_method(eb, entry += 32, "cancel", EB_TASK_CANCEL);
	eb_method(eb, entry += 32, "get_stack", EB_OTHER);
	eb_method(eb, entry += 32, "set_name", EB_OTHER);
	/* As in the real table: a method that another file defines. */
	eb_point(eb, entry += 32, eb_string(eb, "__class_getitem__"));
	if (eb->opts.relocs == EB_RELA)
		eb_rela(eb, eb_vaddr(eb, entry + 8), 1, 0);
	else
		eb_point(eb, entry + 8, EB_CODE + EB_OTHER);
	eb_put32(eb, entry + 16, 0x18);
	if (eb->opts.endless) {
		eb_point(eb, entry += 32, EB_STRINGS + 1);
		eb_put32(eb, entry + 16, UINT32_MAX);
	}

	entry = EB_FUTURE_TABLE;
	eb_method(eb, entry, "set_result", EB_OTHER);
	eb_method(eb, entry += 32, "add_done_callback", EB_OTHER);
	eb_method(eb, entry += 32, "cancel", EB_FUTURE_CANCEL);
	eb_method(eb, entry += 32, "get_loop", EB_OTHER);
}

static inline void eb_type(struct elfbuild *eb)
{
	size_t slots = EB_TYPE + 32;

	if (eb->opts.unnamed)
		return;
	if (!eb->opts.spec) {
		eb_point(eb, EB_TYPE + 24, eb_string(eb, "_asyncio.Task"));
		eb_put64(eb, EB_TYPE + 32, EB_BASICSIZE);
		eb_point(eb, EB_TYPE + 232, EB_TASK_TABLE);
		eb_point(eb, EB_TYPE + 392, EB_CODE + EB_FINALIZE);
		return;
	}
	eb_point(eb, EB_TYPE, eb_string(eb, "_asyncio.Task"));
	eb_put32(eb, EB_TYPE + 8, EB_BASICSIZE);
	eb_point(eb, EB_TYPE + 24, slots);
	eb_put32(eb, slots, 52); /* Py_tp_dealloc */
	eb_point(eb, slots + 8, EB_CODE + EB_OTHER);
	eb_put32(eb, slots + 16, 64); /* Py_tp_methods */
	eb_point(eb, slots + 24, EB_TASK_TABLE);
	eb_put32(eb, slots + 32, 80); /* Py_tp_finalize */
	eb_point(eb, slots + 40, EB_CODE + EB_FINALIZE);
}

static inline void eb_steps(struct elfbuild *eb)
{
	size_t slots = EB_STEP + 32;

	if (eb->opts.stepless)
		return;
	eb_point(eb, EB_WAKEUP, eb_string(eb, "task_wakeup"));
	eb_point(eb, EB_WAKEUP + 8, EB_CODE + EB_TASK_WAKEUP);
	eb_put32(eb, EB_WAKEUP + 16, 8); /* METH_O */
	if (!eb->opts.spec) {
		eb_point(eb, EB_STEP + 24, eb_string(eb, "TaskStepMethWrapper"));
		eb_put64(eb, EB_STEP + 32, EB_STEP_BASICSIZE);
		eb_point(eb, EB_STEP + 48, EB_CODE + EB_OTHER);
		eb_point(eb, EB_STEP + 128, EB_CODE + EB_TASK_STEP);
		return;
	}
	eb_point(eb, EB_STEP, eb_string(eb, "_asyncio.TaskStepMethWrapper"));
	eb_put32(eb, EB_STEP + 8, EB_STEP_BASICSIZE);
	eb_put32(eb, EB_STEP + 16, 0x4100); /* flags */
	eb_point(eb, EB_STEP + 24, slots);
	eb_put32(eb, slots, 52); /* Py_tp_dealloc */
	eb_point(eb, slots + 8, EB_CODE + EB_OTHER);
	eb_put32(eb, slots + 16, 50); /* Py_tp_call */
	eb_point(eb, slots + 24, EB_CODE + EB_TASK_STEP);
	eb_put32(eb, slots + 32, 71); /* Py_tp_traverse */
	eb_point(eb, slots + 40, EB_CODE + EB_OTHER);
}

/* Adds symbol INDEX, whose name goes to *NAME, to the tables at SYMS and STRS. */
static inline void eb_symbol(struct elfbuild *eb, size_t syms, size_t strs, size_t *name,
			     unsigned int index, const char *str, uint8_t type, uint64_t vaddr,
			     uint64_t size)
{
	Elf64_Sym sym = {
		.st_name = *name,
		.st_info = ELF64_ST_INFO(STB_GLOBAL, type),
		.st_shndx = vaddr ? 1 : SHN_UNDEF,
		.st_value = vaddr,
		.st_size = size,
	};

	eb_put(eb, syms + index * sizeof(sym), &sym, sizeof(sym));
	eb_put(eb, strs + *name, str, strlen(str) + 1);
	*name += strlen(str) + 1;
}

static inline void eb_dynamic_symbols(struct elfbuild *eb)
{
	size_t name = 1;

	eb_symbol(eb, EB_DYNSYM, EB_DYNSTR, &name, 1, "Py_GenericAlias", STT_FUNC, 0, 0);
	eb_symbol(eb, EB_DYNSYM, EB_DYNSTR, &name, 2, "PyDict_Type", STT_OBJECT,
		  eb_vaddr(eb, EB_DICT_TYPE), 16);
	eb_symbol(eb, EB_DYNSYM, EB_DYNSTR, &name, 3, "PyInit__asyncio", STT_FUNC,
		  eb_vaddr(eb, EB_CODE + EB_OTHER), 1);
	eb_symbol(eb, EB_DYNSYM, EB_DYNSTR, &name, 4, "Py_Version", STT_OBJECT,
		  eb_vaddr(eb, EB_VERSION), 8);
	eb_put64(eb, EB_VERSION, 0x030b07f0);
	if (eb->opts.gnu_hash) {
		/* Two buckets, symbols from 2 on, one bloom word; the chains are {2}, {3, 4}. */
		static const uint32_t table[] = {2, 2, 1, 0, 0, 0, 2, 3, 1, 0, 1};

		eb_put(eb, EB_HASH, table, sizeof(table));
	} else {
		eb_put32(eb, EB_HASH, 1);
		eb_put32(eb, EB_HASH + 4, 5);
	}
}

static inline void eb_dynamic(struct elfbuild *eb)
{
	bool relr = eb->opts.relocs == EB_RELR;
	uint64_t entry = relr ? 8 : sizeof(Elf64_Rela);
	/* DT_RELR and its size by number: older headers lack the names. */
	const Elf64_Dyn table[] = {
		{DT_SYMTAB, {eb_vaddr(eb, EB_DYNSYM)}},
		{DT_STRTAB, {eb_vaddr(eb, EB_DYNSTR)}},
		{DT_STRSZ, {EB_HASH - EB_DYNSTR}},
		{eb->opts.gnu_hash ? DT_GNU_HASH : DT_HASH, {eb_vaddr(eb, EB_HASH)}},
		{relr ? 36 : DT_RELA, {eb_vaddr(eb, EB_RELOCS)}},
		{relr ? 35 : DT_RELASZ, {eb->n_relocs * entry}},
		{DT_NULL, {0}},
	};

	eb_put(eb, EB_DYNAMIC, table, sizeof(table));
}

/* Code that can begin anywhere, and the functions in it as .eh_frame has them. */
static inline void eb_frames(struct elfbuild *eb)
{
	/* endbr64, which is an instruction on aarch64 as well as far as anyone looks. */
	static const uint8_t code[] = {0xf3, 0x0f, 0x1e, 0xfa};
	/* Version 1, "zR", alignments, register, and one byte of data: pcrel and sdata4. */
	static const uint8_t cie[] = {16,  0, 0, 0,    0,  0, 0,    0, 1, 'z',
				      'R', 0, 1, 0x78, 16, 1, 0x1b, 0, 0, 0};
	/* Version 1; sdata4 and pcrel, udata4, sdata4 and datarel. */
	static const uint8_t hdr[] = {1, 0x1b, 0x03, 0x3b};

	for (size_t at = EB_CODE; at < EB_DATA; at += sizeof(code))
		eb_put(eb, at, code, sizeof(code));
	eb_put(eb, EB_FRAME_HDR, hdr, sizeof(hdr));
	eb_put32(eb, EB_FRAME_HDR + 4, EB_CIE - (EB_FRAME_HDR + 4));
	eb_put32(eb, EB_FRAME_HDR + 8, EB_FUNCTIONS);
	eb_put(eb, EB_CIE, cie, sizeof(cie));
	for (int i = 0; i < EB_FUNCTIONS; i++) {
		uint64_t function = eb_vaddr(eb, EB_CODE + (i + 1) * EB_FUNCTION_SIZE);
		size_t fde = EB_FDE(i);

		eb_put32(eb, fde, 16);
		eb_put32(eb, fde + 4, fde + 4 - EB_CIE);
		eb_put32(eb, fde + 8, function - eb_vaddr(eb, fde + 8));
		eb_put32(eb, fde + 12, EB_FUNCTION_SIZE);
		eb_put32(eb, EB_ENTRY(i), function - eb_vaddr(eb, EB_FRAME_HDR));
		eb_put32(eb, EB_ENTRY(i) + 4, fde - EB_FRAME_HDR);
	}
}

static inline void eb_sections(struct elfbuild *eb)
{
	const Elf64_Shdr symtab = {.sh_type = SHT_SYMTAB,
				   .sh_link = 2,
				   .sh_offset = EB_SYMTAB,
				   .sh_size = 5 * sizeof(Elf64_Sym)};
	const Elf64_Shdr strtab = {
		.sh_type = SHT_STRTAB, .sh_offset = EB_STRTAB, .sh_size = EB_SHDRS - EB_STRTAB};
	uint64_t bss = eb_vaddr(eb, EB_SYMTAB);
	size_t name = 1;

	if (eb->opts.stripped || eb->opts.headless)
		return;
	eb_symbol(eb, EB_SYMTAB, EB_STRTAB, &name, 1, "current_tasks", STT_OBJECT, bss + 0x20, 8);
	eb_symbol(eb, EB_SYMTAB, EB_STRTAB, &name, 2, "_asyncio_Task_cancel", STT_FUNC,
		  eb_vaddr(eb, EB_CODE + EB_TASK_CANCEL), 1);
	eb_symbol(eb, EB_SYMTAB, EB_STRTAB, &name, 3, "_asyncio_Future_cancel", STT_FUNC,
		  eb_vaddr(eb, EB_CODE + EB_FUTURE_CANCEL), 1);
	eb_put(eb, EB_SHDRS + sizeof(symtab), &symtab, sizeof(symtab));
	eb_put(eb, EB_SHDRS + 2 * sizeof(strtab), &strtab, sizeof(strtab));
}

static inline void eb_segment(struct elfbuild *eb, int index, uint32_t type, uint32_t flags,
			      size_t from, size_t to)
{
	Elf64_Phdr ph = {
		.p_type = type,
		.p_flags = flags,
		.p_offset = from,
		.p_vaddr = eb_vaddr(eb, from),
		.p_filesz = to - from,
		.p_memsz = to - from,
		.p_align = 4,
	};

	if (index == EB_PH_DATA)
		ph.p_memsz += EB_BSS_SIZE;
	eb_put(eb, EB_PHDRS + index * sizeof(ph), &ph, sizeof(ph));
}

static inline void eb_headers(struct elfbuild *eb)
{
	static const uint32_t note[] = {4, 20, NT_GNU_BUILD_ID, 0x00554e47, 1, 2, 3, 4, 5};
	Elf64_Ehdr eh = {
		.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			    EV_CURRENT},
		.e_type = eb->opts.base ? ET_EXEC : ET_DYN,
		.e_machine = eb->opts.machine,
		.e_version = EV_CURRENT,
		.e_phoff = EB_PHDRS,
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = EB_PH_MAX,
		.e_ehsize = sizeof(eh),
	};

	if (!eb->opts.headless) {
		eh.e_shoff = EB_SHDRS;
		eh.e_shentsize = sizeof(Elf64_Shdr);
		eh.e_shnum = 3;
	}
	eb_put(eb, 0, &eh, sizeof(eh));
	eb_put(eb, EB_NOTE, note, sizeof(note));
	eb_segment(eb, EB_PH_TEXT, PT_LOAD, PF_R, 0, EB_CODE);
	eb_segment(eb, EB_PH_CODE, PT_LOAD, PF_R | PF_X, EB_CODE, EB_DATA);
	eb_segment(eb, EB_PH_DATA, PT_LOAD, PF_R | PF_W, EB_DATA, EB_SYMTAB);
	eb_segment(eb, EB_PH_TAIL, eb->opts.tail == EB_NO_TAIL ? PT_NULL : PT_LOAD, PF_R, EB_TAIL,
		   eb->size);
	eb_segment(eb, EB_PH_DYNAMIC, PT_DYNAMIC, PF_R | PF_W, EB_DYNAMIC, EB_TASK_TABLE);
	eb_segment(eb, EB_PH_NOTE, PT_NOTE, PF_R, EB_NOTE, EB_NOTE + sizeof(note));
	eb_segment(eb, EB_PH_FRAMES, eb->opts.frameless ? PT_NULL : PT_GNU_EH_FRAME, PF_R,
		   EB_FRAME_HDR, EB_ENTRY(EB_FUNCTIONS));
}

static inline void elfbuild__make(struct elfbuild *eb, const struct elfbuild_opts *opts)
{
	memset(eb, 0, sizeof(*eb));
	eb->opts = *opts;
	if (!eb->opts.machine)
		eb->opts.machine = EM_X86_64;
	eb->next_string = EB_STRINGS;
	eb_string(eb, "doc");
	if (!opts->no_tables) {
		eb_tables(eb);
		eb_type(eb);
		eb_steps(eb);
	}
	eb_dynamic_symbols(eb);
	eb_dynamic(eb);
	eb_frames(eb);
	eb_sections(eb);
	eb->size = EB_TAIL;
	if (opts->tail != EB_NO_TAIL)
		eb->size += strlen("get_stack") + (opts->tail == EB_TAIL_WITH_NUL);
	eb_headers(eb);
}

/* Header access for tests that break one. */
static inline Elf64_Ehdr *elfbuild__ehdr(struct elfbuild *eb)
{
	return (void *)eb->bytes;
}

static inline Elf64_Phdr *elfbuild__phdr(struct elfbuild *eb, int index)
{
	return (void *)(eb->bytes + EB_PHDRS + index * sizeof(Elf64_Phdr));
}

static inline Elf64_Shdr *elfbuild__shdr(struct elfbuild *eb, int index)
{
	return (void *)(eb->bytes + EB_SHDRS + index * sizeof(Elf64_Shdr));
}

static inline Elf64_Rela *elfbuild__rela(struct elfbuild *eb, size_t index)
{
	return (void *)(eb->bytes + EB_RELOCS + index * sizeof(Elf64_Rela));
}

static inline Elf64_Dyn *elfbuild__dyn(struct elfbuild *eb, int index)
{
	return (void *)(eb->bytes + EB_DYNAMIC + index * sizeof(Elf64_Dyn));
}

#endif
