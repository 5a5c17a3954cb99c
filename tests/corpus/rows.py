# SPDX-License-Identifier: GPL-2.0-or-later
"""A row of the corpus: one client that is right or wrong in a way that is known.

rows_positive.py and rows_negative.py each hold a list `ROWS` of these.

name      as in the scoreboard
form      F1 the old reply is unread at the next send, F2 it is outstanding, F3 it was read with
          nobody waiting, "-" none of them (negative rows)
positive  the application really gets wrong answers
workload  a file in this directory: .py .c .rb .php .pl .lua .go .rs .js
          .java .sh
variants  (label, arguments) or (label, arguments, form) where one variant has another form; "fix"
          in a positive row is the right way beside the wrong ones, and has to stay silent.
          {name} in an argument is replaced: see servers.py for the servers, and {seed},
          {timings}, {dir} (a directory of this run)
needs     what must be there, else the row is skipped with the reason: see needs.py
note      one line for the reader; a row whose note begins with "hard:" is shown with its number
          and does not fail
"""

import collections

Row = collections.namedtuple("Row", "name form positive workload variants needs note",
                             defaults=((), ""))


def is_hard(row):
    return row.note.startswith("hard:")
