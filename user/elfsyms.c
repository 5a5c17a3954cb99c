// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sections of an ELF file, one at a time, through libelf by file descriptor; single bytes by their
 * address straight from the file.
 *
 * Invariants: libelf is asked only for a section that lies in the file and is not larger than a
 * bound; names are used only where their table ends them. Work is linear in what is read. An offset
 * is reported only where a function begins (begins_at()), since a uprobe elsewhere would break the
 * programs that run the file.
 */
#include <elf.h>
#include <errno.h>
#include <gelf.h>
#include <libelf.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "elfstart.h"
#include "elfsyms.h"
#include "gopcln.h"

#define SECTION_MAX (128u << 20) /* Chromium's .symtab has 60 MB */
#define GO_MAX	    4096	 /* of .go.buildinfo; the version is at its beginning */
#define SEGMENTS    64		 /* looked at; linkers make a handful */
#define TABLE_MAX   (32u << 20)	 /* of .eh_frame_hdr: four million functions */
#define WANTED_MAX  (1u << 18)	 /* looked at where they begin; others are left out */

struct elfsyms {
	Elf *elf;
	int fd;	       /* the caller's */
	uint64_t size; /* of the file */
	size_t names;  /* the section of sections' names */
	GElf_Ehdr header;
	GElf_Phdr loads[SEGMENTS];
	size_t n_loads;
	GElf_Phdr table; /* PT_GNU_EH_FRAME; p_filesz 0: none */
};

static void read_segments(struct elfsyms *e)
{
	GElf_Phdr ph;
	size_t n = 0, i;

	if (elf_getphdrnum(e->elf, &n))
		return;
	for (i = 0; i < n && gelf_getphdr(e->elf, (int)i, &ph); i++) {
		if (ph.p_type == PT_LOAD && e->n_loads < SEGMENTS)
			e->loads[e->n_loads++] = ph;
		else if (ph.p_type == PT_GNU_EH_FRAME)
			e->table = ph;
	}
}

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
	e->fd = fd;
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
	read_segments(e);
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

/* ---- bytes by their address ---- */

