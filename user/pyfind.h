/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finds CPython's asyncio in an ELF file: where Task.cancel is, where the static `current_tasks`
 * dictionary pointer is or may be, and how a Task is laid out.
 *
 * The file is chosen by the traced process and we are root: every offset in it is hostile until
 * checked. All functions work on a private copy of the bytes; nothing is mapped from the file.
 * All addresses are as in the file: the process adds its load base.
 */
#ifndef MISPAIR_PYFIND_H
#define MISPAIR_PYFIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PYFIND_MAX_FILE	    (256u << 20) /* larger files are refused (-EFBIG) */
#define PYFIND_MAX_SEGMENTS 16

/* A PT_LOAD segment; addresses as in the file (unrelocated). */
struct pyfind_segment {
	uint64_t vaddr, filesz, memsz, offset;
	bool write, exec;
};

struct pyfind_result {
	bool has_asyncio; /* Task's methods (or, failing that, its symbols) are in this file */
	bool stripped;	  /* no .symtab */
	uint64_t task_cancel_vaddr;   /* the C function behind Task.cancel, 0 if unknown */
	uint64_t task_cancel_offset;  /* the same as a file offset, for uprobes */
	uint64_t future_cancel_vaddr; /* Future.cancel, 0 if unknown; never the above */
	uint64_t task_type_vaddr; /* the static PyTypeObject of Task; 0 from 3.12 (a heap type) */
	uint64_t task_finalize_vaddr, task_finalize_offset; /* tp_finalize of Task, 0 if unknown */
	uint32_t task_basicsize; /* size of a Task, by its static type or its spec; 0 if unknown */
	/*
	 * What calls a Task's steps: the C function behind calling a TaskStepMethWrapper, with that
	 * object first, and "task_wakeup" (3.10 and later), with the Task first. 0 if unknown;
	 * never the same. From 3.12 an eager Task's first step goes through neither.
	 */
	uint64_t task_step_vaddr, task_step_offset;
	uint64_t task_wakeup_vaddr, task_wakeup_offset;
	/*
	 * One of the four above was found, but neither .eh_frame nor a symbol proves that it begins
	 * there: its address and offset are 0. A uprobe elsewhere would break the process.
	 */
	bool unproved;
	uint64_t current_tasks_vaddr; /* the static pointer, from .symtab; 0 if stripped */
	uint64_t dict_type_vaddr;     /* PyDict_Type if this file defines it, else 0 */
	uint32_t py_version; /* 0x030b for 3.11 where this file tells (Py_Version), else 0 */
	/* Zero-initialised data, where current_tasks may be. Not aligned. */
	uint64_t bss_vaddr, bss_size;
	uint8_t build_id[20]; /* build_id_len 0: none, or longer than this */
	uint32_t build_id_len;
	uint32_t n_segments;
	struct pyfind_segment segments[PYFIND_MAX_SEGMENTS];
};

/*
 * Analyses SIZE bytes of an ELF file at DATA (the caller keeps them). 64-bit little-endian
 * ET_DYN and ET_EXEC for x86-64 and aarch64. Relocations may be RELA (also without section
 * headers, by PT_DYNAMIC) or packed RELR.
 * Returns 0 (even when nothing of Python was found), -ENOEXEC for what is not such an ELF file,
 * -EINVAL for one that contradicts itself, -ENOMEM. ERR (may be NULL, ERRLEN bytes) gets one
 * sentence without a newline.
 */
int pyfind_analyse(const void *data, size_t size, struct pyfind_result *out, char *err,
		   size_t errlen);

/*
 * Reads the file behind FD (regular files only, up to PYFIND_MAX_FILE) into memory and analyses
 * it. A file that shrinks while it is read is -EINVAL, never a crash. Does not close FD.
 */
int pyfind_analyse_fd(int fd, struct pyfind_result *out, char *err, size_t errlen);

/*
 * Version of CPython a path speaks of: ".../_asyncio.cpython-311-x86_64-linux-gnu.so",
 * "/usr/bin/python3.11", "libpython3.11.so.1.0" give 0x030b. 0 if it does not say.
 */
uint32_t pyfind_version_from_path(const char *path);

#endif
