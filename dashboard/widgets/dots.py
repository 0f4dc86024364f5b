"""A click on a dot of a chart that a lasso may be drawn in: Streamlit tells of the lasso alone there."""

import streamlit as st

_SCRIPT = """export default function ({ data, setTriggerValue }) {
  const tell = (event) => {
    const plot = event.target.closest?.(`.st-key-${data.chart} .js-plotly-plot`);
    const [name] = [plot?._hoverdata?.[0]?.customdata].flat();
    if (name) setTriggerValue("clicked", name);
  };
  addEventListener("click", tell);
  return () => removeEventListener("click", tell);
}"""
_mount = st.components.v2.component("wolfspider.dots", js=_SCRIPT)


def clicked(chart: str) -> str:
    """What the dot that was just clicked carries as its (first) customdata, "" where none was; it shows nothing.

    Args:
        chart: The key of the chart.
    """
    name = _mount(key=f"dots-{chart}", data={"chart": chart}, on_clicked_change=lambda: None).clicked
    return name if isinstance(name, str) else ""
