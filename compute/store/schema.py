"""The store's tables, column by column: the one place where their types and meanings are written down.

The descriptions are the Parquet fields' metadata; `data/README.md` is generated from them by
`python -m compute.store.schema`.
"""

from itertools import groupby

import pyarrow as pa

SCHEMA_VERSION = 3
N_SIZES = 20
"""Explanation sizes n = 1..20 (paper, section 4)."""

BLOB_ROW_GROUP = 64
"""Rows in a row group of `images`: one case is fetched by id, so little may be read around it."""
ROW_GROUP = 25_000
"""Rows in a row group of any other table, whose statistics tell queries which ones to read."""


def at_size(n: int) -> str:
    """The column of `case_counts` that has the counts at an n."""
    return f"n{n:02d}"


def _field(name: str, kind: pa.DataType, doc: str, *, nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=nullable, metadata={"doc": doc})


_TEXT, _FLAG, _REAL, _INT, _SMALL = pa.string(), pa.bool_(), pa.float32(), pa.int32(), pa.int16()
_SCORE = pa.float64()
_REALS, _FLAGS, _COUNTS, _SCORES = (
    pa.list_(pa.field("element", kind, nullable=False)) for kind in (_REAL, _FLAG, _INT, _SCORE)
)
_BY_METHOD = pa.list_(pa.field("element", _SCORE, nullable=True))
_COUNTS_BY_METHOD = pa.list_(
    pa.field("element", pa.struct([pa.field(name, _INT) for name in ("pixels", "hits")]), nullable=False)
)
_EVERY = "of every method, in the order of the manifest; null where it has none"
CONTROLS = ("class", "photo", "clean")
"""Kinds of controls."""
MOST_REPEATS = 98
"""Other seeds by which an explanation can be asked for again."""
CHECKED = (1, 2, 3, 5, 10, 20)
"""The n at which explanations are checked causally."""
_AT = f"at n = {', '.join(map(str, CHECKED))}"
_KEY = [_field("case_id", _TEXT, "case"), _field("explainer", _TEXT, "method: EXPLAINER or EXPLAINER@PRESENTATION")]
_COUNTED = [
    _field("pixels", _COUNTS, "|P_n|: pixels of the explanation, for n = 1..20"),
    _field("hits", _COUNTS, "|P_n and C|: those inside the attacked region, for n = 1..20"),
]
_AGAIN = [
    *_COUNTED,
    _field("jaccard_at_region", _REAL, "Jaccard index of the first |C| pixels, 0..1"),
    _field("auroc", _REAL, "area under the ROC curve of the ranking, 0..1"),
    _field("gini", _REAL, "concentration of the positive values: 0 spread evenly", nullable=True),
    _field("correlation", _REAL, "Spearman's rank correlation with the explanation itself", nullable=True),
    _field("overlap", _REAL, "Jaccard index of its and the explanation's first |C| pixels, 0..1"),
    _field(
        "alarms",
        _REAL,
        "of the explanation's first |C| pixels outside C, the share among its own too, minus what random pixels "
        "outside C give: 0 is chance, 1 is most",
        nullable=True,
    ),
]
"""Columns of an explanation that was asked for again, otherwise."""

