// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Rows that move while the view is paused. No later pass tells them again unless they move again,
 * so the newest of each socket is kept until the view goes on.
 */
#include <stdio.h>
#include <stdlib.h>

#include "view_int.h"
#include "view_source.h"

void view_late_keep(struct view *v, const struct view_source_row *src)
{
	uint64_t cookie = src->ledger->cookie;
	struct view_late *l;

	HASH_FIND(hh, v->late, &cookie, sizeof(cookie), l);
	if (!l) {
		l = calloc(1, sizeof(*l));
		if (!l) {
			v->unshown++;
			return;
		}
		l->cookie = cookie;
		HASH_ADD(hh, v->late, cookie, sizeof(l->cookie), l);
	}
	l->ledger = *src->ledger;
	snprintf(l->comm, sizeof(l->comm), "%s", src->comm);
	snprintf(l->exe_name, sizeof(l->exe_name), "%s", src->exe_name);
	snprintf(l->container_id, sizeof(l->container_id), "%s", src->container_id);
}

void view_late_drop(struct view *v, uint64_t cookie)
{
	struct view_late *l;

	HASH_FIND(hh, v->late, &cookie, sizeof(cookie), l);
	if (!l)
		return;
	HASH_DEL(v->late, l);
	free(l);
}

void view_late_rows(struct view *v, bool show)
{
	struct view_late *l, *tmp;

	HASH_ITER (hh, v->late, l, tmp) {
		const struct view_source_row src = {.ledger = &l->ledger,
						    .comm = l->comm,
						    .exe_name = l->exe_name,
						    .container_id = l->container_id};

		HASH_DEL(v->late, l);
		if (show)
			view_row(v, &src);
		free(l);
	}
}
