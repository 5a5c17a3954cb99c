/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a function begins at an address of an ELF file, as its unwind tables tell, and whether
 * what is there can be a first instruction. See elfstart.c for the formats.
 */
#ifndef MISPAIR_ELFSTART_H
#define MISPAIR_ELFSTART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads exactly LEN bytes of the file at its address VADDR. False: they are not all in the file. */
typedef bool (*elfstart_read)(const void *ctx, uint64_t vaddr, void *to, size_t len);

/* The sorted table of .eh_frame_hdr. All zero: a file without one. */
struct elfstart {
	const uint8_t *entries; /* borrowed */
	uint32_t n;
	uint64_t base; /* what the table's addresses count from */
	elfstart_read read;
	const void *ctx;
};

enum elfstart_frame {
	FRAME_NONE,   /* no table, or none of its functions has the address */
	FRAME_BEGINS, /* a function begins there */
	FRAME_INSIDE, /* a function has begun before it, and ends behind it */
};

/*
 * Takes the table out of the SIZE bytes of .eh_frame_hdr at HDR, which are at address VADDR of the
 * file and must stay as long as S is used. READ with CTX reads the rest of the file. False: there
 * is no table that proves anything, and S is all zero.
 */
bool elfstart_init(struct elfstart *s, const void *hdr, size_t size, uint64_t vaddr,
		   elfstart_read read, const void *ctx);

/* What the table says of VADDR, when the function's own FDE in .eh_frame says the same. */
enum elfstart_frame elfstart_frame(const struct elfstart *s, uint64_t vaddr);

/*
 * Whether an instruction that a function may begin with is at VADDR: not the zeroes or the traps
 * that lie between functions. MACHINE is the ELF header's e_machine.
 */
bool elfstart_is_plausible(uint16_t machine, uint64_t vaddr, elfstart_read read, const void *ctx);

#endif