TABLES: dict[str, pa.Schema] = {
    "photos": pa.schema(
        [
            _field(
                "photo_id",
                _TEXT,
                "file name and the first 8 hex digits of the file's SHA-256 (all 64 where two would be equal)",
            ),
            _field("name", _TEXT, "file name"),
            _field("source", _TEXT, "where it was read: the path as given, or the package that bundles it"),
            _field(
                "licence",
                _TEXT,
                "licence, where a SOURCES.csv beside the photo or the package names one",
                nullable=True,
            ),
            _field("sha256", _TEXT, "SHA-256 of the file (of the pixels, for an array)"),
            _field("original_width", _INT, "pixels, after EXIF orientation"),
            _field("original_height", _INT, "pixels, after EXIF orientation"),
            _field("size", _INT, "side of the square crop that the network sees, pixels"),
            _field("entropy", _REAL, "Shannon entropy of the crop's grey values, bits, 0..8: how busy it is"),
            _field("segments", _INT, "number of segments"),
            _field("hand_drawn", _FLAG, "whether the segments come from a label image beside the photo"),
            _field("clean_index", _INT, "class of the unmodified crop: index"),
            _field("clean_class", _TEXT, "class of the unmodified crop: name"),
            _field("clean_confidence", _REAL, "its softmax probability, 0..1"),
            _field("target_index", _INT, "class that its attacks aim at: index"),
            _field("target_class", _TEXT, "class that its attacks aim at: name"),
        ]
    ),
    "attempts": pa.schema(
        [
            _field("case_id", _TEXT, "photo_id and rank of the region: PHOTO-r01 is the largest"),
            _field("photo_id", _TEXT, "photo"),
            _field("region_rank", _SMALL, "1 is the photo's largest segment"),
            _field("segment", _INT, "the region's value in the label map"),
            _field("region_pixels", _INT, "|C|: pixels of the attacked region"),
            _field("n_pixels", _INT, "N: pixels of the crop"),
            _field("success", _FLAG, "whether the 8-bit image is classified as the target: then it is a case"),
            _field(
                "outcome", _TEXT, "success, stalled (no progress for `patience` iterations) or exhausted (`iterations`)"
            ),
            _field("iterations", _INT, "steps taken"),
            _field("linf", _SMALL, "largest change of a channel, in 1/255"),
            _field("l2", _REAL, "Euclidean norm of the change, channels in 0..1"),
            _field("clean_target_confidence", _REAL, "softmax probability of the target before the attack, 0..1"),
            _field("target_confidence", _REAL, "softmax probability of the target at the end, 0..1"),
            _field("final_index", _INT, "class at the end: index (the target, if it succeeded)"),
            _field("final_class", _TEXT, "class at the end: name"),
            _field("final_confidence", _REAL, "its softmax probability, 0..1"),
            _field(
                "visibility",
                _REAL,
                "of a case: how well the texture detector, which sees no network, finds the region: AUROC, 0..1",
                nullable=True,
            ),
            _field(
                "sufficiency_mean",
                _REAL,
                "of a case: softmax probability of the target with all outside the region in its mean colour, 0..1",
                nullable=True,
            ),
            _field("sufficiency_blur", _REAL, "the same with all outside the region blurred, 0..1", nullable=True),
        ]
    ),
    "explanations": pa.schema(
        [
            *_KEY,
            _field("seconds", _REAL, "wall time of explaining, preparing included, waiting for the network not"),
            _field("passes", _INT, "images that went through the network for it, forward"),
            *_COUNTED,
            _field("jaccard_at_region", _REAL, "Jaccard index of the first |C| pixels, 0..1"),
            _field("rank_accuracy", _REAL, "share of the first |C| pixels in C (relevance rank accuracy), 0..1"),
            _field("chance_corrected", _REAL, "(J - E[J]) / (1 - E[J]) of `jaccard_at_region`: 0 is chance, 1 is best"),
            _field("auroc", _REAL, "area under the ROC curve of the ranking, 0..1"),
            _field("average_precision", _REAL, "average precision of the ranking, 0..1"),
            _field("pointing", _REAL, "whether the first pixel lies in C (pointing game), 0..1; of ties the share"),
            _field("mass", _REAL, "share of the positive values in C (relevance mass accuracy), 0..1", nullable=True),
            _field("energy", _REAL, "share of values, scaled to 0..1, in C (energy-based pointing)", nullable=True),
            _field("gini", _REAL, "concentration of the positive values: 0 spread evenly", nullable=True),
            _field("restored", _REALS, f"target's probability, P_n as in the photo; {_AT}", nullable=True),
            _field("undone", _FLAGS, f"whether that undoes the attack; {_AT}", nullable=True),
            _field("transplanted", _REALS, f"that of the photo with P_n as attacked; {_AT}", nullable=True),
            _field("appeared", _FLAGS, f"whether the target is predicted then; {_AT}", nullable=True),
            _field("diagnostics", _TEXT, "the explainer's own figures, a JSON object (LIME: r2, superpixels, weights)"),
        ]
    ),
    "controls": pa.schema(
        [
            *_KEY,
            _field(
                "control",
                _TEXT,
                "class: of the attacked image, for the photo's own class; photo: of the unattacked photo, for the "
                "target; clean: of that, for its own class",
            ),
            *_AGAIN,
        ]
    ),
    "repeats": pa.schema(
        [
            *_KEY,
            _field("repeat", pa.uint8(), "1 and up: the explanation again, by draws from another seed"),
            *_AGAIN,
            _field("overlap5", _REAL, "share of its best five superpixels among the explanation's", nullable=True),
        ]
    ),
    "images": pa.schema(
        [
            _field("owner", _TEXT, "photo_id or case_id"),
            _field("kind", _TEXT, "photo, segments, adversarial, or entry:EXPLAINER"),
            _field(
                "png",
                pa.binary(),
                "lossless PNG: RGB (photo, adversarial), 16-bit label map (segments), or 8-bit entry map: the smallest "
                "n for which the pixel is in P_n, 0 where it never is",
            ),
        ]
    ),
    "failures": pa.schema(
        [
            _field("stage", _TEXT, "photo, attack or explain"),
            _field("photo", _TEXT, "file name, or photo_id once it has one"),
            _field("case_id", _TEXT, "case, where it got that far", nullable=True),
            _field("explainer", _TEXT, "explainer, where one failed", nullable=True),
            _field("reason", _TEXT, "what happened, in words"),
        ]
    ),
}

