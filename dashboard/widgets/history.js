// The browser's history. What a visitor chose is an entry of its own; n, and what a page fills in by itself, replaces the
// entry that is there. Every entry remembers how far its page was scrolled. Streamlit pushes an entry for every change of
// the query, and scrolls within an element, of which the browser keeps nothing: so its calls are taken in hand here.

const QUIET = new Set(["at", "panels", "pins"]);
const PATIENCE = 5000; // milliseconds for a page to become long enough to be scrolled to where it was

const scrolled = () => document.querySelector("[data-testid=stMain]");
const settled = () => document.querySelector("[data-test-script-state=notRunning]");

function differing(one, other) {
  const [a, b] = [new URLSearchParams(one), new URLSearchParams(other)];
  return [...new Set([...a.keys(), ...b.keys()])].filter((name) => a.get(name) !== b.get(name));
}

function install() {
  const push = history.pushState.bind(history);
  const replace = history.replaceState.bind(history);
  let acted = false; // whether a click or key came after the last entry
  let returning = 0;
  let wheeled = 0; // when its visitor last scrolled, rather than the page by becoming another one
  let later = 0;

  const remember = () => {
    if (!returning && scrolled()) replace({ ...history.state, top: scrolled().scrollTop }, "", location.href);
  };
  const stay = () => {
    clearInterval(returning);
    returning = 0;
  };
  const goBackTo = (top) => {
    stay();
    const since = performance.now();
    returning = setInterval(() => {
      const main = scrolled();
      if (main && Math.abs(main.scrollTop - top) > 1) main.scrollTop = top;
      const there = main && settled() && Math.abs(main.scrollTop - top) <= 1 && performance.now() - since > 700;
      if (there || performance.now() - since > PATIENCE) stay();
    }, 50);
  };

  history.pushState = (state, title, address) => {
    const next = new URL(address, location.href);
    const changed = differing(location.search, next.search);
    const quiet = next.pathname === location.pathname && changed.every((name) => QUIET.has(name));
    const elsewhere = next.pathname !== location.pathname || changed.includes("page");
    clearTimeout(later);
    if (!acted || quiet) replace(history.state, title, address); // one choice may come in two calls: query, then path
    else push(state, title, address);
    acted = acted && quiet;
    if (elsewhere && !returning && scrolled()) scrolled().scrollTop = 0;
  };
  history.replaceState = (state, title, address) => replace({ ...history.state, ...state }, title, address);
  addEventListener("popstate", () => {
    acted = false;
    goBackTo(history.state?.top ?? 0);
  });
  for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, () => {
    stay();
    remember();
    acted = true;
  }, true);
  for (const kind of ["wheel", "touchmove"]) addEventListener(kind, () => {
    stay();
    wheeled = performance.now();
  }, { capture: true, passive: true });
  document.addEventListener("scroll", (event) => {
    if (event.target !== scrolled() || performance.now() - wheeled > 1000) return;
    clearTimeout(later);
    later = setTimeout(remember, 150);
  }, true);
  if (history.state?.top) goBackTo(history.state.top);
}

// Python would have Streamlit push an entry for the store's name before this script is here to hinder it.
function nameStore(store) {
  const address = new URL(location.href);
  if (address.searchParams.has("store")) return;
  address.searchParams.set("store", store);
  history.replaceState({}, "", address);
}

export default function ({ data }) {
  if (!window.wolfspiderHistory) install();
  window.wolfspiderHistory = true;
  nameStore(data.store);
}
