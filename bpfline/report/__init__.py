# SPDX-License-Identifier: Apache-2.0
"""The reports: what each tool of a CI system, and people, read of the results."""
