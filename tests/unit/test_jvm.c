// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of a JVM's fields, as HotSpot lays it out, and tables that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "jvm.h"

#define PAGE 4096

struct row {
	const char *type, *field, *kind;
	int32_t is_static;
	uint64_t offset;
	void *address;
};

enum { OTHER, OBJECT, OSTHREAD, STATE, PTHREAD, ROWS };

/* As in JDK 17; in JDK 25 _osthread is Thread's. */
static const struct row jdk17[ROWS + 1] = {
	[OTHER] = {"Klass", "_name", "Symbol*", 0, 24, NULL},
	[OBJECT] = {"JavaThread", "_threadObj", "OopHandle", 0, 0x1b8, NULL},
	[OSTHREAD] = {"JavaThread", "_osthread", "OSThread*", 0, 0x230, NULL},
	[STATE] = {"OSThread", "_state", "ThreadState", 0, 4, NULL},
	[PTHREAD] = {"OSThread", "_pthread_id", "pthread_t", 0, 0x18, NULL},
};

#define COOKIE (0x230 | 0x18 << 16 | 0x1b8ULL << 32)

static uint64_t cookie_of(const struct row *rows)
{
	return jvm_cookie((uint32_t)getpid(), (uint64_t)(uintptr_t)&rows);
}

static void the_offsets_are_put_into_one_number(void **state)
{
	struct row rows[ROWS + 1];

	(void)state;
	assert_true(cookie_of(jdk17) == COOKIE);
	memcpy(rows, jdk17, sizeof(rows));
	rows[OSTHREAD].type = "Thread";
	assert_true(cookie_of(rows) == COOKIE);
}

static void without_one_of_them_there_is_none(void **state)
{
	static const int needed[] = {OBJECT, OSTHREAD, PTHREAD};
	struct row rows[ROWS + 1];
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		memcpy(rows, jdk17, sizeof(rows));
		rows[needed[i]].field = "_another";
		assert_true(cookie_of(rows) == 0);
		rows[needed[i]] = rows[OTHER];
		assert_true(cookie_of(rows) == 0);
		/* The table ends before it. */
		memcpy(rows, jdk17, sizeof(rows));
		rows[needed[i]].type = NULL;
		assert_true(cookie_of(rows) == 0);
	}
}

static void an_offset_that_cannot_be_one_makes_all_unknown(void **state)
{
	static const uint64_t bad[] = {0, 0x10000, 0x100000230, UINT64_MAX};
	static const int needed[] = {OBJECT, OSTHREAD, PTHREAD};
	struct row rows[ROWS + 1];
	size_t i, k;

	(void)state;
	for (k = 0; k < 3; k++) {
		for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
			memcpy(rows, jdk17, sizeof(rows));
			rows[needed[k]].offset = bad[i];
			assert_true(cookie_of(rows) == 0);
		}
		memcpy(rows, jdk17, sizeof(rows));
		rows[needed[k]].is_static = 1;
		assert_true(cookie_of(rows) == 0);
	}
}

/* Until JDK 15 the object itself was there, and no handle. */
static void an_object_without_a_handle_is_another_layout(void **state)
{
	struct row rows[ROWS + 1];

	(void)state;
	memcpy(rows, jdk17, sizeof(rows));
	rows[OBJECT].kind = "oop";
	assert_true(cookie_of(rows) == 0);
	rows[OBJECT].kind = NULL;
	assert_true(cookie_of(rows) == 0);
}

static void a_table_without_an_end_is_given_up(void **state)
{
	static struct row rows[2 * 4096];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		rows[i] = jdk17[i % ROWS];
	assert_true(cookie_of(rows) == 0);
}

static void a_table_that_reaches_into_nothing_is_none(void **state)
{
	uint8_t *pages =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const size_t whole = ROWS * sizeof(struct row);
	uint8_t *end = pages + PAGE;
	size_t there;

	(void)state;
	assert_true(pages != MAP_FAILED);
	assert_int_equal(mprotect(end, PAGE, PROT_NONE), 0);
	for (there = 0; there <= whole; there += 8) {
		memcpy(end - there, jdk17, there);
		assert_true(cookie_of((struct row *)(end - there)) == 0);
	}
	memcpy(end - sizeof(jdk17), jdk17, sizeof(jdk17));
	assert_true(cookie_of((struct row *)(end - sizeof(jdk17))) == COOKIE);
	munmap(pages, 2 * PAGE);
}

static void names_may_end_where_memory_does(void **state)
{
	uint8_t *pages =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct row rows[ROWS + 1];
	char *name;

	(void)state;
	assert_true(pages != MAP_FAILED);
	assert_int_equal(mprotect(pages + PAGE, PAGE, PROT_NONE), 0);
	name = (char *)pages + PAGE - sizeof("_osthread");
	memcpy(name, "_osthread", sizeof("_osthread"));
	memcpy(rows, jdk17, sizeof(rows));
	rows[OSTHREAD].field = name;
	assert_true(cookie_of(rows) == COOKIE);
	/* ... and one that has no end there is none. */
	memcpy(name + 1, "_osthread", sizeof("_osthread") - 1);
	rows[OSTHREAD].field = name + 1;
	assert_true(cookie_of(rows) == 0);
	/* A type's name, too, and what is no address. */
	rows[OSTHREAD] = jdk17[OSTHREAD];
	rows[OTHER].type = (char *)1;
	rows[OTHER].field = (char *)UINTPTR_MAX;
	assert_true(cookie_of(rows) == COOKIE);
	rows[PTHREAD].type = (char *)UINTPTR_MAX;
	assert_true(cookie_of(rows) == 0);
	munmap(pages, 2 * PAGE);
}

static void a_process_that_is_gone_tells_nothing(void **state)
{
	const struct row *rows = jdk17;

	(void)state;
	assert_true(jvm_cookie((1u << 22) + 1, (uint64_t)(uintptr_t)&rows) == 0);
	assert_true(jvm_cookie((uint32_t)getpid(), 0) == 0);
	assert_true(jvm_cookie((uint32_t)getpid(), UINT64_MAX - 3) == 0);
	rows = NULL;
	assert_true(cookie_of(rows) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_offsets_are_put_into_one_number),
		cmocka_unit_test(without_one_of_them_there_is_none),
		cmocka_unit_test(an_offset_that_cannot_be_one_makes_all_unknown),
		cmocka_unit_test(an_object_without_a_handle_is_another_layout),
		cmocka_unit_test(a_table_without_an_end_is_given_up),
		cmocka_unit_test(a_table_that_reaches_into_nothing_is_none),
		cmocka_unit_test(names_may_end_where_memory_does),
		cmocka_unit_test(a_process_that_is_gone_tells_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
