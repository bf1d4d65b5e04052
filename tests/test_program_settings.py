# SPDX-License-Identifier: Apache-2.0
"""[tool.bpfline.program."OBJECT/PROGRAM"]: what single programs are attached to, and what they extend."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from bpf_objects import GPL, HEADERS, compile_bpf
from bpfline import elf, spec
from bpfline.errors import AuditError
from bpfline.settings import ObjectSettings, ProgramSettings
from bpfline_loader.bundle import Program
from conftest import Project

BOTH = (
    HEADERS
    + """
SEC("xdp") int drop(struct xdp_md *ctx) { bpf_printk("an XDP packet"); return XDP_DROP; }
SEC("tcx/ingress") int mark(struct __sk_buff *ctx) { bpf_printk("a tcx packet"); return -1; }
"""
    + GPL
)

# Has a veth pair, sends a packet to each interface now and then, and becomes what argv says.
WITH_PACKETS = """
import os, socket, subprocess, sys, time
for words in ("link set lo up", "link add v0 type veth peer name v1", "link set v0 up", "link set v1 up"):
    subprocess.run(["ip", *words.split()], check=True)
parent = os.getpid()
if not os.fork():
    while os.getppid() == parent:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sends:
            sends.bind(("v1", 0))
            sends.send(bytes(64))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sends:
            sends.sendto(b"x", ("127.0.0.1", 9))
        time.sleep(0.05)
    os._exit(0)
os.execv(sys.argv[1], sys.argv[1:])
"""
ALONE = ("unshare", "--net", sys.executable, "-c", WITH_PACKETS)


def tables(**programs: str) -> str:
    return "".join(f'[tool.bpfline.program."both/{name}"]\n{text}\n' for name, text in programs.items())


def programs(text: str, own: dict[str, ProgramSettings], **settings: Any) -> dict[str, Program]:
    made = spec.spec(
        elf.read(compile_bpf(HEADERS + text + GPL)),
        name="x",
        source="x.c",
        settings=ObjectSettings(**settings),
        clang=None,
        mcpu=None,
        programs=own,
    )
    for failure in made.failures:
        raise failure.problem
    return {each.name: each for each in made.bundle.programs}


TWO = """
SEC("xdp") int first(void *ctx) { return 1; }
SEC("tp/sched/sched_switch") int second(void *ctx) { return 1; }
SEC("tc") int third(void *ctx) { return 1; }
"""


def test_a_programs_own_setting_wins_over_sec_and_sec_over_the_objects() -> None:
    own = {"first": ProgramSettings(attach="eth1"), "second": ProgramSettings(attach="sched/sched_wakeup")}
    found = programs(TWO, own, attach="eth0")
    assert {name: each.attach for name, each in found.items()} == {
        "first": "eth1",
        "second": "sched/sched_wakeup",
        "third": "eth0",
    }
    assert programs(TWO, {}, attach="eth0")["second"].attach == "sched/sched_switch"


def test_what_sec_leaves_open_is_said_with_the_table_of_the_program() -> None:
    text = 'SEC("lsm") int checks(void *ctx) { return 0; }\n'
    with pytest.raises(AuditError) as caught:
        programs(text, {})
    assert caught.value.help.endswith('attach = "NAME" in [tool.bpfline.program."x/checks"]')
    found = programs(text, {"checks": ProgramSettings(attach="file_open")})["checks"]
    assert (found.attach, found.attach_btf) == ("file_open", "bpf_lsm_file_open")


def test_each_extension_has_its_own_target_and_else_its_objects() -> None:
    text = 'SEC("freplace/a") int one(void *ctx) { return 0; }\n' + (
        'SEC("freplace/a") int two(void *ctx) { return 0; }\n'
    )
    found = programs(text, {"one": ProgramSettings(target="net/y/prog")}, target="id:7")
    assert {name: each.target for name, each in found.items()} == {"one": "net/y/prog", "two": "id:7"}


def test_a_target_for_a_program_that_extends_none_is_refused() -> None:
    with pytest.raises(AuditError) as caught:
        programs(TWO, {"first": ProgramSettings(target="y/prog")})
    assert caught.value.what == (
        'program first: [tool.bpfline.program."x/first"] has a target, and SEC("xdp") extends no program'
    )
    assert "attach" in caught.value.help


def test_a_target_in_an_object_that_no_source_gives_is_refused_with_near_ones(project: Project) -> None:
    project.program("first", 1)
    for setting in ("object.first", 'program."first/f"'):
        project.write("pyproject.toml", f'[tool.bpfline.{setting}]\ntarget = "frist/f"\n')
        said = project.build(status=3).stderr
        assert "target is 'frist/f', and no source gives object 'frist'" in said
        assert "did you mean 'first'?" in said


@pytest.mark.kernel
def test_an_xdp_and_a_tcx_program_of_one_object_see_packets_of_two_interfaces(project: Project) -> None:
    project.write("bpf_src/both.bpf.c", BOTH)
    project.write("pyproject.toml", tables(drop='attach = "v0"', mark='attach = "lo"'))
    ran = project.doit("run", "--for", "2", before=ALONE)
    assert "attached both/drop to xdp v0 (native)" in ran.stderr
    assert "attached both/mark to tc lo ingress" in ran.stderr
    assert "an XDP packet" in ran.stdout and "a tcx packet" in ran.stdout
    # Another interface: the object stays, its bundle is made again.
    project.write("pyproject.toml", tables(drop='attach = "lo"', mark='attach = "v0"'))
    ran = project.doit("run", "--for", "1", before=ALONE)
    assert "attached both/drop to xdp lo (generic)" in ran.stderr
    assert "attached both/mark to tc v0 ingress" in ran.stderr
    assert ran.ran >= {"audit:both"} and "compile:both" not in ran.ran


@pytest.mark.kernel
def test_a_run_names_the_table_of_a_program_that_nothing_says_where_to_attach(project: Project) -> None:
    project.write("bpf_src/both.bpf.c", BOTH)
    project.write("pyproject.toml", tables(dorp='attach = "v0"', mark='attach = "lo"'))
    ran = project.doit("run", "--for", "0", before=ALONE, status=2)
    assert 'attach = "eth0" in [tool.bpfline.program."both/drop"]' in ran.stderr
    words = "[tool.bpfline.program.\"both/dorp\"] is for no program\n  help: did you mean 'both/drop'"
    assert f"pyproject.toml: warning: {words}" in ran.stderr
    assert "attached both/mark to tc lo ingress" in ran.stderr


def extension(project: Project, target: str) -> None:
    """Object y, whose program extends target; object net/x, whose programs can be extended or not."""
    project.write(
        "bpf_src/net/x.bpf.c",
        HEADERS
        + """
