// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A bounds-checked view of an ELF image in memory.
 *
 * Invariants:
 *  - Nothing in the image is trusted. Program headers are checked once, when the view is opened,
 *    and copied; every later access goes through elfview__span() or file_bytes(), which know where
 *    the bytes end. A table that a header points at is re-checked each time it is walked, because
 *    relocation may have written into it.
 *  - What the kernel and the loader need (program headers, PT_DYNAMIC) must be consistent. What
 *    they ignore (section headers) is used when it makes sense and otherwise treated as absent:
 *    junk there must not hide a file that runs.
 *  - Work is linear in the size of the image: each table is walked once and ends where the file
 *    ends.
 *
 * The parsing is by hand, not by libelf: it needs five structures, and a reader that runs as root
 * on somebody else's file should be short enough to check line by line.
 */
#include "elfview.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Real files have a handful; a hostile one could make us read its bytes once per program header. */
#define MAX_NOTES 256

enum reloc_kind { RELOC_OTHER, RELOC_RELATIVE, RELOC_SYMBOL };

struct symbol_table {
	const uint8_t *syms, *strs;
	uint64_t count, strs_size;
};

static const uint8_t *file_bytes(const struct elfview *view, uint64_t offset, uint64_t len)
{
	if (offset > view->size || len > view->size - offset)
		return NULL;
	return view->data + offset;
}

const char *elfview__refuse(const void *data, size_t size)
{
	Elf64_Ehdr eh;

	if (size < sizeof(eh))
		return "shorter than an ELF header";
	memcpy(&eh, data, sizeof(eh));
	if (memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0)
		return "not an ELF file";
	if (eh.e_ident[EI_CLASS] != ELFCLASS64)
		return "not a 64-bit ELF file";
	if (eh.e_ident[EI_DATA] != ELFDATA2LSB)
		return "not a little-endian ELF file";
	if (eh.e_type != ET_DYN && eh.e_type != ET_EXEC)
		return "neither a program nor a shared object";
	if (eh.e_machine != EM_X86_64 && eh.e_machine != EM_AARCH64)
		return "neither for x86-64 nor for aarch64";
	return NULL;
}

const struct elfview_segment *elfview__segment_of(const struct elfview *view, uint64_t vaddr)
{
	for (uint32_t i = 0; i < view->n_segments; i++) {
		const struct elfview_segment *seg = &view->segments[i];

		/* One comparison for both ends: below vaddr the difference wraps around. */
		if (vaddr - seg->vaddr < seg->memsz)
			return seg;
	}
	return NULL;
}

const uint8_t *elfview__span(const struct elfview *view, uint64_t vaddr, size_t *avail)
{
	const struct elfview_segment *seg = elfview__segment_of(view, vaddr);
	uint64_t skip;

	if (!seg)
		return NULL;
	skip = vaddr - seg->vaddr;
	if (skip >= seg->filesz)
		return NULL;
	*avail = seg->filesz - skip;
	return view->data + seg->offset + skip;
}

static const uint8_t *span_of(const struct elfview *view, uint64_t vaddr, uint64_t len)
{
	const uint8_t *bytes;
	size_t avail;

	bytes = elfview__span(view, vaddr, &avail);
	return bytes && avail >= len ? bytes : NULL;
}

static bool copy_from(const struct elfview *view, uint64_t vaddr, void *to, size_t len)
{
	const uint8_t *bytes = span_of(view, vaddr, len);

	if (bytes)
		memcpy(to, bytes, len);
	return bytes;
}

bool elfview__u64(const struct elfview *view, uint64_t vaddr, uint64_t *val)
{
	return copy_from(view, vaddr, val, sizeof(*val));
}

bool elfview__u32(const struct elfview *view, uint64_t vaddr, uint32_t *val)
{
	return copy_from(view, vaddr, val, sizeof(*val));
}

bool elfview__str_is(const struct elfview *view, uint64_t vaddr, const char *str)
{
	size_t len = strlen(str) + 1;
	const uint8_t *bytes = span_of(view, vaddr, len);

	return bytes && memcmp(bytes, str, len) == 0;
}

