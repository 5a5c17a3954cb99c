// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A bounds-checked view of an ELF image in memory.
 *
 * libelf reads the headers and the entries of tables. Ours is what it has no answer for: which
 * bytes an address means, what the loader would put into a slot, how many symbols PT_DYNAMIC means.
 *
 * Invariants:
 *  - Nothing in the image is trusted, and libelf is not trusted to cope with all of it. Every table
 *    is checked against the image before libelf is asked for it. What can still fail there is the
 *    allocation, so that is what a failure of libelf means.
 *  - libelf keeps pointers into the image, and relocation writes into the image. So all headers are
 *    read, and the tables asked for, when the view is opened. From then on libelf only takes
 *    entries out of tables, and where those end it has noted elsewhere.
 *  - What the kernel and the loader need (program headers, PT_DYNAMIC) must be consistent. What
 *    they ignore (section headers) is used when it makes sense and otherwise treated as absent:
 *    junk there must not hide a file that runs.
 *  - Work is linear in the size of the image: each table is walked once and ends where the file
 *    ends. Memory is less than that: libelf refers to the image, and copies only what is not
 *    aligned, of which we ask for little.
 */
#include "elfview.h"

#include "elfstart.h"

#include <elf.h>
#include <errno.h>
#include <gelf.h>
#include <limits.h>
#include <string.h>

/* Real files have a handful; a hostile one could make us read its bytes once per program header. */
#define MAX_NOTES      256
#define MAX_NOTE_BYTES (64u << 10)
/* libelf copies a table that is not aligned. No linker makes one: of a large one a part will do. */
#define MAX_UNALIGNED  (16u << 20)

enum reloc_kind { RELOC_OTHER, RELOC_RELATIVE, RELOC_SYMBOL };

static int no_memory(const char **why)
{
	*why = "not enough memory to read the file's tables";
	return -ENOMEM;
}

static const uint8_t *file_bytes(const struct elfview *view, uint64_t offset, uint64_t len)
{
	if (offset > view->size || len > view->size - offset)
		return NULL;
	return view->data + offset;
}

/* The table of SIZE bytes at BYTES, all in the image; NULL if there is no memory for it. */
static Elf_Data *table_at(const struct elfview *view, const uint8_t *bytes, uint64_t size,
			  Elf_Type type)
{
	/* libelf numbers entries by int. */
	if (size > INT_MAX)
		size = INT_MAX;
	if (size > MAX_UNALIGNED && (uintptr_t)bytes % sizeof(uint64_t))
		size = MAX_UNALIGNED;
	return elf_getdata_rawchunk(view->elf, bytes - view->data, size, type);
}

static const char *refusal(Elf *elf, GElf_Ehdr *eh)
{
	if (elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, eh))
		return "not an ELF file";
	if (gelf_getclass(elf) != ELFCLASS64)
		return "not a 64-bit ELF file";
	if (eh->e_ident[EI_DATA] != ELFDATA2LSB)
		return "not a little-endian ELF file";
	if (eh->e_type != ET_DYN && eh->e_type != ET_EXEC)
		return "neither a program nor a shared object";
	if (eh->e_machine != EM_X86_64 && eh->e_machine != EM_AARCH64)
		return "neither for x86-64 nor for aarch64";
	return NULL;
}

/* Reads the ELF header at DATA; 0, -ENOEXEC or -ENOMEM. */
static int read_header(const void *data, size_t size, GElf_Ehdr *eh, const char **why)
{
	Elf64_Ehdr head;
	Elf *elf;

	*why = "shorter than an ELF header";
	if (size < sizeof(head))
		return -ENOEXEC;
	memcpy(&head, data, sizeof(head));
	/* The kernel runs a file whatever this says; libelf does not read it. */
	head.e_ident[EI_VERSION] = EV_CURRENT;
	elf_version(EV_CURRENT);
	elf = elf_memory((char *)&head, sizeof(head));
	if (!elf)
		return no_memory(why);
	*why = refusal(elf, eh);
	elf_end(elf);
	return *why ? -ENOEXEC : 0;
}

