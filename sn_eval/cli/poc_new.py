"""`sn-eval poc new`: an experiment file that explains itself, from a few answers."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from sn_eval.cli.components import RewardParam, reward_named
from sn_eval.cli.console import AsJson, print_json, say
from sn_eval.results.files import ResultsError, write_whole

Option = typer.Option
LANGUAGES = ("en", "ja")


def new(
    file: Annotated[Path | None, typer.Argument(help="Where it is written [NAME.yaml].")] = None,
    name: Annotated[str | None, Option(help="What the experiment is called [my-poc].")] = None,
    about: Annotated[str, Option(help="The question that it answers, in a sentence.")] = "",
    model: Annotated[
        str | None, Option(help="tabletop, a model folder, a hub id, pkg.mod:attr or file.py:attr [tabletop].")
    ] = None,
    reward: Annotated[str | None, Option(help="What the search looks for [tabletop_quality].")] = None,
    reward_param: RewardParam = None,
    evaluator: Annotated[
        list[str] | None,
        Option(help="What judges the videos; repeat for several [consistency and motion, of another family]."),
    ] = None,
    method: Annotated[
        list[str] | None, Option(help="A way to make videos; repeat [plain, best_of_n, scaling_noise].")
    ] = None,
    prompts: Annotated[
        Path | None, Option(help="Text file with a prompt a line, or a YAML list [examples, to be replaced].")
    ] = None,
    budget: Annotated[
        list[float] | None, Option(help="What a video may cost, in plain videos; repeat for several [4].")
    ] = None,
    seeds: Annotated[int, Option(min=1, help="Repetitions of every prompt.")] = 2,
    chunks: Annotated[int | None, Option(min=1, help="Pieces of a video [6].")] = None,
    currency: Annotated[str | None, Option(help="Of the report: three letters [JPY].")] = None,
    price: Annotated[str | None, Option(help="Id of a row of data/prices.yaml, in place of a rate to fill in.")] = None,
    lang: Annotated[str, Option(help="Language of the comments: en or ja.")] = "en",
    force: Annotated[bool, Option("--force", help="Replace a file that is there.")] = False,
    yes: Annotated[bool, Option("--yes", "-y", help="Ask nothing: what is not given keeps its default.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write an experiment file to change: commented, valid, with no invented amount of money.

    On a terminal it asks for what is not given; --yes, --json or no terminal asks nothing.

    Examples:

      sn-eval poc new

      sn-eval poc new shop.yaml --prompts prompts.txt --reward my_shop.py:my_shop --budget 2 --budget 4 --lang ja
    """
    if lang not in LANGUAGES:
        raise ResultsError(f"--lang {lang!r}: choose one of {', '.join(LANGUAGES)}")
    if price is not None:
        from sn_eval.decision.prices import load_prices

        load_prices().row(price)
    ask = _asking if _terminal() and not (yes or as_json) else _keeping
    name = name or ask("Name of the experiment", file.stem if file else "my-poc")
    path = file or Path(f"{name}.yaml")
    if path.exists() and not force:
        raise ResultsError(f"{path} is there already: choose another file, or replace it with --force")
    model = model or ask("Video model (a name, a folder or a hub id)", "tabletop")
    reward = reward or ask("Reward that the search maximises", "tabletop_quality")
    if prompts is None and (given := ask("File with a prompt a line (empty: examples)", "")):
        prompts = Path(given)
    amounts = budget or _amounts(ask("Budgets a video, in plain videos, separated by commas", "4"))
    currency = currency or ask("Currency of the report", "JPY")
    answers = _answers(
        name, about, model, reward_named(reward, reward_param), evaluator, method, prompts,
        {"budgets": tuple(amounts), "seeds": seeds, "chunks": chunks, "currency": currency.upper(), "price": price},
    )  # fmt: skip
    _write(path, answers, lang)
    following = [f"sn-eval poc plan {path}", f"sn-eval poc headroom {path}", f"sn-eval poc run {path}"]
    if as_json:
        print_json({"file": path, "next": following})
        return
    say(f"wrote {path}: read it once, and fill in what says so; next:")
    for command in following:
        say(f"  {command}")


def _terminal() -> bool:
    """Whether somebody is there to be asked."""
    return sys.stdin.isatty()


def _keeping(question: str, default: str) -> str:
    return default


def _asking(question: str, default: str) -> str:
    return str(typer.prompt(question, default=default, show_default=bool(default), err=True))


def _amounts(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise ResultsError(f"budgets {text!r}: give numbers separated by commas, such as 2,4") from error


def _answers(
    name: str, about: str, model: str, reward: Any, evaluators: list[str] | None, methods: list[str] | None,
    prompts: Path | None, rest: dict[str, Any],
) -> Any:  # fmt: skip
    """What was given and what stands in for the rest, once every name is known."""
    import rewards
    from sn_eval import metrics, models, search
    from sn_eval.poc import scaffold
    from sn_eval.poc.spec import model_named
    from sn_eval.results.experiment import Prompt
    from sn_eval.results.record import Component

    named, ways = model_named(model), tuple(methods or scaffold.METHODS)
    models.resolve(named.use)
    rewards.resolve(reward.use)
    for use in evaluators or ():
        metrics.resolve(use)
    for use in ways:
        search.resolve(use)
    judges = tuple(Component(use=use) for use in evaluators or ()) or scaffold.judges_for(reward)
    if prompts:
        filmed = scaffold.read_prompts(prompts)
    else:
        filmed = scaffold.with_split([Prompt(text=text) for text in scaffold.EXAMPLES])
    return scaffold.Answers(name, named, reward, judges, filmed, ways, about=about, **rest)


def _write(path: Path, answers: Any, lang: Any) -> None:
    """The file, once it is known to load."""
    from sn_eval.poc.scaffold import scaffold
    from sn_eval.results.experiment_file import parse_experiment

    text = scaffold(answers, lang)
    parse_experiment(text, "what was given makes no experiment")
    write_whole(path, text)
