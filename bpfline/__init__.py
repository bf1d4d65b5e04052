# SPDX-License-Identifier: Apache-2.0
"""bpfline: the build side. Turns a source into a bundle, and a verifier log into a verdict."""

__version__ = "0.1.0"
