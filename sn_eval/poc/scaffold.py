"""Writes an experiment file that explains itself: everything that can be known is filled in, and no money is invented.

The text is built from the answers and a catalogue of comments in English and Japanese. It loads as it is, and amounts
of money are `value: null` until somebody who knows fills them in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import JsonValue, TypeAdapter, ValidationError

import rewards
from rewards.base import UserError
from sn_eval import metrics
from sn_eval.results.experiment import Prompt, short
from sn_eval.results.record import Component

Lang = Literal["en", "ja"]

EXAMPLES = (
    "a red ball rolls to the left, on a wooden table, grey wall, white light from the left",
    "a blue cube slides to the right, on a marble table, beige wall, warm light from the right",
    "a green ball rolls back and forth, on a white table, pink wall, cool light from the left",
    "a yellow bottle stands still, a purple ball rolls to the right, on a black table, mint wall, white light",
    "a red cube turns, on a wooden table, sky wall, warm light from the left",
    "a blue ball rolls toward a glass of red wine, on a marble table, grey wall, cool light from the right",
)
"""Prompts that the embedded model understands; a user's own replace them."""

METHODS = ("plain", "best_of_n", "scaling_noise")
ROLLOUTS: dict[str, dict[str, JsonValue]] = {
    "tabletop": {"steps": 8, "chunks": 6},
    "image_to_video": {"steps": 25, "chunks": 6, "preview": "coarse"},  # a black box has no early preview
}
CONSISTENCY = (
    Component(use="anchor_consistency", params={"encoder": "imagenet-lite0@96"}),
    Component(use="object_persistence"),
    Component(use="lighting_consistency"),
)
MOTION = (Component(use="motion_floor"), Component(use="dynamic_degree"))


@dataclass(frozen=True)
class Answers:
    """What a user is asked. budgets: in plain videos. dev: share of the prompts that settings are chosen on.

    price: id of a row of prices.yaml, or None where the price is still to be filled in. chunks: length of a video.
    """

    name: str
    model: Component
    reward: Component
    evaluators: tuple[Component, ...]
    prompts: tuple[Prompt, ...]
    methods: tuple[str, ...] = METHODS
    budgets: tuple[float, ...] = (4.0,)
    seeds: int = 2
    chunks: int | None = None
    currency: str = "JPY"
    price: str | None = None
    about: str = ""


