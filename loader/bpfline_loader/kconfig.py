# SPDX-License-Identifier: Apache-2.0
"""The .kconfig map: what the running kernel was configured with, as `extern ... __kconfig` asks for it.

The rules are libbpf's (bpf_object__resolve_externs and set_kcfg_value_* in src/libbpf.c).
"""

from __future__ import annotations

import functools
import gzip
import os
import re
import sys
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

from . import features
from .btf import Btf, Kind
from .bundle import Extern
from .errors import KernelError, Lacking

_TRISTATE = {"n": 0, "y": 1, "m": 2}  # enum libbpf_tristate, bpf/bpf_helpers.h
_BOOL, _CHAR, _INT, _TRI, _STRING = "bool", "char", "integer", "enum libbpf_tristate", "char array"


def contents(externs: Sequence[Extern], btf: Btf, size: int) -> bytes:
    """The map's value, of size bytes. Lacking where the kernel has not what a strong extern asks for."""
    data = bytearray(size)
    for extern in externs:
        if not extern.size or extern.offset + extern.size > size:
            raise KernelError("lies outside of .kconfig", errno="EINVAL", where=extern.name)
        value = _value(extern)
        if value is not None:
            data[extern.offset : extern.offset + extern.size] = _encoded(extern, value, btf)
        elif not extern.weak:
            raise _missing(extern)
    return bytes(data)


def _missing(extern: Extern) -> Lacking:
    if extern.name not in _VIRTUAL and not extern.name.startswith("CONFIG_"):
        return Lacking(
            f"no kernel has a configuration value {extern.name}",
            errno="EINVAL",
            where=extern.name,
            help=f"known are CONFIG_* and {', '.join(_VIRTUAL)}; __weak makes it 0",
        )
    return Lacking(
        f"this kernel is configured without {extern.name}",
        errno="ESRCH",
        where=extern.name,
        help="declare it __weak and it is 0 where it is not set",
    )


_VIRTUAL: dict[str, Callable[[], int]] = {
    "LINUX_KERNEL_VERSION": features.kernel_version,
    "LINUX_HAS_BPF_COOKIE": lambda: int(features.bpf_cookie()),
    "LINUX_HAS_SYSCALL_WRAPPER": lambda: int(features.syscall_wrapper()),
}


def _value(extern: Extern) -> str | None:
    """The value in the words of a .config file, None where there is none."""
    virtual = _VIRTUAL.get(extern.name)
    if virtual is not None:
        return str(virtual())
    return _config().get(extern.name) if extern.name.startswith("CONFIG_") else None


@functools.lru_cache(maxsize=1)
def _config() -> dict[str, str]:
    """The kernel's configuration; KernelError where it is nowhere to be read."""
    boot = Path(f"/boot/config-{os.uname().release}")
    for path in (boot, Path("/proc/config.gz")):
        try:
            data = path.read_bytes()
            text = (gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data).decode(errors="replace")
        except FileNotFoundError:
            continue
        except (OSError, EOFError, zlib.error) as error:
            raise KernelError(
                f"this kernel's configuration cannot be read: {error}", errno="EINVAL", where=path
            ) from None
        return dict(re.findall(r"^(CONFIG_\w+)=(.+)$", text, re.MULTILINE))
    raise KernelError(
        "this kernel's configuration is nowhere to be read",
        errno="ENOENT",
        where=boot,
        help="CONFIG_IKCONFIG_PROC=y gives /proc/config.gz (modprobe configs, where it is a module)",
    )


def _encoded(extern: Extern, value: str, btf: Btf) -> bytes:
    """value as extern.size bytes; KernelError where it does not go into a variable of that type."""
    kind, signed = _kind(extern, btf)
    if value in _TRISTATE:
        if kind == _CHAR:
            return value.encode()
        if kind == _TRI or (kind == _BOOL and value != "m"):
            return _TRISTATE[value].to_bytes(extern.size, sys.byteorder)
        raise _misfit(extern, value, f"{_BOOL}, {_TRI} or {_CHAR}" if value != "m" else f"{_TRI} or {_CHAR}")
    if value.startswith('"'):
        if kind != _STRING or len(value) < 2 or not value.endswith('"'):
            raise _misfit(extern, value, _STRING)
        return value[1:-1].encode(errors="replace")[: extern.size - 1].ljust(extern.size, b"\0")
    # As strtoull(value, ..., 0): 0x is hexadecimal, and a minus sign wraps around.
    number = (
        int(value, 0) % (1 << 64) if re.fullmatch(r"[-+]?(0[xX][0-9a-fA-F]+|[1-9]\d*|0)", value) else None
    )
    if number is None or kind not in ((_INT, _CHAR, _BOOL) if extern.name in _VIRTUAL else (_INT, _CHAR)):
        raise _misfit(extern, value, _INT)
    if kind == _BOOL and number > 1:
        raise _misfit(extern, value, _INT)
    bits = 8 * extern.size
    fits = (number + (1 << bits - 1)) % (1 << 64) < 1 << bits if signed else number < 1 << bits
    if bits < 64 and not fits:
        raise _misfit(extern, value, f"{_INT} of more than {extern.size} bytes", errno="ERANGE")
    return (number % (1 << bits)).to_bytes(extern.size, sys.byteorder)


def _misfit(extern: Extern, value: str, wanted: str, *, errno: str = "EINVAL") -> KernelError:
    return KernelError(
        f"this kernel's value {value} does not go into the variable's type",
        errno=errno,
        where=extern.name,
        help=f"declare it as {wanted}",
    )


def _kind(extern: Extern, btf: Btf) -> tuple[str, bool]:
    """What the variable can hold, and whether it is signed."""
    found = btf.resolve(extern.type_id)
    if found.kind == Kind.INT:
        encoding = btf.integer(found.id).encoding
        if encoding & 4:
            return _BOOL, False
        return (_CHAR if found.size_or_type == 1 else _INT), bool(encoding & 1)
    if found.kind in (Kind.ENUM, Kind.ENUM64) and found.name == "libbpf_tristate":
        return _TRI, False
    if found.kind == Kind.ARRAY and btf.size_of(btf.array(found.id).type) == 1:
        return _STRING, False
    return btf.describe(found.id), False
