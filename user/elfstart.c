// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Beginnings of functions by .eh_frame_hdr and .eh_frame.
 *
 * Source of the formats: Linux Standard Base 5.0, Core, "DWARF Extensions" (DW_EH_PE_*, .eh_frame,
 * .eh_frame_hdr); the CIE's augmentations also by what GCC and LLVM emit for x86-64 and aarch64.
 *
 * Invariants:
 *  - Nothing in the file is trusted. A table is used only if it is wholly there and sorted; its
 *    entry is believed only if the FDE that it names has the same initial location.
 *  - What is not understood is no proof, never a guess.
 *  - elfstart_init() is linear in the table, all else takes a logarithm of it and a few reads.
 */
#include "elfstart.h"

#include <elf.h>
#include <string.h>

/* DW_EH_PE_*: how a pointer is stored, and what it counts from. */
#define PE_FORMAT   0x0f
#define PE_ABSPTR   0x00
#define PE_UDATA2   0x02
#define PE_UDATA4   0x03
#define PE_UDATA8   0x04
#define PE_SDATA2   0x0a
#define PE_SDATA4   0x0b
#define PE_SDATA8   0x0c
#define PE_BASE	    0x70
#define PE_PCREL    0x10
#define PE_DATAREL  0x30
#define PE_INDIRECT 0x80

#define HDR_VERSION 1
#define HDR_FIXED   4 /* the version and three encodings */
#define ENTRY_SIZE  8

#define EXTENDED UINT32_MAX /* a length of 64 bits follows; no linker makes such an FDE */
#define CIE_MAX	 64	    /* of a CIE, what is read: the pointers' encoding is in front */

/* Bytes that are read from front to back. */
struct cursor {
	const uint8_t *at, *end;
};

struct entry {
	int32_t function, fde;
};

/* The size of a pointer stored in this encoding; 0: another one than linkers use. */
static size_t pointer_size(uint8_t encoding)
{
	switch (encoding & PE_FORMAT) {
	case PE_UDATA2:
	case PE_SDATA2:
		return 2;
	case PE_UDATA4:
	case PE_SDATA4:
		return 4;
	case PE_ABSPTR:
	case PE_UDATA8:
	case PE_SDATA8:
		return 8;
	}
	return 0;
}

static bool is_known_base(uint8_t encoding)
{
	uint8_t base = encoding & PE_BASE;

	return !(encoding & PE_INDIRECT) && (!base || base == PE_PCREL || base == PE_DATAREL);
}

/* The number stored at BYTES in the format of ENCODING, which pointer_size() knows. */
static uint64_t number_at(const uint8_t *bytes, uint8_t encoding)
{
	uint64_t val = 0;

	/* The file is little-endian, and so are we. */
	memcpy(&val, bytes, pointer_size(encoding));
	switch (encoding & PE_FORMAT) {
	case PE_SDATA2:
		return (uint64_t)(int64_t)(int16_t)val;
	case PE_SDATA4:
		return (uint64_t)(int64_t)(int32_t)val;
	}
	return val;
}

static struct entry entry_at(const struct elfstart *s, uint32_t index)
{
	struct entry e;

	memcpy(&e, s->entries + (size_t)index * ENTRY_SIZE, sizeof(e));
	return e;
}

static bool is_sorted(const struct elfstart *s)
{
	for (uint32_t i = 1; i < s->n; i++)
		if (entry_at(s, i).function < entry_at(s, i - 1).function)
			return false;
	return true;
}

bool elfstart_init(struct elfstart *s, const void *hdr, size_t size, uint64_t vaddr,
		   elfstart_read read, const void *ctx)
{
	const uint8_t *bytes = hdr;
	size_t frames, room;
	uint32_t n;

	memset(s, 0, sizeof(*s));
	if (size < HDR_FIXED || bytes[0] != HDR_VERSION || bytes[2] != PE_UDATA4 ||
	    bytes[3] != (PE_DATAREL | PE_SDATA4) || !is_known_base(bytes[1]))
		return false;
	/* Where .eh_frame begins is not needed: the entries say where the FDEs are. */
	frames = pointer_size(bytes[1]);
	if (!frames || size < HDR_FIXED + frames + sizeof(n))
		return false;
	memcpy(&n, bytes + HDR_FIXED + frames, sizeof(n));
	room = size - (HDR_FIXED + frames + sizeof(n));
	if (!n || n > room / ENTRY_SIZE)
		return false;
	*s = (struct elfstart){
		.entries = bytes + HDR_FIXED + frames + sizeof(n),
		.n = n,
		.base = vaddr,
		.read = read,
		.ctx = ctx,
	};
	if (is_sorted(s))
		return true;
	memset(s, 0, sizeof(*s));
	return false;
}

static bool take(struct cursor *c, uint8_t *byte)
{
	if (c->at == c->end)
		return false;
	*byte = *c->at++;
	return true;
}

/* Steps over one LEB128 number of either sign. */
static bool skip_leb(struct cursor *c)
{
	uint8_t byte;

	do {
		if (!take(c, &byte))
			return false;
	} while (byte & 0x80);
	return true;
}

