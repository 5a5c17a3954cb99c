/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MISPAIR_VERSION_H
#define MISPAIR_VERSION_H
#define MISPAIR_VERSION "0.1.0"
#endif