bool elfview__code_offset(const struct elfview *view, uint64_t vaddr, uint64_t *offset)
{
	const struct elfview_segment *seg = elfview__segment_of(view, vaddr);

	/*
	 * Older linkers make one segment of headers and code, and it starts at 0. What is there is
	 * the ELF header; an address of 0 is one that nobody has filled in.
	 */
	if (!vaddr || !seg || !seg->exec || vaddr - seg->vaddr >= seg->filesz)
		return false;
	*offset = seg->offset + (vaddr - seg->vaddr);
	return true;
}

struct elfview_range elfview__bss(const struct elfview *view)
{
	struct elfview_range bss = {0, 0};

	/*
	 * Linkers put .bss last. lld also pads the read-only-after-relocation segment with zeroes
	 * up to a page; that tail is nobody's variable, and it lies inside PT_GNU_RELRO.
	 */
	for (uint32_t i = 0; i < view->n_segments; i++) {
		const struct elfview_segment *seg = &view->segments[i];
		uint64_t start = seg->vaddr + seg->filesz;

		if (!seg->write || seg->memsz == seg->filesz || start < bss.vaddr)
			continue;
		if (start - view->relro.vaddr < view->relro.size)
			continue;
		bss.vaddr = start;
		bss.size = seg->memsz - seg->filesz;
	}
	return bss;
}

static int add_segment(struct elfview *view, const Elf64_Phdr *ph, const char **why)
{
	struct elfview_segment *seg;

	if (!ph->p_memsz)
		return 0;
	if (view->n_segments == ELFVIEW_MAX_SEGMENTS) {
		*why = "more loadable segments than a linker makes";
		return -EINVAL;
	}
	if (ph->p_filesz && !file_bytes(view, ph->p_offset, ph->p_filesz)) {
		*why = "a segment reaches beyond the end of the file";
		return -EINVAL;
	}
	if (ph->p_filesz > ph->p_memsz || ph->p_memsz > UINT64_MAX - ph->p_vaddr) {
		*why = "a segment contradicts its own size";
		return -EINVAL;
	}
	for (uint32_t i = 0; i < view->n_segments; i++) {
		const struct elfview_segment *old = &view->segments[i];

		if (ph->p_vaddr < old->vaddr + old->memsz &&
		    old->vaddr < ph->p_vaddr + ph->p_memsz) {
			*why = "two segments overlap in memory";
			return -EINVAL;
		}
	}
	seg = &view->segments[view->n_segments++];
	seg->vaddr = ph->p_vaddr;
	seg->memsz = ph->p_memsz;
	seg->filesz = ph->p_filesz;
	/* Unused without file bytes; 0 keeps every stored offset inside the file. */
	seg->offset = ph->p_filesz ? ph->p_offset : 0;
	seg->write = ph->p_flags & PF_W;
	seg->exec = ph->p_flags & PF_X;
	return 0;
}

/* The build id, if this PT_NOTE has it. BUDGET is how many notes we are still willing to read. */
static void read_notes(struct elfview *view, const Elf64_Phdr *ph, unsigned int *budget)
{
	uint64_t align = ph->p_align == 8 ? 8 : 4;
	uint64_t pos = 0, name_end, desc, end;
	const uint8_t *bytes = file_bytes(view, ph->p_offset, ph->p_filesz);
	Elf64_Nhdr nh;

	if (!bytes)
		return;
	while (*budget && pos < ph->p_filesz && ph->p_filesz - pos >= sizeof(nh)) {
		--*budget;
		memcpy(&nh, bytes + pos, sizeof(nh));
		/* The sizes are 32-bit numbers, so these sums do not wrap. */
		name_end = pos + sizeof(nh) + nh.n_namesz;
		desc = (name_end + align - 1) & ~(align - 1);
		end = desc + nh.n_descsz;
		if (name_end > ph->p_filesz || end > ph->p_filesz)
			return;
		if (nh.n_type == NT_GNU_BUILD_ID && nh.n_namesz == sizeof(ELF_NOTE_GNU) &&
		    memcmp(bytes + pos + sizeof(nh), ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)) == 0) {
			/* Part of an id is not an id: a longer one is left out. */
			if (nh.n_descsz <= sizeof(view->build_id)) {
				memcpy(view->build_id, bytes + desc, nh.n_descsz);
				view->build_id_len = nh.n_descsz;
			}
			return;
		}
		pos = (end + align - 1) & ~(align - 1);
	}
}