__attribute__((noinline)) int old(struct __sk_buff *ctx) { asm volatile(""); return 1; }
SEC("tc") int prog(struct __sk_buff *ctx) { return old(ctx); }
SEC("tc") int bad(struct __sk_buff *ctx) { return *(volatile int *)8 + old(ctx); }
"""
        + GPL,
    )
    text = 'SEC("freplace/old") int newer(struct __sk_buff *ctx) { return 2; }\n'
    project.write("bpf_src/y.bpf.c", HEADERS + text + GPL)
    words = f'[tool.bpfline.program."y/newer"]\ntarget = "{target}"\n'
    project.write("pyproject.toml", words + '[tool.bpfline.program."net/x/bad"]\nexpect = "refused"\n')


OF_ITS_OWN = 'SEC("tc") int own(struct __sk_buff *ctx) { return 0; }\n'
HELPED = """
__attribute__((noinline)) int helped(struct __sk_buff *ctx) { asm volatile(""); return 1; }
SEC("tc") int own(struct __sk_buff *ctx) { return helped(ctx); }
"""
UNMAKEABLE = 'SEC("mine") int never(void *ctx) { return 0; }\n'
TRIED = (("accepted", None), ("unsupported", "EPERM"))
"""What becomes of an extension: the running kernel may forbid it to everybody, see test_as_libbpf.py."""


def append(project: Project, name: str, text: str) -> None:
    path = project.path(name)
    path.write_text(path.read_text() + text)


def rows(project: Project, *args: str, status: int) -> dict[str, dict[str, Any]]:
    found = json.loads(project.doit(*args, "--json", status=status).stdout)["results"]
    return {f"{row['object']}/{row['program']}": row for row in found}


def newer(project: Project, status: int = 0) -> dict[str, Any]:
    said = project.doit("verify:y", "--json", status=status)
    (row,) = json.loads(said.stdout)["results"]
    return {"ran": said.ran, **row}


@pytest.mark.kernel
def test_what_extends_another_objects_program_is_verified_once_that_one_is_built(project: Project) -> None:
    extension(project, "net/x/prog")
    row = newer(project)
    assert "config:net/x" in row["ran"]
    assert (row["verdict"], row["errno"]) in TRIED
    assert not row["cached"] and not newer(project)["cached"], "the other object may have changed"


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("target", "errno", "message"),
    [
        ("net/x/gone", "ENOENT", "there is no target program net/x/gone; net/x has prog, bad"),
        ("net/x/bad", "EACCES", "its target program net/x/bad is refused: "),
        ("y/newer", "EINVAL", "its target program y/newer replaces a function itself"),
        ("newer", "EINVAL", "its target program newer replaces a function itself"),
    ],
)
def test_a_target_that_cannot_be_extended_is_said(
    project: Project, target: str, errno: str, message: str
) -> None:
    extension(project, target)
    row = newer(project, status=2)
    assert (row["verdict"], row["errno"]) == ("error", errno)
    assert row["message"].startswith(message)


@pytest.mark.kernel
@pytest.mark.parametrize("broken", ["int broken(", "#include <no/such.h>\n"])
@pytest.mark.parametrize("threads", [(), ("-n", "2")])
def test_an_extension_of_what_cannot_be_built_is_an_error_and_its_objects_other_programs_are_verified(
    project: Project, broken: str, threads: tuple[str, ...]
) -> None:
    extension(project, "net/x/prog")
    append(project, "bpf_src/y.bpf.c", OF_ITS_OWN)
    project.write("bpf_src/net/x.bpf.c", broken)
    for words in (("verify",), ("verify:y",)):
        found = rows(project, *threads, *words, status=2)
        assert found["y/own"]["verdict"] == "accepted"
        its = found["y/newer"]
        assert (its["verdict"], its["message"]) == ("error", "its target object net/x could not be built")
    assert "net/x/" in rows(project, "verify", status=2)


@pytest.mark.kernel
def test_an_extension_of_a_program_that_could_be_made_is_tried_though_another_could_not(
    project: Project,
) -> None:
    extension(project, "net/x/prog")
    append(project, "bpf_src/net/x.bpf.c", UNMAKEABLE)
    for words in ("verify", "verify:y"):
        its = rows(project, words, status=2 if words == "verify" else 1)["y/newer"]
        assert (its["verdict"], its["errno"]) in TRIED, its


@pytest.mark.kernel
def test_objects_that_extend_each_other_do_not_fall_together(project: Project) -> None:
    extension(project, "net/x/prog")
    append(project, "bpf_src/y.bpf.c", HELPED)
    append(
        project,
        "bpf_src/net/x.bpf.c",
        'SEC("freplace/helped") int helps(struct __sk_buff *ctx) { return 2; }\n' + UNMAKEABLE,
    )
    append(project, "pyproject.toml", '[tool.bpfline.program."net/x/helps"]\ntarget = "y/own"\n')
    found = rows(project, "verify", status=2)
    others = {name: row for name, row in found.items() if (row["verdict"], row["errno"]) not in TRIED}
    assert {name: row["verdict"] for name, row in others.items()} == {
        "net/x/bad": "refused",
        "net/x/never": "error",
    }
    project.write("bpf_src/net/x.bpf.c", "int broken(")
    found = rows(project, "verify", status=2)
    assert {name: row["verdict"] for name, row in found.items()} == {
        "net/x/": "error",
        "y/newer": "error",
        "y/own": "accepted",
    }


@pytest.mark.kernel
def test_a_map_that_waits_for_its_size_in_a_targets_object_does_not_stop_the_extension(
    project: Project,
) -> None:
    extension(project, "net/x/prog")
    sizeless = "struct { __uint(type, BPF_MAP_TYPE_HASH); __type(key, int); __type(value, int); }"
    append(project, "bpf_src/net/x.bpf.c", f'{sizeless} table SEC(".maps");\n')
    append(
        project,
        "bpf_src/net/x.bpf.c",
        'SEC("tc") int uses(void *ctx) { int k = 1; return !bpf_map_lookup_elem(&table, &k); }\n',
    )
    assert (newer(project)["verdict"], newer(project)["errno"]) in TRIED


@pytest.mark.kernel
def test_a_value_of_set_reaches_the_target_in_another_object(project: Project) -> None:
    """Which the kernel refuses with that value, and not as it was built."""
    extension(project, "net/x/prog")
    text = project.path("bpf_src/net/x.bpf.c").read_text()
    text = text.replace(
        "return old(ctx); }", "int made = old(ctx); return debug ? *(volatile int *)8 : made; }", 1
    )
    project.write(
        "bpf_src/net/x.bpf.c", text.replace("__attribute__", "const volatile int debug;\n__attribute__", 1)
    )
    its = rows(project, "verify:y", status=0)["y/newer"]
    assert (its["verdict"], its["errno"]) in TRIED
    its = rows(project, "verify:y", "--set", "debug=1", status=2)["y/newer"]
    assert (its["verdict"], its["message"].partition(":")[0]) == (
        "error",
        "its target program net/x/prog is refused",
    )
    ran = project.doit("run", "--prog", "y", "--for", "0", "--set", "debug=1", status=2)
    assert "its target program net/x/prog is refused" in ran.stderr


@pytest.mark.kernel
def test_an_extension_of_a_program_that_this_kernel_does_not_support_is_not_supported_either(
    project: Project,
) -> None:
    extension(project, "net/x/prog")
    text = project.path("bpf_src/net/x.bpf.c").read_text()
    project.write("bpf_src/net/x.bpf.c", text.replace('SEC("tc")', 'SEC("fentry/no_such")', 1))
    its = rows(project, "verify:y", status=0)["y/newer"]
    assert (its["verdict"], its["errno"]) == ("unsupported", "ESRCH")
    assert its["message"].startswith(
        "its target program net/x/prog is unsupported: this kernel has no function"
    )


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("/sys/fs/bpf/no-such-pin", "its target program /sys/fs/bpf/no-such-pin cannot be had: ENOENT"),
        ("id:abc", "its target program id:abc is no program's id; write id:123"),
        ("id: 1", "its target program id: 1 is no program's id"),
        ("id:0", "its target program id:0 is no program's id"),
        ("id:4294967295", "its target program id:4294967295 cannot be had: ENOENT"),
        ("id:4294967297", "its target program id:4294967297 is no program's id"),
    ],
)
def test_a_target_that_cannot_be_had_is_named(project: Project, target: str, message: str) -> None:
    extension(project, target)
    row = newer(project, status=2)
    assert row["message"].startswith(message)


@pytest.mark.kernel
def test_a_target_of_the_object_itself_is_cached_in_its_long_form_too(project: Project) -> None:
    extension(project, "y/host")
    append(
        project,
        "bpf_src/y.bpf.c",
        """
