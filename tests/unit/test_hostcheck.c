// SPDX-License-Identifier: GPL-2.0-or-later
/* Each fact about a host: what it refuses, what it takes a part of, and what is said of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <linux/capability.h>
#include <cmocka.h>

#include "hostcheck.h"
#include "options.h"

#define BIT(cap) (1ULL << (cap))
#define ALL	 (BIT(41) - 1)

/* A host on which everything works, for root. */
static struct host_facts good(void)
{
	return (struct host_facts){.lockdown = LOCKDOWN_NONE,
				   .first_pid_space = FACT_YES,
				   .first_user_space = FACT_YES,
				   .yama = 1,
				   .caps = ALL,
				   .uprobes = FACT_YES};
}

struct verdict_of {
	size_t refused, partial;
	int status; /* -1: none is set */
	uint32_t degraded;
	char refusal[2048], part[2048];
};

static struct verdict_of verdict(const struct host_facts *f, enum host_level status_of)
{
	struct host_finding found[HOST_FINDINGS_MAX];
	struct verdict_of v = {.status = -1};
	size_t n = hostcheck(f, found);

	v.refused = hostcheck_text(found, n, HOST_REFUSED, v.refusal, sizeof(v.refusal),
				   status_of == HOST_REFUSED ? &v.status : NULL);
	v.partial = hostcheck_text(found, n, HOST_PARTIAL, v.part, sizeof(v.part),
				   status_of == HOST_PARTIAL ? &v.status : NULL);
	v.degraded = hostcheck_degraded(found, n);
	return v;
}

static void is_refused(const struct host_facts *f, int status, const char *words)
{
	struct verdict_of v = verdict(f, HOST_REFUSED);

	assert_int_equal(v.refused, 1);
	assert_int_equal(v.status, status);
	if (!strstr(v.refusal, words))
		fail_msg("'%s' is not in: %s", words, v.refusal);
}

static void works_in_part(const struct host_facts *f, enum degraded word, int status,
			  const char *words)
{
	struct verdict_of v = verdict(f, HOST_PARTIAL);

	assert_int_equal(v.refused, 0);
	assert_int_equal(v.partial, 1);
	assert_int_equal(v.status, status);
	assert_int_equal(v.degraded, 1u << word);
	if (!strstr(v.part, words))
		fail_msg("'%s' is not in: %s", words, v.part);
}

static void a_good_host_is_neither_refused_nor_told_of(void **state)
{
	struct host_facts f = good();
	struct verdict_of v = verdict(&f, HOST_REFUSED);

	(void)state;
	assert_int_equal(v.refused + v.partial, 0);
	assert_int_equal(v.status, -1);
	assert_string_equal(v.refusal, "");
	assert_string_equal(v.part, "");
}

static void what_is_not_known_is_no_reason_to_refuse(void **state)
{
	struct host_facts f = {.yama = -1, .caps = ALL};
	struct verdict_of v = verdict(&f, HOST_REFUSED);

	(void)state;
	assert_int_equal(v.refused + v.partial, 0);
}

static void lockdown_for_confidentiality_is_refused(void **state)
{
	struct host_facts f = good();

	(void)state;
	f.lockdown = LOCKDOWN_CONFIDENTIALITY;
	is_refused(&f, EXIT_KERNEL, "boot it with lockdown=integrity");
}

static void lockdown_for_integrity_works_in_part(void **state)
{
	struct host_facts f = good();

	(void)state;
	f.lockdown = LOCKDOWN_INTEGRITY;
	works_in_part(&f, DEGRADED_LOCKDOWN, EXIT_KERNEL, "lockdown=integrity");
}

static void a_pid_namespace_of_its_own_is_refused(void **state)
{
	struct host_facts f = good();

	(void)state;
	f.first_pid_space = FACT_NO;
	is_refused(&f, EXIT_KERNEL, "--pid=host");
}

static void a_user_namespace_of_its_own_is_refused_and_its_capabilities_are_not_asked(void **state)
{
	struct host_facts f = good();

	(void)state;
	f.first_user_space = FACT_NO;
	is_refused(&f, EXIT_PRIVILEGE, "user namespace");
	f.caps = 0;
	is_refused(&f, EXIT_PRIVILEGE, "user namespace");
}

/* A capability, those that stand for it, and its name. */
static const struct {
	uint64_t any_of;
	const char *name;
} needed[] = {
	{BIT(39) | BIT(CAP_SYS_ADMIN), "CAP_BPF"},
	{BIT(38) | BIT(CAP_SYS_ADMIN), "CAP_PERFMON"},
	{BIT(CAP_SYS_PTRACE), "CAP_SYS_PTRACE"},
	{BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_DAC_OVERRIDE), "CAP_DAC_READ_SEARCH"},
	{BIT(40) | BIT(CAP_SYS_ADMIN), "CAP_CHECKPOINT_RESTORE"},
};

#define N_NEEDED (sizeof(needed) / sizeof(*needed))

static void each_missing_capability_is_refused_by_its_name(void **state)
{
	struct host_facts f = good();
	struct verdict_of v;
	size_t i, k;

	(void)state;
	for (i = 0; i < N_NEEDED; i++) {
		f.caps = ALL & ~needed[i].any_of;
		v = verdict(&f, HOST_REFUSED);
		assert_int_equal(v.status, EXIT_PRIVILEGE);
		assert_non_null(strstr(v.refusal, needed[i].name));
		/* ... and none that is there. */
		for (k = 0; k < N_NEEDED; k++)
			if (f.caps & needed[k].any_of)
				assert_null(strstr(v.refusal, needed[k].name));
	}
}