/* Steps over the address of a personality routine, its encoding before it. */
static bool skip_personality(struct cursor *c)
{
	uint8_t encoding;
	size_t size;

	if (!take(c, &encoding))
		return false;
	size = pointer_size(encoding);
	/* DW_EH_PE_aligned would need to know where this lies. */
	if (!size || (encoding & PE_BASE) > PE_DATAREL || (size_t)(c->end - c->at) < size)
		return false;
	c->at += size;
	return true;
}

/* The encoding of pointers that the augmentation NAMES and its data, at C, give. */
static bool read_augmentation(const char *names, struct cursor *c, uint8_t *encoding)
{
	uint8_t skipped;

	*encoding = PE_ABSPTR;
	if (!*names)
		return true;
	if (*names++ != 'z' || !skip_leb(c))
		return false;
	for (; *names; names++) {
		switch (*names) {
		case 'R':
			return take(c, encoding);
		case 'P':
			if (!skip_personality(c))
				return false;
			break;
		case 'L':
			if (!take(c, &skipped))
				return false;
			break;
		case 'S': /* a signal's frame */
		case 'B': /* aarch64: the return address is signed with key B */
		case 'G': /* aarch64: the stack is tagged */
			break;
		default:
			return false;
		}
	}
	return true;
}

/* How the FDEs of the CIE at VADDR store addresses. */
static bool read_cie(const struct elfstart *s, uint64_t vaddr, uint8_t *encoding)
{
	uint8_t bytes[CIE_MAX], version;
	struct cursor c;
	const char *names;
	uint32_t head[2]; /* its length without this field, and 0 for a CIE */
	size_t len;

	if (!s->read(s->ctx, vaddr, head, sizeof(head)) || head[1] || head[0] == EXTENDED ||
	    head[0] < sizeof(head[1]))
		return false;
	len = head[0] - sizeof(head[1]);
	if (len > sizeof(bytes))
		len = sizeof(bytes);
	if (!s->read(s->ctx, vaddr + sizeof(head), bytes, len))
		return false;
	c = (struct cursor){bytes, bytes + len};
	if (!take(&c, &version) || (version != 1 && version != 3))
		return false;
	names = (const char *)c.at;
	c.at = memchr(names, 0, c.end - c.at);
	if (!c.at)
		return false;
	c.at++;
	/* The alignments of code and data; the return address's register, a byte in version 1. */
	if (!skip_leb(&c) || !skip_leb(&c) || !(version == 1 ? take(&c, &version) : skip_leb(&c)))
		return false;
	return read_augmentation(names, &c, encoding);
}

/* What the FDE at VADDR describes: SIZE bytes of code from BEGIN on. */
static bool read_fde(const struct elfstart *s, uint64_t vaddr, uint64_t *begin, uint64_t *size)
{
	uint64_t field = vaddr + 2 * sizeof(uint32_t);
	uint8_t bytes[2 * sizeof(uint64_t)], encoding;
	uint32_t head[2]; /* its length without this field, and how far back from here its CIE is */
	size_t each;

	if (!s->read(s->ctx, vaddr, head, sizeof(head)) || !head[1] || head[0] == EXTENDED ||
	    !read_cie(s, vaddr + sizeof(head[0]) - head[1], &encoding))
		return false;
	each = pointer_size(encoding);
	/* For DW_EH_PE_datarel here nobody has said what it counts from. */
	if (!each || !is_known_base(encoding) || (encoding & PE_BASE) == PE_DATAREL ||
	    head[0] < sizeof(head[1]) + 2 * each || !s->read(s->ctx, field, bytes, 2 * each))
		return false;
	*begin = number_at(bytes, encoding);
	if ((encoding & PE_BASE) == PE_PCREL)
		*begin += field;
	*size = number_at(bytes + each, encoding);
	return *size && (int64_t)*size > 0;
}

enum elfstart_frame elfstart_frame(const struct elfstart *s, uint64_t vaddr)
{
	int64_t wanted = (int64_t)(vaddr - s->base);
	uint32_t low = 0, high = s->n, middle;
	uint64_t function, begin, size;
	struct entry e;

	/* The first entry behind VADDR. */
	while (low < high) {
		middle = low + (high - low) / 2;
		if (entry_at(s, middle).function <= wanted)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return FRAME_NONE;
	e = entry_at(s, low - 1);
	function = s->base + (uint64_t)(int64_t)e.function;
	if (!read_fde(s, s->base + (uint64_t)(int64_t)e.fde, &begin, &size) || begin != function)
		return FRAME_NONE;
	if (begin == vaddr)
		return FRAME_BEGINS;
	return vaddr - begin < size ? FRAME_INSIDE : FRAME_NONE;
}

bool elfstart_is_plausible(uint16_t machine, uint64_t vaddr, elfstart_read read, const void *ctx)
{
	const uint8_t trap = 0xcc; /* int3, with which linkers and compilers fill gaps */
	uint8_t code[2];
	uint32_t word;

	if (machine == EM_X86_64) {
		/* A function may be a single byte long, but zeroes are not one: "00" has operands.
		 */
		if (!read(ctx, vaddr, code, 1) || code[0] == trap)
			return false;
		return code[0] || (read(ctx, vaddr, code, 2) && code[1]);
	}
	/* Elsewhere an instruction has four bytes, or two of them; all zero is never one. */
	if (machine == EM_AARCH64 && vaddr % sizeof(word))
		return false;
	return read(ctx, vaddr, &word, sizeof(word)) && word;
}