WHOLE = ("jaccard_at_region", "rank_accuracy", "chance_corrected", "auroc", "average_precision", "pointing", "mass")
"""Measures of whole rankings whose means are reported."""
_PHOTO = [_field("photo_id", _TEXT, "photo"), _field("explainer", _TEXT, "method")]

DERIVED: dict[str, pa.Schema] = {
    "case_methods": pa.schema(
        [
            _field("case_id", _TEXT, "case"),
            _field("photo_id", _TEXT, "its photo"),
            _field("explainer", _TEXT, "method"),
            _field("mean_jaccard", _SCORE, "mean Jaccard index over n"),
            _field("mean_hamming", _SCORE, "mean Hamming likeness over n"),
            _field("best_jaccard", _SCORE, "highest Jaccard index over n"),
            _field("best_hamming", _SCORE, "highest Hamming likeness over n"),
            _field("best_n", _SMALL, "the n of the highest Jaccard index, the least where several have it"),
            _field(
                "rank_jaccard",
                _SCORES,
                "rank among the ranked methods by Jaccard index, for n = 1..20, 1 is best, ties share; null for "
                "baselines, and where a ranked method has not explained the case",
                nullable=True,
            ),
            _field("rank_hamming", _SCORES, "the same by Hamming likeness", nullable=True),
            _field(
                "paper_jaccard",
                _SCORE,
                "mean over n of the rank by Jaccard index among the paper's three methods alone; null for others",
                nullable=True,
            ),
            _field("paper_hamming", _SCORE, "the same by Hamming likeness", nullable=True),
        ]
    ),
    "case_lists": pa.schema(
        [
            _field("case_id", _TEXT, "case"),
            *(
                _field(name, _BY_METHOD, f"{meaning} {_EVERY}")
                for name, meaning in (
                    ("mean_jaccard", "mean Jaccard index over n"),
                    ("mean_hamming", "mean Hamming likeness over n"),
                    ("best_jaccard", "highest Jaccard index over n"),
                    ("best_hamming", "highest Hamming likeness over n"),
                    ("spreads", "highest minus lowest mean Jaccard index over seeds"),
                )
            ),
            _field("r2", _SCORE, "how well LIME's linear surrogate fits the network", nullable=True),
            _field("superpixels", _INT, "of LIME", nullable=True),
        ]
    ),
    "case_counts": pa.schema(
        [
            _field("case_id", _TEXT, "case"),
            *(
                _field(at_size(n), _COUNTS_BY_METHOD, f"at that n, |P_n| and |P_n and C| {_EVERY}")
                for n in range(1, N_SIZES + 1)
            ),
        ]
    ),
    "photo_methods": pa.schema(
        [
            _field("photo_id", _TEXT, "photo"),
            _field("explainer", _TEXT, "method"),
            _field("cases", _INT, "cases of the photo that it has explained"),
            _field("jaccard", _SCORES, "sum of the Jaccard indices over those, for n = 1..20"),
            _field("hamming", _SCORES, "sum of the Hamming likenesses, for n = 1..20"),
            _field("share", _SCORES, "sum of |P_n| / N, for n = 1..20"),
            _field("ranked", _INT, "those of the cases that every ranked method has explained; 0 for baselines"),
            _field("rank_jaccard", _SCORE, "sum over those of the mean rank by Jaccard index"),
            _field("rank_hamming", _SCORE, "sum over those of the mean rank by Hamming likeness"),
        ]
    ),
    "paper_sums": pa.schema(
        [
            *_PHOTO,
            _field("ranked", _INT, "cases of the photo that the paper's three have all explained"),
            _field("rank_jaccard", _SCORE, "sum over those of `paper_jaccard`"),
            _field("rank_hamming", _SCORE, "sum over those of `paper_hamming`"),
        ]
    ),
    "baseline_sums": pa.schema(
        [
            *_PHOTO,
            _field("baseline", _TEXT, "baseline"),
            _field("cases", _INT, "cases of the photo that both have explained"),
            _field("jaccard", _SCORE, "sum over those of the method's mean Jaccard index minus the baseline's"),
        ]
    ),
    "measure_sums": pa.schema(
        [
            *_PHOTO,
            _field("cases", _INT, "cases of the photo that it has explained"),
            _field("massed", _INT, "those that have a `mass`"),
            _field("checked", _INT, "those that were checked causally"),
            *(_field(name, _SCORE, f"sum of `{name}`") for name in WHOLE),
            _field("restored", _INT, "those whose attack P_1 undoes"),
        ]
    ),
    "specificity_sums": pa.schema(
        [
            *_PHOTO,
            *(
                _field(f"{control}_cases", _INT, f"cases of the photo that have the control {control}")
                for control in CONTROLS
            ),
            _field("specificity_class", _SCORE, "sum of its mean Jaccard index minus that of the control class"),
            _field("specificity_photo", _SCORE, "the same for the control photo"),
            _field("clean_correlation", _SCORE, "sum of the rank correlations with the control clean"),
        ]
    ),
    "rank_counts": pa.schema(
        [
            _field("explainer", _TEXT, "method"),
            _field("n", _SMALL, "explanation size, 1..20"),
            _field("measure", _TEXT, "jaccard or hamming"),
            _field("rank", _SCORE, "a rank; ties share their average"),
            _field("cases", pa.int64(), "cases in which the method has it at that n"),
        ]
    ),
}
"""What follows from the others, computed once, when a store is published (compute/store/tables/derived.sql)."""
PUBLISHED = TABLES | DERIVED
"""All tables of a published store."""


def file_name(table: str, place: int) -> str:
    """The name of a table's n-th file, from 0; most tables have one."""
    return f"{table}-{place:05d}.parquet" if place else f"{table}.parquet"


def _doc(field: pa.Field) -> str:
    return str(field.metadata[b"doc"].decode()).replace("|", "\\|")


def as_markdown() -> str:
    """The tables as Markdown, one section a table."""
    lines: list[str] = []
    for name, schema in PUBLISHED.items():
        lines += [f"### `{name}.parquet`", "", "| column | type | meaning |", "|---|---|---|"]
        for (kind, nullable, doc), alike in groupby(schema, lambda field: (field.type, field.nullable, _doc(field))):
            names = [f"`{field.name}`" for field in alike]
            columns = " to ".join((names[0], names[-1])) if len(names) > 2 else ", ".join(names)
            lines.append(f"| {columns} | {kind}{', may be null' if nullable else ''} | {doc} |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    print(as_markdown())
