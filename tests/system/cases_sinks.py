# SPDX-License-Identifier: GPL-2.0-or-later
def tests():
    return iter(())
