/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A small ELF file with the tables that probes are found by, and its copy in a file. */
#ifndef ELFSYMS_FIXTURE_H
#define ELFSYMS_FIXTURE_H

#include <elf.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CODE_VADDR  0x401000
#define CODE_OFFSET 0x1000
#define DATA_VADDR  0x403000
#define DATA_OFFSET 0x2000
#define IMAGE_SIZE  0x2400

/* .eh_frame_hdr, and .eh_frame behind it, of one function: CODE_VADDR + 0x100, of 16 bytes. */
#define FRAMES_VADDR  (DATA_VADDR + 0x200)
#define FRAMES_OFFSET (DATA_OFFSET + 0x200)
#define FRAMES_SIZE   20

enum {
	SEC_NULL,
	SEC_DYNSYM,
	SEC_DYNSTR,
	SEC_SYMTAB,
	SEC_STRTAB,
	SEC_NOTE,
	SEC_GO,
	SEC_NAMES,
	SECS
};

static const char section_names[] = "\0.dynsym\0.dynstr\0.symtab\0.strtab\0.note.stapsdt\0"
				    ".go.buildinfo\0.shstrtab";
static const uint32_t section_name_at[SECS] = {0, 1, 9, 17, 25, 33, 47, 61};

struct image {
	uint8_t bytes[IMAGE_SIZE];
	Elf64_Shdr *sections;
	size_t used;
};

static inline void image_put(struct image *im, int section, uint32_t type, const void *data,
			     size_t len)
{
	Elf64_Shdr *sh = &im->sections[section];

	im->used = (im->used + 7) & ~7ULL;
	sh->sh_name = section_name_at[section];
	sh->sh_type = type;
	sh->sh_offset = im->used;
	sh->sh_size = len;
	memcpy(im->bytes + im->used, data, len);
	im->used += len;
}

/* Names from "\0a\0b": each name's offset is its symbol's st_name; one symbol 16 bytes of code. */
static inline void image_symbols(struct image *im, int table, uint32_t type, const char *names,
				 size_t len, uint64_t first)
{
	Elf64_Sym sym[8] = {{0}};
	size_t n = 1, at;

	for (at = 1; at < len && n < 8; at += strlen(names + at) + 1, n++) {
		sym[n].st_name = (uint32_t)at;
		sym[n].st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC);
		sym[n].st_shndx = 1;
		sym[n].st_value = first + 16 * (n - 1);
		sym[n].st_size = 16;
	}
	image_put(im, table, type, sym, n * sizeof(*sym));
	im->sections[table].sh_link = (uint32_t)table + 1;
	im->sections[table].sh_entsize = sizeof(*sym);
	image_put(im, table + 1, SHT_STRTAB, names, len);
}

/* A note of owner "stapsdt": three addresses, then DESC, which holds its own ends of strings. */
static inline size_t note_put(uint8_t *to, const char *desc, size_t len)
{
	Elf64_Nhdr nh = {.n_namesz = 8, .n_descsz = (uint32_t)(24 + len), .n_type = 3};

	memcpy(to, &nh, sizeof(nh));
	memcpy(to + sizeof(nh), "stapsdt", 8);
	memset(to + sizeof(nh) + 8, 0, 24);
	memcpy(to + sizeof(nh) + 32, desc, len);
	return (sizeof(nh) + 32 + len + 3) & ~3ULL;
}

static inline void image_go(struct image *im, const char *version)
{
	Elf64_Shdr *sh = &im->sections[SEC_GO];
	uint8_t *at = im->bytes + DATA_OFFSET;

	memcpy(at, "\xff Go buildinf:\x08\x02", 16);
	at[32] = (uint8_t)strlen(version);
	memcpy(at + 33, version, strlen(version));
	sh->sh_name = section_name_at[SEC_GO];
	sh->sh_type = SHT_PROGBITS;
	sh->sh_addr = DATA_VADDR;
	sh->sh_offset = DATA_OFFSET;
	sh->sh_size = 0x100;
}