static int read_program_headers(struct elfview *view, const Elf64_Ehdr *eh, Elf64_Phdr *dynamic,
				const char **why)
{
	unsigned int notes = MAX_NOTES;
	const uint8_t *table;
	Elf64_Phdr ph;
	int err;

	if (!eh->e_phnum || eh->e_phentsize != sizeof(ph)) {
		*why = "no program headers";
		return -EINVAL;
	}
	table = file_bytes(view, eh->e_phoff, (uint64_t)eh->e_phnum * sizeof(ph));
	if (!table) {
		*why = "the program headers reach beyond the end of the file";
		return -EINVAL;
	}
	for (unsigned int i = 0; i < eh->e_phnum; i++) {
		memcpy(&ph, table + i * sizeof(ph), sizeof(ph));
		switch (ph.p_type) {
		case PT_LOAD:
			err = add_segment(view, &ph, why);
			if (err)
				return err;
			break;
		case PT_DYNAMIC:
			*dynamic = ph;
			break;
		case PT_GNU_RELRO:
			view->relro = (struct elfview_range){ph.p_vaddr, ph.p_memsz};
			break;
		case PT_NOTE:
			if (!view->build_id_len)
				read_notes(view, &ph, &notes);
			break;
		}
	}
	if (!view->n_segments) {
		*why = "nothing to load";
		return -EINVAL;
	}
	return 0;
}

/*
 * DT_RELR is not read: its relocations add the load base to an address that already stands in the
 * slot, so at base 0 they change nothing. The same holds for a program that is not relocated.
 * DT_JMPREL is not read either: it only fills the PLT's part of the GOT.
 */
static int read_dynamic(struct elfview *view, const Elf64_Phdr *ph, const char **why)
{
	const uint8_t *table;
	size_t avail;
	Elf64_Dyn dyn;

	table = elfview__span(view, ph->p_vaddr, &avail);
	if (!table) {
		*why = "the dynamic section lies outside the file";
		return -EINVAL;
	}
	if (avail > ph->p_filesz)
		avail = ph->p_filesz;
	for (; avail >= sizeof(dyn); avail -= sizeof(dyn), table += sizeof(dyn)) {
		memcpy(&dyn, table, sizeof(dyn));
		switch (dyn.d_tag) {
		case DT_NULL:
			avail = sizeof(dyn);
			break;
		case DT_RELA:
			view->rela.vaddr = dyn.d_un.d_ptr;
			break;
		case DT_RELASZ:
			view->rela.size = dyn.d_un.d_val;
			break;
		case DT_SYMTAB:
			view->dynsym = dyn.d_un.d_ptr;
			break;
		case DT_STRTAB:
			view->dynstr = dyn.d_un.d_ptr;
			break;
		case DT_STRSZ:
			view->dynstr_size = dyn.d_un.d_val;
			break;
		case DT_HASH:
			view->hash = dyn.d_un.d_ptr;
			break;
		case DT_GNU_HASH:
			view->gnu_hash = dyn.d_un.d_ptr;
			break;
		}
	}
	if (view->rela.size && !span_of(view, view->rela.vaddr, view->rela.size)) {
		*why = "the relocations lie outside the file";
		return -EINVAL;
	}
	return 0;
}

