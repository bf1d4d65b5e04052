# SPDX-License-Identifier: Apache-2.0
"""The catalogue's family of access: memory that is there, and that this program may not read or write."""

from __future__ import annotations

from .entry import REG, entry

ENTRIES = (
    entry(
        "BPF035",
        "this member of the context cannot be accessed here",
        r"^invalid bpf_context access off=|^invalid access to context, ctx_size=",
        "Programs of this type may not read (or write) the member at that offset, or only as a whole; or the "
        "context is declared as the wrong struct.",
        "Use a member that the program type allows, with its full width, and the context struct of the type.",
    ),
    entry(
        "BPF037",
        "read-only memory is written to",
        rf"^write into map forbidden|^read from map forbidden|^(?:{REG} )?cannot write into \S+"
        r"|^the prog does not allow writes to packet data"
        rf"|^\S+\(\) may write into memory pointed by {REG} type="
        rf"|^write to change key {REG} not allowed",
        "The memory is a constant (.rodata), a map that programs may only read, the packet in a program type "
        "that may not change it, or lent by the kernel for reading.",
        "Write to a copy or to a variable that is not const; create the map without BPF_F_RDONLY_PROG.",
    ),
    entry(
        "BPF038",
        "a map is used as if it were its value",
        r"^only read from \w+ is supported|^map_ptr access not supported",
        "The address of the map itself (&map) was used to read or write; it stands for the kernel's struct "
        "bpf_map.",
        "Get the value with bpf_map_lookup_elem(&map, &key), and use that.",
    ),
    entry(
        "BPF050",
        "access beyond a kernel struct",
        r"^access beyond (?:struct \S+|the end of member \S+)|^struct \S+ doesn't have field at offset",
        "This kernel's struct has nothing at that offset: it is smaller, or laid out differently, than the "
        "source says.",
        "Declare the struct with preserve_access_index (or use vmlinux.h), so that CO-RE finds the member, "
        "and ask bpf_core_field_exists() first where some kernels lack it.",
    ),
    entry(
        "BPF057",
        "the helper takes no memory of the packet's",
        r"^helper access to the packet is not allowed",
        "The helper gets a pointer into the packet, and is one of those that cannot work with it.",
        "Copy the bytes to the stack first (bpf_skb_load_bytes(), bpf_xdp_load_bytes()), and pass the copy.",
    ),
    entry(
        "BPF068",
        "a kernel struct is written to",
        r"^only read is supported|^Writes through BTF pointers are not allowed"
        rf"|^{REG} cannot write into ptr_",
        "Programs of this type may read the kernel's structs, and change none of their members.",
        "Keep the value in a map; to change the kernel's, use the helper or kernel function that does it.",
    ),
    entry(
        "BPF070",
        "a lock, timer or the like in a map's value is overwritten",
        r"^\w+ (?:cannot be accessed (?:directly|indirectly) by|access cannot have variable offset"
        r"|access misaligned"
        r"|access size must be BPF_DW)|^kptr in map can only be accessed using"
        r"|^store to referenced kptr disallowed",
        "The value holds a struct that only helpers may change, and the access goes over it: an assignment "
        "of the whole value, a memset(), or a helper that writes into it.",
        "Access the other members one by one, and the special one only with its own helpers.",
    ),
    entry(
        "BPF074",
        "an atomic operation on memory that has none",
        rf"^BPF_(?:ATOMIC|XADD|ST|STX) (?:stores into|loads from) {REG} \S+ is not allowed",
        "Atomic operations work on map values and the stack, not on the packet or the context.",
        "Use a plain addition there; count in a map's value where several processors add.",
    ),
)
