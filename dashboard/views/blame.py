"""Blame: where the false alarms of every method fall."""

import streamlit as st

from compute.reporting.words import counted
from dashboard.data import blame, boards
from dashboard.figures import blame as figures
from dashboard.figures import clicks
from dashboard.widgets import filters, trouble

board = boards.current()
filters.read(board)  # a page in words where the store has no case
st.title("Where do false alarms go?", anchor=False)
parts = blame.parts(board)
lost = 0
progress = st.progress(0.0)
for done, part in enumerate(parts):
    progress.progress(done / len(parts), f"Looking at the explanations: case {done * blame.TOGETHER:,} …")
    lost += boards.cached(blame.of_cases, board, part).unreadable
progress.empty()
if lost:
    trouble.unreadable(f"Left out of the figure are {counted(lost, 'explanation')}, which")
found = boards.cached(blame.by_case, board)
if found.empty:
    st.info("No explanation of this store has a false alarm that can be read.", icon=":material/info:")
    st.stop()
looked = found[found["place"] != blame.OWN]
own = found.loc[found["place"] == blame.OWN, "case_id"].nunique()
words = []
if len(looked):
    words.append(
        f"Every method's explanation at the n whose size is closest to the attacked region's, in "
        f"**{looked['case_id'].nunique():,}** cases spread evenly over the store. Of its pixels outside the region, "
        "the shares that fall near the region's border, on edges of the photo, and elsewhere, each minus what random "
        "pixels give. Zero is chance."
    )
if own:
    words.append(
        f"**Own**, in {own:,} cases: the share on which the method also points in the photo before the "
        "attack, for the photo's own class, minus chance: what it would have said anyway."
    )
st.markdown(" ".join(words))
clicks.chart(figures.atlas, board)
words = [f"A click on a bar opens the {figures.OPENED} cases with the most. Whiskers: 95 % over photos."]
if len(looked):
    words.append(
        f"Border: a band of {blame.BORDER:.0%} of the image's side around the region. Edges: the steepest "
        f"{1 - blame.EDGES:.0%} of the photo's pixels by Sobel's gradient, that band left out."
    )
words.append(
    "Own: of the first pixels of each ranking, as many as the region has"
    + (", so that it shares pixels with the other three." if len(looked) else ".")
    if own
    else "Own, where false alarms fall on the photo's own explanation, is not known: the sweep did not ask about the "
    "photos (`--controls`)."
)
st.caption(" ".join(words))
