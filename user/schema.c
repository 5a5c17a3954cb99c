// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The assembler copies the file into the program: no generated C, no copy that can grow old. The
 * path is relative to the top of the tree, where make runs.
 */
#include "schema.h"

__asm__(".pushsection .rodata\n"
	".global schema_text\n"
	"schema_text:\n"
	".incbin \"user/schema/mispair.event.schema.json\"\n"
	"schema_text_end:\n"
	".byte 0\n"
	".popsection\n");

extern const char schema_text_end[];

size_t schema_len(void)
{
	return (size_t)(schema_text_end - schema_text);
}
