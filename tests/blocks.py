"""A report with every kind of block, written by hand: what renderers must draw, without findings."""

from pathlib import Path

from PIL import Image

from sn_eval.present.report.model import (
    QA,
    Axis,
    Bullets,
    Check,
    Checklist,
    Clip,
    Column,
    Fact,
    Facts,
    Field,
    Figure,
    Form,
    Gallery,
    Grid,
    Lang,
    Pair,
    Paragraph,
    Point,
    Question,
    Reference,
    Report,
    Row,
    Section,
    Series,
)

LONG = {
    "ja": "探索を加えた動画は、同じ計算量の通常生成と比べて、物体の消失や照明の変化が少なく、手戻りが減りました。",
    "en": "With the search, objects vanish less often and the light stays as it was, so fewer are sent back. ",
}

PARETO = Figure(
    "pareto", "scatter", "費用と合格率 Cost and acceptance", "Each mark is a setting.",
    Axis("Money a minute", "money", low=0.0), Axis("Acceptance", "percent", low=0.0, high=1.0),
    (
        Series("best_of_n", (Point(120.0, 0.5, 0.4, 0.6, "best_of_n@144"),), role="muted"),
        Series("plain", (Point(100.0, 0.6, 0.5, 0.72, "plain"),), role="baseline"),
        Series("推奨", (Point(150.0, 0.8, 0.7, 0.9, "scaling_noise@144"), Point(170.0, None)), role="chosen"),
        Series("frontier", (Point(100.0, 0.6), Point(150.0, 0.8), Point(180.0, 0.8)), draw="step"),
    ),
    (Reference("break-even", 0.7),), keys=("acceptance/plain",),
)  # fmt: skip
COMPARED = Figure(
    "compared", "interval", "差 Differences", "Dots with 95 % intervals.", Axis(""), Axis("Difference", "points"),
    (
        Series("scaling_noise", (
            Point("物体の永続性", 0.1, -0.02, 0.2, "main"), Point("lighting", -0.05, -0.1, 0.0), Point("motion", 0.2),
        ), role="chosen"),
        Series("best_of_n", (Point("lighting", 0.02, -0.1, 0.12),)),
    ),
    (Reference("0", 0.0),),
)  # fmt: skip
FAN = Figure(
    "cash", "fan", "累積 Cash", "Discounted money from month 0.", Axis("Month", "integer"), Axis("JPY", "money"),
    (Series("P50", tuple(Point(float(t), 1e5 * t - 1e6, 5e4 * t - 1e6, 2e5 * t - 1e6) for t in range(25)), "line"),),
    (Reference("0", 0.0),),
)  # fmt: skip
TORNADO = Figure(
    "tornado", "tornado", "感度 Tornado", "One input at a time.", Axis(""), Axis("NPV", "money"),
    (Series("NPV", (Point("review", 1e6, 2e5, 1.8e6), Point("GPU price", 1e6, 1.4e6, 6e5)), "bars"),),
)  # fmt: skip
GROUPS = Figure(
    "groups", "bar", "分類別 By group", "Acceptance by group.", Axis(""), Axis("Acceptance", "percent", 0.0, 1.0),
    (
        Series("plain", (Point("persistence", 0.5, 0.4, 0.6), Point("motion", 0.7)), "bars", "baseline"),
        Series("chosen", (Point("persistence", 0.7, 0.6, 0.8), Point("motion", 0.8, 0.7, 0.9)), "bars", "chosen"),
    ),
)  # fmt: skip
CURVE = Figure(
    "scaling", "line", "曲線 Quality against compute", "Means and the fit.", Axis("NFE"), Axis("Quality"),
    (
        Series("measured", (Point(50.0, 0.5, 0.45, 0.55), Point(100.0, 0.6, 0.55, 0.66), Point(200.0, 0.65)), "marks"),
        Series("fit", tuple(Point(float(x), 0.7 - 10 / x) for x in range(50, 210, 10)), "line", "model"),
    ),
)  # fmt: skip
FIGURES = (PARETO, COMPARED, FAN, TORNADO, GROUPS, CURVE)


