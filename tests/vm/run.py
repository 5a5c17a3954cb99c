#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The pure parts of the VM tools, in a second and without a guest."""

import io
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import traceback

TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE / "tools" / "vm"))
sys.path.insert(1, str(TREE / "tests" / "system"))
sys.path += [str(TREE / "tests" / "long")]

import bench  # noqa: E402
import btf  # noqa: E402
import cpio  # noqa: E402
import debs  # noqa: E402
import guest  # noqa: E402
import kernels  # noqa: E402
import matrix  # noqa: E402
import signatures  # noqa: E402
import vmlinux_h  # noqa: E402
import walk  # noqa: E402
import walks  # noqa: E402
from harness import Skip, check  # noqa: E402

AMD64 = kernels.Kernel("6.12", "amd64", "6.12.1-cloud-amd64", None)
OLD = kernels.Kernel("5.10", "amd64", "5.10.0-46-cloud-amd64", None)
ARM64 = kernels.Kernel("6.1", "arm64", "6.1.0-56-cloud-arm64", None)


class FakeTypes:
    """A kernel in which everything is as the tables say, but for what a test changes."""

    def __init__(self, functions=None, tracepoints=None, missing=()):
        self.functions = {name: lists[0] for name, lists in signatures.FUNCTIONS.items()}
        self.functions.update(functions or {})
        self.tracepoints = {name: args for name, (args, _) in signatures.TRACEPOINTS.items()}
        self.tracepoints.update(tracepoints or {})
        self.missing = missing

    def function(self, name):
        return self.functions[name]

    def tracepoint(self, name):
        return self.tracepoints[name]

    def has_field(self, record, field):
        return (record, field) not in self.missing


def the_newest_package_is_chosen_by_its_numbers():
    names = ["linux-image-6.12.9+deb12-cloud-amd64", "linux-image-6.12.117+deb12-cloud-amd64",
             "linux-image-6.12.20+deb12-cloud-amd64-dbg", "linux-image-6.12-cloud-amd64"]
    pattern = kernels.SERIES["6.12"].pattern.format(arch="amd64")
    check(debs.newest(names, pattern) == names[1], debs.newest(names, pattern))
    check(debs.newest(names, "nothing") is None, "something was chosen out of nothing")


def a_header_is_read_with_inner_and_anonymous_structs():
    text = """/* struct no { int x; }; */
    typedef int pid_t;
    enum { A = 1, B };
    struct forward;
    struct outer { struct { int a; union { int b, c; }; } named; struct { int d; };
        volatile unsigned char *e; char f[16]; struct other g; }; // struct no2 { int y; };
    typedef struct { int counter; } atomic_t;
    struct tcp_sock___old { int gone; };"""
    found = vmlinux_h.fields(text)
    wanted = [("outer", f, False) for f in ("named.a", "named.b", "named.c", "d", "e", "f", "g")]
    wanted += [("atomic_t", "counter", False), ("tcp_sock", "gone", True)]
    check(found == wanted, f"{found}")


def all_of_bpf_vmlinux_h_is_read():
    found = vmlinux_h.fields((TREE / "bpf" / "vmlinux.h").read_text())
    check(("sock", "__sk_common", False) in found and ("in6_addr", "in6_u.u6_addr32", False) in
          found and len(found) > 50, f"{found}")
    check(all(field for _, field, _ in found), "a field without a name")


def what_the_tables_say_passes():
    types = FakeTypes(missing=("thread_struct", "uw.tp_value"))
    problems = [*signatures.check_functions(types), *signatures.check_tracepoints(types, AMD64)]
    check(not problems, f"{problems}")
    check(not list(signatures.check_sources()), f"{list(signatures.check_sources())}")


def no_program_walks_over_sockets():
    text = signatures.sources()
    check(set(signatures.ITERATOR.findall(text)) == signatures.ITERATORS,
          f"not the iterators that are allowed: {signatures.ITERATOR.findall(text)}")
    for section in ("iter/tcp", "?iter/tcp", "iter.s/tcp", "iter/udp", "iter/unix",
                    "iter/bpf_sk_storage_map", "iter/sockmap", "iter/netlink"):
        found = list(signatures.check_iterators(f'{text}\nSEC("{section}")\nint walk(void *ctx)'))
        check(len(found) == 1, f"{section} gave {found}")


