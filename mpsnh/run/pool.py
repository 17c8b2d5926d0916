"""Processes on this machine that run points, of which any may die at any moment."""

from __future__ import annotations

import atexit
import collections
import contextlib
import math
import multiprocessing
import os
import pickle
import signal
import threading
import time
import weakref
from collections.abc import Callable, Collection
from concurrent.futures import BrokenExecutor, Executor, Future
from multiprocessing.connection import wait
from typing import Any, TypeVar

import psutil
from typing_extensions import override

from mpsnh.run.clock import BEGUN, NOWHERE, PLACE, SINCE, new_board
from mpsnh.run.display import broken_put_aside
from mpsnh.run.failure import PointError, describe
from mpsnh.run.limits import interrupts_wait
from mpsnh.run.worker import ERROR, INTERRUPTED, READY, RESULT, UNFIT, UNGUARDED, Setup, keep_from_children, work

T = TypeVar("T")

TRIES = 3
"""How often a point runs that takes its worker with it, and how often workers may be killed before they run any."""

GLANCE = 1.0
"""Seconds between looks at what no pipe tells."""

PATIENCE = 10.0
"""Seconds that workers have to save what they have finished, before they are killed."""

_STARTING = threading.Lock()
"""Held while a worker starts, so that no process is forked that knows the end of its pipe but not to close it."""


class WorkerDied(BrokenExecutor):
    """A worker process died, or was killed since a point took too long.

    Attributes
    ----------
    place : int or None
        The place of the point that it was at, if it was at one.
    late : bool
        Whether it was killed because this point took longer than allowed.

    Examples
    --------
    >>> WorkerDied("it was killed by SIGSEGV", place=3).late
    False
    """

    def __init__(self, message: str, place: int | None = None, late: bool = False) -> None:
        super().__init__(message)
        self.place, self.late = place, late


class UnfitError(RuntimeError):
    """Worker processes can't start, or can't load what they shall run, which no other worker could either.

    Examples
    --------
    >>> issubclass(UnfitError, RuntimeError)
    True
    """


class _Job(Future[T]):
    """What a worker shall do; whoever waits for it alone keeps the pool going."""

    def __init__(self, pool: Pool, message: bytes) -> None:
        super().__init__()
        self.pool, self.message = pool, message

    @override
    def result(self, timeout: float | None = None) -> T:
        if not self.done():
            self.pool.finished([self], math.inf if timeout is None else timeout)
        return super().result(0)