/* Finds .symtab. Whatever is wrong here means that there is none. */
static void read_section_headers(struct elfview *view, const Elf64_Ehdr *eh)
{
	const uint8_t *table;
	Elf64_Shdr sh, str;

	if (eh->e_shentsize != sizeof(sh))
		return;
	table = file_bytes(view, eh->e_shoff, (uint64_t)eh->e_shnum * sizeof(sh));
	if (!table)
		return;
	for (unsigned int i = 0; i < eh->e_shnum; i++) {
		memcpy(&sh, table + i * sizeof(sh), sizeof(sh));
		if (sh.sh_type != SHT_SYMTAB)
			continue;
		if (sh.sh_link >= eh->e_shnum || !file_bytes(view, sh.sh_offset, sh.sh_size))
			return;
		memcpy(&str, table + sh.sh_link * sizeof(str), sizeof(str));
		if (str.sh_type != SHT_STRTAB || !file_bytes(view, str.sh_offset, str.sh_size))
			return;
		view->has_symtab = true;
		view->symtab_offset = sh.sh_offset;
		view->symtab_count = sh.sh_size / sizeof(Elf64_Sym);
		view->strtab_offset = str.sh_offset;
		view->strtab_size = str.sh_size;
		return;
	}
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

int elfview__read(int fd, size_t max, void **data, size_t *size, const char **why)
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
	if ((uint64_t)st.st_size > max)
		return -EFBIG;
	*size = st.st_size;
	*why = "shorter than an ELF header";
	if (*size < sizeof(head))
		return -ENOEXEC;
	/* The header first: most of what a process has open or mapped is not for us. */
	err = read_fully(fd, head, sizeof(head), why);
	if (err)
		return err;
	*why = elfview__refuse(head, sizeof(head));
	if (*why)
		return -ENOEXEC;
	*why = "not enough memory to read the file";
	*data = malloc(*size);
	if (!*data)
		return -ENOMEM;
	err = read_fully(fd, *data, *size, why);
	if (err)
		free(*data);
	return err;
}

int elfview__open(struct elfview *view, void *data, size_t size, const char **why)
{
	Elf64_Phdr dynamic = {.p_type = PT_NULL};
	Elf64_Ehdr eh;
	int err;

	memset(view, 0, sizeof(*view));
	*why = elfview__refuse(data, size);
	if (*why)
		return -ENOEXEC;
	memcpy(&eh, data, sizeof(eh));
	view->data = data;
	view->size = size;
	view->machine = eh.e_machine;
	err = read_program_headers(view, &eh, &dynamic, why);
	if (err)
		return err;
	/* A separate debug file describes segments, dynamic one included, that it does not hold. */
	if (dynamic.p_type == PT_DYNAMIC && dynamic.p_filesz) {
		err = read_dynamic(view, &dynamic, why);
		if (err)
			return err;
	}
	read_section_headers(view, &eh);
	return 0;
}

static enum reloc_kind reloc_kind(uint16_t machine, uint32_t type)
{
	if (machine == EM_X86_64) {
		switch (type) {
		case R_X86_64_RELATIVE:
			return RELOC_RELATIVE;
		case R_X86_64_64:
		case R_X86_64_GLOB_DAT:
			return RELOC_SYMBOL;
		}
		return RELOC_OTHER;
	}
	switch (type) {
	case R_AARCH64_RELATIVE:
		return RELOC_RELATIVE;
	case R_AARCH64_ABS64:
	case R_AARCH64_GLOB_DAT:
		return RELOC_SYMBOL;
	}
	return RELOC_OTHER;
}

/* The value of dynamic symbol INDEX, or ELFVIEW_EXTERNAL if only the loader could know it. */
static uint64_t dynamic_symbol_value(const struct elfview *view, uint32_t index)
{
	uint64_t vaddr = view->dynsym + (uint64_t)index * sizeof(Elf64_Sym);
	Elf64_Sym sym;

	if (!view->dynsym || !copy_from(view, vaddr, &sym, sizeof(sym)))
		return ELFVIEW_EXTERNAL;
	if (sym.st_shndx == SHN_UNDEF || ELF64_ST_TYPE(sym.st_info) == STT_GNU_IFUNC)
		return ELFVIEW_EXTERNAL;
	return sym.st_value;
}

