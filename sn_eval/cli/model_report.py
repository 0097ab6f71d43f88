"""What `sn-eval models check` found, in tables, in a sentence of advice, and for machines."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sn_eval.cli.console import duration, say, show_table
from sn_eval.cli.model_check import SAME, Facts, Measured, Trial, best_batch
from sn_eval.cli.preview_worth import Worth, recommended

IMAGES = {
    "given": "the given image",
    "none": "needs none",
    "built in": "a rendered table, as none was given (--image)",
}


@dataclass(frozen=True)
class Report:
    """A check of one model. start_image: a key of IMAGES. worth: empty where `reward` is None (--quick)."""

    model: str
    adapter: str
    load_seconds: float
    start_image: str
    measured: Measured
    worth: Sequence[Worth]
    prompts: Sequence[str]
    reward: str | None

    @property
    def passed(self) -> bool:
        """Whether the noise, and the past, decide what is shown."""
        return all(trial.passed for trial in self.measured.noise)

    @property
    def best(self) -> Worth | None:
        """The look to search with."""
        return recommended(self.worth)

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        found = self.measured
        parts = {"chunk": found.chunk, "previews": found.previews, "batching": found.batching, "noise": found.noise}
        looks = [asdict(row.report) | {"preview": row.preview, "nfe": row.nfe} for row in self.worth]
        return {
            "model": self.model,
            "adapter": self.adapter,
            **asdict(found.facts),
            "load_seconds": self.load_seconds,
            "start_image": self.start_image,
            **parts,
            "passed": self.passed,
            "reward": self.reward,
            "prompts": list(self.prompts),
            "looks": looks,
            "recommended": self._recommended(),
            "advice": self.advice(),
        }

    def show(self) -> None:
        """For people."""
        self._show_model()
        self._show_costs()
        rows = [(t.what, "yes" if t.passed else "NO", t.largest, t.mean) for t in self.measured.noise]
        note = f"Differences of two chunks, in levels of 255; up to {SAME} count as the same."
        show_table("Whether the noise decides", ("", "holds", "largest", "mean"), rows, note)
        if self.reward is not None:
            show_worth(self.worth, f"Previews of {self.model}, judged by {self.reward}")
        say(self.advice())

    def advice(self) -> str:
        """What to search with, in words."""
        found = self.measured
        said = [failure(trial) for trial in found.noise if not trial.passed]
        said += [] if self.reward is None else [in_words(self.best, found.chunk.steps)]
        settings = self._recommended()
        said.append(f"--max-batch {settings['max_batch']}, dtype {settings['dtype']} on {found.facts.device}.")
        if found.facts.noise_control == "generator":
            said.append("Noise only seeds the pipeline: use --proposals gaussian.")
        return " ".join(said)

    def _recommended(self) -> dict[str, Any]:
        best, facts = self.best, self.measured.facts
        return {
            "preview": best and best.preview,
            "look": best and best.report.look,
            "max_batch": best_batch(self.measured.batching),
            "dtype": best_dtype(facts),
        }

    def _show_model(self) -> None:
        found, chunk = self.measured.facts, self.measured.chunk
        peak = chunk.peak_memory
        memory = f"{(peak.value or 0) / 2**20:,.0f} MiB ({peak.how})"
        parameters = f"{found.parameters:,} that denoise, {found.all_parameters:,} in all"
        rows = [
            ("class", found.pipeline or found.kind),
            ("adapter", f"{self.adapter}, {'stepwise' if found.capability == 'stepwise' else 'black box'}"),
            ("device", f"{found.device}: {found.device_name}"),
            ("dtype", found.dtype),
            ("parameters", parameters),
            ("loaded in", duration(self.load_seconds)),
            ("start image", IMAGES[self.start_image]),
            ("noise given as", found.noise_control),
            ("a chunk", f"{chunk.frames} frames of {chunk.width}x{chunk.height} in {chunk.steps} steps"),
            ("peak memory", memory),
        ]
        show_table(self.model, ("", ""), rows)

    def _show_costs(self) -> None:
        chunk = self.measured.chunk
        rows: list[tuple[Any, ...]] = [
            ("a finished chunk", chunk.evaluations, chunk.seconds),
            ("of which an evaluation", 1, chunk.seconds_per_evaluation),
            ("of which decoding", 0, chunk.decode_seconds),
        ]
        rows += [(f"{p.preview} preview, look {p.look}", p.evaluations, p.seconds) for p in self.measured.previews]
        show_table("Cost of one sample", ("", "NFE", "seconds"), rows)
        batches = [
            (b.batch, b.seconds_per_evaluation, "" if b.seconds_per_evaluation is not None else "out of memory")
            for b in self.measured.batching
        ]
        show_table("Samples in one call", ("batch", "seconds an evaluation", ""), batches)


def best_dtype(facts: Facts) -> str:
    """bfloat16 where a GPU runs a pipeline's float32 (half the memory, no overflow), else what it is; a CPU is fastest
    and safest in float32."""
    if facts.device.startswith("cuda"):
        return "bfloat16" if facts.pipeline is not None and facts.dtype == "float32" else facts.dtype
    return "float32"


def failure(trial: Trial) -> str:
    """What a failed trial means."""
    return (
        f"NOT SO: {trial.what} (differs by up to {trial.largest:.0f} of 255): a search over noise cannot work; see how "
        "the adapter hands its noise and its past on."
    )


def show_worth(worth: Sequence[Worth], title: str) -> None:
    """The table of all looks."""
    rows = [
        (row.preview, row.report.look, row.nfe, row.report.rho, row.report.rho_sd, row.report.gain,
         row.report.best_gain, row.report.contexts)
        for row in worth
    ]  # fmt: skip
    columns = ("preview", "look", "NFE", "rank corr.", "± sd", "gain of its pick", "of at most", "contexts")
    note = "NFE: denoiser evaluations of one preview. Gain: in the finished chunk's score, over the average."
    show_table(title, columns, rows, note)


def in_words(best: Worth | None, steps: int) -> str:
    """The advice in a sentence."""
    if best is None:
        return (
            "No look picks better than chance here: finish every candidate (best_of_n), try later looks, "
            "or a reward that tells these candidates apart."
        )
    share = best.report.gain / best.report.best_gain if best.report.best_gain else 0.0
    return (
        f"Recommended: --preview {best.preview} --look {best.report.look} (of {steps} steps): its pick keeps "
        f"{share:.0%} of what the best candidate gains, for {best.nfe} evaluations a candidate."
    )
