"""How each public method of quimb's MatrixProductState may be called on a chain of four sites.

The state is called `s`: its sites have two states, but for site 2, which has three.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import quimb.tensor as qtn

from mpsnh import MPO, OpSum, Spin

SITES = (Spin(0.5), Spin(0.5), Spin(1), Spin(0.5))
Z = np.diag([0.5, -0.5])
TILT = np.array([[1, 0.3j], [0.2, 0.7]])
PAIR = np.random.default_rng(1).normal(size=(4, 4))
FIELD = MPO.from_opsum(OpSum.sum((1j + j, "Sx", j) for j in range(4)), SITES)

DRAWING = """
    draw draw_3d draw_3d_interactive draw_interactive draw_tree_span graph graph_tree_span visualize_tensors
"""
"""Methods that make pictures of the network, or graphs to be drawn."""

PIECES = """
    __getitem__ __iter__ arrays backend cut_bond get_namespace get_params isblocksparse select select_tensors shape
    tensors tensors_sorted view_as
"""
"""What shows the tensors themselves, which are of another kind if they are stored by charge, or random names."""

BROKEN = """
    canonize_cyclic compute_local_expectation_rehearse compute_local_expectation_tn contraction_info get_local_sloops
    isometrize isometrize_ item local_expectation new norm_gloop_expand pair_simplify partial_trace ptr
    replace_with_identity select_path unitize unitize_
"""
"""Methods that some quimb itself refuses on any such state, or can't do without other packages."""


def bond(s: Any, j: int) -> str:
    """Return the name of the bond right of a site."""
    return s.bond(j, j + 1)


TERMS = {(0,): Z, (0, 1): PAIR}
SUBMPO = qtn.MatrixProductOperator.from_dense(PAIR, dims=[2, 2], sites=[0, 1], L=4)

