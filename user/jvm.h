/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where HotSpot keeps a Java thread's pthread_t. */
#ifndef MISPAIR_JVM_H
#define MISPAIR_JVM_H

#include <stdint.h>

/* The variable of libjvm.so that points to the table of its fields. */
#define JVM_TABLE "gHotSpotVMStructs"

/*
 * The offsets as adapter_jvm wants them, 16 bits each, read from process PID, where JVM_TABLE lies
 * at ADDR. 0: they are not to be had, or do not fit.
 */
uint64_t jvm_cookie(uint32_t pid, uint64_t addr);

#endif
