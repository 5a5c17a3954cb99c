// SPDX-License-Identifier: GPL-2.0-or-later
/* What an adapter looks for in a JVM, and nothing else of one. */
void JVM_Interrupt(void *env, void *thread);

void JVM_Interrupt(void *env, void *thread)
{
	__asm__ volatile("" : : "r"(env), "r"(thread) : "memory");
}
