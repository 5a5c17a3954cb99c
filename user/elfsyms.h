/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a probe needs to know of an ELF file, without reading the rest of it: where functions lie,
 * which USDT probes it has, which Go made it. 64-bit, little-endian.
 *
 * The file may be the traced process's choice: nothing in it is trusted, and at most a bounded part
 * of it is read. A file without section headers has no symbols here.
 */
#ifndef MISPAIR_ELFSYMS_H
#define MISPAIR_ELFSYMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elfsyms;

/*
 * Opens the file behind FD, which must stay open as long. 0, -ENOEXEC for what is not such an ELF
 * file, -EINVAL, -ENOMEM; then *WHY is a constant sentence.
 */
int elfsyms_open(int fd, struct elfsyms **out, const char **why);
void elfsyms_close(struct elfsyms *e); /* NULL is fine */

/* Is a function of this NAME wanted at all? */
typedef bool (*elfsyms_wants)(void *ctx, const char *name);

/*
 * Calls FN for each function that WANTS (NULL: all) and that is defined, those of .dynsym first:
 * its NAME as in the file, and its offset in it, as a uprobe wants it. Ends when FN returns true,
 * or after a quarter of a million functions that WANTS. A stripped program of Go has the names of
 * its functions all the same (x86-64, not position-independent).
 *
 * A symbol is not reported if it lies outside the file bytes of the executable segments, where no
 * function begins by what the bytes are, or where .eh_frame says that another function is in its
 * middle.
 */
typedef bool (*elfsyms_fn)(void *ctx, const char *name, uint64_t offset);
void elfsyms_functions(struct elfsyms *e, elfsyms_wants wants, elfsyms_fn fn, void *ctx);

/*
 * How far the exported variable NAME lies behind the first byte of a mapping of the file that
 * begins at file offset OFFSET. False: there is no such variable, or no such mapping.
 */
bool elfsyms_variable(struct elfsyms *e, const char *name, uint64_t offset, uint64_t *distance);

/* The USDT probe PROVIDER:NAME: how many arguments it has, or -ENOENT. */
int elfsyms_usdt(struct elfsyms *e, const char *provider, const char *name);

/* The version of Go that made the file, "1.19.8". False: it was not made by Go. */
bool elfsyms_go_version(struct elfsyms *e, char *out, size_t len);

#endif
