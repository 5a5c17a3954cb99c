// SPDX-License-Identifier: GPL-2.0-or-later
/* The ledger's vectors in the kernel: every step and every end as on the host. Needs root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "twin.h"
#include "twin.skel.h"

static struct twin_bpf *skel;

static void kernel_step(struct twin_io *io, const struct vec_step *step)
{
	DECLARE_LIBBPF_OPTS(bpf_test_run_opts, opts);

	io->step = *step;
	io->who = vec_owners[step->who];
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(skel->progs.twin), &opts), 0);
	assert_int_equal(opts.retval, 0);
}

static void run_vector(void **state)
{
	const struct vector *v = *state;
	struct ledger host = {.flags = (__u8)v->start_flags};
	struct twin_io *io = &skel->bss->io;
	struct vec_final f;
	int i;

	io->l = host;
	for (i = 0; i < VEC_STEPS && v->steps[i].op; i++) {
		kernel_step(io, &v->steps[i]);
		if (io->ev != v->steps[i].expect)
			fail_msg("step %d means 0x%x in the kernel, expected 0x%x", i, io->ev,
				 v->steps[i].expect);
		vec_step(&host, &v->steps[i], &vec_owners[v->steps[i].who]);
		assert_memory_equal(&host, &io->l, sizeof(host));
	}
	vec_finish(&host, &f);
	assert_memory_equal(&f, &io->final, sizeof(f));
	assert_memory_equal(&v->final, &io->final, sizeof(f));
}

static void random_steps_agree_with_the_host(void **state)
{
	struct ledger host = {0};
	struct twin_io *io = &skel->bss->io;
	__u64 now = 1;
	int i;

	(void)state;
	srand(20230324);
	for (i = 0; i < 20000; i++) {
		struct vec_step s = {.op = VEC_SEND + (__u32)rand() % 4,
				     .who = (__u32)rand() % WHO_MAX,
				     .bytes = 1 + (__u32)rand() % 100,
				     .unread = rand() % 3 ? 0 : (__u32)rand() % 50,
				     .prior = (__u32)rand() % WAIT_MAX,
				     .reader_running = (__u32)rand() % 2};
		__u32 ev;

		if (i % 50 == 0)
			memset(&host, 0, sizeof(host));
		s.now = now += (__u64)rand() % 1000000000;
		io->l = host;
		kernel_step(io, &s);
		ev = vec_step(&host, &s, &vec_owners[s.who]);
		assert_int_equal(ev, io->ev);
		assert_memory_equal(&host, &io->l, sizeof(host));
	}
}

static int load(void **state)
{
	(void)state;
	skel = twin_bpf__open_and_load();
	return skel ? 0 : -1;
}

static int unload(void **state)
{
	(void)state;
	twin_bpf__destroy(skel);
	return 0;
}

int main(void)
{
	struct CMUnitTest tests[N_VECTORS + 1];
	size_t i;

	memset(tests, 0, sizeof(tests));
	for (i = 0; i < N_VECTORS; i++) {
		tests[i].name = vectors[i].name;
		tests[i].test_func = run_vector;
		tests[i].initial_state = (void *)(uintptr_t)&vectors[i];
	}
	tests[i++] = (struct CMUnitTest)cmocka_unit_test(random_steps_agree_with_the_host);
	return _cmocka_run_group_tests("twin", tests, i, load, unload);
}