class _Worker:
    """A process with its private pipe, and what it was given to do."""

    def __init__(self, context: Any, setup: Setup) -> None:
        self.job: _Job[Any] | None = None
        self.ready = False
        self.served = 0
        self.late: tuple[float, float] | None = None  # place and beginning of the point for which it was killed
        forked = context.get_start_method() == "fork"
        with _STARTING:
            self.connection, theirs = context.Pipe()
            there, self.life = context.Pipe(duplex=False)
            keep_from_children(self.connection, self.life)
            self.board = context.RawArray("d", new_board())
            arguments = (theirs, there, self.board, setup if forked else None)
            self.process = context.Process(target=work, args=arguments, name="mpsnh worker")
            try:
                with broken_put_aside(), interrupts_wait():
                    self.process.start()
            finally:
                theirs.close()
                there.close()
        if not forked:  # after the start, which would hang if this were long and the process died
            with contextlib.suppress(OSError):
                self.connection.send_bytes(pickle.dumps(setup))

    def point(self) -> tuple[float, float]:
        """Return the place of the point that it is at, and since when."""
        return self.board[PLACE], self.board[SINCE]

    def kill(self) -> None:
        """End the process and all that it has started."""
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(self.process.pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    child.kill()
        self.process.kill()

    def bury(self) -> str:
        """Say how the process ended, which may have closed its pipe only."""
        self.process.join(GLANCE)
        if self.process.is_alive():
            self.kill()
            self.process.join(PATIENCE)
        self.connection.close()
        self.life.close()
        code = self.process.exitcode
        if code is None or code >= 0:
            return f"it ended with exit code {code}"
        with contextlib.suppress(ValueError):
            return f"it was killed by {signal.Signals(-code).name}"
        return f"it was killed by signal {-code}"


class Pool(Executor):
    """An executor of processes that share nothing, each with a pipe of its own to this one.

    A worker that dies costs what it was at, and another one takes its place when there is something to do. There is
    no thread and no lock: the pool moves while somebody waits for a result.

    Parameters
    ----------
    number : int
        How many processes.
    context : multiprocessing context, optional
        How they start; by default they are spawned.
    initializer : callable, optional
        What each of them calls first.
    initargs : tuple
        Its arguments.

    Attributes
    ----------
    time_limit : float or None
        Seconds after which the worker of a point is killed.
    lease : lock
        Held by the sweep that uses the pool.

    Raises
    ------
    UnfitError
        While somebody waits, if processes can't start or can't load what they shall run.

    Examples
    --------
    >>> with Pool(2) as pool:
    ...     pool.submit(divmod, 7, 2).result()
    (3, 1)
    """

    def __init__(
        self,
        number: int,
        context: Any = None,
        initializer: Callable[..., Any] | None = None,
        initargs: tuple[Any, ...] = (),
    ) -> None:
        self.number = number
        self.time_limit: float | None = None
        self.lease = threading.Lock()
        self._context = context or multiprocessing.get_context("spawn")
        self._setup: Setup = (initializer, initargs)
        self._waiting: collections.deque[_Job[Any]] = collections.deque()
        self._workers: list[_Worker] = []
        self._killed = 0  # workers in a row that were killed before they began a point
        self._ending = False  # whether workers that die now were asked to
        self._closed = False
        _POOLS.add(self)

    @override
    def submit(self, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        if self._closed:
            raise RuntimeError("the pool is closed")
        job = _Job[T](self, pickle.dumps((_call, (function, args, kwargs)) if kwargs else (function, args)))
        self._waiting.append(job)
        return job

    def finished(self, futures: Collection[Future[T]], timeout: float = math.inf) -> set[Future[T]]:
        """Keep the pool going until some of the futures are done, or for some seconds, and return these."""
        until = time.monotonic() + timeout
        while not (done := {future for future in futures if future.done()}):
            if time.monotonic() >= until:
                break
            self._hand_out()
            self._listen(min(GLANCE, until - time.monotonic()))
        self._hand_out()  # so that nobody waits while these are looked at
        return done

    def _hand_out(self) -> None:
        """Give jobs to workers that are free, and start those that are missing."""
        free = collections.deque(worker for worker in self._workers if worker.ready and worker.job is None)
        while self._waiting and free:
            job, worker = self._waiting.popleft(), free.popleft()
            if job.cancelled():
                free.appendleft(worker)
                continue
            worker.job = job
            with contextlib.suppress(OSError):  # it died, which `_listen` sees
                worker.connection.send_bytes(job.message)
        starting = sum(not worker.ready for worker in self._workers)
        for _ in range(min(len(self._waiting) - starting, self.number - len(self._workers))):
            try:
                self._workers.append(_Worker(self._context, self._setup))
            except OSError as error:
                raise self._unfit(f"a worker process can't be started: {error}") from error

    def _listen(self, seconds: float) -> None:
        """Wait for a word from any worker or for its end, or until a point has run too long."""
        sources: dict[Any, _Worker] = {}
        for worker in self._workers:
            sources |= {worker.connection: worker, worker.process.sentinel: worker}
        for worker in dict.fromkeys(sources[source] for source in wait(list(sources), self._until_late(seconds))):
            self._hear(worker)
        if self.time_limit is not None:
            for worker in self._workers:
                point = worker.point()
                if worker.late is None and time.monotonic() - point[1] > self.time_limit and point == worker.point():
                    worker.late = point
                    worker.kill()

    def _until_late(self, seconds: float) -> float:
        if self.time_limit is None:
            return max(0.0, seconds)
        since = min((worker.point()[1] for worker in self._workers if worker.late is None), default=math.inf)
        # a clock that stands still while something is loaded goes on without a word
        return max(0.0, min(seconds, self.time_limit, since + self.time_limit - time.monotonic() + 0.001))

    def _hear(self, worker: _Worker) -> None:
        dead = not worker.process.is_alive()  # before the last word is read
        try:
            while worker.connection.poll():
                self._take(worker, worker.connection.recv_bytes())
        except (EOFError, OSError):
            dead = True
        if dead:
            self._workers.remove(worker)
            self._lose(worker)

    def _take(self, worker: _Worker, message: bytes) -> None:
        try:
            kind, content = pickle.loads(message)
        except Exception as error:
            kind, content = ERROR, PointError(f"the result can't be read in another process: {describe(error)}")
        if kind == UNFIT and not self._ending:
            raise self._unfit(content)
        if kind in (READY, UNFIT):
            worker.ready = True
            return
        self._killed = 0
        worker.served += 1
        job, worker.job = worker.job, None
        if job is not None and not job.cancelled():
            (job.set_result if kind == RESULT else job.set_exception)(content)

    def _lose(self, worker: _Worker) -> None:
        """See what a worker that died was at."""
        ended, job, (place, since) = worker.bury(), worker.job, worker.point()
        if self._ending:
            return
        if worker.board[BEGUN] == 0 and (job is not None or not worker.ready):
            self._require_startable(worker.process.exitcode, ended)
        if job is None or job.cancelled():
            return
        if worker.board[BEGUN] == worker.served:  # it died before it took what it was given
            self._waiting.appendleft(job)
        else:
            self._killed = 0
            late = worker.late is not None and worker.late == (place, since)
            message = f"took longer than time_limit = {self.time_limit} s" if late else ended
            job.set_exception(WorkerDied(message, None if place == NOWHERE else int(place), late))

    def _require_startable(self, code: int | None, ended: str) -> None:
        """Raise if a worker died that had not begun anything, unless it was killed, which may happen a few times."""
        if code == UNGUARDED:
            raise self._unfit(
                "each worker process imports the script, and met the call of sweep while doing so; put the call below "
                '`if __name__ == "__main__":`'
            )
        self._killed += 1
        killed = code is not None and (code < 0 or code == INTERRUPTED)
        if not killed or self._killed >= TRIES:
            often = f", {self._killed} times in a row" if self._killed > 1 else ""
            raise self._unfit(
                f"a worker process died before it could run anything{often}: {ended}; each imports the script, and "
                "what it said about that stands above"
            )

    def _unfit(self, sentence: str) -> UnfitError:
        """Return the error of workers that can't begin, after which nobody waits for any."""
        self._ending = True
        return UnfitError(sentence)

    def interrupt(self, patience: float = PATIENCE) -> None:
        """End what the workers are at, after they have saved what they finished.

        Parameters
        ----------
        patience : float
            Seconds after which one that is inside of a long call of a library is killed.
        """
        while self._waiting:
            self._waiting.pop().cancel()
        self._ending = True
        for worker in self._busy():
            with contextlib.suppress(OSError):
                os.kill(worker.process.pid, signal.SIGINT)
        until = time.monotonic() + patience
        while self._busy() and time.monotonic() < until:
            self._listen(0.1)
        for worker in self._busy():
            worker.kill()
            worker.bury()
            self._workers.remove(worker)
        self._ending = False

    @override
    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        if wait and not cancel_futures and not self._ending:
            jobs = [*self._waiting, *(worker.job for worker in self._workers if worker.job is not None)]
            while jobs := [job for job in jobs if not job.done()]:
                self.finished(jobs)
        self._closed = True
        self.interrupt()
        self._ending = True
        for worker in self._workers:
            if worker.ready:
                worker.connection.close()  # which an idle one takes for the end
            else:
                worker.kill()
        until = time.monotonic() + PATIENCE
        for worker in self._workers:
            worker.process.join(max(0.0, until - time.monotonic()))
            worker.bury()
        self._workers.clear()

    def _busy(self) -> list[_Worker]:
        return [worker for worker in self._workers if worker.job is not None]


_POOLS: weakref.WeakSet[Pool] = weakref.WeakSet()


@atexit.register  # before that of multiprocessing, which would wait for the processes
def _shut_down_all() -> None:
    for pool in list(_POOLS):
        pool.shutdown(cancel_futures=True)


def _call(function: Callable[..., T], arguments: tuple[Any, ...], options: dict[str, Any]) -> T:
    return function(*arguments, **options)