WITH_ARGUMENTS: dict[str, Callable[[Any], tuple[Any, ...] | dict[str, Any]]] = {
    "add": lambda s: (qtn.Tensor(2.0),),
    "add_MPS": lambda s: (2 * s,),
    "add_MPS_": lambda s: (2 * s,),
    "add_tag": lambda s: ("X",),
    "add_tensor": lambda s: (qtn.Tensor(2.0),),
    "add_tensor_network": lambda s: (qtn.Tensor(2.0).as_network(),),
    "amplitude": lambda s: ([0, 1, 1, 1],),
    "apply_to_arrays": lambda s: (lambda array: 1j * array,),
    "aslinearoperator": lambda s: (["k0", "k1"], ["k2", "k3"]),
    "astype": lambda s: ("complex64",),
    "astype_": lambda s: ("complex64",),
    "bipartite_schmidt_state": lambda s: (2,),
    "bond": lambda s: (1, 2),
    "bond_size": lambda s: (1, 2),
    "canonicalize": lambda s: (2,),
    "canonicalize_": lambda s: (1,),
    "canonize": lambda s: (0,),
    "canonize_around": lambda s: ("I1",),
    "canonize_around_": lambda s: ("I1",),
    "canonize_between": lambda s: ("I1", "I2"),
    "combine": lambda s: (s.H,),
    "compress_between": lambda s: ("I1", "I2"),
    "compress_site": lambda s: (1,),
    "compute_block_environments": lambda s: ([(0, 2), (1, 2)],),
    "compute_hierarchical_grouping": lambda s: (2,),
    "compute_local_expectation": lambda s: (TERMS,),
    "compute_local_expectation_canonical": lambda s: (TERMS,),
    "compute_local_expectation_cluster": lambda s: (TERMS,),
    "compute_local_expectation_exact": lambda s: (TERMS,),
    "compute_local_expectation_gloop_expand": lambda s: {"terms": TERMS, "gauges": {}},
    "compute_local_expectation_rehearse": lambda s: (TERMS, 8, "greedy"),
    "compute_local_expectation_simple": lambda s: (TERMS,),
    "compute_local_expectation_sloop_expand": lambda s: (TERMS,),
    "compute_local_expectation_tn": lambda s: (TERMS, 8, "greedy"),
    "compute_local_expectation_via_envs": lambda s: (TERMS,),
    "compute_partial_traces": lambda s: ([(0,), (1, 2)],),
    "compute_partial_traces_canonical": lambda s: ([(0,), (1, 2)],),
    "compute_partial_traces_cluster": lambda s: ([(0,), (1, 2)],),
    "compute_partial_traces_exact": lambda s: ([(0,), (1, 2)],),
    "compute_partial_traces_via_envs": lambda s: ([(0,), (1, 2)],),
    "compute_reduced_factor": lambda s: ("left", [bond(s, 0)], ["k1", bond(s, 1)]),
    "contract_around": lambda s: ("I1",),
    "contract_around_": lambda s: ("I1",),
    "contract_between": lambda s: ("I1", "I2"),
    "contract_compressed": lambda s: ("greedy",),
    "contract_compressed_": lambda s: ("greedy",),
    "contract_cumulative": lambda s: (["I0", "I1"],),
    "contract_ind": lambda s: (bond(s, 1),),
    "contract_structured": lambda s: (slice(0, 4),),
    "contract_tags": lambda s: (["I0", "I1"],),
    "contract_tags_": lambda s: (["I0", "I1"],),
    "correlation": lambda s: (Z, 0, 3),
    "cut_between": lambda s: ("I0", "I1", "l", "r"),
    "cut_bond": lambda s: (bond(s, 1),),
    "delete": lambda s: ("I3",),
    "distance": lambda s: (2 * s,),
    "distance_normalized": lambda s: (2 * s,),
    "drape_bond_between": lambda s: ("I0", "I1", "I2"),
    "drape_bond_between_": lambda s: ("I0", "I1", "I2"),
    "entropy": lambda s: (2,),
    "expand_bond_dimension": lambda s: (6,),
    "expand_bond_dimension_": lambda s: (6,),
    "expec": lambda s: (s,),
    "filter_valid_site_tags": lambda s: (["I0", "X"],),
    "fit": lambda s: (2 * s,),
    "fit_": lambda s: (2 * s,),
    "flip_": lambda s: (["k0"],),
    "from_TN": lambda s: (s,),
    "from_dense": lambda s: (np.arange(24.0), [2, 2, 3, 2]),
    "from_fill_fn": lambda s: (np.ones, 4, 2),
    "from_product": lambda s: ([np.array([0.6, 0.8j])] * 2,),
    "gate": lambda s: {"G": PAIR, "where": (0, 1), "contract": "swap+split"},
    "gate_": lambda s: {"G": TILT, "where": 0, "contract": True},
    "gate_fit_local_": lambda s: (PAIR, (0, 1)),
    "gate_inds": lambda s: {"G": TILT, "inds": ["k0"], "contract": True},
    "gate_inds_": lambda s: {"G": TILT, "inds": ["k0"], "contract": True},
    "gate_inds_with_tn": lambda s: (["k0"], qtn.Tensor(TILT, ["a", "b"]), ["b"], ["a"]),
    "gate_inds_with_tn_": lambda s: (["k0"], qtn.Tensor(TILT, ["a", "b"]), ["b"], ["a"]),
    "gate_nonlocal": lambda s: (PAIR, (0, 3)),
    "gate_nonlocal_": lambda s: (PAIR, (0, 3)),
    "gate_sandwich_inds": lambda s: (TILT, ["k0"], ["k1"]),
    "gate_sandwich_inds_": lambda s: (TILT, ["k0"], ["k1"]),
    "gate_simple": lambda s: (PAIR, (0, 1), {}),
    "gate_simple_": lambda s: (PAIR, (0, 1), {}),
    "gate_split": lambda s: (PAIR, (0, 1)),
    "gate_split_": lambda s: (PAIR, (0, 1)),
    "gate_with_auto_swap": lambda s: {"G": PAIR, "where": (0, 3), "swap_back": False},
    "gate_with_auto_swap_": lambda s: (PAIR, (0, 3)),
    "gate_with_mpo": lambda s: (FIELD,),
    "gate_with_mpo_": lambda s: (FIELD,),
    "gate_with_op_lazy": lambda s: (FIELD,),
    "gate_with_op_lazy_": lambda s: (FIELD,),
    "gate_with_submpo": lambda s: (SUBMPO,),
    "gate_with_submpo_": lambda s: (SUBMPO,),
    "gauge_insert": lambda s: ({bond(s, 1): np.linspace(1, 2, s.bond_size(1, 2))},),
    "gauge_local": lambda s: ("I1",),
    "gauge_local_": lambda s: ("I1",),
    "gauge_simple_insert": lambda s: ({bond(s, 1): np.linspace(1, 2, s.bond_size(1, 2))},),
    "gauge_simple_temp": lambda s: ({},),
    "gen_all_paths_between_tids": lambda s: (0, 3),
    "gen_block_environments": lambda s: ([(0, 2), (1, 2)],),
    "gen_inds_connected": lambda s: (2,),
    "gen_inds_from_coos": lambda s: ([0, 1],),
    "gen_patches": lambda s: (2,),
    "gen_tags_from_coos": lambda s: ([0, 1],),
    "get_cluster": lambda s: ([1],),
    "get_local_patch": lambda s: ([0], 1),
    "get_local_gloops": lambda s: {"tids": [0]},
    "get_loop_union": lambda s: ([0, 1],),
    "get_path_between_sites": lambda s: (0, 3),
    "get_path_between_tids": lambda s: (0, 3),
    "get_tree_span": lambda s: ([0],),
    "has_site": lambda s: (1,),
    "ind_size": lambda s: ("k2",),
    "inds_size": lambda s: (["k0", "k2"],),
    "insert_compressor_between_regions": lambda s: (["I1"], ["I2"], 2),
    "insert_compressor_between_regions_": lambda s: (["I1"], ["I2"], 2),
    "insert_gauge": lambda s: (np.eye(s.bond_size(1, 2)) + 0.1, "I1", "I2"),
    "insert_operator": lambda s: (np.eye(s.bond_size(1, 2)) + 0.1, "I1", "I2"),
    "insert_operator_": lambda s: (np.eye(s.bond_size(1, 2)) + 0.1, "I1", "I2"),
    "insert_projectors_between_regions": lambda s: (["I1"], ["I2"], np.eye(s.bond_size(1, 2)), np.eye(s.bond_size(1, 2))),
    "insert_projectors_between_regions_": lambda s: (["I1"], ["I2"], np.eye(s.bond_size(1, 2)), np.eye(s.bond_size(1, 2))),
    "isel": lambda s: ({"k0": 1},),
    "isel_": lambda s: ({"k0": 1},),
    "left_canonize_site": lambda s: (1,),
    "left_compress_site": lambda s: (1,),
    "local_expectation": lambda s: (PAIR, (0, 1), 8, "greedy"),
    "local_expectation_canonical": lambda s: (PAIR, (0, 1)),
    "local_expectation_cluster": lambda s: (PAIR, (0, 1)),
    "local_expectation_exact": lambda s: (PAIR, (0, 1)),
    "local_expectation_gloop_expand": lambda s: {"G": PAIR, "where": (0, 1), "gauges": {}},
    "local_expectation_simple": lambda s: (PAIR, (0, 1)),
    "local_expectation_sloop_expand": lambda s: (PAIR, (0, 1)),
    "logneg_subsys": lambda s: ([0], [2]),
    "magnetization": lambda s: (1,),
    "make_overlap": lambda s: (2 * s,),
    "make_reduced_density_matrix": lambda s: ([1],),
    "maybe_convert_coo": lambda s: (1,),
    "measure": lambda s: {"site": 2, "seed": 1},
    "measure_": lambda s: {"site": 2, "seed": 1, "remove": True},
    "multiply": lambda s: (2j,),
    "multiply_": lambda s: (2j,),
    "multiply_each": lambda s: (2j,),
    "multiply_each_": lambda s: (2j,),
    "new_bond": lambda s: ("I0", "I3"),
    "normalize_simple": lambda s: ({},),
    "overlap": lambda s: (2j * s,),
    "partial_trace": lambda s: ([1],),
    "partial_trace_canonical": lambda s: ([1],),
    "partial_trace_cluster": lambda s: ([1],),
    "partial_trace_compress": lambda s: ([0], [2]),
    "partial_trace_exact": lambda s: ([1],),
    "partial_trace_to_dense_canonical": lambda s: ([1],),
    "partial_trace_to_mpo": lambda s: ([1, 2],),
    "partition": lambda s: ("I1",),
    "partition_tensors": lambda s: ("I1",),
    "pop_tensor": lambda s: (0,),
    "ptr": lambda s: ([1],),
    "randomize": lambda s: {"seed": 1},
    "randomize_": lambda s: {"seed": 1},
    "gauge_all_random": lambda s: {"seed": 1},
    "gauge_all_random_": lambda s: {"seed": 1},
    "reduce_inds_onto_bond": lambda s: ("k0", "k1"),
    "reindex": lambda s: ({"k0": "a"},),
    "reindex_": lambda s: ({"k0": "a"},),
    "reindex_all": lambda s: ("a{}",),
    "reindex_all_": lambda s: ("a{}",),
    "reindex_sites": lambda s: ("a{}",),
    "reindex_sites_": lambda s: ("a{}",),
    "replace_section_with_svd": lambda s: (1, 3, 1e-12),
    "replace_with_identity": lambda s: (["I1"],),
    "replace_with_svd": lambda s: (["I1", "I2"], [bond(s, 0), "k1"], 1e-12),
    "replace_with_svd_": lambda s: (["I1", "I2"], [bond(s, 0), "k1"], 1e-12),
    "retag": lambda s: ({"I0": "A"},),
    "retag_": lambda s: ({"I0": "A"},),
    "retag_all": lambda s: ("A{}",),
    "retag_all_": lambda s: ("A{}",),
    "retag_sites": lambda s: ("A{}",),
    "right_canonize_site": lambda s: (2,),
    "right_compress_site": lambda s: (2,),
    "sample": lambda s: {"C": 3, "seed": 1},
    "sample_configuration": lambda s: {"seed": 1},
    "sample_configuration_cluster": lambda s: {"seed": 1},
    "schmidt_gap": lambda s: (2,),
    "schmidt_values": lambda s: (2,),
    "select": lambda s: ("I1",),
    "select_all": lambda s: ("I1",),
    "select_any": lambda s: (["I1", "I2"],),
    "select_local": lambda s: ("I1",),
    "select_neighbors": lambda s: ("I1",),
    "select_path": lambda s: ([(0, 1)],),
    "select_sites": lambda s: ([1, 2],),
    "select_tensors": lambda s: ("I1",),
    "set_params": lambda s: (s.get_params(),),
    "shift_orthogonality_center": lambda s: (2, 1),
    "singular_values": lambda s: (2,),
    "site_ind": lambda s: (1,),
    "site_tag": lambda s: (1,),
    "slice2sites": lambda s: (slice(0, 2),),
    "split": lambda s: (["k0", "k1"],),
    "split_tensor": lambda s: ("I1", [bond(s, 0)]),
    "strip_exponent": lambda s: (1,),
    "sum_reduce": lambda s: ("k1",),
    "sum_reduce_": lambda s: ("k1",),
    "swap_site_to": lambda s: (1, 3),
    "swap_site_to_": lambda s: (1, 3),
    "swap_sites_with_compress": lambda s: (1, 2),
    "swap_sites_with_compress_": lambda s: (0, 2),
    "tids_are_connected": lambda s: ([0, 1],),
    "trace": lambda s: (["k0"], ["k1"]),
    "vector_reduce": lambda s: ("k1", np.array([0.6, 0.8j])),
    "vector_reduce_": lambda s: ("k1", np.array([0.6, 0.8j])),
    "view_as": lambda s: {"cls": qtn.MatrixProductState, "like": s},
    "view_as_": lambda s: {"cls": type(s), "like": s},
    "view_like": lambda s: (s,),
    "view_like_": lambda s: (s,),
    "gauge_all_simple": lambda s: {"max_iterations": 5},
    "phys_dim": lambda s: (2,),
    "compress": lambda s: {"max_bond": 2},
    "contract": lambda s: {"output_inds": ["k0", "k1", "k2", "k3"]},
    "__add__": lambda s: (2 * s,),
    "__sub__": lambda s: (2 * s,),
    "__iadd__": lambda s: (2 * s,),
    "__isub__": lambda s: (2 * s,),
    "__and__": lambda s: (s.H,),
    "__or__": lambda s: (s.H,),
    "__matmul__": lambda s: (s.H,),
    "__mul__": lambda s: (2j,),
    "__rmul__": lambda s: (2j,),
    "__imul__": lambda s: (2j,),
    "__truediv__": lambda s: (2j,),
    "__itruediv__": lambda s: (2j,),
    "__xor__": lambda s: (["I0", "I1"],),
    "__ixor__": lambda s: (["I0", "I1"],),
    "__rshift__": lambda s: (["I0", "I1"],),
    "__irshift__": lambda s: (["I0", "I1"],),
    "__getitem__": lambda s: (1,),
    "__iand__": lambda s: (qtn.Tensor(2.0),),
    "__ior__": lambda s: (qtn.Tensor(2.0),),
}
"""Positional or keyword arguments; of the methods that are not here, none."""

REFUSALS = (ValueError, TypeError, KeyError, AttributeError, ImportError)
"""How quimb refuses what it cannot do."""


def unknown(name: str, error: Exception) -> bool:
    """Tell whether an error says that a method takes arguments that are not here, as one of a newer quimb may."""
    return name not in WITH_ARGUMENTS and isinstance(error, TypeError) and "missing" in str(error)


def call(s: Any, name: str) -> Any:
    """Call a method of a state."""
    arguments = WITH_ARGUMENTS.get(name, lambda s: ())(s)
    method = getattr(s, name)
    return method(**arguments) if isinstance(arguments, dict) else method(*arguments)
