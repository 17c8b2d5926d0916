"""Local spaces: algebra of their operators, charges, names, and what is refused."""

import copy
import pickle
import re

import numpy as np
import pytest

from mpsnh import Boson, Fermion, Site, Spin
from mpsnh.language.site import is_fermionic
from tests.oracles import reference

SPINS = [0.5, 1, 1.5, 2, 2.5]
EVERY = [*map(Spin, SPINS), Fermion(), Boson(1), Boson(4)]


def commutator(a, b):
    return a @ b - b @ a


def refused(message):
    return pytest.raises(ValueError, match=re.escape(message))


@pytest.mark.parametrize("S", SPINS)
def test_spin_algebra(S):
    x, y, z, up, down = (Spin(S).op(name) for name in ("Sx", "Sy", "Sz", "Sp", "Sm"))
    np.testing.assert_allclose(commutator(up, down), 2 * z, atol=1e-14)
    np.testing.assert_allclose(commutator(z, up), up, atol=1e-14)
    np.testing.assert_allclose(commutator(x, y), 1j * z, atol=1e-14)
    np.testing.assert_allclose(x @ x + y @ y + z @ z, S * (S + 1) * np.eye(round(2 * S) + 1), atol=1e-14)
    np.testing.assert_array_equal(up.conj().T, down)


@pytest.mark.parametrize("site", EVERY, ids=repr)
def test_operators_follow_their_definition(site):
    for name in set(site.operators) - {"F"}:
        np.testing.assert_allclose(site.op(name), reference.local_matrix(site, name), atol=1e-15, err_msg=name)


def test_pauli_matrices_are_those_of_spin_one_half():
    for pauli, spin in zip("XYZ", ("Sx", "Sy", "Sz"), strict=True):
        np.testing.assert_array_equal(Spin(0.5).op(pauli), 2 * Spin(0.5).op(spin))
    assert "X" not in Spin(1).operators


def test_boson_commutator_is_wrong_only_in_the_highest_state():
    b, bdag, n = (Boson(5).op(name) for name in ("b", "bdag", "n"))
    np.testing.assert_allclose(bdag @ b, n, atol=1e-15)
    np.testing.assert_allclose(np.diagonal(commutator(b, bdag)).real, [1, 1, 1, 1, 1, -5], atol=1e-14)


def test_fermion_anticommutator():
    c, cdag, parity = (Fermion().op(name) for name in ("c", "cdag", "F"))
    np.testing.assert_array_equal(c @ cdag + cdag @ c, np.eye(2))
    np.testing.assert_array_equal(c @ c, np.zeros((2, 2)))
    np.testing.assert_array_equal(parity, np.eye(2) - 2 * Fermion().op("n"))


@pytest.mark.parametrize("site", EVERY, ids=repr)
def test_charges_agree_with_operators(site):
    steps = {"Sp": 2, "Sm": -2, "Sz": 0, "Z": 0, "c": -1, "cdag": 1, "b": -1, "bdag": 1, "n": 0, "F": 0, "Id": 0}
    charge = np.diag(site.charges)
    for name in steps.keys() & site.operators.keys():
        moved = commutator(charge, site.op(name))
        np.testing.assert_allclose(moved, steps[name] * site.op(name), atol=1e-14, err_msg=name)


@pytest.mark.parametrize(
    ("site", "states", "charges"),
    [
        (Spin(0.5), ("up", "down"), (1, -1)),
        (Spin(1), ("+1", "0", "-1"), (2, 0, -2)),
        (Spin(1.5), ("+1.5", "+0.5", "-0.5", "-1.5"), (3, 1, -1, -3)),
        (Fermion(), ("full", "empty"), (1, 0)),
        (Boson(2), ("0", "1", "2"), (0, 1, 2)),
    ],
    ids=repr,
)
def test_states_and_charges(site, states, charges):
    assert site.states == states
    assert site.charges == charges
    for k, name in enumerate(states):
        np.testing.assert_array_equal(site.state(name), np.eye(site.dim)[k])


@pytest.mark.parametrize("site", EVERY, ids=repr)
def test_dagger_suffix_takes_the_adjoint(site):
    for name in site.operators:
        np.testing.assert_array_equal(site.op(name + "†"), site.op(name).conj().T)


def test_users_site():
    qutrit = Site("abc", {"P": np.diag([0, 1, 0]), "T": np.eye(3, k=1)}, charges=[0, 1, 2])
    assert (qutrit.dim, qutrit.states, qutrit.charges, qutrit.parities) == (3, ("a", "b", "c"), (0, 1, 2), (1, 1, 1))
    np.testing.assert_array_equal(qutrit.op("T†"), np.eye(3, k=-1))
    np.testing.assert_array_equal(qutrit.op("Id"), np.eye(3))


