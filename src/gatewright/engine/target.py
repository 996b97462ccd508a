"""The processor that the engine compiles for: its name, its features, its vector length."""

from __future__ import annotations

from dataclasses import dataclass

import llvmlite.binding as llvm


@dataclass(frozen=True)
class Target:
    """A processor as LLVM names it.

    Attributes:
        triple: architecture and operating system.
        cpu: processor model, which also chooses LLVM's instruction costs.
        features: what the processor can do, `+avx2,-avx512f,...`.
        vector_bits: length of the widest integer vector register.
    """

    triple: str
    cpu: str
    features: str
    vector_bits: int

    @classmethod
    def host(cls) -> Target:
        """Return the processor that we run on."""
        _initialise()
        features = dict(llvm.get_host_cpu_features())
        triple = str(llvm.get_process_triple())
        flat = ",".join(f"{'+' if on else '-'}{name}" for name, on in sorted(features.items()))
        return cls(triple, str(llvm.get_host_cpu_name()), flat, _vector_bits(features))

    @classmethod
    def baseline(cls) -> Target:
        """Return the oldest processor of the host's architecture: 128-bit vectors, no extension."""
        _initialise()
        return cls(str(llvm.get_process_triple()), "", "", 128)

    def has(self, feature: str) -> bool:
        """Whether the processor has a feature that LLVM names so."""
        return f"+{feature}" in self.features.split(",")

    def machine(self, level: int) -> llvm.TargetMachine:
        """Return LLVM's code generator for it; `level` is the effort from 0 to 3."""
        target = llvm.Target.from_triple(self.triple)
        return target.create_target_machine(
            cpu=self.cpu, features=self.features, opt=level, reloc="pic", codemodel="default"
        )


def _initialise() -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


def _vector_bits(features: dict[str, bool]) -> int:
    """Return the widest vector that computes on 8- and 16-bit integers (SSE2 and NEON: 128)."""
    if features.get("avx512bw") and features.get("avx512vl") and features.get("avx512dq"):
        return 512
    return 256 if features.get("avx2") else 128
