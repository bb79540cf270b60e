"""The flags of ``--prune``, apart from what they ask for, which not every use of a verb that has them needs."""

import argparse

from seconder.plugin.terminal.problem import Problem


def add_to(parser: argparse.ArgumentParser, *, filename: bool = True) -> None:
    """Add the flags that say what a merge would leave, and what is managed today."""
    group = parser.add_argument_group("what a merge would delete")
    group.add_argument("--prune", action="store_true", help="of what a controller manages, what is not in Git any more")
    group.add_argument(
        "-k", "--kustomize", metavar="DIR", help="what Git would have: rendered by kubectl kustomize; or -f"
    )
    if filename:
        group.add_argument(
            "-f", "--filename", metavar="FILE", help="or manifests, as they would be applied; - for stdin"
        )
    managed = group.add_mutually_exclusive_group()
    managed.add_argument(
        "--kustomization", metavar="NS/NAME", help="what is managed: Flux's Kustomization, by its inventory"
    )
    managed.add_argument("--application", metavar="NS/NAME", help="or Argo CD's Application, by its status")
    managed.add_argument(
        "-l", "--selector", metavar="LABEL=VALUE", help="or whatever has these labels, in all namespaces"
    )


def given(arguments: argparse.Namespace) -> bool:
    """Whether it is asked for. Raises Problem for flags that go with it alone."""
    if not arguments.prune:
        for name in ("kustomize", "kustomization", "application", "selector"):
            if getattr(arguments, name):
                raise Problem(f"--{name} goes with --prune")
    return bool(arguments.prune)