def read_prompts(path: Path) -> tuple[Prompt, ...]:
    """Prompts of a text file (one a line, # comments) or a YAML list, whose items may have group, split, schedule."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix not in (".yaml", ".yml"):
            lines = [line.strip() for line in text.splitlines()]
            found: Any = [line for line in lines if line and not line.startswith("#")]
        else:
            data = yaml.safe_load(text)
            found = data.get("prompts") if isinstance(data, dict) else data
        items = [{"text": item} if isinstance(item, str) else item for item in found or ()]
        prompts = TypeAdapter(tuple[Prompt, ...]).validate_python(items)
    except UnicodeDecodeError as error:
        raise UserError(f"prompts {path} are no UTF-8 text (byte {error.start}): save the file as UTF-8") from error
    except OSError as error:
        raise UserError(
            f"cannot read prompts {path}: {error.strerror}. Name a text file with a prompt a line"
        ) from error
    except yaml.YAMLError as error:
        raise UserError(f"prompts {path} are no YAML: {' '.join(str(error).split())}") from error
    except (ValidationError, TypeError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else {"loc": ("prompts",), "msg": str(error)}
        where = ".".join(map(str, first["loc"]))
        raise UserError(
            f"prompts {path}: item {where}: {first['msg']}; give texts, or {{text: …, group: …}}"
        ) from error
    return with_split(tuple({prompt.text: prompt for prompt in prompts}.values()))


def with_split(prompts: Sequence[Prompt], share: float = 1 / 3) -> tuple[Prompt, ...]:
    """The prompts with a share of them marked dev, spread evenly; as they are where some are marked already.

    >>> [p.split for p in with_split([Prompt(text=t) for t in "abcdef"])]
    ['confirm', 'dev', 'confirm', 'confirm', 'dev', 'confirm']
    """
    if len(prompts) < 2:
        raise UserError(f"{len(prompts)} prompt: give two or more, one to choose settings on and one to judge them on")
    if any(prompt.split == "dev" for prompt in prompts):
        return tuple(prompts)
    count = max(1, round(len(prompts) * share))
    dev = {int((i + 0.5) * len(prompts) / count) for i in range(count)}
    return tuple(p.model_copy(update={"split": "dev"}) if i in dev else p for i, p in enumerate(prompts))


def judges_for(reward: Component) -> tuple[Component, ...]:
    """Evaluators that measure otherwise than the reward does, motion last; UserError where the reward cannot be made.

    One about consistency and one about motion: a frozen video is consistent, too.
    """
    searched = set(rewards.create(reward.use, **reward.params).spec.families)
    chosen = []
    for choices in (CONSISTENCY, MOTION):
        free = [
            judge for judge in choices if not searched & set(metrics.create(judge.use, **judge.params).spec.families)
        ]
        chosen += free[:1]
    if not chosen:
        raise UserError(
            f"every usual evaluator measures as {reward.use!r} does: name one of another family, --evaluator"
        )
    return tuple(chosen)


def scaffold(answers: Answers, lang: Lang = "en") -> str:
    """The experiment file, with a comment in front of every part."""
    sections = (_what, _judges, _methods, _prompts, _decision, _prices, _business)
    return "\n\n".join(section(answers, lang) for section in sections) + "\n"


# --- the parts --------------------------------------------------------------------------------------------


def _what(answers: Answers, lang: Lang) -> str:
    how = dict(ROLLOUTS.get(answers.model.use, {"chunks": 6}))
    how |= {} if answers.chunks is None else {"chunks": answers.chunks}
    return "\n".join([
        _said("head", lang),
        f"name: {answers.name}",
        f"about: {_text(answers.about or _line('about', lang))}",
        "",
        _said("model", lang),
        f"model: {_component(answers.model)}",
        _said("rollout", lang),
        f"rollout: {_component(Component(use='chunk', params=how))}",
    ])  # fmt: skip


def _judges(answers: Answers, lang: Lang) -> str:
    return "\n".join([
        _said("reward", lang),
        f"reward: {_component(answers.reward)}",
        "",
        _said("evaluators", lang),
        "evaluators:",
        *(f"  - {_component(judge)}" for judge in answers.evaluators),
    ])  # fmt: skip


def _methods(answers: Answers, lang: Lang) -> str:
    baseline = next((method for method in answers.methods if method == "plain"), answers.methods[0])
    return "\n".join([
        _said("methods", lang),
        "methods:",
        *(f"  - {'{use: plain, budget: own}' if use == 'plain' else _text(use)}" for use in answers.methods),
        f"baseline: {_text(baseline)}",
        "",
        _said("budget", lang),
        f"budget: {{unit: videos, amounts: [{', '.join(f'{amount:g}' for amount in answers.budgets)}]}}",
        "",
        _said("seeds", lang),
        f"seeds: [{', '.join(map(str, range(answers.seeds)))}]",
    ])  # fmt: skip


def _prompts(answers: Answers, lang: Lang) -> str:
    examples = {prompt.text for prompt in answers.prompts} <= set(EXAMPLES)
    lines = [_said("prompts", lang), *([_said("examples", lang)] if examples else []), "prompts:"]
    for prompt in answers.prompts:
        more = {k: v for k, v in prompt.model_dump(mode="json", exclude_defaults=True).items() if k != "text"}
        lines.append(f"  - {f'text: {_text(prompt.text)}' if more else _text(prompt.text)}")
        lines += [f"    {key}: {_flow(value)}" for key, value in more.items()]
    return "\n".join(lines)


def _decision(answers: Answers, lang: Lang) -> str:
    first = short(answers.evaluators[0].use)
    criteria = [
        line
        for judge in answers.evaluators
        for line in (f"#   - evaluator: {_text(short(judge.use))}", "#     at_least: 0.8", '#     because: ""')
    ]
    moving = [judge for judge in answers.evaluators if judge.use in ("motion_floor", "dynamic_degree", "moving_share")]
    guards = [f"    - {{evaluator: {_text(short(judge.use))}, margin: 0.05}}" for judge in moving]
    return "\n".join([
        _said("acceptance", lang),
        "# acceptance:",
        *criteria,
        "",
        _said("primary", lang),
        "primary:",
        f"  - outcome: {_text(first)}",
        "    minimum_effect: 0.02",
        "",
        _said("rules", lang),
        "rules:",
        "  confidence: 0.95",
        "  chance_of_profit: 0.8",
        *(["  no_worse:", *guards] if guards else []),
        "",
        _said("looks", lang),
        "looks: {at: [1.0]}",
    ])  # fmt: skip


def _prices(answers: Answers, lang: Lang) -> str:
    unit = "CPU-hour" if answers.model.use == "tabletop" else "GPU-hour"
    rate = [
        "  rate:",
        f"    value: null  # {_line('rate', lang)}",
        f"    currency: {answers.currency}",
        f"    unit: {unit}  # GPU-hour, CPU-hour, machine-hour",
        f"    as_of: {date.today().isoformat()}  # {_line('as_of', lang)}",
        f"    source: {_fill('rate_source', lang)}",
    ]
    return "\n".join([
        _said("prices", lang),
        "prices:",
        *([f"  use: {_text(answers.price)}"] if answers.price else rate),
        f"  utilisation: {_amount('utilisation', lang)}",
        f"  currency: {answers.currency}",
        f"  tax_included: false  # {_line('tax_included', lang)}",
        _said("exchange", lang, indent="  "),
        f"  # exchange: {{of: USD, to: {answers.currency}, rate: , on: , source: \"\"}}",
    ])  # fmt: skip


def _business(answers: Answers, lang: Lang) -> str:
    amounts = (
        "videos_per_month", "minutes_per_video", "review", "rejection", "fallback", "one_off", "monthly", "discount",
    )  # fmt: skip
    lines = [_said("business", lang).replace("CURRENCY", answers.currency), "business:"]
    lines.append(f"  attempts_cap: 3  # {_line('attempts_cap', lang)}")
    for key in amounts:
        lines += [f"  # {_line(key, lang)}", f"  {key}: {_amount(key, lang)}"]
    return "\n".join([*lines, f"  months: 36  # {_line('months', lang)}", f"  ramp: [1.0]  # {_line('ramp', lang)}"])


# --- how it is written ------------------------------------------------------------------------------------


def _amount(key: str, lang: Lang) -> str:
    """An amount that nobody has given yet."""
    return f"{{value: null, source: {_fill(key, lang)}}}"


def _fill(key: str, lang: Lang) -> str:
    return _text({"en": "fill in: ", "ja": "記入してください: "}[lang] + _line(f"{key}?", lang))


def _component(part: Component) -> str:
    return _flow(part.model_dump(mode="json", exclude_defaults=True) if part.params else part.use)


def _flow(value: Any) -> str:
    """Data as YAML writes it on one line."""
    if isinstance(value, str):
        return _text(value)
    text: str = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**6, sort_keys=False)
    return text.removesuffix("...\n").strip()


def _text(value: str) -> str:
    """A text as YAML writes it: bare where that is read as the same text, else in quotes."""
    bare: str = yaml.safe_dump(value, allow_unicode=True, width=10**6).removesuffix("...\n").strip()
    if bare == value:
        return value
    quoted: str = yaml.safe_dump(value, default_style='"', allow_unicode=True, width=10**6)
    return quoted.strip()


def _line(key: str, lang: Lang) -> str:
    return WORDS[key][lang == "ja"]


def _said(key: str, lang: Lang, indent: str = "") -> str:
    """The comment of a part."""
    return "\n".join(f"{indent}# {line}".rstrip() for line in _line(key, lang).split("\n"))


WORDS: dict[str, tuple[str, str]] = {
    "head": (
        "An experiment for sn-eval: what is made, what judges it, what it costs, and what decides.\n"
        "Look before you run:  sn-eval poc plan FILE        Run:  sn-eval poc run FILE\n"
        "Change anything; a mistake is told with its line. Decide the rules before the run: they are dated.",
        "sn-eval の実験定義ファイル: 何を生成し、何で評価し、いくらかかり、何をもって判断するか。\n"
        "実行前の見積り: sn-eval poc plan FILE        実行: sn-eval poc run FILE\n"
        "どこを書き換えてもよく、誤りは行番号つきで示されます。判断基準は実行前に決めてください(日付が記録されます)。",
    ),
    "about": (
        "Does searching the noise make better videos than plain sampling, at equal cost?",
        "同じ費用のとき、ノイズ探索は通常の生成より良い動画を作るか。",
    ),
    "model": (
        "The video model: tabletop (embedded, runs on any machine), pkg.mod:attr, file.py:attr, or\n"
        "{use: image_to_video, params: {path: FOLDER_OR_HUB_ID}} for a diffusers pipeline.",
        "動画モデル: tabletop(内蔵。どのマシンでも動く)、pkg.mod:attr、file.py:attr、または diffusers の\n"
        "パイプラインなら {use: image_to_video, params: {path: フォルダーまたはハブのID}}。",
    ),
    "rollout": (
        "How a long video is made: piece by piece (chunk). More chunks: a longer video.",
        "長い動画の作り方: チャンクを順につなぐ(chunk)。chunks を増やすと動画が長くなります。",
    ),
    "reward": (
        "What the search looks for while it makes a video. sn-eval rewards list names them.",
        "探索が動画を作りながら最大にする報酬。一覧: sn-eval rewards list",
    ),
    "evaluators": (
        "What judges the finished videos. None may measure as the reward does (same family): a search is not judged\n"
        "by what it maximised. sn-eval metrics list names them. One about motion: a frozen video is consistent, too.",
        "完成した動画を評価する指標。報酬と同じ測り方(同じ family)のものは使えません: 探索を、探索が最大にした\n"
        "もので評価しないためです。一覧: sn-eval metrics list。動きの指標も入れます(静止した動画も一貫しているため)。",
    ),
    "methods": (
        "The ways to make a video that are compared. Each but the baseline is sized to every budget below.",
        "比較する生成方法。基準(baseline)以外は、下の各予算に合わせて規模が決まります。",
    ),
    "budget": (
        "What one delivered video may cost, in plain videos: 4 means as much computing as 4 plain videos take.",
        "納品する動画1本にかけてよい計算量(通常の動画の本数で): 4 なら通常の動画4本分の計算。",
    ),
    "seeds": (
        "Repetitions of every prompt; methods are compared on the same prompt and seed.",
        "各プロンプトの繰り返し。比較は同じプロンプト・同じシードどうしで行います。",
    ),
    "prompts": (
        "What is filmed. Settings are chosen on prompts with split: dev and judged once on the others (confirm).\n"
        "Optional for each: group (for acceptance criteria), schedule (one prompt a chunk), image (first frame,\n"
        "which an image-to-video model needs).",
        "撮影内容。設定は split: dev のプロンプトで選び、残り(confirm)で一度だけ評価します。\n"
        "任意: group(合格基準の適用先)、schedule(チャンクごとのプロンプト)、image(最初のフレーム。\n"
        "image-to-video モデルでは必須)。",
    ),
    "examples": (
        "These are examples: replace them with what your business films. poc plan says how many are needed.",
        "以下は例です。自社の題材に置き換えてください。必要な数は poc plan が示します。",
    ),
    "acceptance": (
        "When is a video good enough to deliver? Look at plain videos first (sn-eval poc headroom FILE shows their\n"
        "scores), choose thresholds that your reviewers agree with, and take the # away. 0.8 is only an example.\n"
        "With criteria, the primary outcome below can be acceptance; without them there is no return on investment.\n"
        "More keys: at_most, groups: [..], critical: true (no method may be worse in it).",
        "どの動画なら納品できるか。まず通常の動画を見て(sn-eval poc headroom FILE が得点を示します)、確認担当者が\n"
        "納得する閾値を決め、# を外してください。0.8 は例にすぎません。\n"
        "基準があれば下の主要評価項目を acceptance にできます。基準がなければ投資対効果は計算できません。\n"
        "他のキー: at_most、groups: [..]、critical: true(どの方法もこれを悪化させてはならない)。",
    ),
    "primary": (
        "The one comparison that decides, and the least difference worth having, in that outcome's unit: an example,\n"
        "decide it now. With acceptance criteria:  outcome: acceptance  and  minimum_effect: 0.1  (ten points).",
        "判断を決める唯一の比較と、意味のある最小の差(その指標の単位)。値は例です。今決めてください。\n"
        "合格基準を置いたら  outcome: acceptance、minimum_effect: 0.1(10ポイント)とします。",
    ),
    "rules": (
        "What makes a Go. no_worse: measurements that may not fall by more than their margin.",
        "Go の条件。no_worse: margin より大きく下がってはならない指標。",
    ),
    "looks": (
        "When results may be looked at, as shares of the confirm prompts. More than one look is paid for in certainty.",
        "結果を見てよい時点(confirm プロンプトの割合)。途中で見る回数が増えるほど、判定は慎重になります。",
    ),
    "prices": (
        "What an hour of computing costs: a rate, or  use: ID  of a row of data/prices.yaml, or  owned: …\n"
        "No amount has a default. With value: null everything but money is computed, and the verdict can be no Go.",
        "計算1時間の費用: rate、または data/prices.yaml の行の  use: ID、または  owned: …\n"
        "金額に既定値はありません。value: null のままでは金額以外だけが計算され、Go の判定は出ません。",
    ),
    "rate": ("money for one hour, in the currency below", "1時間の金額(下の通貨)"),
    "as_of": ("the day on which the price held", "価格を確認した日"),
    "rate_source?": ("who asks this price, and where it is written", "この価格の提示元と、書かれている場所"),
    "utilisation?": ("share of paid hours that compute, 0 to 1", "支払う時間のうち計算している割合(0〜1)"),
    "tax_included": ("whether the prices include consumption tax", "価格に消費税を含むか"),
    "exchange": (
        "Needed where the price is in another currency than the report:",
        "価格の通貨が報告書の通貨と異なる場合に必要:",
    ),
    "business": (
        "A month of production, in CURRENCY. Each amount names its source; low and high may stand beside value.\n"
        "value: null where nobody knows yet. illustrative: true marks an example, which can never yield Go.",
        "1か月の制作(通貨: CURRENCY)。どの値にも出典を書きます。value のほかに low と high も書けます。\n"
        "わからない値は value: null のまま。illustrative: true は例の印で、それによる Go はありません。",
    ),
    "attempts_cap": (
        "attempts at one video before it is made by hand",
        "手作業に切り替えるまでの試行回数の上限",
    ),
    "videos_per_month": ("Videos delivered a month.", "月あたりの納品本数。"),
    "videos_per_month?": ("from the production plan", "制作計画の本数"),
    "minutes_per_video": ("Length of one delivered video, in minutes.", "納品する動画1本の長さ(分)。"),
    "minutes_per_video?": ("from the production plan", "制作計画の長さ"),
    "review": ("Looking at one attempt: working time in money.", "1試行の確認にかかる人件費。"),
    "review?": ("minutes of a reviewer times the hourly cost", "確認担当者の時間×時間単価"),
    "rejection": ("Handling one rejected attempt.", "不合格1件の処理費用。"),
    "rejection?": ("who is told, what is changed, time times hourly cost", "連絡・修正指示などの時間×時間単価"),
    "fallback": ("One video made by hand, when no attempt passes.", "どの試行も合格しないとき、手作業で1本作る費用。"),
    "fallback?": ("an offer or an invoice", "見積書または請求書"),
    "one_off": ("Once, for introducing it: set-up, training, audit.", "導入時の費用: 構築・教育・監査。"),
    "one_off?": ("an estimate by the team", "担当部署の見積り"),
    "monthly": ("Every month, whatever is made.", "制作量によらない毎月の費用。"),
    "monthly?": ("operation, licences", "運用・ライセンス"),
    "discount": ("Discount rate a year, e.g. 0.05.", "年間の割引率(例: 0.05)。"),
    "discount?": ("from finance", "経理・財務部門"),
    "months": ("over which it must pay", "投資を回収すべき期間(月)"),
    "ramp": ("share of the volume in each month; the last holds on", "各月の立ち上がり割合。最後の値が続きます"),
}
"""Comments by key, in English and Japanese."""
