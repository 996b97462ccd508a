"""hls4ml's configuration: made from a model, and read, every key honoured or refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gatewright.base import Diagnostics, OptionError
from gatewright.compat.hls4ml.parts import Part, parts_of
from gatewright.compat.hls4ml.precision import Precision, parse_precision
from gatewright.frontends import list_layers, read_model

GRANULARITIES = ("model", "type", "name")
ROLES = ("default", "result", "weight", "bias", "scale", "accum", "exp_table", "inv_table")
"""Precisions that are honoured; `scale` is a normalisation's weight, tables are a softmax's."""

TABLES = {"exp_table_t": "exp_table", "inv_table_t": "inv_table"}
"""Precisions that hls4ml also takes beside the others' dictionary."""

PARALLEL_STRATEGIES = ("latency", "distributed_arithmetic", "da", "unrolled", "stable")
FOLDED_STRATEGIES = ("resource", "resource_unrolled")

HARMLESS: dict[str, tuple[object, ...]] = {
    "BramFactor": (1_000_000_000,),
    "Compression": (False,),
    "ConvImplementation": ("LineBuffer", "linebuffer"),
    "ParallelizationFactor": (1,),
    "PipelineStyle": ("auto", "pipeline"),
    "Sparsity": (False,),
    "TraceOutput": (False, True),
}
"""Keys that are accepted with the values that ask for nothing special."""


@dataclass(frozen=True)
class Wanted:
    """What a configuration asks of one part of a model.

    Attributes:
        precision: by role, where one is given; None for `auto`.
        reuse: factor.
        strategy: in small letters.
    """

    precision: dict[str, Precision | None] = field(default_factory=dict)
    reuse: int | None = None
    strategy: str | None = None

    def over(self, general: Wanted) -> Wanted:
        """Return this where it says something, else the more general wish."""
        return Wanted(
            {**general.precision, **self.precision},
            general.reuse if self.reuse is None else self.reuse,
            general.strategy if self.strategy is None else self.strategy,
        )


@dataclass(frozen=True)
class Config:
    """A configuration that was read: wishes for the model, by type and by name."""

    model: Wanted
    types: dict[str, Wanted]
    names: dict[str, Wanted]

    def of(self, part: Part) -> Wanted:
        """Return what is asked of a part: by name before type before model."""
        wanted = self.model
        for key, table in ((part.kind, self.types), (part.name, self.names)):
            if key in table:
                wanted = table[key].over(wanted)
        return wanted


def config_from_keras_model(
    model: Any,
    granularity: str = "model",
    backend: str | None = None,
    default_precision: str = "fixed<16,6>",
    default_reuse_factor: int = 1,
    max_precision: str | None = None,
) -> dict[str, Any]:
    """Return a configuration to be changed and given to `convert_from_keras_model`.

    Args:
        model: a live model, or the path of a file.
        granularity: `model`, `type` or `name`: for what there are keys.
        backend: accepted and not used; RTL is written for the device.
        default_precision: of everything that nothing else is said of.
        default_reuse_factor: likewise.
        max_precision: must be None; formats are never narrowed in silence.

    Raises:
        OptionError: an argument cannot be honoured.
        GatewrightError: the model is not handled.
    """
    return _config(model, granularity, default_precision, default_reuse_factor, max_precision)


config_from_onnx_model = config_from_keras_model


def config_from_pytorch_model(
    model: Any,
    input_shape: Any = None,
    granularity: str = "model",
    backend: str | None = None,
    default_precision: str = "fixed<16,6>",
    default_reuse_factor: int = 1,
    channels_last_conversion: str = "full",
    transpose_outputs: bool = False,
    max_precision: str | None = None,
) -> dict[str, Any]:
    """Return a configuration as `config_from_keras_model` does.

    Args:
        model: a module, or an exported program.
        input_shape: of one sample, or of each input; needed for a module.
        granularity: `model`, `type` or `name`: for what there are keys.
        backend: accepted and not used.
        default_precision: of everything that nothing else is said of.
        default_reuse_factor: likewise.
        channels_last_conversion: accepted; inputs and results keep PyTorch's layout.
        transpose_outputs: likewise.
        max_precision: must be None.
    """
    config = _config(
        model, granularity, default_precision, default_reuse_factor, max_precision, input_shape
    )
    if input_shape is not None:
        config["InputShape"] = input_shape
    return config


def _config(
    model: Any,
    granularity: str,
    precision: str,
    reuse: int,
    max_precision: str | None,
    input_shape: Any = None,
) -> dict[str, Any]:
    if granularity not in GRANULARITIES or max_precision is not None:
        named = granularity not in GRANULARITIES
        raise OptionError(
            "the granularity is not known" if named else "`max_precision` is not honoured",
            found=granularity if named else max_precision,
            supported=", ".join(GRANULARITIES) if named else "None: sums keep all their bits",
        )
    if parse_precision(precision, "the model") is None:
        raise OptionError("the default precision must be a format", found=precision)
    config: dict[str, Any] = {
        "Model": {
            "Precision": {"default": precision},
            "ReuseFactor": reuse,
            "Strategy": "Latency",
            "BramFactor": 1_000_000_000,
            "TraceOutput": False,
        }
    }
    if granularity == "model":
        return config
    parts = parts_of(read_model(model, inputs=input_shape), list_layers(model, input_shape))
    key = "LayerType" if granularity == "type" else "LayerName"
    entries: dict[str, Any] = {}
    for part in parts:
        entry: dict[str, Any] = {"Precision": dict.fromkeys(part.roles, "auto")}
        if "weight" in part.roles:
            entry["ReuseFactor"] = reuse
        if granularity == "name":
            entry = {"Trace": False, **entry}
        entries.setdefault(part.kind if granularity == "type" else part.name, entry)
    return {**config, key: entries}


