/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of functions in a program that Go has made and stripped: its runtime needs them itself. */
#ifndef MISPAIR_GOPCLN_H
#define MISPAIR_GOPCLN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* NAME ends where its table says; VADDR is the function's first instruction. True: enough. */
typedef bool (*gopcln_fn)(void *ctx, const char *name, uint64_t vaddr);

/*
 * Calls FN for each function of the SIZE bytes of .gopclntab at TABLE, of Go 1.18 and later. None
 * where the table does not say where code begins, as in a position-independent program.
 */
void gopcln_functions(const void *table, size_t size, gopcln_fn fn, void *ctx);

#endif
