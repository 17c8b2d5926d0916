"""Turns of charges that several threads take, if there are any besides the one that applies the gates.

That thread writes down what there is to do in `Work.job`, and takes turns itself until none is left: the most costly
ones first. Whoever is free takes the next one, and nobody waits for a thread that has not taken any. Since turns do not
depend on each other, neither do results on who took which.
"""

from __future__ import annotations

from mpsnh.kernels.atomic import add, give_way, load, store, swap
from mpsnh.kernels.tebd.blocks import absorb, act, contract, project, regroup, triangular, weigh
from mpsnh.kernels.tebd.decompose import collect, extend, values
from mpsnh.kernels.tebd.memory import inner, jit

CONTRACT, ACT, WEIGH, PROJECT, EXTEND, VALUES, COLLECT, REGROUP, TRIANGULAR, ABSORB = range(10)
"""Kinds of turns."""


OPEN, DONE, OVER = 0, 8, 16
"""Words of `Work.job` that several threads write, in cache lines of their own.

They are the number of turns that nobody has taken yet, with the number of the loop in the upper half; the number of
those that helpers have finished; and whether helpers may go.
"""


KIND, NEAR, FAR, HELPERS = 24, 25, 26, 27
"""Words that only the first thread writes: kind of turn, sites of the gate, and how many threads help."""


HALF = 1 << 32
"""Of a word."""


WORTH = 1 << 15
"""Cost of a loop, in multiplications, from which it is shared: about five microseconds."""


MOVED = 16
"""Multiplications that take as long as to read and write an element."""


POLLS = 1000
"""How often a thread looks for work before others may have its core."""


@inner
def _take(chain, work, c):  # type: ignore[no-untyped-def]
    kind, near, far = work.job[KIND], work.job[NEAR], work.job[FAR]
    if kind == CONTRACT:
        contract(chain, work, near, far, c)
    elif kind == ACT:
        act(chain, work, near, far, c)
    elif kind == WEIGH:
        weigh(work, c)
    elif kind == PROJECT:
        project(chain, work, near, far, c)
    elif kind == EXTEND:
        extend(chain, work, near, far, c)
    elif kind == VALUES:
        values(work, c)
    elif kind == COLLECT:
        collect(chain, work, near, c)
    elif kind == REGROUP:
        regroup(chain, work, far, far - near, c)
    elif kind == TRIANGULAR:
        triangular(chain, work, near, c)
    else:
        absorb(chain, work, far, c)


@inner
def _next(job):  # type: ignore[no-untyped-def]
    """Return the number of a turn that nobody else takes, or -1 if there is none."""
    while True:
        word = load(job, OPEN)
        left = word % HALF
        if left == 0:
            return -1
        if swap(job, OPEN, word, word - 1):
            return left - 1


@inner
def share(chain, work, low, high):  # type: ignore[no-untyped-def]
    """Take a turn for each charge from `low` to `high` that costs anything; returns the sum of what they sum up.

    The kind is in `Work.job`: as an argument it would be a constant, for each of which numba compiles all of this anew.
    """
    job, order, cost = work.job, work.order, work.cost
    number, total, helped = 0, 0, job[HELPERS] > 0
    for c in range(low, high + 1):
        work.norms[c] = 0.0
        if cost[c] == 0:
            continue
        place = number
        while helped and place > 0 and cost[order[place - 1]] > cost[c]:
            order[place] = order[place - 1]
            place -= 1
        order[place] = c
        total += cost[c]
        number += 1
    if not helped or number < 2 or total < WORTH:
        for turn in range(number):
            _take(chain, work, order[turn])
    else:
        store(job, DONE, 0)
        store(job, OPEN, (load(job, OPEN) // HALF + 1) * HALF + number)
        taken, polls = 0, 0
        turn = _next(job)
        while turn >= 0:
            _take(chain, work, order[turn])
            taken += 1
            turn = _next(job)
        while load(job, DONE) < number - taken:
            polls += 1
            if polls > POLLS:
                give_way()
    summed = 0.0
    for c in range(low, high + 1):
        if work.norms[c] < 0:
            return -1.0
        summed += work.norms[c]
    return summed


@jit
def assist(chain, work):  # type: ignore[no-untyped-def]
    """Take turns until all is over.

    Parameters
    ----------
    chain : Chain
        The state.
    work : Work
        One of the `mpsnh.kernels.tebd.memory.helpers`.

    Examples
    --------
    >>> state = nh.MPS.product([nh.Spin(0.5)] * 4, ["up"] * 4).workspace()
    >>> state.threads = 2  # from then on its methods call this function, in a thread of its own
    """
    job, polls = work.job, 0
    while True:
        turn = _next(job)
        if turn >= 0:
            _take(chain, work, work.order[turn])
            add(job, DONE, 1)
            polls = 0
        elif load(job, OVER) != 0:
            break
        else:
            polls += 1
            if polls > POLLS:
                give_way()