def read_config(config: Mapping[str, Any] | None, parts: list[Part]) -> Config:
    """Read a configuration for a model's parts.

    Raises:
        OptionError, ManyErrors: a key is not known, cannot be honoured, or names no layer.
    """
    config = {"Model": {}} if config is None else config
    diagnostics = Diagnostics()
    for key in set(config) - {"Model", "LayerType", "LayerName", "InputShape", "SkipOptimizers"}:
        with diagnostics.gather():
            raise _not_honoured(f"[{key!r}]", config[key], "Model, LayerType and LayerName")
    if config.get("SkipOptimizers"):
        with diagnostics.gather():
            raise _not_honoured("['SkipOptimizers']", config["SkipOptimizers"], "an empty list")
    model = Wanted()
    with diagnostics.gather():
        model = _wanted(config.get("Model", {}), "['Model']", diagnostics)
    tables = []
    for key, known in (
        ("LayerType", [p.kind for p in parts]),
        ("LayerName", [p.name for p in parts]),
    ):
        table = {}
        for name, entry in dict(config.get(key, {})).items():
            where = f"[{key!r}][{name!r}]"
            with diagnostics.gather():
                if name not in known:
                    raise OptionError(
                        f"the configuration names no part of the model: {where}",
                        found=name,
                        supported=", ".join(dict.fromkeys(known)),
                        remedy="make the configuration anew from the model",
                    )
                table[name] = _wanted(entry, where, diagnostics)
        tables.append(table)
    for key, table in zip(("LayerType", "LayerName"), tables, strict=True):
        for name, wanted in table.items():
            named = [p for p in parts if name == (p.kind if key == "LayerType" else p.name)]
            with diagnostics.gather():
                _check_roles(f"[{key!r}][{name!r}]", wanted, named)
    diagnostics.raise_if_any()
    return Config(model, *tables)


def _check_roles(where: str, wanted: Wanted, parts: list[Part]) -> None:
    """Refuse a precision that no part of those named would take."""
    for role, precision in wanted.precision.items():
        if precision is None:
            continue
        free = [part for part in parts if not part.own]
        if not free:
            raise _not_honoured(
                f"{where}['Precision']", str(precision.fmt), "auto: the model quantizes this layer"
            )
        if role != "default" and not any(role in part.takes for part in free):
            known = sorted({role for part in free for role in part.takes})
            raise _not_honoured(
                f"{where}['Precision'][{role!r}]", str(precision.fmt), ", ".join(known)
            )


def _wanted(entry: Any, where: str, diagnostics: Diagnostics) -> Wanted:
    """Read the keys of one entry."""
    if not isinstance(entry, Mapping):
        raise _not_honoured(where, entry, "a dictionary")
    precision: dict[str, Precision | None] = {}
    reuse: int | None = None
    strategy: str | None = None
    for key, value in entry.items():
        with diagnostics.gather():
            at = f"{where}[{key!r}]"
            if key == "Precision":
                precision |= _precisions(value, at)
            elif key in TABLES:
                precision[TABLES[key]] = parse_precision(value, at)
            elif key == "ReuseFactor":
                reuse = _reuse(value, at)
            elif key == "Strategy":
                strategy = _strategy(value, at)
            elif key == "Trace" and isinstance(value, bool):
                continue  # every part can be traced, whether asked for or not
            elif key not in HARMLESS or value not in HARMLESS[key]:
                known = ["Precision", "ReuseFactor", "Strategy", "Trace"]
                known += [f"{k}={v[0]}" for k, v in HARMLESS.items()]
                raise _not_honoured(at, value, ", ".join(known))
    return Wanted(precision, reuse, strategy)


def _precisions(value: Any, where: str) -> dict[str, Precision | None]:
    """Read one precision for all, or some by role."""
    given = value if isinstance(value, Mapping) else {"default": value}
    for role in given:
        if role not in ROLES:
            raise _not_honoured(f"{where}[{role!r}]", given[role], ", ".join(ROLES))
    return {role: parse_precision(text, where) for role, text in given.items()}


def _reuse(value: Any, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise _not_honoured(where, value, "whole numbers from 1")
    return value


def _strategy(value: Any, where: str) -> str:
    name = str(value).lower()
    if name not in (*PARALLEL_STRATEGIES, *FOLDED_STRATEGIES):
        names = ", ".join((*PARALLEL_STRATEGIES, *FOLDED_STRATEGIES))
        raise _not_honoured(where, value, names)
    return name


def _not_honoured(where: str, found: Any, supported: str) -> OptionError:
    return OptionError(
        f"a key of the configuration cannot be honoured: {where}",
        found=repr(found)[:200],
        supported=supported,
        remedy="remove the key; docs/guides/moving-from-hls4ml.md says what takes its place",
    )