def test_with_operators_adds_and_keeps():
    spin = Spin(1).with_operators(Sz2=np.diag([1, 0, 1]))
    np.testing.assert_array_equal(spin.op("Sz2"), spin.op("Sz") @ spin.op("Sz"))
    assert set(spin.operators) == {*Spin(1).operators, "Sz2"}
    assert (spin.states, spin.charges) == (Spin(1).states, Spin(1).charges)
    assert spin != Spin(1)


def test_equality_and_hash_are_by_value():
    assert Spin(0.5) == Spin(1 / 2)
    assert hash(Spin(0.5)) == hash(Spin(0.5))
    assert len({Spin(0.5), Spin(1), Spin(0.5), Boson(2), Fermion()}) == 4
    assert Site("ab", {"X": np.eye(2)}) != Site("ab", {"X": 2 * np.eye(2)})
    assert Spin(0.5) != "Spin(0.5)"
    assert pickle.loads(pickle.dumps(Spin(1.5))) == Spin(1.5)


def test_operators_are_read_only():
    with pytest.raises(ValueError, match="read-only"):
        Spin(0.5).op("Sz")[0, 0] = 1


def test_unknown_names_list_those_that_exist():
    with refused("Spin(0.5) has no operator 'S+'; it has: F, Id, Sm, Sp, Sx, Sy, Sz, X, Y, Z (add † for the adjoint)"):
        Spin(0.5).op("S+")
    with refused("Boson(2) has no operator 'a†'; it has: F, Id, b, bdag, n (add † for the adjoint)"):
        Boson(2).op("a†")
    with refused("Spin(0.5) has no state 'left'; it has: up, down"):
        Spin(0.5).state("left")


def test_names_with_c_are_fermionic():
    assert [is_fermionic(name) for name in ("c", "cdag", "c†", "cup", "Sp", "n", "b", "C")] == [True] * 4 + [False] * 4
    flip, keep = [[0, 1], [1, 0]], [[1, 0], [0, 2]]
    both = Site("ab", {"cX": flip, "P": keep}, parities=[1, -1])
    np.testing.assert_array_equal(both.op("F"), np.diag([1, -1]))
    with refused("operator 'cP' must flip the fermion parity: names that begin with 'c' are kept for fermionic"):
        Site("ab", {"cP": keep}, parities=[1, -1])
    with refused("operator 'X' must keep the fermion parity"):
        Site("ab", {"X": flip}, parities=[1, -1])
    with refused("operator 'current' must flip the fermion parity"):
        Site("ab", {"current": flip})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], {}), "states = (), but it must be at least one, each name once"),
        ((["a", "a"], {}), "states = ('a', 'a'), but it must be at least one, each name once"),
        (("ab", {"X": np.eye(3)}), "operator 'X' shape = (3, 3), but it must be (2, 2)"),
        (("ab", {"X†": np.eye(2)}), "operator name = 'X†', but it must be without †"),
        (("ab", {"X": np.diag([1, np.nan])}), "but it must be finite"),
        (("ab", {}, [1]), "charges = (1,), but it must be one integer for each of the 2 states"),
        (("ab", {}, None, [1, 0]), "parities = (1, 0), but it must be +1 or -1 for each of the 2 states"),
    ],
)
def test_bad_sites_are_refused(arguments, message):
    with refused(message):
        Site(*arguments)


def test_fractional_charges_are_refused():
    """Truncated to integers, the charges ±1/2 of a spin would both be 0 and no longer tell the states apart."""
    with pytest.raises((TypeError, ValueError), match="charges"):
        Site(["up", "down"], {}, charges=[0.5, -0.5])


@pytest.mark.parametrize("name", ["Id", "F"])
def test_the_identity_and_the_parity_cannot_be_redefined(name):
    """Sums drop "Id" and strings are made of "F", so another meaning would give silently wrong operators."""
    with pytest.raises(ValueError, match=name):
        Site("ab", {name: np.diag([1, -1])})
    with pytest.raises(ValueError, match=name):
        Fermion().with_operators(**{name: 3 * np.eye(2)})


@pytest.mark.parametrize("S", [0, -0.5, 0.7, np.nan, np.inf])
def test_bad_spins_are_refused(S):
    with refused(f"S = {S!r}, but it must be 1/2, 1, 3/2, …"):
        Spin(S)


@pytest.mark.parametrize("n_max", [0, -1, 1.5, "2"])
def test_bad_bosons_are_refused(n_max):
    with refused(f"n_max = {n_max!r}, but it must be an integer of at least 1"):
        Boson(n_max)


def test_boson_takes_numpy_integers():
    assert Boson(np.int64(3)) == Boson(3)


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda site: pickle.loads(pickle.dumps(site))])
def test_operators_of_a_copy_are_read_only(again):
    site = again(Spin(0.5))
    with pytest.raises(ValueError, match="read-only"):
        site.op("Sz")[0, 0] = 7.0
    assert site == Spin(0.5)