int elfview__check(const void *data, size_t size, const char **why)
{
	GElf_Ehdr eh;

	return read_header(data, size, &eh, why);
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

static int add_segment(struct elfview *view, const GElf_Phdr *ph, const char **why)
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

/*
 * The build id, if this PT_NOTE has it. BUDGET is how many notes we are still willing to read; the
 * end of a PT_NOTE counts as one.
 */
static int read_notes(struct elfview *view, const GElf_Phdr *ph, unsigned int *budget,
		      const char **why)
{
	uint64_t size = ph->p_filesz < MAX_NOTE_BYTES ? ph->p_filesz : MAX_NOTE_BYTES;
	const uint8_t *bytes = file_bytes(view, ph->p_offset, ph->p_filesz), *notes;
	size_t pos = 0, name, desc;
	Elf_Data *data;
	GElf_Nhdr nh;

	if (!bytes || !size || !*budget)
		return 0;
	data = table_at(view, bytes, size, ph->p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR);
	if (!data)
		return no_memory(why);
	notes = data->d_buf;
	while (*budget) {
		--*budget;
		pos = gelf_getnote(data, pos, &nh, &name, &desc);
		if (!pos)
			break;
		if (nh.n_type != NT_GNU_BUILD_ID || nh.n_namesz != sizeof(ELF_NOTE_GNU) ||
		    memcmp(notes + name, ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)) != 0)
			continue;
		/* Part of an id is not an id: a longer one is left out. */
		if (nh.n_descsz <= sizeof(view->build_id)) {
			memcpy(view->build_id, notes + desc, nh.n_descsz);
			view->build_id_len = nh.n_descsz;
		}
		break;
	}
	return 0;
}

static int read_program_headers(struct elfview *view, const GElf_Ehdr *eh, GElf_Phdr *dynamic,
				const char **why)
{
	unsigned int notes = MAX_NOTES;
	size_t count = 0;
	GElf_Phdr ph;
	int err = 0;

	*why = "no program headers";
	if (!eh->e_phnum || eh->e_phentsize != sizeof(Elf64_Phdr))
		return -EINVAL;
	*why = "the program headers reach beyond the end of the file";
	/* PN_XNUM is for core files. Of other numbers libelf leaves out what is behind the end. */
	if (eh->e_phnum == PN_XNUM || elf_getphdrnum(view->elf, &count) || count < eh->e_phnum)
		return -EINVAL;
	for (size_t i = 0; i < count && !err; i++) {
		if (!gelf_getphdr(view->elf, i, &ph))
			return no_memory(why);
		switch (ph.p_type) {
		case PT_LOAD:
			err = add_segment(view, &ph, why);
			break;
		case PT_DYNAMIC:
			*dynamic = ph;
			break;
		case PT_GNU_RELRO:
			view->relro = (struct elfview_range){ph.p_vaddr, ph.p_memsz};
			break;
		case PT_GNU_EH_FRAME:
			view->eh_frame_hdr = (struct elfview_range){ph.p_vaddr, ph.p_filesz};
			break;
		case PT_NOTE:
			if (!view->build_id_len)
				err = read_notes(view, &ph, &notes, why);
			break;
		}
	}
	if (!err && !view->n_segments) {
		*why = "nothing to load";
		return -EINVAL;
	}
	return err;
}

/* Asks for the tables that the dynamic section points at. */
static int open_dynamic_tables(struct elfview *view, const struct elfview_range *rela,
			       uint64_t symtab, const char **why)
{
	const uint8_t *bytes;
	size_t avail;

	if (rela->size) {
		bytes = span_of(view, rela->vaddr, rela->size);
		if (!bytes) {
			*why = "the relocations lie outside the file";
			return -EINVAL;
		}
		view->rela = table_at(view, bytes, rela->size, ELF_T_RELA);
		if (!view->rela)
			return no_memory(why);
	}
	/* Where it ends is not said, and relocations may name any symbol. */
	bytes = symtab ? elfview__span(view, symtab, &avail) : NULL;
	if (bytes) {
		view->dynsym = table_at(view, bytes, avail, ELF_T_SYM);
		if (!view->dynsym)
			return no_memory(why);
	}
	return 0;
}

/*
 * DT_RELR is not read: its relocations add the load base to an address that already stands in the
 * slot, so at base 0 they change nothing. The same holds for a program that is not relocated.
 * DT_JMPREL is not read either: it only fills the PLT's part of the GOT.
 */