__attribute__((noinline)) int old(struct __sk_buff *ctx) { asm volatile(""); return 1; }
SEC("tc") int host(struct __sk_buff *ctx) { return old(ctx); }
""",
    )
    for cached in (False, True):
        its = rows(project, "verify:y", status=0)["y/newer"]
        assert (its["verdict"], its["errno"]) in TRIED
        assert its["cached"] == (cached and its["verdict"] == "accepted")


def test_a_target_of_an_object_that_extends_nothing_is_said(project: Project) -> None:
    extension(project, "net/x/prog")
    append(project, "pyproject.toml", '[tool.bpfline.object."net/x"]\ntarget = "y/newer"\n')
    words = (
        "pyproject.toml: warning: tool.bpfline.object.net/x.target is 'y/newer', and no program of net/x is "
        'for it\n  help: a target is for SEC("freplace/FUNCTION")'
    )
    assert words in project.build().stderr


def test_two_objects_may_extend_each_others_programs(project: Project) -> None:
    extension(project, "net/x/prog")
    with project.path("pyproject.toml").open("a") as settings:
        settings.write('[tool.bpfline.object."net/x"]\ntarget = "y/newer"\n')
    project.build()
    ours, other = (
        json.loads(project.path(f"build/{name}/loader.json").read_text()) for name in ("y", "net/x")
    )
    assert ours["programs"][0]["target"] == "net/x/prog"
    assert "target" not in other["programs"][0], "which is no extension"
