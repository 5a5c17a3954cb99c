/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A finding's timeline as a small chart that needs no legend. */
#ifndef MISPAIR_TEXT_CHART_H
#define MISPAIR_TEXT_CHART_H

#include <stdbool.h>
#include <stdio.h>

#include "finding.h"

/*
 * Draws what happened on the connection, why the finding is as sure as it is, what a correct
 * client would have done, and an empty line. Returns 0 or -errno of the first failed write.
 */
int text_chart_draw(FILE *out, const struct finding *f, bool ascii, bool color);

#endif
