// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sections of an ELF file, one at a time, through libelf by file descriptor.
 *
 * Invariants: libelf is asked only for a section that lies in the file and is not larger than a
 * bound; names are used only where their table ends them. Work is linear in what is read.
 */
#include <elf.h>
#include <errno.h>
#include <gelf.h>
#include <libelf.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "elfsyms.h"
#include "gopcln.h"

#define SECTION_MAX (128u << 20) /* Chromium's .symtab has 60 MB */
#define GO_MAX	    4096	 /* of .go.buildinfo; the version is at its beginning */

struct elfsyms {
	Elf *elf;
	uint64_t size; /* of the file */
	size_t names;  /* the section of sections' names */
	GElf_Ehdr header;
};

int elfsyms_open(int fd, struct elfsyms **out, const char **why)
{
	struct elfsyms *e = NULL;
	struct stat st;

	*why = "not a regular file";
	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return -EINVAL;
	*why = "not enough memory";
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->size = (uint64_t)st.st_size;
	elf_version(EV_CURRENT);
	e->elf = elf_begin(fd, ELF_C_READ, NULL);
	*why = "not an ELF file";
	if (!e->elf || elf_kind(e->elf) != ELF_K_ELF || !gelf_getehdr(e->elf, &e->header))
		goto fail;
	*why = "not a program or a shared object of 64 bits";
	if (gelf_getclass(e->elf) != ELFCLASS64 || e->header.e_ident[EI_DATA] != ELFDATA2LSB ||
	    (e->header.e_type != ET_DYN && e->header.e_type != ET_EXEC))
		goto fail;
	if (elf_getshdrstrndx(e->elf, &e->names))
		e->names = 0;
	*out = e;
	return 0;
fail:
	elfsyms_close(e);
	return -ENOEXEC;
}

void elfsyms_close(struct elfsyms *e)
{
	if (!e)
		return;
	elf_end(e->elf);
	free(e);
}

/* The bytes of section SCN, described by SH; NULL: it has none, or they are not all there. */
static const char *bytes_of(const struct elfsyms *e, Elf_Scn *scn, const GElf_Shdr *sh,
			    size_t *size)
{
	Elf_Data *data;

	if (sh->sh_type == SHT_NOBITS || !sh->sh_size || sh->sh_size > SECTION_MAX ||
	    sh->sh_offset > e->size || sh->sh_size > e->size - sh->sh_offset)
		return NULL;
	data = elf_rawdata(scn, NULL);
	if (!data || !data->d_buf || data->d_size != sh->sh_size)
		return NULL;
	*size = data->d_size;
	return data->d_buf;
}

static const char *section_bytes(const struct elfsyms *e, size_t index, size_t *size)
{
	Elf_Scn *scn = index ? elf_getscn(e->elf, index) : NULL;
	GElf_Shdr sh;

	return scn && gelf_getshdr(scn, &sh) ? bytes_of(e, scn, &sh, size) : NULL;
}

/* The string at OFFSET of a table, NULL: it does not end there. */
static const char *string_at(const char *table, size_t size, uint64_t offset)
{
	if (!table || offset >= size || !memchr(table + offset, 0, size - offset))
		return NULL;
	return table + offset;
}

/* The section of this name and type; its header in SH. */
static Elf_Scn *section_named(const struct elfsyms *e, const char *name, uint32_t type,
			      GElf_Shdr *sh)
{
	const char *names, *have;
	Elf_Scn *scn = NULL;
	size_t size = 0;

	names = section_bytes(e, e->names, &size);
	while (names && (scn = elf_nextscn(e->elf, scn))) {
		if (!gelf_getshdr(scn, sh) || sh->sh_type != type)
			continue;
		have = string_at(names, size, sh->sh_name);
		if (have && !strcmp(have, name))
			return scn;
	}
	return NULL;
}

/* ---- functions ---- */

/* Where the code at VADDR lies in the file. */
static bool offset_of(const struct elfsyms *e, uint64_t vaddr, uint64_t *offset)
{
	GElf_Phdr ph;
	size_t n = 0, i;

	if (elf_getphdrnum(e->elf, &n))
		return false;
	for (i = 0; i < n && gelf_getphdr(e->elf, (int)i, &ph); i++) {
		if (ph.p_type != PT_LOAD || !(ph.p_flags & PF_X) ||
		    vaddr - ph.p_vaddr >= ph.p_filesz || ph.p_offset > e->size ||
		    vaddr - ph.p_vaddr >= e->size - ph.p_offset)
			continue;
		*offset = ph.p_offset + (vaddr - ph.p_vaddr);
		return true;
	}
	return false;
}

/* One look for functions. */
struct walk {
	const struct elfsyms *e;
	elfsyms_wants wants;
	elfsyms_fn fn;
	void *ctx;
};

static bool wanted(const struct walk *w, const char *name)
{
	return *name && (!w->wants || w->wants(w->ctx, name));
}

