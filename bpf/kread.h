/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How kernel memory is read. A program that was handed a typed pointer (tp_btf, fexit, iterators)
 * loads a field directly: an instruction, with a fault handled by the kernel. A kprobe has only a
 * number and has to ask bpf_probe_read_kernel(), which a locked-down host refuses. The handlers
 * are the same for both: each read says by KP which it is, a constant at compile time where every
 * instruction counts, and else `opt_kprobe`, a constant to the verifier, which drops the branch
 * that is not taken before it looks at it.
 */
#ifndef MISPAIR_KREAD_H
#define MISPAIR_KREAD_H

/* SIZE bytes, at most 8, at ADDR; what cannot be read is 0. A function, so that callers, of which
 * the verifier adds up the stacks, need no room. */
static __noinline __u64 kread(const void *addr, __u32 size)
{
	__u64 v = 0;

	if (size <= sizeof(v))
		bpf_probe_read_kernel(&v, size, addr);
	return v;
}

/* The field F of P, an integer or a pointer. */
#define FIELD(kp, p, f)                                                                            \
	({                                                                                         \
		__typeof__((p)->f) v_;                                                             \
		if (kp)                                                                            \
			v_ = (__typeof__((p)->f))kread(__builtin_preserve_access_index(&(p)->f),   \
						       sizeof((p)->f));                            \
		else                                                                               \
			v_ = (p)->f;                                                               \
		v_;                                                                                \
	})

/* Does the running kernel have a helper? Known at load, so that what needs it is not verified. */
#define HAVE_HELPER(name) bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_##name)

/* bpf_get_current_task_btf() came with 5.11 (3ca1032ab7ab). Its fields: TASK_FIELD(). */
#define NO_TASK_BTF (!HAVE_HELPER(get_current_task_btf))

static __always_inline struct task_struct *this_task(void)
{
	if (NO_TASK_BTF)
		return (struct task_struct *)bpf_get_current_task();
	return bpf_get_current_task_btf();
}

#define TASK_FIELD(task, f) FIELD(NO_TASK_BTF, task, f)

#endif