static void one_of_the_capabilities_that_stand_for_it_is_enough(void **state)
{
	struct host_facts f = good();
	uint64_t bit;
	size_t i;

	(void)state;
	for (i = 0; i < N_NEEDED; i++)
		for (bit = 1; bit; bit <<= 1) {
			if (!(bit & needed[i].any_of))
				continue;
			f.caps = (ALL & ~needed[i].any_of) | bit;
			assert_null(strstr(verdict(&f, HOST_REFUSED).refusal, needed[i].name));
		}
}

static void missing_capabilities_are_one_sentence(void **state)
{
	struct host_facts f = good();
	struct verdict_of v;
	const char *first;

	(void)state;
	f.caps = 0;
	v = verdict(&f, HOST_REFUSED);
	assert_int_equal(v.refused, N_NEEDED);
	first = strstr(v.refusal, "no privilege to trace: missing ");
	assert_non_null(first);
	assert_null(strstr(first + 1, "no privilege"));
	assert_non_null(strstr(v.refusal, ": run as root, or give what is missing"));
}

static void memory_that_is_charged_wants_a_capability(void **state)
{
	struct host_facts f = good();

	(void)state;
	f.memory_charged = true;
	assert_int_equal(verdict(&f, HOST_REFUSED).refused, 0);
	f.caps &= ~BIT(CAP_SYS_RESOURCE);
	is_refused(&f, EXIT_PRIVILEGE, "CAP_SYS_RESOURCE");
	f.memory_charged = false;
	assert_int_equal(verdict(&f, HOST_REFUSED).refused, 0);
}

static void yama_takes_a_part_from_3_on(void **state)
{
	struct host_facts f = good();
	int scope;

	(void)state;
	for (scope = -1; scope < 3; scope++) {
		f.yama = scope;
		assert_int_equal(verdict(&f, HOST_PARTIAL).partial, 0);
	}
	f.yama = 3;
	works_in_part(&f, DEGRADED_YAMA, EXIT_KERNEL, "ptrace_scope is 3");
}

static void uprobes_that_cannot_be_attached_name_the_capability_or_the_kernel(void **state)
{
	struct host_facts f = good();

	(void)state;
	f.uprobes = FACT_NO;
	works_in_part(&f, DEGRADED_UPROBES, EXIT_KERNEL, "this kernel lets no uprobe");
	f.caps &= ~BIT(CAP_SYS_ADMIN);
	works_in_part(&f, DEGRADED_UPROBES, EXIT_PRIVILEGE, "CAP_SYS_ADMIN");
}

static void what_the_hooks_lack_is_told(void **state)
{
	struct host_facts f = good();

	(void)state;
	f.no_unix = true;
	works_in_part(&f, DEGRADED_UNIX, EXIT_KERNEL, "Unix sockets");
	f = good();
	f.receives_unseen = true;
	works_in_part(&f, DEGRADED_RECEIVES, EXIT_KERNEL, "timeout");
}

static void everything_at_once_fits(void **state)
{
	struct host_facts f = {.lockdown = LOCKDOWN_CONFIDENTIALITY,
			       .first_pid_space = FACT_NO,
			       .first_user_space = FACT_YES,
			       .yama = 3,
			       .memory_charged = true,
			       .uprobes = FACT_NO,
			       .no_unix = true,
			       .receives_unseen = true};
	struct verdict_of v = verdict(&f, HOST_REFUSED);

	(void)state;
	assert_int_equal(v.refused, 2 + N_NEEDED + 1);
	assert_int_equal(v.partial, 4);
	/* The first one's. */
	assert_int_equal(v.status, EXIT_KERNEL);
}

static void a_text_that_does_not_fit_is_cut(void **state)
{
	struct host_facts f = {.lockdown = LOCKDOWN_CONFIDENTIALITY, .yama = 3};
	struct host_finding found[HOST_FINDINGS_MAX];
	size_t n = hostcheck(&f, found), len;
	char text[64];

	(void)state;
	for (len = 0; len < sizeof(text); len++) {
		memset(text, 'x', sizeof(text));
		hostcheck_text(found, n, HOST_REFUSED, text, len, NULL);
		if (len)
			assert_true(strlen(text) < len);
		assert_int_equal(text[len], 'x');
	}
}

static void every_word_has_its_name(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < DEGRADED_MAX; i++)
		assert_non_null(degraded_names[i]);
	assert_true(DEGRADED_MAX <= 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_host_is_neither_refused_nor_told_of),
		cmocka_unit_test(what_is_not_known_is_no_reason_to_refuse),
		cmocka_unit_test(lockdown_for_confidentiality_is_refused),
		cmocka_unit_test(lockdown_for_integrity_works_in_part),
		cmocka_unit_test(a_pid_namespace_of_its_own_is_refused),
		cmocka_unit_test(
			a_user_namespace_of_its_own_is_refused_and_its_capabilities_are_not_asked),
		cmocka_unit_test(each_missing_capability_is_refused_by_its_name),
		cmocka_unit_test(one_of_the_capabilities_that_stand_for_it_is_enough),
		cmocka_unit_test(missing_capabilities_are_one_sentence),
		cmocka_unit_test(memory_that_is_charged_wants_a_capability),
		cmocka_unit_test(yama_takes_a_part_from_3_on),
		cmocka_unit_test(uprobes_that_cannot_be_attached_name_the_capability_or_the_kernel),
		cmocka_unit_test(what_the_hooks_lack_is_told),
		cmocka_unit_test(everything_at_once_fits),
		cmocka_unit_test(a_text_that_does_not_fit_is_cut),
		cmocka_unit_test(every_word_has_its_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
