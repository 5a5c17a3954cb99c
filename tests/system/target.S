/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sum(): the exclusive or of an even number of equal constants, which are 78 KB of code. It is 0
 * as long as nobody changes a byte of it. */
	.text
	.globl sum
	.type sum, @function
sum:
	xor %edi, %edi
	.rept 6000
	movabs $0x9090909090909090, %rax
	xor %rax, %rdi
	.endr
	mov %rdi, %rax
	ret
	.size sum, . - sum
	.section .note.GNU-stack, "", @progbits