/* Up to LEN bytes at OFFSET of the file: how many there are. */
static size_t read_file(const struct elfsyms *e, uint64_t offset, void *to, size_t len)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = pread(e->fd, (char *)to + done, len - done, (off_t)(offset + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done;
}

/* How many bytes of the file segment PH has from VADDR on; the first is at *OFFSET. */
static uint64_t bytes_behind(const struct elfsyms *e, const GElf_Phdr *ph, uint64_t vaddr,
			     uint64_t *offset)
{
	uint64_t skip = vaddr - ph->p_vaddr, left;

	if (skip >= ph->p_filesz || ph->p_offset > e->size || skip >= e->size - ph->p_offset)
		return 0;
	*offset = ph->p_offset + skip;
	left = e->size - *offset;
	return left < ph->p_filesz - skip ? left : ph->p_filesz - skip;
}

/* Up to LEN bytes at address VADDR of the file: how many there are. */
static size_t read_at(const struct elfsyms *e, uint64_t vaddr, void *to, size_t len)
{
	uint64_t offset, left;

	for (size_t i = 0; i < e->n_loads; i++) {
		left = bytes_behind(e, &e->loads[i], vaddr, &offset);
		if (left)
			return read_file(e, offset, to, len < left ? len : left);
	}
	return 0;
}

static bool read_all(const void *ctx, uint64_t vaddr, void *to, size_t len)
{
	return read_at(ctx, vaddr, to, len) == len;
}

/* Where the code at VADDR lies in the file. Nothing that runs is at 0: it is the ELF header. */
static bool offset_of(const struct elfsyms *e, uint64_t vaddr, uint64_t *offset)
{
	for (size_t i = 0; vaddr && i < e->n_loads; i++)
		if ((e->loads[i].p_flags & PF_X) && bytes_behind(e, &e->loads[i], vaddr, offset))
			return true;
	return false;
}

/* ---- functions ---- */

/* One look for functions. */
struct walk {
	const struct elfsyms *e;
	struct elfstart starts;
	uint8_t *table; /* what STARTS refers to */
	uint32_t left;	/* of WANTED_MAX */
	elfsyms_wants wants;
	elfsyms_fn fn;
	void *ctx;
};

static bool wanted(const struct walk *w, const char *name)
{
	return *name && (!w->wants || w->wants(w->ctx, name));
}

/* A file whose table cannot be read has none. */
static void open_table(struct walk *w)
{
	const GElf_Phdr *ph = &w->e->table;

	if (!ph->p_filesz || ph->p_filesz > TABLE_MAX || ph->p_filesz > w->e->size)
		return;
	w->table = malloc(ph->p_filesz);
	if (w->table && read_at(w->e, ph->p_vaddr, w->table, ph->p_filesz) == ph->p_filesz)
		elfstart_init(&w->starts, w->table, ph->p_filesz, ph->p_vaddr, read_all, w->e);
}

/*
 * Whether the function that a table of names has at VADDR begins there, and where in the file that
 * is. Not every function has an FDE: assembly and Go have none. But the middle of another one's is
 * no beginning, whatever a symbol says.
 */
static bool begins_at(const struct walk *w, uint64_t vaddr, uint64_t *offset)
{
	const struct elfsyms *e = w->e;

	return offset_of(e, vaddr, offset) &&
	       elfstart_is_plausible(e->header.e_machine, vaddr, read_all, e) &&
	       elfstart_frame(&w->starts, vaddr) != FRAME_INSIDE;
}

/* A function that W wants is said to be at VADDR. True: FN has had enough, or we have. */
static bool note_wanted(struct walk *w, const char *name, uint64_t vaddr)
{
	uint64_t offset;

	if (!w->left)
		return true;
	w->left--;
	return begins_at(w, vaddr, &offset) && w->fn(w->ctx, name, offset);
}

/* Whether SYM is a function of this file, at an address of it. */
static bool is_function(const Elf64_Sym *sym)
{
	return ELF64_ST_TYPE(sym->st_info) == STT_FUNC && sym->st_shndx != SHN_UNDEF &&
	       (sym->st_shndx < SHN_LORESERVE || sym->st_shndx == SHN_XINDEX);
}

/* True: no more of them. */
static bool walk_symbols(struct walk *w, Elf_Scn *scn, const GElf_Shdr *sh)
{
	const struct elfsyms *e = w->e;
	size_t size, names_size = 0, i;
	const char *table = bytes_of(e, scn, sh, &size), *names, *name;
	Elf64_Sym sym;

	names = section_bytes(e, sh->sh_link, &names_size);
	/* A table that does not end its last name would make every look at a name a long one. */
	if (!table || !names || names[names_size - 1])
		return false;
	for (i = 0; i + sizeof(sym) <= size; i += sizeof(sym)) {
		memcpy(&sym, table + i, sizeof(sym));
		if (!is_function(&sym) || sym.st_name >= names_size)
			continue;
		name = names + sym.st_name;
		if (wanted(w, name) && note_wanted(w, name, sym.st_value))
			return true;
	}
	return false;
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

	return wanted(w, name) && looks_like_go(w->e, vaddr) && note_wanted(w, name, vaddr);
}

static void walk_functions(struct walk *w)
{
	static const uint32_t types[] = {SHT_DYNSYM, SHT_SYMTAB};
	const struct elfsyms *e = w->e;
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
			if (walk_symbols(w, scn, &sh))
				return;
			stripped = types[i] != SHT_SYMTAB;
			break; /* an ELF file has one of each */
		}
	}
	scn = stripped ? section_named(e, ".gopclntab", SHT_PROGBITS, &sh) : NULL;
	table = scn ? bytes_of(e, scn, &sh, &size) : NULL;
	if (table && e->header.e_machine == EM_X86_64)
		gopcln_functions(table, size, note_go, w);
}

void elfsyms_functions(struct elfsyms *e, elfsyms_wants wants, elfsyms_fn fn, void *ctx)
{
	struct walk w = {.e = e, .left = WANTED_MAX, .wants = wants, .fn = fn, .ctx = ctx};

	open_table(&w);
	walk_functions(&w);
	free(w.table);
}

/* ---- variables ---- */

/* The address of what a mapping from OFFSET on begins with. */
static bool mapped_at(const struct elfsyms *e, uint64_t offset, uint64_t *vaddr)
{
	const uint64_t page = 4096; /* segments are aligned to as much or more */

	for (size_t i = 0; i < e->n_loads; i++) {
		if ((e->loads[i].p_offset & -page) != offset)
			continue;
		*vaddr = e->loads[i].p_vaddr & -page;
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
