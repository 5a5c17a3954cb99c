# SPDX-License-Identifier: GPL-2.0-or-later
"""libldap knows replies by a number, and its server answers out of order.

So who gives up waiting may ask again on the same connection at once: the late reply comes behind
the later ones, lies there until somebody asks next, and is thrown away then. Every other client tells
the server that it has given up.
"""

import time

import ldap

from correct import Truth, arguments, threads

AT_ONCE = "ou=0"


def work_on(args, truth):
    def work(number, varied):
        connection = ldap.initialize(f"ldap://127.0.0.1:{args.port}")
        connection.simple_bind_s("", "")
        for _ in range(5):
            for _ in range(varied.randint(1, 3)):
                search(connection, AT_ONCE)
            slow = connection.search_ext(f"ou={varied.randint(30, 60)}", ldap.SCOPE_BASE)
            try:
                connection.result3(slow, timeout=varied.uniform(0.002, 0.01))
            except ldap.TIMEOUT:
                truth.gave_up()
            if number % 2:
                connection.abandon(slow)
            for _ in range(varied.randint(1, 3)):
                search(connection, AT_ONCE)
            # For the late reply to come, and to be looked at for a while.
            time.sleep(varied.uniform(0.05, 0.6))
            search(connection, AT_ONCE)
        connection.unbind_s()

    def search(connection, base):
        number = connection.search_ext(base, ldap.SCOPE_BASE)
        answer = connection.result3(number)
        truth.judge(str(answer[2]), str(number))

    threads(args, work)


if __name__ == "__main__":
    parsed = arguments(__doc__).parse_args()
    counts = Truth("correct_ldap")
    work_on(parsed, counts)
    counts.report()
