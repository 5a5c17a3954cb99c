/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bounds-checked view of a 64-bit little-endian ELF image in memory: virtual address to bytes,
 * relocated 8-byte slots, symbols, build id. See elfview.c for what is trusted (nothing), and what
 * is libelf's part.
 */
#ifndef MISPAIR_ELFVIEW_H
#define MISPAIR_ELFVIEW_H

#include <libelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELFVIEW_MAX_SEGMENTS 16
#define ELFVIEW_MAX_NAME     64 /* longer symbol names are skipped */

/* What a slot holds when its relocation names a symbol of another file: no segment contains it. */
#define ELFVIEW_EXTERNAL UINT64_MAX

struct elfview_segment {
	uint64_t vaddr, filesz, memsz, offset;
	bool write, exec;
};

/* One address range, as PT_DYNAMIC or a program header describes it. */
struct elfview_range {
	uint64_t vaddr, size;
};

struct elfview {
	uint8_t *data; /* borrowed; elfview__relocate() writes into it */
	size_t size;
	Elf *elf;
	Elf_Data *rela, *dynsym, *symtab; /* NULL: not there */
	uint16_t machine;
	uint32_t n_segments;
	struct elfview_segment segments[ELFVIEW_MAX_SEGMENTS];
	struct elfview_range relro, eh_frame_hdr;
	uint64_t dynstr, dynstr_size, hash, gnu_hash; /* 0: not there */
	uint64_t strtab_offset, strtab_size;	      /* names of .symtab */
	uint8_t build_id[20];
	uint32_t build_id_len;
};

struct elfview_symbol {
	const char *name; /* NUL-terminated, shorter than ELFVIEW_MAX_NAME */
	uint64_t value, size;
	uint8_t type;  /* STT_* */
	bool absolute; /* the value is no address in the file */
};

typedef void (*elfview_symbol_fn)(void *ctx, const struct elfview_symbol *sym);

/*
 * Whether the SIZE bytes at DATA begin like an ELF file that elfview can read; looks at no more
 * than the ELF header. Returns 0, -ENOEXEC or -ENOMEM; then *WHY is a constant sentence.
 */
int elfview__check(const void *data, size_t size, const char **why);

/*
 * Parses the headers of the image at DATA, which must stay alive and writable as long as the view:
 * libelf refers to it, and its ELF header is put right for libelf. Returns 0, -ENOEXEC for another
 * kind of file, -EINVAL for one that contradicts itself, -ENOMEM; then *WHY is a constant sentence
 * and the view is not to be closed.
 */
int elfview__open(struct elfview *view, void *data, size_t size, const char **why);

/* Frees what the view holds besides the image. */
void elfview__close(struct elfview *view);

/* Applies the RELA relocations to the image, as the loader would at base 0. */
void elfview__relocate(struct elfview *view);

/* The bytes at VADDR that come from the file, *AVAIL of them (at least 1), or NULL. */
const uint8_t *elfview__span(const struct elfview *view, uint64_t vaddr, size_t *avail);

bool elfview__u64(const struct elfview *view, uint64_t vaddr, uint64_t *val);
bool elfview__u32(const struct elfview *view, uint64_t vaddr, uint32_t *val);
bool elfview__str_is(const struct elfview *view, uint64_t vaddr, const char *str);

/* The segment that has VADDR in its memory, zero-initialised tail included, or NULL. */
const struct elfview_segment *elfview__segment_of(const struct elfview *view, uint64_t vaddr);

/* File offset of the code at VADDR. False if no executable segment has it in its file bytes. */
bool elfview__code_offset(const struct elfview *view, uint64_t vaddr, uint64_t *offset);

static inline bool elfview__is_code(const struct elfview *view, uint64_t vaddr)
{
	uint64_t offset;

	return elfview__code_offset(view, vaddr, &offset);
}

/*
 * Whether a function begins at each of the N addresses of VADDRS; the answers go to BEGINS. It does
 * if .eh_frame or a symbol of a function says so, if it lies in the file bytes of an executable
 * segment, and if an instruction can begin with what is there. Linear in the size of the tables.
 */
void elfview__function_begins(const struct elfview *view, const uint64_t *vaddrs, size_t n,
			      bool *begins);

/* Zero-initialised data of the program. Size 0 if there is none. */
struct elfview_range elfview__bss(const struct elfview *view);

/* Calls FN for every defined symbol, those of .dynsym first, then those of .symtab. */
void elfview__each_symbol(const struct elfview *view, elfview_symbol_fn fn, void *ctx);

#endif
