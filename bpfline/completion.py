# SPDX-License-Identifier: Apache-2.0
"""Completion: a script for the shell, made from the words that the command line knows."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

Words = Mapping[str, tuple[str, ...]]  # command -> what may follow it; "" -> what may come first

_BASH = """\
_bpfline() {
    local words
    case "${COMP_WORDS[1]}" in
%s
    esac
    if [ "$COMP_CWORD" -eq 1 ]; then words=%s; fi
    COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _bpfline bpfline
"""


def bash(words: Words) -> str:
    """For `eval "$(bpfline completion bash)"` in .bashrc."""
    quoted = {command: shlex.quote(" ".join(after)) for command, after in words.items()}
    first = quoted.pop("")
    return _BASH % ("\n".join(f"    {command}) words={after} ;;" for command, after in quoted.items()), first)


def zsh(words: Words) -> str:
    """For `eval "$(bpfline completion zsh)"` in .zshrc, after compinit."""
    return "autoload -U +X bashcompinit && bashcompinit\n" + bash(words)


def fish(words: Words) -> str:
    """For `bpfline completion fish | source` in config.fish."""
    lines = []
    for command, after in words.items():
        when = f"__fish_seen_subcommand_from {command}" if command else "__fish_use_subcommand"
        lines.append(f"complete -c bpfline -n '{when}' -a {shlex.quote(' '.join(after))}")
    return "\n".join(lines) + "\n"


SHELLS = {"bash": bash, "zsh": zsh, "fish": fish}