void elfview__relocate(struct elfview *view)
{
	const uint8_t *table = span_of(view, view->rela.vaddr, view->rela.size);
	uint64_t count = view->rela.size / sizeof(Elf64_Rela);
	const struct elfview_segment *seg;
	uint64_t value, skip;
	Elf64_Rela rela;

	if (!table)
		return;
	for (uint64_t i = 0; i < count; i++) {
		memcpy(&rela, table + i * sizeof(rela), sizeof(rela));
		switch (reloc_kind(view->machine, ELF64_R_TYPE(rela.r_info))) {
		case RELOC_RELATIVE:
			value = rela.r_addend;
			break;
		case RELOC_SYMBOL:
			value = dynamic_symbol_value(view, ELF64_R_SYM(rela.r_info));
			if (value != ELFVIEW_EXTERNAL)
				value += rela.r_addend;
			break;
		default:
			continue;
		}
		seg = elfview__segment_of(view, rela.r_offset);
		if (!seg || !seg->write)
			continue;
		skip = rela.r_offset - seg->vaddr;
		if (skip >= seg->filesz || seg->filesz - skip < sizeof(value))
			continue;
		memcpy(view->data + seg->offset + skip, &value, sizeof(value));
	}
}

/*
 * PT_DYNAMIC does not say how many symbols there are; the hash tables do. DT_HASH outright, the GNU
 * table by its last chain: chains are stored in symbol order, and a set low bit ends each.
 */
static uint64_t dynamic_symbol_count(const struct elfview *view)
{
	struct {
		uint32_t n_buckets, first, bloom_words, shift;
	} head;
	uint64_t pos, end, last = 0;
	const uint8_t *bytes;
	size_t avail;
	uint32_t val;

	if (view->hash && elfview__u32(view, view->hash + 4, &val))
		return val;
	bytes = view->gnu_hash ? elfview__span(view, view->gnu_hash, &avail) : NULL;
	if (!bytes || avail < sizeof(head))
		return 0;
	memcpy(&head, bytes, sizeof(head));
	pos = sizeof(head) + head.bloom_words * UINT64_C(8);
	end = pos + head.n_buckets * UINT64_C(4);
	if (end > avail)
		return 0;
	for (; pos < end; pos += sizeof(val)) {
		memcpy(&val, bytes + pos, sizeof(val));
		if (val > last)
			last = val;
	}
	if (last < head.first)
		return 0;
	for (pos += (last - head.first) * sizeof(val); pos + sizeof(val) <= avail;
	     pos += sizeof(val)) {
		memcpy(&val, bytes + pos, sizeof(val));
		last++;
		if (val & 1)
			return last;
	}
	return 0;
}

static void walk_symbols(const struct symbol_table *table, elfview_symbol_fn fn, void *ctx)
{
	struct elfview_symbol out;
	uint64_t room;
	Elf64_Sym sym;

	for (uint64_t i = 0; i < table->count; i++) {
		memcpy(&sym, table->syms + i * sizeof(sym), sizeof(sym));
		if (sym.st_shndx == SHN_UNDEF || sym.st_name >= table->strs_size)
			continue;
		out.name = (const char *)table->strs + sym.st_name;
		room = table->strs_size - sym.st_name;
		if (room > ELFVIEW_MAX_NAME)
			room = ELFVIEW_MAX_NAME;
		if (!memchr(out.name, '\0', room))
			continue;
		out.value = sym.st_value;
		out.size = sym.st_size;
		out.type = ELF64_ST_TYPE(sym.st_info);
		fn(ctx, &out);
	}
}

void elfview__each_symbol(const struct elfview *view, elfview_symbol_fn fn, void *ctx)
{
	struct symbol_table table;
	size_t syms_size, strs_size;

	table.syms = view->dynsym ? elfview__span(view, view->dynsym, &syms_size) : NULL;
	table.strs = view->dynstr ? elfview__span(view, view->dynstr, &strs_size) : NULL;
	if (table.syms && table.strs) {
		table.count = dynamic_symbol_count(view);
		if (table.count > syms_size / sizeof(Elf64_Sym))
			table.count = syms_size / sizeof(Elf64_Sym);
		table.strs_size = view->dynstr_size < strs_size ? view->dynstr_size : strs_size;
		walk_symbols(&table, fn, ctx);
	}
	if (view->has_symtab) {
		table.syms = view->data + view->symtab_offset;
		table.strs = view->data + view->strtab_offset;
		table.count = view->symtab_count;
		table.strs_size = view->strtab_size;
		walk_symbols(&table, fn, ctx);
	}
}
