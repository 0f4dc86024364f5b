"""The selection's widgets and words. The URL holds the selection; a widget shows it, and writes it when it is moved."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from dashboard import theme, urls
from dashboard.data import boards
from dashboard.data.boards import Board
from dashboard.data.questions import NEEDED, ORDERS, QUESTIONS, RANGES, questions
from dashboard.data.selection import AMONG, MEASURES, SIZES, Selection, parse, split_names
from dashboard.text import markdown, visible
from dashboard.widgets.trouble import no_cases

PERCENT = 100.0
"""Shares are 0..1 in the URL and percentages on the page."""

LABELS = {
    "score": "Score",
    "region_share": "Region, % of the image",
    "target_confidence": "Confidence in the target, %",
    "linf": "Attack's strength L∞, 1/255",
    "visibility": "Visibility of the attack",
    "r2": "R² of LIME's surrogate",
    "spread": "Spread over seeds",
}
HELP = {
    "score": "The chosen explainer's score, by the measure and size chosen above.",
    "region_share": "Size of the attacked region: |C| / N.",
    "target_confidence": "The network's softmax probability of the target after the attack.",
    "linf": "The largest change of a channel of any pixel, in 256 steps.",
    "visibility": "How well the texture detector, which sees no network, finds the region (AUROC).",
    "r2": "How well LIME's linear surrogate fits the network around this image.",
    "spread": "How far the chosen explainer's mean Jaccard index moves when it draws from other seeds: highest minus "
    "lowest.",
}
_SHORT = {
    "score": ("score", ""),
    "region_share": ("region", " %"),
    "target_confidence": ("confidence", " %"),
    "linf": ("L∞", "/255"),
    "visibility": ("visibility", ""),
    "r2": ("LIME's R²", ""),
    "spread": ("spread over seeds", ""),
}
_SCALES = {"linf": (1.0, 256.0, 1.0), "region_share": (PERCENT, 100.0, 0.5), "target_confidence": (PERCENT, 100.0, 1.0)}
_UNIT = (1.0, 1.0, 0.01)
"""Factor to what the page shows, its top and its steps."""
_SIZE_LABELS = {"best": "its best n", "mean": "mean over n"}


@st.cache_resource(show_spinner=False, max_entries=16, hash_funcs=boards.KEYS)
def choices(board: Board) -> dict[str, dict[str, str]]:
    """What a selection over this store can name, with labels; shared by all visitors, not to be changed.

    Explainers come in the order of their mean rank, so that the winner is the default.
    """
    photos = board.query("select distinct photo_id, photo_name, clean_class from cases order by photo_name, photo_id")
    ids, names = photos["photo_id"].tolist(), photos["photo_name"].tolist()
    winners = board.query(
        "select explainer from mean_ranks where mean_rank_jaccard is not null order by mean_rank_jaccard"
    )["explainer"].tolist()
    unique = {name for name, times in Counter(names).items() if times == 1}
    return {
        "explainer": {e: theme.explainer_name(e) for e in [*winners, *board.explainers]},
        "photo": {i: name if name in unique else i for i, name in zip(ids, names, strict=True)},
        "clean": {name: name for name in sorted(set(photos["clean_class"]))},
    }


def read(board: Board) -> Selection:
    """The selection in the URL, without what makes no sense for this store; a page in words without cases."""
    if not choices(board)["photo"]:
        no_cases(int(board.query("select count(*) as attempts from attempts")["attempts"].iloc[0]))
    selection, ignored = parse(st.query_params.to_dict(), choices(board))
    urls.refuse(*ignored)
    return selection


def write(selection: Selection, **others: str) -> None:
    """Put the selection, and other parameters, into the URL, which keeps the store and the view."""
    kept = {name: st.query_params[name] for name in ("store", "view", "trait") if name in st.query_params}
    st.query_params.from_dict({**kept, **selection.to_params(), **others})


def _show(name: str, value: Any) -> str:
    key = f"selection_{name}"
    st.session_state[key] = value
    return key


def _moved(board: Board, name: str, change: Callable[[Any], dict[str, Any]] | None = None) -> None:
    value = st.session_state[f"selection_{name}"]
    write(read(board).but(**(change(value) if change else {name: value or ""})))


def question_widget(board: Board, selection: Selection) -> None:
    """The ready-made questions, one or none chosen, with what the chosen one means."""
    asked = questions(board.explainers)
    st.pills(
        "Questions",
        list(asked),
        format_func=lambda name: asked[name].title,
        key=_show("question", selection.question or None),
        on_change=_moved,
        args=(board, "question", lambda name: {"question": name or "", "order": ""}),
        label_visibility="collapsed",
    )


def score_widgets(board: Board, selection: Selection) -> None:
    """Which score is meant, and the order."""
    explainer, minus, measure, size, order = st.columns(5)
    explainer.selectbox(
        "Explainer",
        board.explainers,
        format_func=lambda name: visible(theme.explainer_name(name)),
        key=_show("explainer", selection.explainer),
        on_change=_moved,
        args=(board, "explainer"),
        help="Whose set the thumbnails show, and whose score is filtered and sorted.",
    )
    others = sorted(set(board.explainers) - {selection.explainer}, key=lambda name: name in board.ranked)
    minus.selectbox(
        "Minus",
        ["", *others],
        format_func=lambda name: visible(theme.explainer_name(name)) if name else "nothing",
        key=_show("minus", selection.minus),
        on_change=_moved,
        args=(board, "minus"),
        help="Takes another method's score of the same case away: a baseline's where the size of regions confounds "
        "(a large region raises every Jaccard index, random's too), or a rival's.",
    )
    measure.selectbox(
        "Measure",
        list(MEASURES),
        format_func=lambda name: theme.MEASURES[name].name,
        key=_show("measure", selection.measure),
        on_change=_moved,
        args=(board, "measure"),
        help=theme.MEASURES[selection.measure].help,
    )
    size.selectbox(
        "Explanation size n",
        list(SIZES),
        format_func=lambda n: _SIZE_LABELS.get(n, f"n = {n}"),
        key=_show("n", selection.n),
        on_change=_moved,
        args=(board, "n"),
        help=theme.N_HELP,
    )
    orders = [name for name in ORDERS if NEEDED.get(name, board.explainers[0]) in board.explainers]
    order.selectbox(
        "Order",
        ["", *orders] if selection.question else orders,
        format_func=lambda name: ORDERS[name][0] if name else "Most telling first",
        key=_show("order", selection.order or ("" if selection.question else selection.usual_order)),
        on_change=_moved,
        args=(board, "order"),
    )


def limit_widgets(board: Board, selection: Selection) -> None:
    """Ranges, photo, class and comparisons."""
    known = choices(board)
    for column in RANGES:
        if column != "r2" or "lime" in board.explainers:
            _range_widget(board, selection, column)
    _choice_widget(board, "photo", "Photo", known["photo"], selection.photo)
    _choice_widget(board, "clean", "Original class", known["clean"], selection.clean)
    names = known["explainer"]
    pairs = {(a, b): f"{names[a]} beats {names[b]}" for a in names for b in names if a != b}
    pair = (selection.winner, selection.loser)
    _choice_widget(
        board, "pair", "Head to head", pairs, pair, lambda p: dict(zip(("winner", "loser"), p or ("", ""), strict=True))
    )
    if selection.n.isdigit():
        halves = {half / 2: f"{half / 2:g}" for half in range(2, 2 * len(board.ranked) + 1)}
        label = f"Rank at n = {selection.n}"
        one = selection.rank if selection.below_rank is None else None
        _choice_widget(board, "rank", label, halves, one, lambda rank: {"rank": rank, "below_rank": None})


def _range_widget(board: Board, selection: Selection, column: str) -> None:
    scale, top, step = _SCALES.get(column, _UNIT)
    bottom = -top if column == "score" and selection.minus else 0.0
    ends = [getattr(selection, name) for name in RANGES[column]]
    low, high = (None if end is None else min(max(end * scale, bottom), top) for end in ends)

    def changed(value: tuple[float, float]) -> dict[str, float | None]:
        moved = (None if value[0] <= bottom else value[0] / scale, None if value[1] >= top else value[1] / scale)
        return {name: None if end is None else round(end, 6) for name, end in zip(RANGES[column], moved, strict=True)}

    st.slider(
        LABELS[column],
        bottom,
        top,
        step=step,
        key=_show(column, (start := bottom if low is None else low, max(top if high is None else high, start))),
        format="%.2f" if top == 1 else "%g",
        on_change=_moved,
        args=(board, column, changed),
        help=HELP[column] + " The upper end is not included.",
    )


def _choice_widget(
    board: Board,
    name: str,
    label: str,
    options: Mapping[Any, str],
    value: Any,
    change: Callable[[Any], dict[str, Any]] | None = None,
) -> None:
    st.selectbox(
        label,
        list(options),
        index=None,
        format_func=lambda option: visible(options[option]),
        placeholder="Any",
        key=_show(name, value if value in options else None),
        on_change=_moved,
        args=(board, name, change),
    )


def words(board: Board, selection: Selection) -> str:
    """The selection in words, as Markdown."""
    measure = theme.MEASURES[selection.measure].name
    less = f" minus {theme.explainer_name(selection.minus)}" if selection.minus else ""
    parts = [f"{theme.explainer_name(selection.explainer)}{less}, {measure} at {size_words(selection)}"]
    parts += [group_words(board, selection, group) for group in selection.active()]
    return markdown("; ".join(parts))


def size_words(selection: Selection) -> str:
    """The explanation size in words."""
    return _SIZE_LABELS.get(selection.n, f"n = {selection.n}").replace("mean", "the mean")


def group_words(board: Board, selection: Selection, group: tuple[str, ...]) -> str:
    """One group of limits in words, unescaped."""
    for column, names in RANGES.items():
        if group == names:
            what, unit = _SHORT[column]
            scale = _SCALES.get(column, _UNIT)[0]
            low, high = (getattr(selection, name) for name in names)
            ends = [
                f"from {low * scale:g}{unit}" if low is not None else "",
                f"under {high * scale:g}{unit}" if high is not None else "",
            ]
            return " ".join([what, *filter(None, ends)])
    said: dict[str, Callable[[], str]] = {
        "question": lambda: QUESTIONS[selection.question].title,
        "photo": lambda: f"photo {choices(board)['photo'][selection.photo]}",
        "clean": lambda: f"originally {selection.clean}",
        "x": lambda: "inside the outline drawn",
        "among": lambda: f"{len(split_names(selection.among, AMONG))} chosen cases",
        "rank": lambda: (
            f"rank {selection.rank:g}"
            if selection.below_rank is None
            else f"rank from {selection.rank:g}, under {selection.below_rank:g}"
        ),
        "winner": lambda: f"{theme.explainer_name(selection.winner)} beats {theme.explainer_name(selection.loser)}",
    }
    return said[group[0]]()
