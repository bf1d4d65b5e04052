# SPDX-License-Identifier: Apache-2.0
"""bpfline_loader: the kernel side. Turns a bundle into loaded, attached programs.

Standard library only, Python 3.9 and later; it never opens a BPF object (docs/design.md).
"""
