"""Blame: where the false alarms of every method fall."""

import streamlit as st

from dashboard.data import blame, boards
from dashboard.figures import blame as figures
from dashboard.figures import clicks
from dashboard.widgets import filters

board = boards.current()
filters.read(board)  # a page in words where the store has no case
st.title("Where do false alarms go?", anchor=False)
parts = blame.parts(board)
progress = st.progress(0.0)
for done, part in enumerate(parts):
    progress.progress(done / len(parts), f"Looking at the explanations: case {done * blame.TOGETHER:,} …")
    boards.cached(blame.of_cases, board, part)
progress.empty()
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
st.caption(
    f"A click on a bar opens the {figures.OPENED} cases with the most. Whiskers: 95 % over photos. Border: a band of "
    f"{blame.BORDER:.0%} of the image's side around the region. Edges: the steepest {1 - blame.EDGES:.0%} of the "
    "photo's pixels by Sobel's gradient, that band left out. Own: of the first pixels of each ranking, as "
    "many as the region has, so that it shares pixels with the other three."
    + ("" if own else " This store lacks it: its sweep did not ask about the photos (`--controls`).")
)