/* True: FN has had enough. */
static bool walk_symbols(const struct walk *w, Elf_Scn *scn, const GElf_Shdr *sh)
{
	const struct elfsyms *e = w->e;
	size_t size, names_size = 0, i;
	const char *table = bytes_of(e, scn, sh, &size), *names, *name;
	uint64_t offset;
	Elf64_Sym sym;

	names = section_bytes(e, sh->sh_link, &names_size);
	/* A table that does not end its last name would make every look at a name a long one. */
	if (!table || !names || names[names_size - 1])
		return false;
	for (i = 0; i + sizeof(sym) <= size; i += sizeof(sym)) {
		memcpy(&sym, table + i, sizeof(sym));
		if (ELF64_ST_TYPE(sym.st_info) != STT_FUNC || sym.st_shndx == SHN_UNDEF ||
		    sym.st_name >= names_size)
			continue;
		name = names + sym.st_name;
		if (wanted(w, name) && offset_of(e, sym.st_value, &offset) &&
		    w->fn(w->ctx, name, offset))
			return true;
	}
	return false;
}

/* Up to LEN bytes at address VADDR of the file: how many there are. */
static size_t read_at(const struct elfsyms *e, uint64_t vaddr, void *to, size_t len)
{
	GElf_Phdr ph;
	size_t n = 0, i;
	Elf_Data *data;

	if (elf_getphdrnum(e->elf, &n))
		return 0;
	for (i = 0; i < n && gelf_getphdr(e->elf, (int)i, &ph); i++) {
		uint64_t skip = vaddr - ph.p_vaddr;

		if (ph.p_type != PT_LOAD || skip >= ph.p_filesz || ph.p_offset > e->size ||
		    skip >= e->size - ph.p_offset)
			continue;
		if (len > ph.p_filesz - skip)
			len = ph.p_filesz - skip;
		if (len > e->size - ph.p_offset - skip)
			len = e->size - ph.p_offset - skip;
		data = elf_getdata_rawchunk(e->elf, (int64_t)(ph.p_offset + skip), len, ELF_T_BYTE);
		if (!data || data->d_size != len)
			return 0;
		memcpy(to, data->d_buf, len);
		return len;
	}
	return 0;
}

/*
 * How functions of Go begin that look at their stack's bound, on x86-64: cmp 0x10(%r14),%rsp, or a
 * lea of what it will need. A probe in the middle of an instruction would break the program, so a
 * function that begins otherwise is left alone.
 */
static bool looks_like_go(const struct elfsyms *e, uint64_t vaddr)
{
	static const uint8_t compare[] = {0x49, 0x3b, 0x66, 0x10}, lea[] = {0x4c, 0x8d};
	uint8_t code[4];

	return read_at(e, vaddr, code, sizeof(code)) == sizeof(code) &&
	       (!memcmp(code, compare, sizeof(compare)) || !memcmp(code, lea, sizeof(lea)));
}

static bool note_go(void *ctx, const char *name, uint64_t vaddr)
{
	struct walk *w = ctx;
	uint64_t offset;

	return wanted(w, name) && offset_of(w->e, vaddr, &offset) && looks_like_go(w->e, vaddr) &&
	       w->fn(w->ctx, name, offset);
}

void elfsyms_functions(struct elfsyms *e, elfsyms_wants wants, elfsyms_fn fn, void *ctx)
{
	static const uint32_t types[] = {SHT_DYNSYM, SHT_SYMTAB};
	struct walk w = {.e = e, .wants = wants, .fn = fn, .ctx = ctx};
	bool stripped = true;
	const char *table;
	size_t i, size = 0;
	Elf_Scn *scn;
	GElf_Shdr sh;

	for (i = 0; i < 2; i++) {
		scn = NULL;
		while ((scn = elf_nextscn(e->elf, scn))) {
			if (!gelf_getshdr(scn, &sh) || sh.sh_type != types[i])
				continue;
			if (walk_symbols(&w, scn, &sh))
				return;
			stripped = types[i] != SHT_SYMTAB;
			break; /* an ELF file has one of each */
		}
	}
	scn = stripped ? section_named(e, ".gopclntab", SHT_PROGBITS, &sh) : NULL;
	table = scn ? bytes_of(e, scn, &sh, &size) : NULL;
	if (table && e->header.e_machine == EM_X86_64)
		gopcln_functions(table, size, note_go, &w);
}

/* ---- variables ---- */

/* The address of what a mapping from OFFSET on begins with. */
static bool mapped_at(const struct elfsyms *e, uint64_t offset, uint64_t *vaddr)
{
	const uint64_t page = 4096; /* segments are aligned to as much or more */
	GElf_Phdr ph;
	size_t n = 0, i;

	if (elf_getphdrnum(e->elf, &n))
		return false;
	for (i = 0; i < n && gelf_getphdr(e->elf, (int)i, &ph); i++) {
		if (ph.p_type != PT_LOAD || (ph.p_offset & -page) != offset)
			continue;
		*vaddr = ph.p_vaddr & -page;
		return true;
	}
	return false;
}