def a_function_with_other_arguments_is_told():
    other = ("struct sock *", "int")
    for functions in ({"tcp_sendmsg": other}, {"unix_stream_recvmsg": None},
                      {"tcp_recvmsg": (*signatures.FUNCTIONS["tcp_recvmsg"][0], "int")}):
        problems = list(signatures.check_functions(FakeTypes(functions=functions)))
        check(len(problems) == 1, f"{functions} gave {problems}")


def a_tracepoint_that_is_missing_or_early_is_told():
    for kernel, tracepoints, count in (
            (AMD64, {"sock_send_length": None}, 1),
            (AMD64, {"inet_sock_set_state": ("int", "int")}, 1),
            (OLD, {"sock_send_length": None, "sock_recv_length": None}, 0), (OLD, {}, 2)):
        problems = list(signatures.check_tracepoints(FakeTypes(tracepoints=tracepoints), kernel))
        check(len(problems) == count, f"{kernel.release} {tracepoints}: {problems}")


def a_field_is_wanted_where_the_table_says():
    header = [("sock", "sk_type", False), ("thread_struct", "fsbase", False)]
    fsbase = ("thread_struct", "fsbase")
    for kernel, missing, count in ((AMD64, (), 0), (AMD64, (("sock", "sk_type"),), 1),
                                   (AMD64, (fsbase,), 1), (ARM64, (fsbase,), 0), (ARM64, (), 1)):
        problems = list(signatures.check_fields(FakeTypes(missing=missing), kernel, header))
        check(len(problems) == count, f"{kernel.arch} {missing}: {problems}")


def the_tiers_of_a_kernel_follow_its_types():
    no_length = {"sock_send_length": None, "sock_recv_length": None}
    for kernel, types, wanted in (
            (AMD64, FakeTypes(), ["tp_btf", "fexit", "kprobe"]),
            (OLD, FakeTypes(tracepoints=no_length), ["kprobe"]),
            (ARM64, FakeTypes(tracepoints=no_length), ["kprobe"])):
        check(signatures.tiers(types, kernel) == wanted, f"{kernel.release}: not {wanted}")


def elf_with(name, data):
    names = b"\0.shstrtab\0" + name + b"\0"
    begin = btf.ELF64.size
    header = btf.ELF64.pack(b"\x7fELF\x02\x01\x01", 2, 62, 1, 0, 0, begin + len(names) + len(data),
                            0, btf.ELF64.size, 0, 0, btf.SECTION.size, 3, 1)
    sections = [(0,) * 10, (1, 3, 0, 0, begin, len(names), 0, 0, 1, 0),
                (11, 1, 0, 0, begin + len(names), len(data), 0, 0, 1, 0)]
    return header + names + data + b"".join(btf.SECTION.pack(*s) for s in sections)


def a_section_is_found_by_its_name():
    image = elf_with(b".BTF", b"types")
    check(btf.elf_section(image, b".BTF") == b"types", "not the section")
    check(btf.elf_section(image, b".BTF.ext") is None, "a section that is not there")
    check(btf.elf_section(b"MZ" + image, b".BTF") is None, "not an ELF image")


def raw_types_are_found_behind_what_only_looks_like_them():
    size = (1 << 20) + 4
    head = btf.BTF_HEADER.pack(btf.BTF_MAGIC, 1, 0, btf.BTF_HEADER.size, 0, size, size, 6)
    whole = head + b"\x11" * size + b"\0name\0"
    small = btf.BTF_HEADER.pack(btf.BTF_MAGIC, 1, 0, btf.BTF_HEADER.size, 0, 8, 8, 1) + b"\0" * 9
    check(btf.raw_btf(small + b"??" + whole + b"??") == whole, "not the blob")
    check(btf.raw_btf(small + whole[:-3]) is None, "a blob that is cut off")


def a_boot_image_gives_its_payload():
    zstd = shutil.which("zstd")
    if not zstd:
        raise Skip("zstd is not installed")
    packed = subprocess.run([zstd, "-qc"], input=b"kernel" * 1000, stdout=subprocess.PIPE,
                            check=True).stdout + struct.pack("<I", 6000)
    image = bytearray(512 * 3 + 16)
    image[0x1F1] = 2
    struct.pack_into("<II", image, 0x248, 16, len(packed))
    check(btf.payload(bytes(image) + packed) == b"kernel" * 1000, "not the payload")
    check(btf.payload(bytes(image) + b"\0" * len(packed)) is None, "no compression that we know")