def grid(rows: int, *, key: str = "arms", long: bool = False, text: str = "a prompt of some words") -> Grid:
    """A table of every format."""
    columns = (
        Column("Arm", "text"), Column("What was asked for", "text", wide=True), Column("n", "integer"),
        Column("Acceptance", "percent"), Column("Uplift", "points"), Column("Cost", "money", "¥/min", 0),
        Column("Score", "number", digits=3), Column("p", "p"), Column("Met", "text"),
    )  # fmt: skip
    made = tuple(
        Row((f"arm {i}", text, i, 0.5 + i / 1000, 0.05, 1234.5 + i, 0.123, 0.0004, None),
            ("", "", "", f"acceptance/arm{i}", "", "", "", "", ""), "chosen" if i == 0 else "plain")
        for i in range(rows)
    )  # fmt: skip
    return Grid(key, f"Table {key}", columns, made, "Intervals are 95 %.", long)


def written(lang: Lang, folder: Path, *, marked: bool = True, rows: int = 40) -> Report:
    """The report; two contact sheets lie in the folder's cells, a third is missing."""
    for cell in ("cell-a", "cell-b"):
        (folder / "cells" / cell).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (900, 120), "teal").save(folder / "cells" / cell / "contact_sheet.png")
    text = LONG[lang]
    facts = Facts((
        Fact("合格率の差" if lang == "ja" else "Uplift", "+12.3 pt", "[+4.0, +20.1]", "uplift", "good", text, 0.123),
        Fact("NPV", "1.23億円" if lang == "ja" else "¥123,000,000", "P10–P90", "roi/npv", "bad", "", 1.23e8, "例"),
        Fact("回収" if lang == "ja" else "Payback", "14", "", "roi/payback", "open"),
    ))  # fmt: skip
    pairs = [
        Pair(f"=cmd|'/C calc'!A0 {text}", text, Clip("cell-a", "plain", "0.8"), Clip(b, "scaling_noise", "0.5"))
        for b in ("cell-b", "cell-missing")
    ]
    gallery = Gallery("失敗例 Failures", (*pairs, Pair("no videos", "", None, None)))
    form = Form((
        Field("目的・対象業務 Purpose", (Paragraph(text), Paragraph(text))),
        Field("体制・日程 Team", (), "記入してください fill in"),
    ))  # fmt: skip
    sections = (
        Section("verdict", "判断 Decision", (Paragraph(text, look="lead"), facts, Paragraph(text * 2),
                                           Paragraph(text, ("uplift",), "warning"))),
        Section("failures", "失敗例 Failures", (gallery,)),
        Section("pareto", "費用と合格率 Cost", (PARETO, Bullets((Paragraph(text), Paragraph(text)), "要点 Points"))),
        Section("roi", "投資対効果 ROI", (FAN, TORNADO, grid(3, key="scenarios"))),
        Section("questions", "想定問答 Questions", (QA(tuple(
            Question(f"{i}. {text}?", Paragraph(text * 2, ("roi/npv",))) for i in range(9)
        )),)),
        Section("paper", "稟議書 Decision paper", (form, grid(3, key="scenarios"), PARETO)),
        Section("production", "本番化 Production", (Checklist((
            Check(text, True), Check(text, False, "note"), Check(text)
        ), "確認 Checks"),)),
        Section("quality", "品質 Quality", (COMPARED, GROUPS, CURVE, grid(rows), Paragraph(text * 30)), "engineer"),
        Section("attempts", "試行 Attempts", (grid(300, key="attempts", long=True),), "engineer"),
    )  # fmt: skip
    return Report(
        title="探索付き動画生成の評価 PoC report" if lang == "ja" else "PoC report: search at inference time",
        subtitle=f"run demo\x0b {text}", lang=lang, decision="conditional",
        headline="条件付き採用: 効果は示されたが、単価が未確定" if lang == "ja" else "Conditional: one input is open",
        footer=("run demo", "prices of 2026-11-01", "150 JPY/USD", "n = 24 prompts"),
        watermark=("例示の入力を含みます Example inputs", "business.review", "prices.rate") if marked else (),
        sections=sections, folder=str(folder), run="demo", currency="JPY",
    )  # fmt: skip
