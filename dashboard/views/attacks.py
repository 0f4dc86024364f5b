"""Attacks: which regions fell, what it took, and what became of the others."""

import streamlit as st

from dashboard import urls
from dashboard.data import attempts, boards
from dashboard.figures import attacks as figures_attacks
from dashboard.figures import clicks
from dashboard.text import markdown, visible
from dashboard.widgets import tables, trouble

board = boards.current()


def _percent(share: float) -> str:
    return f"{share * 100:.2g} %"


def setting(name: str) -> str:
    """A value of the configuration as Markdown."""
    return markdown(board.setting(name))


st.title("Attacks")
found = boards.cached(attempts.totals, board)
if not found["attempts"]:
    trouble.no_cases(0)

columns = st.columns(5)
columns[0].metric("Attempts", f"{found['attempts']:,}", help="Attacks on one region of one photo")
columns[1].metric(
    "Success", f"{found['success'] / found['attempts']:.0%}", help="The 8-bit image is classified as the target"
)
columns[2].metric(
    "Stalled",
    f"{found['stalled']:,}",
    help=f"Discarded: no progress of the target's log-probability for {setting('patience')} steps",
)
columns[3].metric(
    "Exhausted",
    f"{found['exhausted']:,}",
    help=f"Discarded: no success in {setting('iterations')} steps",
)
columns[4].metric(
    "Photos that never fell", f"{found['unbroken']:,}", help="Photos none of whose regions could be attacked"
)

st.subheader("Where attacks succeed")
left, right = st.columns(2, gap="large")
with left:
    clicks.chart(figures_attacks.by_rank, board)
with right:
    clicks.chart(figures_attacks.by_size, board)
st.caption("A click on the successes of a size opens the cases behind it.")

st.subheader("What it took")
clicks.chart(figures_attacks.spreads, board)

st.subheader("Photos that never fell")
unbroken = boards.cached(attempts.unbroken, board)
if unbroken.empty:
    st.info("None: every photo that was attacked has at least one case.", icon=":material/check_circle:")
else:
    st.dataframe(
        unbroken.assign(**{name: unbroken[name].map(visible) for name in ("photo_name", "clean_class")}),
        hide_index=True,
        column_config={
            "photo_name": "Photo",
            "clean_class": "Original class",
            "clean_confidence": st.column_config.NumberColumn("Its confidence", format="percent"),
            "attempts": st.column_config.NumberColumn("Regions attacked", format="localized"),
            "best": st.column_config.NumberColumn("Best confidence in the target", format="%.4f"),
        },
    )
    tables.take_frame("Photos", f"{board.name}-photos-that-never-fell", unbroken, "Photos that never fell.")

st.subheader("A look at a discarded attempt")
photos = boards.cached(attempts.photos_with_discarded, board)
if photos.empty:
    st.info("None was discarded: every attempt became a case.", icon=":material/check_circle:")
    st.stop()
left, right = st.columns([2, 5])
names = dict(zip(photos["photo_id"], photos["photo_name"], strict=True))
with left:
    asked = urls.text("attempt").rpartition("-r")[0]
    if asked and asked not in names:
        urls.refuse("attempt")
    start = list(names).index(asked) if asked in names else 0
    photo = st.selectbox(
        "Photo", list(names), index=start, format_func=lambda p: visible(names[p]), key="discarded-photo"
    )
rows = boards.cached(attempts.discarded, board, photo)
with right:
    ids = rows["case_id"].tolist()
    asked = urls.text("attempt")
    attempt = st.segmented_control(
        "Region",
        ids,
        format_func=lambda i: f"rank {rows.set_index('case_id').loc[i, 'region_rank']}",
        default=asked if asked in ids else ids[0],
        key=f"discarded-{photo}",
        required=True,
    )
if attempt != (asked or ids[0]):
    st.query_params["attempt"] = attempt  # so that the page as it opens leaves the browser's history alone
row = rows.set_index("case_id").loc[attempt]
pictures = boards.cached(attempts.pictures, board, photo, attempt, int(row["segment"]))
if board.pictured and not pictures:
    st.info("The images of this attempt cannot be read.", icon=":material/broken_image:")
for column, (title, image) in zip(st.columns(4), pictures.items(), strict=False):
    column.image(image, caption=title, width="stretch")
st.markdown(
    f"**{markdown(row['outcome'].capitalize())}** after {row['iterations']} steps. Still seen as "
    f"**{markdown(row['final_class'])}** ({row['final_confidence']:.1%}); confidence in "
    f"**{markdown(row['target_class'])}** rose from {_percent(row['clean_target_confidence'])} to "
    f"{_percent(row['target_confidence'])}. Region: {row['region_pixels'] / row['n_pixels']:.1%} of the image. "
    f"Largest change {row['linf']}/255, Euclidean norm {row['l2']:.1f}."
)