def an_archive_unpacks_to_what_was_put_in():
    busybox = next((b for b in ("/bin/busybox", "/usr/bin/busybox")
                    if pathlib.Path(b).exists()), None)
    if not busybox:
        raise Skip("busybox is not installed")
    out = io.BytesIO()
    archive = cpio.Archive(out)
    archive.data("a/b/file", b"12345", 0o755, 1700000000)
    archive.data("a/b/file", b"again")
    archive.link("a/link", "b/file")
    archive.close()
    check(len(out.getvalue()) % cpio.BLOCK == 0, "a second archive would not be aligned")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([busybox, "cpio", "-idm"], input=out.getvalue(), cwd=folder, check=True,
                       stderr=subprocess.DEVNULL)
        file = pathlib.Path(folder, "a/b/file")
        check(pathlib.Path(folder, "a/link").read_bytes() == b"12345", "the link or the data")
        check(file.stat().st_mtime == 1700000000 and file.stat().st_mode & 0o777 == 0o755,
              f"{file.stat()}")


def the_runners_lines_are_read_back():
    lines = ["ok 1 - one (10 things; 2.5 s)", "FAILED 2 - two (Traceback (most recent):",
             "  File x, line 1", "ValueError; 0.3 s)", "SKIP 3 - three (no redis; 0.0 s)",
             "1 passed, 1 failed, 1 skipped"]
    rows = matrix.tests_of("k", "fexit", lines)
    check([(r.test, r.outcome, r.seconds) for r in rows] ==
          [("one", "ok", 2.5), ("two", "FAILED", 0.3), ("three", "SKIP", 0.0)], f"{rows}")
    check("ValueError" in rows[1].detail, rows[1].detail)


def a_run_without_its_closing_line_fails():
    rows = matrix.tests_of("k", "fexit", ["ok 1 - one (fine; 2.5 s)", "Killed"])
    check([r.outcome for r in rows] == ["ok", "FAILED"], f"{rows}")
    check(matrix.vectors_of("k", ["status 0"]).outcome == "FAILED", "no vector ran")


def a_refusal_needs_the_status_and_a_reason():
    head = "mispair: this kernel does not offer the hook tier fexit"
    reason = f"{head}: attaching to tcp_sendmsg failed: Operation not supported"
    for lines, outcome in (([reason, "status 4"], "ok"), ([reason, "status 1"], "FAILED"),
                           ([head, "status 4"], "FAILED"), (["status 4"], "FAILED"),
                           ([], "FAILED")):
        check(matrix.refusal("k", "fexit", "test", lines, "forced").outcome == outcome, f"{lines}")
    check(matrix.refusal("k", "tp_btf", "test", [reason, "status 4"], "forced").outcome ==
          "FAILED", "the reason is another tier's")


def a_locked_kernel_is_refused_in_words():
    locked = "none integrity [confidentiality]"
    reason = "mispair: this kernel is locked down (x): y; boot it with lockdown=integrity or not."
    for lines, outcome in (([locked, "status 0"], "FAILED"), ([locked, reason, "status 4"], "ok"),
                           ([locked, "mispair: this kernel", "status 4"], "FAILED"),
                           (["[none] integrity", "status 0"], "SKIP")):
        check(matrix.locked("k", lines).outcome == outcome, f"{lines}")


def tiers_are_compared_where_there_are_two():
    for tiers, wanted in ((["kprobe"], False), (["fexit", "kprobe"], True)):
        script = matrix.guest_script(matrix.QUICK, tiers, [])
        check((matrix.COMPARED in script) == wanted, f"{tiers}: {script}")


def a_rise_of_more_than_three_percent_is_told():
    baseline = {"figures": {"ping-pong": {"untraced": 1000, "tp_btf": 1040}}}
    for untraced, traced, rises in ((1000, 1071, 0), (1000, 1072, 1), (1000, 900, 0),
                                    (2000, 2142, 0), (900, 1000, 1)):
        table = {"ping-pong": {"untraced": untraced, "tp_btf": traced}}
        found = list(bench.compare(table, baseline, ["tp_btf"]))
        check(len(found) == rises, f"{untraced}, {traced}: {found}")
    found = list(bench.compare({"ping-pong": {"untraced": 1, "fexit": 1}}, baseline, ["fexit"]))
    check(len(found) == 1 and "no such figure" in found[0], f"{found}")


