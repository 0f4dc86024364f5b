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
own = (found["place"] == blame.OWN).any()
words = ["Of the pixels of an explanation that lie outside the attacked region:"]
if (found["place"] != blame.OWN).any():
    words.append(
        "the shares that fall near its border, on edges of the photo, and elsewhere, each minus what random pixels "
        "give."
    )
if own:
    words.append(
        "**Own** is the share, above chance, on which the method points in the photo before the attack too: what it "
        "would have said anyway."
    )
st.markdown(" ".join(words))
clicks.chart(figures.atlas, board)
missing = "Own is not known: the sweep did not ask about the photos (`--controls`)."
st.caption(f"A click on a bar opens the {figures.OPENED} cases with the most. {'' if own else missing}")
