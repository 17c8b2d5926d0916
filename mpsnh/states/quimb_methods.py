"""How quimb's methods run on states that are stored by charge: on their blocks, or on a dense copy."""

from __future__ import annotations

import functools
import inspect
from typing import Any

from mpsnh.operators.networks import qtn

# Names, tags, copies and the shape of the network, whatever its tensors are.
_STRUCTURE = """
    add add_tag add_tensor add_tensor_network all_inds as_network bond bond_size bond_sizes check copy delete drop_tags
    filter_valid_site_tags gen_inds_from_coos gen_site_coos gen_sites_present gen_tags_from_coos get_namespace
    get_params has_site ind_size ind_sizes inds_size inner_inds isblocksparse iscomplex isfermionic
    make_tids_consecutive mangle_inner_ max_bond maybe_convert_coo new outer_inds permute_arrays phys_dim pop_tensor
    reindex reindex_ reindex_all reindex_all_ reindex_sites reindex_sites_ remove_all_tensors reset_cached_properties
    retag retag_ retag_all retag_all_ retag_sites select select_tensors set_params site_ind site_tag slice2sites
    tensors_sorted view_as view_as_ view_like view_like_
"""
_FACTORS = """
    apply_to_arrays conj conj_ distribute_exponent equalize_norms equalize_norms_ multiply multiply_
    multiply_each multiply_each_ negate negate_ normalize strip_exponent
"""
# By QR and SVD of blocks.
_GAUGES = """
    canonicalize canonicalize_ canonize canonize_between compress compress_between compress_site flip
    left_canonicalize left_canonicalize_ left_canonize left_canonize_site left_compress left_compress_site
    right_canonicalize right_canonicalize_ right_canonize right_canonize_site right_compress right_compress_site
    shift_orthogonality_center swap_site_to swap_site_to_ swap_sites_with_compress swap_sites_with_compress_
"""

ON_BLOCKS = frozenset((_STRUCTURE + _FACTORS + _GAUGES).split())
"""Methods of quimb that do the same on blocks as on a dense state, also to the state itself."""

# These move the gauge of a state to measure it, and leave it the same state.
_MEASURING = """
    compute_local_expectation_canonical compute_partial_traces_canonical correlation entropy local_expectation_canonical
    magnetization partial_trace_canonical partial_trace_to_dense_canonical schmidt_gap schmidt_values singular_values
"""
_SUMS = "__add__ __iadd__ __sub__ __isub__ __matmul__"
_WITH_ANOTHER = f"add_MPS add_MPS_ combine distance distance_normalized expec fit fit_ make_overlap {_SUMS}"
_CONTRACTIONS = "__xor__ __ixor__ __rshift__ __irshift__"

TO_DENSE = "state.to_mps() is the same state with dense tensors, on which all methods of quimb work"
"""How to get a state for which there is no limit; completes a refusal."""


def dense(value: Any) -> Any:
    """Return a state stored by charge as a dense one, and anything else as it is.

    Examples
    --------
    >>> dense(3)
    3
    """
    return value.to_mps() if isinstance(value, qtn.TensorNetwork) and hasattr(value, "to_mps") else value


def run_on_dense(cls: type) -> type:
    """Let all methods that a class has from quimb run on a dense copy of a state, but for `ON_BLOCKS`.

    Parameters
    ----------
    cls : type
        A subclass of quimb's `MatrixProductState` with a method ``to_mps``.

    Examples
    --------
    >>> neel = nh.SymmetricMPS.product([nh.Spin(0.5)] * 2, ["up", "down"])
    >>> type(neel + neel).__name__, neel.magnetization(0)
    ('MPS', 0.5)
    >>> neel.gate_(np.eye(2), 0, contract=True)
    Traceback (most recent call last):
    ValueError: SymmetricMPS.gate_ would change the state itself; state.to_mps() is the same state with ...
    """
    base = qtn.MatrixProductState
    for name in [*(name for name in dir(base) if not name.startswith("_")), *_SUMS.split(), *_CONTRACTIONS.split()]:
        method = inspect.getattr_static(base, name)
        runs = inspect.isfunction(method) or isinstance(method, functools.partialmethod)
        own = inspect.getattr_static(cls, name) is not method and name not in _WITH_ANOTHER.split()
        if runs and not own and name not in ON_BLOCKS:
            setattr(cls, name, functools.partialmethod(_on_dense, name))
    return cls


def take_dense(cls: type) -> type:
    """Let the methods that a class has from quimb take a state stored by charge as second one.

    Parameters
    ----------
    cls : type
        A subclass of quimb's `MatrixProductState`.

    Examples
    --------
    >>> up_down = nh.MPS.product([nh.Spin(0.5)] * 2, ["up", "down"])
    >>> (up_down + nh.SymmetricMPS.product([nh.Spin(0.5)] * 2, ["down", "up"])).to_vector().real.tolist()
    [0.0, 1.0, 1.0, 0.0]
    """
    for name in _WITH_ANOTHER.split():
        setattr(cls, name, functools.partialmethod(_with_dense, name))
    return cls


def _with_dense(self: Any, name: str, /, *arguments: Any, **options: Any) -> Any:
    """Run a method of quimb with all states dense but the first one."""
    return getattr(qtn.MatrixProductState, name)(self, *map(dense, arguments), **options)


def _on_dense(self: Any, name: str, /, *arguments: Any, **options: Any) -> Any:
    """Run a method of quimb on a dense copy of a state, unless it would change the state."""
    copy = self.to_mps()
    before = copy.copy()
    for tensor in copy:
        tensor.data.flags.writeable = False
    options = {key: dense(value) for key, value in options.items()}
    result = getattr(qtn.MatrixProductState, name)(copy, *map(dense, arguments), **options)
    returned = result if isinstance(result, tuple) else (result,)
    changed = name not in _MEASURING.split() and not _same_network(copy, before)
    if changed or any(part is copy for part in returned):
        raise ValueError(f"{type(self).__name__}.{name} would change the state itself; {TO_DENSE}")
    return result


def _same_network(one: qtn.TensorNetwork, two: qtn.TensorNetwork) -> bool:
    """Tell whether two networks have the same names and tags, and arrays at the same place in memory."""
    if one.exponent != two.exponent or one.tensor_map.keys() != two.tensor_map.keys():
        return False
    pairs = [(tensor, two.tensor_map[tid]) for tid, tensor in one.tensor_map.items()]
    return all(a.data is b.data and (a.inds, set(a.tags)) == (b.inds, set(b.tags)) for a, b in pairs)
