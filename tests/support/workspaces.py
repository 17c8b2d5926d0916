"""All kinds of memory where gates act on a state, to be tested alike."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mpsnh.kernels.batched import cuda
from mpsnh.states.device import DeviceState
from mpsnh.states.protocol import Workspace
from mpsnh.states.workspace import BlockState


def _on_gpu(*arguments: Any, **options: Any) -> DeviceState:
    return DeviceState(*arguments, **options, xp=cuda())


@functools.cache
def missing() -> str:
    """Why there is no GPU here, or nothing."""
    try:
        cuda()
    except ValueError as error:
        return str(error)
    return ""


gpu = pytest.mark.skipif(bool(missing()), reason=missing())
"""For tests that need one."""

KINDS: list[Any] = [
    pytest.param(BlockState, id="compiled"),
    pytest.param(DeviceState, id="numpy"),
    pytest.param(_on_gpu, id="cupy", marks=gpu),
]
"""What makes a workspace of blocks, charges, a centre, the largest bond dimension and a precision."""

Kind = Callable[..., Workspace]


def of(workspace: BlockState, kind: Kind) -> Workspace:
    """A copy in memory of another kind."""
    return kind(workspace.view(), workspace.charges, workspace.centre, workspace.max_bond, workspace.dtype)


def is_canonical(workspace: Workspace, tolerance: float = 1e-12) -> bool:
    """Whether all tensors but the centre are isometries, block by block."""
    return defect(workspace) < tolerance


def defect(workspace: Workspace) -> float:
    """Largest element of Q†Q - 1 of all tensors but the centre."""
    worst = 0.0
    for j, site in enumerate(workspace.view()):
        grams: dict[int, Any] = {}
        for (q, c), block in site.items():
            if j != workspace.centre:
                left = j < workspace.centre
                axes = ([0, 1], [0, 1]) if left else ([1, 2], [1, 2])
                inner = q + c if left else q
                grams[inner] = grams.get(inner, 0) + np.tensordot(block.conj(), block, axes)
        worst = max([worst, *(float(np.abs(gram - np.eye(len(gram))).max()) for gram in grams.values())])
    return worst