def figures_are_told_only_if_untraced_stays_the_same():
    def results(after):
        return [{"workload": "w", "tier": None, "figure": 100.0},
                {"workload": "w", "tier": "fexit", "figure": 106.0},
                {"workload": "w", "tier": "kprobe", "error": "no"},
                {"workload": "w", "tier": None, "figure": after}]
    table, wrong = bench.figures(results(100.5))
    check(table == {"w": {"fexit": 106.0, "untraced": 100.2}}, f"{table}")
    check(len(wrong) == 1, f"{wrong}")
    check(len(bench.figures(results(102.0))[1]) == 2, "the untraced figures differ by 2 %")


def a_guests_exit_status_is_read_from_its_line():
    check(guest.STATUS.search("vm: exit status 37")[1] == "37", "not 37")
    check(guest.STATUS.search("output without a new line" "vm: exit status 0")[1] == "0", "not 0")
    check(not guest.STATUS.search("vm: exit status of something"), "not a status")


ADDITION = "refcount_t: addition on 0; use-after-free."
WALKED = {"seconds": 4.0, "connections": 3000, "walks": 300,
          "statuses": {"walktcp": 0, "connects": 0}, "said": [
              "cut here", ADDITION, "WARNING: CPU: 1 PID: 154 at lib/refcount.c:25", " <TASK>",
              " bpf_iter_tcp_established_batch+0x15e/0x180"]}
TRACED = {"seconds": 3600.0, "connections": 90, "exchanges": 100, "gave_up": 9, "wrong": 2,
          "said": ["smpboot: CPU 1 is now offline", "watchdog: BUG: soft lockup - CPU#1 stuck"],
          "lived": True, "statuses": {"connects": 0, "mispair": 0}, "stderr": "", "lost": {},
          "passes": 7000, "pass_s": {walk.LONGEST: 0.02}, "indexed_most": 5, "sockets": 90,
          "requests": 109, "replies": 100, "findings": {'kind="reused",confidence="likely"': 2}}


def refused(judge, told):
    try:
        judge(told, walks.COMPLAINT)
    except AssertionError:
        return True
    return False


def a_guest_that_does_not_complain_of_a_walk_shows_nothing():
    check(not refused(walk.judge_old, WALKED), "what a kernel has said is not accepted")
    for change in ({"said": []}, {"said": WALKED["said"][2:]}, {"said": WALKED["said"][:-1]},
                   {"statuses": {"walktcp": 1, "connects": 0}}):
        check(refused(walk.judge_old, WALKED | change), f"accepted: {change}")


def an_hour_beside_mispair_is_judged_by_the_kernels_words_and_by_the_counts():
    check(not refused(walk.judge_new, TRACED), "a good hour is not accepted")
    for change in ({"said": WALKED["said"]}, {"said": ["BUG: unable to handle page fault"]},
                   {"lived": False}, {"statuses": {"connects": 0, "mispair": 3}},
                   {"statuses": {"connects": 1, "mispair": 0}}, {"lost": {'reason="sink"': 1.0}},
                   {"passes": 0}, {"indexed_most": 0}, {"sockets": 89}, {"requests": 110},
                   {"replies": 99}, {"findings": {}},
                   {"findings": {'kind="reused",confidence="likely"': 3}},
                   {"findings": {'kind="reused",confidence="likely"': 2,
                                 'kind="dirty",confidence="certain"': 1}}):
        check(refused(walk.judge_new, TRACED | change), f"accepted: {change}")


def tests():
    for name, thing in globals().items():
        if callable(thing) and getattr(thing, "__module__", "") == __name__ \
                and name not in ("tests", "main", "elf_with", "refused", "FakeTypes"):
            yield name, thing


def main():
    count = {"ok": 0, "FAILED": 0, "SKIP": 0}
    for name, function in list(tests()):
        try:
            function()
            outcome, detail = "ok", ""
        except Skip as reason:
            outcome, detail = "SKIP", f" ({reason})"
        except AssertionError as failure:
            outcome, detail = "FAILED", f" ({failure})"
        except Exception:  # a test must not take the others with it
            outcome, detail = "FAILED", f" ({traceback.format_exc()})"
        count[outcome] += 1
        if outcome != "ok":
            print(f"{outcome} {name}{detail}")
    print(f"{count['ok']} passed, {count['FAILED']} failed, {count['SKIP']} skipped")
    return 1 if count["FAILED"] else 0


if __name__ == "__main__":
    sys.exit(main())
