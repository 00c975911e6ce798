"""Tables of a fitted ensemble: of every value's place, which leaves of every tree it can reach.

A split asks on which side of an edge a value lies.  All edges of a feature, of all trees, divide its values into
places: place ``p`` is what lies above edge ``p - 1`` and up to edge ``p``; the last edge is infinity, and behind it is
the place of missing values.  A category has a place of its own between the edges at its number and just below it, so
that every other number is an unknown category.  For every tree and place of a feature a mask says which leaves a row
can still reach: the intersection over the features is the leaf that it ends in.

A mask has 31 leaves and a bit that is always set, whose leaf adds nothing.  A tree of more leaves has several masks,
and in all but one of them nothing else is left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pipeline.errors import NotCompiledError

LANES = 4
"""Masks that the kernel intersects at once."""
SLOTS = 32
LEAVES = SLOTS - 1
_TYPES = {"edges": "float64", "masks": "uint32", "leaves": "float64"}
_EVERYTHING = np.uint32(0xFFFFFFFF)
_ELSEWHERE = np.uint32(1 << LEAVES)
_MOST_PLACES = 2**16 - 1


@dataclass(frozen=True)
class Tables:
    """The trees of one output of an ensemble, C-contiguous and in native byte order.

    Attributes:
        columns: int32 by feature that a tree splits on: its column in the matrix.
        edge_starts: int32, one more than features: where the edges of each begin.
        edges: float64, ascending by feature.
        group_starts: int32, one more than groups of :data:`LANES` masks: where the features that each uses begin.
        used_features: int32, features by group.
        used_rows: int32, of the same: the row of ``masks`` of the feature's first place.
        masks: uint32 (rows, :data:`LANES`).
        leaves: float64 (groups, :data:`LANES`, :data:`SLOTS`): what a leaf adds to the sum.
    """

    columns: np.ndarray
    edge_starts: np.ndarray
    edges: np.ndarray
    group_starts: np.ndarray
    used_features: np.ndarray
    used_rows: np.ndarray
    masks: np.ndarray
    leaves: np.ndarray

    def is_sound(self, columns: int) -> bool:
        """Whether the kernel stays within them, and within a matrix of so many columns, whatever the values are."""
        edges, used = np.diff(self.edge_starts), np.diff(self.group_starts)
        return bool(
            all(array.dtype == _TYPES.get(name, "int32") for name, array in vars(self).items())
            and all(array.flags.c_contiguous for array in vars(self).values())
            and len(edges) == len(self.columns)
            and np.all((self.columns >= 0) & (self.columns < columns))
            and self.edge_starts[0] == self.group_starts[0] == 0
            and self.edge_starts[-1] == len(self.edges)
            and np.all((edges > 0) & (edges < _MOST_PLACES))
            and self.group_starts[-1] == len(self.used_features) == len(self.used_rows)
            and np.all(used >= 0)
            and self.leaves.shape == (len(used), LANES, SLOTS)
            and np.all((self.used_features >= 0) & (self.used_features < len(edges)))
            and np.all(self.used_rows >= 0)
            and np.all(self.used_rows.astype("int64") + edges[self.used_features] < len(self.masks))
            and self.masks.shape[1:] == (LANES,)
            and np.all(self.masks & _ELSEWHERE)
        )


@dataclass(frozen=True)
class Places:
    """The places of every feature that scikit-learn's trees may split on, in their order.

    Attributes:
        columns: column of the matrix by feature.
        edges: by feature.
        values: by feature, what the trees are given of a value in each place.
    """

    columns: np.ndarray
    edges: list[np.ndarray]
    values: list[np.ndarray]


@dataclass(frozen=True)
class _Lane:
    """Up to 31 leaves of a tree: what they add, and their mask by place of each feature that tells them apart."""

    leaves: np.ndarray
    masks: Mapping[int, np.ndarray]


def compile_ensemble(ensemble: Any) -> list[Tables]:
    """The tables of a fitted ``HistGradientBoostingClassifier`` or ``-Regressor``, one for each of its outputs.

    Raises:
        NotCompiledError: its categories are no numbers.
    """
    places = find_places(ensemble)
    outputs = range(ensemble.n_trees_per_iteration_)
    return [_tabulate([trees[output] for trees in ensemble._predictors], places) for output in outputs]


def find_places(ensemble: Any) -> Places:
    """The places of a fitted ensemble, whose values are encoded by scikit-learn itself.

    Raises:
        NotCompiledError: as :func:`compile_ensemble` says.
    """
    is_category = ensemble.is_categorical_
    if is_category is None:
        is_category = np.zeros(ensemble.n_features_in_, dtype=bool)
    columns = np.concatenate([np.flatnonzero(is_category), np.flatnonzero(~is_category)])
    edges = [np.append(found, np.inf) for found in _list_categories(ensemble, int(is_category.sum()))]
    edges += [_list_thresholds(ensemble, feature) for feature in range(len(edges), len(columns))]
    matrix = np.full((max(map(len, edges)) + 1, len(columns)), np.nan)
    for column, found in zip(columns, edges, strict=True):
        matrix[: len(found), column] = found
    matrix[:, is_category] = np.where(np.isinf(matrix[:, is_category]), np.nan, matrix[:, is_category])  # unknown too
    encoded = ensemble._preprocess_X(name_columns(ensemble, matrix), reset=False)
    values = [encoded[: len(found) + 1, feature] for feature, found in enumerate(edges)]
    return Places(columns, edges, values)


def name_columns(ensemble: Any, matrix: np.ndarray) -> np.ndarray | pd.DataFrame:
    """The matrix as the ensemble was fitted to one: with names, or without."""
    names = getattr(ensemble, "feature_names_in_", None)
    return matrix if names is None else pd.DataFrame(matrix, columns=names)


def _list_categories(ensemble: Any, count: int) -> list[np.ndarray]:
    """By category feature, its numbers, each with what comes just before it."""
    found = ensemble._preprocessor.named_transformers_["encoder"].categories_ if count else []
    if any(categories.dtype.kind not in "biuf" for categories in found):
        raise NotCompiledError(
            "the trees are given categories that are no numbers",
            expected="an encoder before them, such as OrdinalEncoder",
            found=", ".join(sorted({str(categories.dtype) for categories in found})),
        )
    numbers = [categories.astype("float64") for categories in found]
    known = [categories[~np.isnan(categories)] for categories in numbers]
    return [np.unique(np.concatenate([np.nextafter(categories, -np.inf), categories])) for categories in known]


def _list_thresholds(ensemble: Any, feature: int) -> np.ndarray:
    """What any tree compares the feature with, ascending; then infinity."""
    found = [np.array([np.inf])]
    for trees in ensemble._predictors:
        for tree in trees:
            nodes = tree.nodes
            found.append(nodes["num_threshold"][(nodes["is_leaf"] == 0) & (nodes["feature_idx"] == feature)])
    return np.unique(np.concatenate(found))


def _tabulate(trees: Sequence[Any], places: Places) -> Tables:
    lanes = [lane for tree in trees for lane in _divide(tree, places)]
    lanes += [_Lane(np.zeros(SLOTS), {})] * (-len(lanes) % LANES)
    groups = [lanes[start : start + LANES] for start in range(0, len(lanes), LANES)]
    used = [sorted({feature for lane in group for feature in lane.masks}) for group in groups]
    features = sorted({feature for of_group in used for feature in of_group})
    number = {feature: position for position, feature in enumerate(features)}
    pairs = [(group, feature) for group, of_group in zip(groups, used, strict=True) for feature in of_group]
    masks = [
        np.column_stack([lane.masks.get(feature, np.full(len(places.values[feature]), _EVERYTHING)) for lane in group])
        for group, feature in pairs
    ]
    edges = [places.edges[feature] for feature in features]
    return Tables(
        columns=places.columns[features].astype("int32"),
        edge_starts=_list_starts(edges),
        edges=np.concatenate([np.empty(0), *edges]),
        group_starts=_list_starts(used),
        used_features=np.array([number[feature] for _, feature in pairs], dtype="int32"),
        used_rows=_list_starts(masks)[:-1],
        masks=np.concatenate([np.empty((0, LANES), dtype="uint32"), *masks]),
        leaves=np.array([[lane.leaves for lane in group] for group in groups]),
    )


def _list_starts(parts: Sequence[Any]) -> np.ndarray:
    return np.cumsum([0, *map(len, parts)]).astype("int32")


def _divide(tree: Any, places: Places) -> list[_Lane]:
    """The leaves of a tree from left to right, 31 at a time."""
    leaves: list[float] = []
    reached: dict[int, np.ndarray] = {}
    for node, first, middle, last in _list_splits(tree.nodes, 0, leaves):
        feature = int(node["feature_idx"])
        values = places.values[feature]
        can_reach = reached.setdefault(feature, np.ones((len(values), tree.get_n_leaf_nodes()), dtype=bool))
        goes_left = _goes_left(tree, node, values)
        can_reach[goes_left, middle:last] = False
        can_reach[~goes_left, first:middle] = False
    return [
        _Lane(
            np.pad(leaves[start : start + LEAVES], (0, max(SLOTS - len(leaves) + start, 1))),
            {
                feature: masks
                for feature, can_reach in reached.items()
                if np.any((masks := _pack(can_reach[:, start : start + LEAVES])) != _EVERYTHING)
            },
        )
        for start in range(0, len(leaves), LEAVES)
    ]


def _list_splits(nodes: np.ndarray, at: int, leaves: list[float]) -> list[tuple[Any, int, int, int]]:
    """Every split below a node, and its leaves: from ``first`` to ``middle`` on the left, to ``last`` on the right.

    Args:
        leaves: gets what the leaves add.
    """
    node = nodes[at]
    if node["is_leaf"]:
        leaves.append(float(node["value"]))
        return []
    first = len(leaves)
    left = _list_splits(nodes, node["left"], leaves)
    middle = len(leaves)
    right = _list_splits(nodes, node["right"], leaves)
    return [(node, first, middle, len(leaves)), *left, *right]


def _goes_left(tree: Any, node: Any, values: np.ndarray) -> np.ndarray:
    """Whether the split sends each value to the left, as scikit-learn's ``_predict_one_from_raw_data`` does."""
    is_missing = np.isnan(values)
    if node["is_categorical"]:
        bits = np.unpackbits(
            tree.raw_left_cat_bitsets[node["bitset_idx"]].astype("<u4").view("uint8"), bitorder="little"
        )
        is_left = bits[np.where(is_missing, 0, values).astype("uint8")] == 1
    else:
        is_left = values <= node["num_threshold"]
    return np.where(is_missing, bool(node["missing_go_to_left"]), is_left)


def _pack(can_reach: np.ndarray) -> np.ndarray:
    """A mask by place; bits of leaves that there are none of are set."""
    bits = np.pad(can_reach, ((0, 0), (0, SLOTS - can_reach.shape[1])), constant_values=True)
    packed: np.ndarray = np.packbits(bits, axis=1, bitorder="little").view("<u4")[:, 0]
    return packed.astype("uint32")