static inline void image_frames(struct image *im)
{
	const uint64_t fde = FRAMES_VADDR + 40;
	const uint32_t words[] = {
		0x3b031b01, /* version 1; of what follows, encodings as every linker's */
		16,
		1,
		(uint32_t)(CODE_VADDR + 0x100 - FRAMES_VADDR),
		(uint32_t)(fde - FRAMES_VADDR),
		16, /* the CIE: version 1, "zR", pcrel and sdata4 */
		0,
		0x00527a01,
		0x01107801,
		0x0000001b,
		16, /* the FDE */
		24,
		(uint32_t)(CODE_VADDR + 0x100 - (fde + 8)),
		16,
		0,
	};

	memcpy(im->bytes + FRAMES_OFFSET, words, sizeof(words));
}

static inline void image_make(struct image *im)
{
	static const char dynamic[] = "\0give_up\0pthread_cancel";
	static const char local[] = "\0give_up\0helper\0context.(*cancelCtx).cancel";
	static const char two[] = "pool\0gave_up\0-4@%edi 8@-8(%rbp)";
	static const char none[] = "pool\0own\0";
	Elf64_Ehdr *eh = (Elf64_Ehdr *)im->bytes;
	Elf64_Phdr *ph = (Elf64_Phdr *)(im->bytes + sizeof(*eh));
	uint8_t notes[256] = {0};
	size_t n;

	memset(im, 0, sizeof(*im));
	memcpy(eh->e_ident, ELFMAG, SELFMAG);
	eh->e_ident[EI_CLASS] = ELFCLASS64;
	eh->e_ident[EI_DATA] = ELFDATA2LSB;
	eh->e_ident[EI_VERSION] = EV_CURRENT;
	eh->e_type = ET_EXEC;
	eh->e_machine = EM_X86_64;
	eh->e_version = EV_CURRENT;
	eh->e_ehsize = sizeof(*eh);
	eh->e_phoff = sizeof(*eh);
	eh->e_phentsize = sizeof(*ph);
	eh->e_phnum = 3;
	eh->e_shoff = sizeof(*eh) + 3 * sizeof(*ph);
	eh->e_shentsize = sizeof(Elf64_Shdr);
	eh->e_shnum = SECS;
	eh->e_shstrndx = SEC_NAMES;
	ph[0] = (Elf64_Phdr){.p_type = PT_LOAD,
			     .p_flags = PF_R | PF_X,
			     .p_offset = CODE_OFFSET,
			     .p_vaddr = CODE_VADDR,
			     .p_filesz = 0x1000,
			     .p_memsz = 0x1000};
	ph[1] = (Elf64_Phdr){.p_type = PT_LOAD,
			     .p_flags = PF_R | PF_W,
			     .p_offset = DATA_OFFSET,
			     .p_vaddr = DATA_VADDR,
			     .p_filesz = 0x400,
			     .p_memsz = 0x400};
	ph[2] = (Elf64_Phdr){.p_type = PT_GNU_EH_FRAME,
			     .p_flags = PF_R,
			     .p_offset = FRAMES_OFFSET,
			     .p_vaddr = FRAMES_VADDR,
			     .p_filesz = FRAMES_SIZE,
			     .p_memsz = FRAMES_SIZE};
	memset(im->bytes + CODE_OFFSET, 0x90, 0x1000);
	image_frames(im);
	im->sections = (Elf64_Shdr *)(im->bytes + eh->e_shoff);
	im->used = eh->e_shoff + SECS * sizeof(Elf64_Shdr);
	image_symbols(im, SEC_DYNSYM, SHT_DYNSYM, dynamic, sizeof(dynamic), CODE_VADDR);
	/* A static function of a name that is exported as well lies elsewhere. */
	image_symbols(im, SEC_SYMTAB, SHT_SYMTAB, local, sizeof(local), CODE_VADDR + 0x100);
	n = note_put(notes, two, sizeof(two));
	n += note_put(notes + n, none, sizeof(none));
	image_put(im, SEC_NOTE, SHT_NOTE, notes, n);
	image_put(im, SEC_NAMES, SHT_STRTAB, section_names, sizeof(section_names));
	image_go(im, "go1.19.8");
}

static inline int image_file(const void *bytes, size_t len)
{
	int fd = memfd_create("elf", MFD_CLOEXEC);

	if (fd >= 0 && write(fd, bytes, len) != (ssize_t)len) {
		close(fd);
		fd = -1;
	}
	return fd;
}

#endif
