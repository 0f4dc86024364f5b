"""Run: what was computed, how long it took, what failed, and how to do it again."""

import pandas as pd
import streamlit as st

from compute.reporting.words import aim
from compute.store.opening import LATER, NOT_DERIVED
from dashboard.data import boards, queries
from dashboard.figures import clicks
from dashboard.figures import run as figures_run
from dashboard.text import markdown, shell, visible
from dashboard.theme import CONFIG
from dashboard.widgets import tables, wording

board = boards.current()
manifest = board.manifest


def listing(what: str, values: dict[str, object]) -> None:
    """Names and values in two columns."""
    found = [(wording.setting(name), wording.plainly(value)) for name, value in values.items() if value is not None]
    shown = pd.DataFrame(found, columns=["Setting", "Value"])
    width = {"Setting": st.column_config.Column(width="medium")}
    st.dataframe(shown, hide_index=True, height="content", column_config=width)
    tables.take_frame(what, f"{board.name}-{what.lower()}", shown, f"{what} of {board.name}.")


st.title("Run")
made, digest = str(manifest.get("created", "unknown")), str(manifest.get("config_hash", "unknown"))
device = dict(manifest.get("device") or {})
columns = st.columns(4)
columns[0].metric("Made", markdown(made[:10]), help=f"{markdown(made)} (UTC)")
columns[1].metric("Classifier", markdown(manifest["classifier"]["name"]))
columns[2].metric("Device", markdown(device.get("name", "unknown")))
columns[3].metric("Configuration", markdown(digest[:8]), help=f"The first digits of its SHA-256, {markdown(digest)}")

st.subheader("Time by stage")
seconds = {wording.stage(name): float(value) for name, value in dict(manifest.get("seconds") or {}).items()}
if seconds:
    figure = figures_run.stages(seconds)
    st.plotly_chart(figure, key="stages", config=CONFIG, alt=clicks.about(figures_run.stages))
    clicks.take(figure, figures_run.stages, board, {})
    st.caption(markdown(figure.layout.meta))
else:
    st.info("This store says nothing about time.")

left, right = st.columns(2, gap="large")
with left:
    st.subheader("Configuration")
    listing("Configuration", manifest["config"])
with right:
    st.subheader("Classifier and device")
    listing("Classifier", {**manifest["classifier"], "target": aim(manifest["target"])})
    listing("Device", device)
    st.subheader("Versions")
    listing("Versions", dict(manifest.get("environment") or {}))

st.subheader("Failures and skipped photos")
failures = boards.cached(queries.failures, board)
if failures.empty:
    st.info("None: every photo was read and attacked, and every case explained.", icon=":material/check_circle:")
else:
    listed = failures.fillna("").assign(stage=failures["stage"].map(wording.stage)).map(visible)
    st.dataframe(
        listed,
        hide_index=True,
        column_config={
            "stage": "Stage",
            "photo": "Photo",
            "case_id": "Case",
            "explainer": "Explainer",
            "reason": st.column_config.Column("Reason", width="large"),
        },
    )
    tables.take_frame("Failures", f"{board.name}-failures", listed, f"Failures of {board.name}.")

st.subheader("Files")
files = [(name, file) for name, entry in manifest["tables"].items() for file in entry["files"]]
listed = pd.DataFrame(
    {
        "table": [visible(wording.table(name)) for name, _ in files],
        "file": [visible(file["name"]) for _, file in files],
        "rows": [file["rows"] for _, file in files],
        "bytes": [file["bytes"] for _, file in files],
        "sha256": [visible(file["sha256"]) for _, file in files],
    }
)
st.dataframe(
    listed,
    hide_index=True,
    column_config={
        "table": "Table",
        "file": "File",
        "rows": st.column_config.NumberColumn("Rows", format="localized"),
        "bytes": st.column_config.NumberColumn("Size", format="bytes"),
        "sha256": "SHA-256",
    },
)
tables.take_frame("Files", f"{board.name}-files", listed, f"Files of {board.name}.")
if board.store.large:
    st.info(f"This is {LATER}.", icon=":material/info:")
if st.button("Recompute the checksums", icon=":material/fact_check:"):
    with st.spinner("Reading every file …"):
        try:
            damaged = ", ".join(map(wording.table, board.store.damaged()))
        except OSError as error:
            damaged = f"a file that cannot be read ({error.strerror})"
    if damaged:
        st.error(f"Differs from the manifest: {markdown(damaged)}. Publish the store again.", icon=":material/error:")
    else:
        more = f" {NOT_DERIVED}" if board.store.large else ""
        st.success(f"All checksums match: the tables are those of this run.{more}", icon=":material/verified:")

st.subheader("The same again")
st.code(wording.command(manifest), language="bash", wrap_lines=True)
st.markdown("Its Table 1, its manifest with checksums, and these pages, from the command line:")
path = shell(board.store.path)
st.code(
    f"wolfspider report {path}\nwolfspider show {path} --verify\nwolfspider dashboard {path}",
    language="bash",
    wrap_lines=True,
)