bool elfsyms_variable(struct elfsyms *e, const char *name, uint64_t offset, uint64_t *distance)
{
	size_t size = 0, names_size = 0, i;
	const char *table, *names;
	Elf_Scn *scn = NULL;
	uint64_t first;
	Elf64_Sym sym;
	GElf_Shdr sh;

	if (!mapped_at(e, offset, &first))
		return false;
	while ((scn = elf_nextscn(e->elf, scn)))
		if (gelf_getshdr(scn, &sh) && sh.sh_type == SHT_DYNSYM)
			break;
	table = scn ? bytes_of(e, scn, &sh, &size) : NULL;
	names = table ? section_bytes(e, sh.sh_link, &names_size) : NULL;
	if (!names || names[names_size - 1])
		return false;
	for (i = 0; i + sizeof(sym) <= size; i += sizeof(sym)) {
		memcpy(&sym, table + i, sizeof(sym));
		if (ELF64_ST_TYPE(sym.st_info) != STT_OBJECT || sym.st_shndx == SHN_UNDEF ||
		    sym.st_name >= names_size || strcmp(names + sym.st_name, name))
			continue;
		*distance = sym.st_value - first;
		return sym.st_value >= first;
	}
	return false;
}

/* ---- USDT ---- */

/* "-4@%edi 8@-8(%rbp)" has two; libbpf reads what they mean. */
static int count_words(const char *s)
{
	int n = 0;

	while (*s) {
		s += strspn(s, " ");
		n += *s != 0;
		s += strcspn(s, " ");
	}
	return n;
}

/* How many arguments the probe that DESC of SIZE bytes describes has; -1: it is another. */
static int judge_probe(const char *desc, size_t size, const char *provider, const char *name)
{
	const size_t addresses = 3 * sizeof(uint64_t); /* of it, of .stapsdt.base, a semaphore's */
	const char *p, *n, *args;

	p = size > addresses ? string_at(desc, size, addresses) : NULL;
	n = p ? string_at(desc, size, (uint64_t)(p - desc) + strlen(p) + 1) : NULL;
	args = n ? string_at(desc, size, (uint64_t)(n - desc) + strlen(n) + 1) : NULL;
	if (!args || strcmp(p, provider) || strcmp(n, name))
		return -1;
	return count_words(args);
}

int elfsyms_usdt(struct elfsyms *e, const char *provider, const char *name)
{
	const uint32_t type = 3; /* NT_STAPSDT */
	const char *notes;
	size_t size = 0, at = 0, left;
	GElf_Shdr sh;
	Elf_Scn *scn = section_named(e, ".note.stapsdt", SHT_NOTE, &sh);
	Elf64_Nhdr nh;
	int n;

	notes = scn ? bytes_of(e, scn, &sh, &size) : NULL;
	while (notes && size - at >= sizeof(nh)) {
		uint64_t owner, desc;

		memcpy(&nh, notes + at, sizeof(nh));
		at += sizeof(nh);
		left = size - at;
		owner = ((uint64_t)nh.n_namesz + 3) & ~3ULL;
		desc = ((uint64_t)nh.n_descsz + 3) & ~3ULL;
		if (owner > left || nh.n_descsz > left - owner)
			break;
		if (nh.n_type == type && nh.n_namesz == sizeof("stapsdt") &&
		    !memcmp(notes + at, "stapsdt", sizeof("stapsdt"))) {
			n = judge_probe(notes + at + owner, nh.n_descsz, provider, name);
			if (n >= 0)
				return n;
		}
		if (desc > left - owner)
			break;
		at += owner + desc;
	}
	return -ENOENT;
}

/* ---- Go ---- */

/* Until Go 1.17 a pointer to a string's header, a pointer and a length. */
static size_t version_by_pointer(const struct elfsyms *e, const char *info, char *to, size_t len)
{
	uint64_t header, string[2];

	memcpy(&header, info + 16, sizeof(header));
	if (read_at(e, header, string, sizeof(string)) != sizeof(string))
		return 0;
	return read_at(e, string[0], to, string[1] < len ? string[1] : len);
}

bool elfsyms_go_version(struct elfsyms *e, char *out, size_t len)
{
	static const char magic[] = "\xff Go buildinf:";
	char info[GO_MAX], text[32] = "";
	size_t size = 0, n;
	GElf_Shdr sh;

	if (!section_named(e, ".go.buildinfo", SHT_PROGBITS, &sh))
		return false;
	size = read_at(e, sh.sh_addr, info, sh.sh_size < sizeof(info) ? sh.sh_size : sizeof(info));
	if (size < 33 || memcmp(info, magic, sizeof(magic) - 1))
		return false;
	if (info[15] & 2) { /* since 1.18 the string itself, its length before it */
		n = (unsigned char)info[32];
		if (n & 0x80 || n > size - 33 || n >= sizeof(text))
			return false;
		memcpy(text, info + 33, n);
	} else if (info[14] == 8 && !(info[15] & 1)) {
		version_by_pointer(e, info, text, sizeof(text) - 1);
	}
	if (strncmp(text, "go", 2))
		return false;
	snprintf(out, len, "%.*s", (int)strcspn(text + 2, " "), text + 2);
	return true;
}