static int read_dynamic(struct elfview *view, const GElf_Phdr *ph, const char **why)
{
	struct elfview_range rela = {0, 0};
	uint64_t symtab = 0;
	const uint8_t *bytes;
	Elf_Data *table;
	size_t avail;
	GElf_Dyn dyn;

	bytes = elfview__span(view, ph->p_vaddr, &avail);
	if (!bytes) {
		*why = "the dynamic section lies outside the file";
		return -EINVAL;
	}
	table = table_at(view, bytes, avail < ph->p_filesz ? avail : ph->p_filesz, ELF_T_DYN);
	if (!table)
		return no_memory(why);
	for (int i = 0; gelf_getdyn(table, i, &dyn) && dyn.d_tag != DT_NULL; i++) {
		switch (dyn.d_tag) {
		case DT_RELA:
			rela.vaddr = dyn.d_un.d_ptr;
			break;
		case DT_RELASZ:
			rela.size = dyn.d_un.d_val;
			break;
		case DT_SYMTAB:
			symtab = dyn.d_un.d_ptr;
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
	return open_dynamic_tables(view, &rela, symtab, why);
}

/*
 * Makes libelf see no section headers if it could stumble over these: it refuses the whole file for
 * some, and allocates what the first of them asks for if the ELF header does not say how many.
 */
static void drop_bad_sections(const struct elfview *view, GElf_Ehdr *eh)
{
	uint64_t size = (uint64_t)eh->e_shnum * sizeof(Elf64_Shdr);

	if (size && eh->e_shentsize == sizeof(Elf64_Shdr) && file_bytes(view, eh->e_shoff, size))
		return;
	eh->e_shoff = 0;
	eh->e_shnum = 0;
	eh->e_shstrndx = SHN_UNDEF;
}

/* Finds .symtab. Whatever is wrong with it means that there is none. */
static int read_section_headers(struct elfview *view, const char **why)
{
	Elf_Scn *scn = NULL, *strings;
	const uint8_t *bytes;
	GElf_Shdr sh, str;

	do {
		scn = elf_nextscn(view->elf, scn);
		if (!scn)
			return 0;
		if (!gelf_getshdr(scn, &sh))
			return no_memory(why);
	} while (sh.sh_type != SHT_SYMTAB);
	bytes = file_bytes(view, sh.sh_offset, sh.sh_size);
	strings = elf_getscn(view->elf, sh.sh_link);
	if (!bytes || !strings)
		return 0;
	if (!gelf_getshdr(strings, &str))
		return no_memory(why);
	if (str.sh_type != SHT_STRTAB || !file_bytes(view, str.sh_offset, str.sh_size))
		return 0;
	view->symtab = table_at(view, bytes, sh.sh_size, ELF_T_SYM);
	if (!view->symtab)
		return no_memory(why);
	view->strtab_offset = str.sh_offset;
	view->strtab_size = str.sh_size;
	return 0;
}

static int read_image(struct elfview *view, const GElf_Ehdr *eh, const char **why)
{
	GElf_Phdr dynamic = {.p_type = PT_NULL};
	int err;

	err = read_program_headers(view, eh, &dynamic, why);
	if (err)
		return err;
	/* A separate debug file describes segments, dynamic one included, that it does not hold. */
	if (dynamic.p_type == PT_DYNAMIC && dynamic.p_filesz) {
		err = read_dynamic(view, &dynamic, why);
		if (err)
			return err;
	}
	return read_section_headers(view, why);
}

int elfview__open(struct elfview *view, void *data, size_t size, const char **why)
{
	GElf_Ehdr eh;
	int err;

	memset(view, 0, sizeof(*view));
	err = read_header(data, size, &eh, why);
	if (err)
		return err;
	view->data = data;
	view->size = size;
	view->machine = eh.e_machine;
	drop_bad_sections(view, &eh);
	memcpy(data, &eh, sizeof(eh));
	view->elf = elf_memory(data, size);
	if (!view->elf)
		return no_memory(why);
	err = read_image(view, &eh, why);
	if (err)
		elfview__close(view);
	return err;
}

void elfview__close(struct elfview *view)
{
	elf_end(view->elf);
	view->elf = NULL;
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
	GElf_Sym sym;

	if (!view->dynsym || index > INT_MAX || !gelf_getsym(view->dynsym, index, &sym))
		return ELFVIEW_EXTERNAL;
	if (sym.st_shndx == SHN_UNDEF || GELF_ST_TYPE(sym.st_info) == STT_GNU_IFUNC)
		return ELFVIEW_EXTERNAL;
	return sym.st_value;
}

void elfview__relocate(struct elfview *view)
{
	const struct elfview_segment *seg;
	uint64_t value, skip;
	GElf_Rela rela;

	for (int i = 0; view->rela && gelf_getrela(view->rela, i, &rela); i++) {
		switch (reloc_kind(view->machine, GELF_R_TYPE(rela.r_info))) {
		case RELOC_RELATIVE:
			value = rela.r_addend;
			break;
		case RELOC_SYMBOL:
			value = dynamic_symbol_value(view, GELF_R_SYM(rela.r_info));
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

/*
 * Names are cut out by hand: elf_strptr() wants a section, and looks for the end of the last name
 * again for each one that it is asked for.
 */
static void walk_symbols(Elf_Data *table, uint64_t count, const uint8_t *strs, uint64_t strs_size,
			 elfview_symbol_fn fn, void *ctx)
{
	struct elfview_symbol out;
	uint64_t room;
	GElf_Sym sym;

	for (uint64_t i = 0; i < count && gelf_getsym(table, i, &sym); i++) {
		if (sym.st_shndx == SHN_UNDEF || sym.st_name >= strs_size)
			continue;
		out.name = (const char *)strs + sym.st_name;
		room = strs_size - sym.st_name;
		if (room > ELFVIEW_MAX_NAME)
			room = ELFVIEW_MAX_NAME;
		if (!memchr(out.name, '\0', room))
			continue;
		out.value = sym.st_value;
		out.size = sym.st_size;
		out.type = GELF_ST_TYPE(sym.st_info);
		out.absolute = sym.st_shndx >= SHN_LORESERVE && sym.st_shndx != SHN_XINDEX;
		fn(ctx, &out);
	}
}

void elfview__each_symbol(const struct elfview *view, elfview_symbol_fn fn, void *ctx)
{
	const uint8_t *strs;
	size_t avail;

	strs = view->dynstr ? elfview__span(view, view->dynstr, &avail) : NULL;
	if (view->dynsym && strs)
		walk_symbols(view->dynsym, dynamic_symbol_count(view), strs,
			     view->dynstr_size < avail ? view->dynstr_size : avail, fn, ctx);
	if (view->symtab)
		walk_symbols(view->symtab, UINT64_MAX, view->data + view->strtab_offset,
			     view->strtab_size, fn, ctx);
}

static bool read_span(const void *ctx, uint64_t vaddr, void *to, size_t len)
{
	return copy_from(ctx, vaddr, to, len);
}

struct begins {
	const uint64_t *vaddrs;
	size_t n;
	bool *answers;
};

static void note_function(void *ctx, const struct elfview_symbol *sym)
{
	struct begins *b = ctx;

	if ((sym->type != STT_FUNC && sym->type != STT_GNU_IFUNC) || sym->absolute)
		return;
	for (size_t i = 0; i < b->n; i++)
		if (b->vaddrs[i] == sym->value)
			b->answers[i] = true;
}

void elfview__function_begins(const struct elfview *view, const uint64_t *vaddrs, size_t n,
			      bool *begins)
{
	const struct elfview_range *hdr = &view->eh_frame_hdr;
	struct begins by_symbol = {vaddrs, n, begins};
	enum elfstart_frame frame;
	struct elfstart starts;
	const uint8_t *bytes;

	memset(begins, 0, n * sizeof(*begins));
	elfview__each_symbol(view, note_function, &by_symbol);
	bytes = span_of(view, hdr->vaddr, hdr->size);
	elfstart_init(&starts, bytes, bytes ? hdr->size : 0, hdr->vaddr, read_span, view);
	for (size_t i = 0; i < n; i++) {
		frame = elfstart_frame(&starts, vaddrs[i]);
		if (frame != FRAME_NONE)
			begins[i] = frame == FRAME_BEGINS;
		begins[i] = begins[i] && elfview__is_code(view, vaddrs[i]) &&
			    elfstart_is_plausible(view->machine, vaddrs[i], read_span, view);
	}
}
