"""What tells the files of tree libraries apart, by how they begin."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gatewright.frontends.recognise import Head, Recogniser


def _is_xgboost_ubj(head: Head) -> bool:
    return head.data[:1] == b"{" and b"learner{" in head.data[:64]


def _is_catboost(head: Head) -> bool:
    return bool({"features_info", "oblivious_trees", "scale_and_bias"} & head.keys)


XGBOOST_JSON = Recogniser("XGBoost (JSON)", lambda head: "learner" in head.keys)
XGBOOST_UBJ = Recogniser("XGBoost (UBJ)", _is_xgboost_ubj)
LIGHTGBM = Recogniser(
    "LightGBM (text)", lambda head: bool(re.match(r"\ufeff?tree\r?\nversion=", head.text))
)
CATBOOST = Recogniser("CatBoost (JSON)", _is_catboost)
CONIFER = Recogniser("conifer (JSON)", lambda head: {"init_predict", "norm"} <= head.keys)
TMVA = Recogniser("TMVA (XML)", lambda head: "<MethodSetup" in head.text[:4096])


@dataclass(frozen=True)
class NotRead:
    """A kind of file that is known and not read, with what to do instead."""

    recogniser: Recogniser
    why: str
    remedy: str


NOT_READ = (
    NotRead(
        Recogniser(
            "a text dump of XGBoost",
            lambda head: bool(re.match(r"booster\[\d+\]:|\s*\[\s*\{\s*\"nodeid\"", head.text)),
        ),
        "its thresholds are decimals without base score, classes and objective",
        "save the model with save_model('model.json')",
    ),
    NotRead(
        Recogniser("XGBoost's old binary", lambda head: head.data[:4] in (b"binf", b"bs64")),
        "the format is no longer written",
        "load it with XGBoost before 3.1 and save it with save_model('model.json')",
    ),
    NotRead(
        Recogniser("a JSON dump of LightGBM", lambda head: {"tree_info", "num_class"} <= head.keys),
        "it is for people to look at",
        "save the model with booster.save_model('model.txt')",
    ),
    NotRead(
        Recogniser("CatBoost's binary (cbm)", lambda head: head.data[:4] == b"CBM1"),
        "only the JSON of CatBoost is read",
        "save the model with save_model('model.json', format='json')",
    ),
)
